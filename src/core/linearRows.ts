/**
 * A linear layer's weight as rows [groups, outputs, K] in the order of its input statistics: K runs
 * over input channels of the group and, within each, over the kernel.
 */
import type { LinearLayer } from "./linearLayer.ts";
import { nodeKey } from "./model.ts";
import { useOf, type Place } from "./statistics.ts";

export interface RowShape {
  readonly groups: number;
  /** Output channels of one group. */
  readonly outputs: number;
  /** Input channels of one group times kernel positions. */
  readonly k: number;
}

/** Null for ConvTranspose, whose outputs are no products of rows with patches. */
export function rowShape(layer: LinearLayer): RowShape | null {
  const { op, groups, inChannels, outChannels, inner } = layer;
  if (op === "ConvTranspose") return null;
  return { groups, outputs: outChannels / groups, k: (inChannels / groups) * inner };
}

/** Where the statistics of the layer's input are taken. */
export const inputPlace = (layer: LinearLayer): Place => useOf(layer.path, nodeKey(layer.node), 0);

/** The stored values as rows; float64. */
export function toRows(layer: LinearLayer, values: ArrayLike<number>): Float64Array {
  const { rows, columns, outFirst } = layer;
  if (outFirst) return Float64Array.from(values);
  const out = new Float64Array(rows * columns);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c] ?? 0;
  return out;
}

/** Rows [outputs, K] (any K) in the layout the layer stores its weight in. */
export function fromRows(
  layer: LinearLayer,
  rows: ArrayLike<number>,
  outputs: number,
): Float32Array {
  if (layer.outFirst) return Float32Array.from(rows);
  const k = rows.length / Math.max(1, outputs);
  const out = new Float32Array(rows.length);
  for (let o = 0; o < outputs; o++)
    for (let i = 0; i < k; i++) out[i * outputs + o] = rows[o * k + i] ?? 0;
  return out;
}

/** Columns of K that an index of the weight's input axis stands for. */
export const columnsOfInput = (layer: LinearLayer, index: number): number[] =>
  Array.from({ length: layer.inner }, (_, i) => index * layer.inner + i);
