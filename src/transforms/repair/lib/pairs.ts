/** Layers of the model as it is and of the document's file, by the names of what they give. */
import type { WorkContext } from "../../../core/context.ts";
import { isLinearOp, linearLayer, type LinearLayer } from "../../../core/linearLayer.ts";
import { rowShape, toRows, type RowShape } from "../../../core/linearRows.ts";
import {
  MAIN,
  mainGraph,
  nodeKey,
  nodeLabel,
  type GraphNode,
  type Model,
} from "../../../core/model.ts";
import { subsequence } from "../../../core/repair/batchNorm.ts";
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
  /** Weights as rows [groups · outputs, K], as they are. */
  readonly rows: Float64Array;
  /** The original's rows for the outputs that are left, and its number of columns. */
  readonly original: {
    readonly layer: LinearLayer;
    readonly rows: Float64Array;
    readonly k: number;
    /** Which of its outputs they are. */
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
  const [values, originals] = await Promise.all([
    ctx.readF32(layer.weight.tensor),
    ctx.readF32(old.weight.tensor),
  ]);
  const rows = toRows(layer, values);
  const all = toRows(old, originals);
  const outputs =
    layer.outChannels === old.outChannels
      ? Array.from({ length: layer.outChannels }, (_, i) => i)
      : await outputsLeft(model, layer, old, ctx);
  if (!outputs)
    return `which ${layer.outChannels} of the original's ${old.outChannels} outputs it has is not known`;
  const { k } = before;
  const kept = new Float64Array(outputs.length * k);
  outputs.forEach((from, to) => kept.set(all.subarray(from * k, (from + 1) * k), to * k));
  if (rows.length === kept.length && rows.every((x, i) => x === kept[i]))
    return "its weights are those of the original";
  return { layer, shape, rows, original: { layer: old, rows: kept, k, outputs } };
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

/** E[y] of each output without its bias: W · E[x], alpha applied. */
export function meanOutputs(
  layer: LinearLayer,
  { groups, rows, k }: { readonly groups: number; readonly rows: Float64Array; readonly k: number },
  mean: Float64Array,
): Float64Array {
  const count = rows.length / Math.max(1, k);
  const perGroup = count / groups;
  return Float64Array.from({ length: count }, (_, o) => {
    const first = Math.floor(o / perGroup) * k;
    let sum = 0;
    for (let i = 0; i < k; i++) sum += (rows[o * k + i] ?? 0) * (mean[first + i] ?? 0);
    return sum * layer.alpha;
  });
}
