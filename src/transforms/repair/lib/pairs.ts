/** Layers of the model as it is and of the document's file, by the names of what they give. */
import type { WorkContext } from "../../../core/context.ts";
import { isLinearOp, linearLayer, type LinearLayer } from "../../../core/linearLayer.ts";
import { forEachRowValue, readRows, rowShape, type RowShape } from "../../../core/linearRows.ts";
import {
  MAIN,
  mainGraph,
  nodeKey,
  nodeLabel,
  type GraphNode,
  type Model,
} from "../../../core/model.ts";
import { subsequence } from "../../../core/repair/batchNorm.ts";
import { rowsOf } from "../../../core/rows.ts";
import { scopeOf } from "../../../core/scope.ts";
import type { Skip } from "../../../shared/report.ts";

/** Linear layers of the main graph that could be repaired, with a weight that nothing else uses. */
export function repairable(model: Model): {
  readonly layers: readonly LinearLayer[];
  readonly skipped: readonly Skip[];
} {
  const layers: LinearLayer[] = [];
  const skipped: Skip[] = [];
  for (const node of mainGraph(model).nodes) {
    if (!isLinearOp(node)) continue;
    const layer = linearLayer(model, MAIN, node);
    const reason =
      typeof layer === "string"
        ? layer
        : !rowShape(layer)
          ? `${node.op} is not fitted`
          : layer.bias?.own === false
            ? "its bias is used elsewhere too"
            : null;
    if (reason !== null) skipped.push({ name: nodeLabel(MAIN, node), reason });
    else if (typeof layer !== "string") layers.push(layer);
  }
  return { layers, skipped };
}

export interface Pair {
  readonly layer: LinearLayer;
  readonly shape: RowShape;
  /** The layer it comes from. */
  readonly original: {
    readonly layer: LinearLayer;
    readonly k: number;
    /** Those of its outputs that are left. */
    readonly outputs: readonly number[];
  };
}

/** The layer with the original it comes from; a reason where there is none, or nothing has changed. */
export async function pairOf(model: Model, key: string, ctx: WorkContext): Promise<Pair | string> {
  const layer = layerAt(model, key);
  const old = layerAt(ctx.base, key);
  if (typeof layer === "string") return layer;
  if (typeof old === "string") return `the original has no such layer: ${old}`;
  const [shape, before] = [rowShape(layer), rowShape(old)];
  if (!shape || !before || layer.op !== old.op || shape.groups !== before.groups)
    return "the original's layer is of another kind";
  const outputs =
    layer.outChannels === old.outChannels
      ? Array.from({ length: layer.outChannels }, (_, i) => i)
      : await outputsLeft(model, layer, old, ctx);
  if (!outputs)
    return `which ${layer.outChannels} of the original's ${old.outChannels} outputs it has is not known`;
  const { k } = before;
  if (shape.k === k && (await isUnchanged(layer, { layer: old, k, outputs }, ctx)))
    return "its weights are those of the original";
  return { layer, shape, original: { layer: old, k, outputs } };
}

/** Whether the layer has the original's rows; both have as many columns. */
async function isUnchanged(
  layer: LinearLayer,
  original: Pair["original"],
  ctx: WorkContext,
): Promise<boolean> {
  const { layer: old, outputs } = original;
  if (layer.outFirst !== old.outFirst) {
    const kept = await originalRows(original, ctx);
    return (await readRows(layer, ctx)).every((x, i) => x === kept[i]);
  }
  const { tensor } = layer.weight;
  const others = old.weight.tensor;
  const perRow = layer.columns * layer.inner;
  const perOld = old.columns * old.inner;
  for await (const { from, to, values } of rowsOf(ctx, tensor)) {
    const first = layer.outFirst ? (outputs[from] ?? 0) : from;
    const end = layer.outFirst ? (outputs[to - 1] ?? 0) + 1 : to;
    const were = await ctx.readRowsF32(others, first, end);
    for (let row = from; row < to; row++) {
      const start = (row - from) * perRow;
      const was = ((layer.outFirst ? (outputs[row] ?? 0) : row) - first) * perOld;
      for (let i = 0; i < perRow; i++)
        if (values[start + i] !== were[was + (layer.outFirst ? i : (outputs[i] ?? 0))])
          return false;
    }
  }
  return true;
}

/** The original's rows [outputs, K] for the outputs that are left. */
export async function originalRows(
  { layer, k, outputs }: Pair["original"],
  ctx: WorkContext,
): Promise<Float32Array> {
  const all = await readRows(layer, ctx);
  if (outputs.length === layer.outChannels) return all;
  const kept = new Float32Array(outputs.length * k);
  outputs.forEach((from, to) => kept.set(all.subarray(from * k, (from + 1) * k), to * k));
  return kept;
}

function layerAt(model: Model, key: string): LinearLayer | string {
  const node = mainGraph(model).nodes.find((one) => nodeKey(one) === key);
  if (!node || !isLinearOp(node)) return "there is no linear layer of that name";
  return linearLayer(model, MAIN, node);
}

/** By the bias, or by scale and bias of the BatchNormalization right after; both are kept as they are. */
async function outputsLeft(
  model: Model,
  layer: LinearLayer,
  old: LinearLayer,
  ctx: WorkContext,
): Promise<readonly number[] | null> {
  const now = await labels(model, layer, ctx);
  const then = await labels(ctx.base, old, ctx);
  return now && then ? subsequence(now, then) : null;
}
async function labels(
  model: Model,
  layer: LinearLayer,
  ctx: WorkContext,
): Promise<readonly Float32Array[] | null> {
  const uses = scopeOf(model).uses(MAIN, layer.node.outputs[0] ?? "");
  const norm: GraphNode | null | undefined = uses.find(
    ({ node }) => node?.op === "BatchNormalization",
  )?.node;
  const names = norm ? norm.inputs.slice(1, 3) : layer.bias ? [layer.bias.name] : [];
  const values: Float32Array[] = [];
  for (const name of names) {
    const tensor = scopeOf(model).constant(MAIN, name)?.tensor;
    if (!tensor) return null;
    values.push(await ctx.readF32(tensor));
  }
  return values.length > 0 ? values : null;
}

/**
 * E[y] of each of some outputs without its bias: W · E[x], alpha applied.
 * @param shape groups that the outputs are in, and columns of the weight
 */
export async function meanOutputs(
  layer: LinearLayer,
  outputs: readonly number[],
  { groups, k }: Pick<RowShape, "groups" | "k">,
  mean: Float64Array,
  ctx: WorkContext,
): Promise<Float64Array> {
  const places = new Int32Array(layer.outChannels).fill(-1);
  outputs.forEach((output, i) => (places[output] = i));
  const perGroup = outputs.length / groups;
  const firsts = outputs.map((_, i) => Math.floor(i / perGroup) * k);
  const sums = new Float64Array(outputs.length);
  for await (const { from, values } of rowsOf(ctx, layer.weight.tensor))
    forEachRowValue(
      layer,
      values,
      (value, output, column) => {
        const place = places[output] ?? -1;
        if (place < 0) return;
        sums[place] = (sums[place] ?? 0) + value * (mean[(firsts[place] ?? 0) + column] ?? 0);
      },
      from,
    );
  return sums.map((sum) => sum * layer.alpha);
}
