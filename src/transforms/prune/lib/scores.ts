/** How much each atom of a group matters, by one of the simple measures: the least goes first. */
import type { WorkContext } from "../../../core/context.ts";
import type { ChannelGroup, ChannelGroups, GroupUse } from "../../../core/groups/channelGroups.ts";
import { MAIN, mainGraph, type GraphNode } from "../../../core/model.ts";
import { valuesOf } from "../../../core/rows.ts";
import { scopeOf } from "../../../core/scope.ts";
import { valueAt } from "../../../core/statistics.ts";
import { elementCount } from "../../../shared/dtype.ts";

export type Measure = "l1" | "l2" | "batchNormScale" | "activation";

/** The BatchNormalizations that read what the group's producers make. */
export function normsAfter({ tracer }: ChannelGroups, group: ChannelGroup): GraphNode[] {
  const made = new Set(group.producers.map(({ node }) => node.outputs[0] ?? ""));
  return mainGraph(tracer.model).nodes.filter(
    (node) => node.op === "BatchNormalization" && made.has(node.inputs[0] ?? ""),
  );
}

/** One score per atom. @throws EngineError `needs-data` for `activation` without data. */
export async function scoresOf(
  found: ChannelGroups,
  group: ChannelGroup,
  measure: Measure,
  ctx: WorkContext,
): Promise<Float64Array> {
  if (measure === "activation") return activationScores(found, group, ctx);
  const scores = new Float64Array(group.atoms.length);
  for (const use of group.producers) {
    const gains = await normGains(found, use, ctx);
    const own =
      measure === "batchNormScale"
        ? sums(use.indices, (i) => (gains ? Math.abs(gains.scale[i] ?? 0) : 0))
        : await filterNorms(found, use, measure, gains?.factor ?? null, ctx);
    // Producers of different scale have an equal say.
    const mean = own.reduce((a, b) => a + b, 0) / Math.max(1, own.length);
    own.forEach((score, i) => {
      scores[i] = (scores[i] ?? 0) + (mean > 0 ? score / mean : score);
    });
  }
  return scores;
}

const sums = (
  indices: readonly (readonly number[])[],
  value: (index: number) => number,
): Float64Array => Float64Array.from(indices, (list) => list.reduce((sum, i) => sum + value(i), 0));

/** Norm of the weights that make each atom, times what a BatchNormalization right after multiplies with. */
async function filterNorms(
  { tracer }: ChannelGroups,
  { node, weight, axis, indices }: GroupUse,
  measure: "l1" | "l2",
  factor: Float64Array | null,
  ctx: WorkContext,
): Promise<Float64Array> {
  const traced = tracer.constant(node.inputs[weight] ?? "");
  if (!traced) return new Float64Array(indices.length);
  const { tensor } = traced.source;
  const size = tensor.shape[axis] ?? 1;
  const inner = elementCount(tensor.shape.slice(axis + 1));
  const norms = new Float64Array(size);
  for await (const { from, values } of valuesOf(ctx, tensor))
    // Runs of one channel: a division for each value takes four times as long.
    for (let i = 0; i < values.length;) {
      const run = Math.floor((from + i) / inner);
      const end = Math.min(values.length, (run + 1) * inner - from);
      const at = run % size;
      let norm = norms[at] ?? 0;
      for (; i < end; i++) {
        const x = values[i] ?? 0;
        norm += measure === "l1" ? Math.abs(x) : x * x;
      }
      norms[at] = norm;
    }
  return sums(
    indices,
    (i) => (measure === "l1" ? (norms[i] ?? 0) : Math.sqrt(norms[i] ?? 0)) * (factor?.[i] ?? 1),
  );
}

/** Scale, and |scale| / standard deviation, of the BatchNormalization that reads the producer. */
async function normGains(
  { tracer }: ChannelGroups,
  { node }: GroupUse,
  ctx: WorkContext,
): Promise<{ readonly scale: Float32Array; readonly factor: Float64Array } | null> {
  const output = node.outputs[0] ?? "";
  const norm = mainGraph(tracer.model).nodes.find(
    (one) => one.op === "BatchNormalization" && one.inputs[0] === output,
  );
  const constants = norm?.inputs
    .slice(1)
    .map((name) => scopeOf(tracer.model).constant(MAIN, name)?.tensor);
  const [scaleTensor, , , varianceTensor] = constants ?? [];
  if (!scaleTensor || !varianceTensor) return null;
  const [scale, variance] = [await ctx.readF32(scaleTensor), await ctx.readF32(varianceTensor)];
  const factor = Float64Array.from(
    scale,
    (s, i) => Math.abs(s) / Math.sqrt((variance[i] ?? 0) + 1e-5),
  );
  return { scale, factor };
}

/** Mean |x| of each atom's channels as the first consumer reads them. */
async function activationScores(
  { tracer }: ChannelGroups,
  group: ChannelGroup,
  ctx: WorkContext,
): Promise<Float64Array> {
  const scores = new Float64Array(group.atoms.length);
  const order = new Map(group.atoms.map((atom, i) => [atom, i]));
  for (const { node, data } of group.consumers.slice(0, 1)) {
    const name = node.inputs[data] ?? "";
    const axes = tracer.allTags(name);
    // The axis along which the group's channels lie.
    const axis = axes.findIndex((tags) => tags?.some((tag) => order.has(tracer.atoms.find(tag))));
    const tags = axes[axis];
    if (!tags) continue;
    const at = valueAt(MAIN, name, axis);
    const { absMean } = await ctx.stat({ stat: "absMean", at, of: "current" });
    tags.forEach((tag, i) => {
      const position = order.get(tracer.atoms.find(tag));
      if (position !== undefined) scores[position] = (scores[position] ?? 0) + (absMean[i] ?? 0);
    });
  }
  return scores;
}

/** Positions of the `count` lowest scores; null when a score is NaN. */
export function lowest(scores: Float64Array, count: number): number[] | null {
  if (scores.some((score) => !Number.isFinite(score))) return null;
  return [...scores.keys()]
    .sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0) || b - a)
    .slice(0, count);
}
