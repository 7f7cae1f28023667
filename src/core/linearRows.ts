/**
 * A linear layer's weight as rows [groups, outputs, K] in the order of its input statistics: K runs
 * over input channels of the group and, within each, over the kernel.
 */
import { forEachChannelPair, type LinearLayer } from "./linearLayer.ts";
import { nodeKey } from "./model.ts";
import { rowsOf, type Reading } from "./rows.ts";
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

/**
 * Calls `visit` with each value of some stored rows, its output channel and its column of K; of each
 * output in the order of its columns. @param first the first of the rows
 */
export function forEachRowValue(
  layer: LinearLayer,
  values: Float32Array,
  visit: (value: number, output: number, column: number) => void,
  first = 0,
): void {
  const { inner, inChannels, groups } = layer;
  const perGroup = inChannels / groups;
  forEachChannelPair(
    layer,
    values,
    (start, input, output) => {
      const column = (input % perGroup) * inner;
      for (let i = 0; i < inner; i++) visit(values[start + i] ?? 0, output, column + i);
    },
    first,
  );
}

/** The stored values as rows, a copy. */
export async function readRows(layer: LinearLayer, ctx: Reading): Promise<Float32Array> {
  const { rows, columns, inner, outFirst } = layer;
  const out = new Float32Array(rows * columns * inner);
  for await (const { from, to, values } of rowsOf(ctx, layer.weight.tensor)) {
    if (outFirst) out.set(values, from * columns * inner);
    else
      for (let c = 0; c < columns; c++)
        for (let r = from; r < to; r++) out[c * rows + r] = values[(r - from) * columns + c] ?? 0;
  }
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
