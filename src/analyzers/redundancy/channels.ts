/**
 * Finds output channels that a model could do without: filters of zeros, filters that are multiples
 * of another, and, with calibration data, channels that are always zero, constant, or follow from
 * another one.
 *
 * By weights: a filter counts as similar when its cosine with an earlier one of the same layer (and
 * group), either sign, is at least `similarity`. By activations, after the BatchNormalization and the
 * activation that follow the layer: a channel is dead when it is zero on all samples, constant when it
 * does not vary, and correlated when its correlation with an earlier channel is at least `similarity`.
 * That a channel is dead on n samples does not prove that it always is: with 95 % confidence it fires
 * on fewer than 3/n of all. Layers with NaN, computed or quantized weights are named and left out.
 *
 * Hu et al. 2016, Network Trimming (arXiv:1607.03250); Srinivas and Babu 2015 (arXiv:1507.06149).
 */
import { defineAnalyzer, type AnalyzeContext } from "../../core/analyzer.ts";
import { isLinearOp, linearLayer, type LinearLayer } from "../../core/linearLayer.ts";
import { forEachRowValue, readRows, rowShape, type RowShape } from "../../core/linearRows.ts";
import {
  nodeKey,
  nodeLabel,
  type GraphNode,
  type GraphPath,
  type Model,
} from "../../core/model.ts";
import { rowsOf } from "../../core/rows.ts";
import { scopeOf } from "../../core/scope.ts";
import { inferShapes } from "../../core/shapeInference.ts";
import { valueAt, type ChannelRange, type Gram, type Need } from "../../core/statistics.ts";
import { elementCount } from "../../shared/dtype.ts";
import { plural } from "../../shared/format.ts";
import { number } from "../../shared/params.ts";
import type { Metric, ReportRow, Skip } from "../../shared/report.ts";

const metrics: readonly Metric[] = [
  { id: "channels", title: "channels", unit: "count", better: "neither" },
  { id: "sparsity", title: "zero weights", unit: "share", better: "neither" },
  { id: "zero", title: "zero filters", unit: "count", better: "lower" },
  { id: "similar", title: "similar filters", unit: "count", better: "lower" },
  { id: "dead", title: "dead", unit: "count", better: "lower" },
  { id: "constant", title: "constant", unit: "count", better: "lower" },
  { id: "correlated", title: "correlated", unit: "count", better: "lower" },
];
/** Every pair is compared: 4,096 filters are 16 million pairs. */
const MAX_CHANNELS = 4096;
/** Findings name no more layers than people read. */
const NAMED = 3;

export default defineAnalyzer({
  meta: {
    id: "redundancy.channels",
    title: "Redundant channels",
    summary:
      "Finds dead, constant and near-duplicate channels, by weights and, with data, by activations.",
    papers: ["Hu 2016 (arXiv:1607.03250)", "Srinivas 2015 (arXiv:1507.06149)"],
    formats: ["onnx"],
    data: "optional",
    cost: "seconds",
    covers: ["red-dead-channels", "red-filter-similarity"],
    version: 1,
    api: 1,
    params: {
      similarity: number({
        title: "Similarity",
        help: "Cosine of filters, or correlation of activations, from which on two channels count as one.",
        default: 0.98,
        min: 0.5,
        max: 1,
      }),
    },
  },

  needs: (model) => layersOf(model, []).flatMap(({ needs }) => needs),

  async run(model, { similarity }, ctx) {
    const skipped: Skip[] = [];
    const layers = layersOf(model, skipped);
    const rows: Row[] = [];
    for (const [i, one] of layers.entries()) {
      const weights = await byWeights(one, similarity, ctx);
      if (!weights)
        skipped.push({ name: one.name, reason: "its weights have NaN or infinite values" });
      else {
        const seen = ctx.data === null ? null : await byActivations(one, similarity, ctx);
        if (typeof seen === "string") skipped.push({ name: one.name, reason: seen });
        rows.push({
          name: one.name,
          channels: one.layer.outChannels,
          ...weights,
          ...(seen === null || typeof seen === "string" ? UNSEEN : seen),
        });
      }
      ctx.progress((i + 1) / layers.length);
      await ctx.checkpoint();
    }
    return {
      analyzer: "redundancy.channels",
      findings: findings(rows),
      metrics,
      rows: rows.map(rowOf),
      series: [],
      skipped,
      data: ctx.data,
    };
  },
});

interface Watched {
  readonly name: string;
  readonly layer: LinearLayer;
  readonly shape: RowShape;
  /** Range and Gram of the channels as others read them; none where their axis is not known. */
  readonly needs: readonly [Need<"channelRange">, Need<"gram">] | readonly [];
}

interface Seen {
  readonly dead: number | null;
  readonly constant: number | null;
  readonly correlated: number | null;
  readonly samples: number;
}
const UNSEEN: Seen = { dead: null, constant: null, correlated: null, samples: 0 };
interface Weighed {
  readonly sparsity: number;
  readonly zero: number;
  readonly similar: number | null;
}
type Row = Seen & Weighed & { readonly name: string; readonly channels: number };

function layersOf(model: Model, skipped: Skip[]): Watched[] {
  const out: Watched[] = [];
  for (const { path, nodes } of model.graphs.values())
    for (const node of nodes) {
      if (!isLinearOp(node)) continue;
      const name = nodeLabel(path, node);
      const layer = linearLayer(model, path, node);
      const shape = typeof layer === "string" ? null : rowShape(layer);
      if (typeof layer === "string") skipped.push({ name, reason: layer });
      else if (!shape) skipped.push({ name, reason: `${node.op} is not looked at` });
      else out.push({ name, layer, shape, needs: needsOf(model, path, layer) });
    }
  return out;
}

/** Applied to each channel by itself, so what comes after is what others get of it. */
const POINTWISE = new Set([
  "BatchNormalization",
  "Relu",
  "LeakyRelu",
  "Clip",
  "Sigmoid",
  "HardSigmoid",
  "HardSwish",
  "Tanh",
  "Elu",
  "Selu",
  "Gelu",
  "PRelu",
  "Softplus",
]);

function needsOf(
  model: Model,
  path: GraphPath,
  { node, op, outChannels }: LinearLayer,
): Watched["needs"] {
  // Values of bodies are measured where the engine can; loops would need every turn.
  if (path.length > 0 || outChannels > MAX_CHANNELS) return [];
  const scope = scopeOf(model);
  let name = node.outputs[0] ?? "";
  for (let hops = 0; hops < 8; hops++) {
    const uses = scope.uses(path, name);
    const next: GraphNode | null | undefined = uses[0]?.node;
    if (uses.length !== 1 || !next || !POINTWISE.has(next.op) || uses[0]?.input !== 0) break;
    name = nodeKey(next);
  }
  const rank = inferShapes(model).shapeOf(path, name)?.length;
  if (rank === undefined || rank < 2) return [];
  const at = valueAt(path, name, op === "Conv" ? 1 : rank - 1);
  return [
    { stat: "channelRange", at, of: "before" },
    { stat: "gram", at, of: "before" },
  ];
}

/** Null when there are NaN or infinite weights. */
async function byWeights(
  { layer, shape }: Watched,
  similarity: number,
  ctx: AnalyzeContext,
): Promise<Weighed | null> {
  const { groups, outputs, k } = shape;
  const { tensor } = layer.weight;
  const used = new Uint8Array(layer.outChannels);
  let zeros = 0;
  let isNumbers = true;
  for await (const { from, values } of rowsOf(ctx, tensor)) {
    forEachRowValue(
      layer,
      values,
      (value, output) => {
        if (value === 0) zeros++;
        else used[output] = 1;
        if (!Number.isFinite(value)) isNumbers = false;
      },
      from,
    );
    if (!isNumbers) return null;
  }
  const sparsity = zeros / Math.max(1, elementCount(tensor.shape));
  const zero = used.reduce((sum, one) => sum + 1 - one, 0);
  if (outputs > MAX_CHANNELS) return { sparsity, zero, similar: null };
  // One weight per filter is always a multiple of another.
  if (k < 2) return { sparsity, zero, similar: 0 };
  const rows = await readRows(layer, ctx);
  let similar = 0;
  for (let g = 0; g < groups; g++) {
    const data = rows.subarray(g * outputs * k, (g + 1) * outputs * k);
    for (let o = 0; o < outputs; o++) {
      const row = data.subarray(o * k, (o + 1) * k);
      const norm = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0));
      if (norm > 0) row.forEach((x, i) => (row[i] = x / norm));
    }
    const matrix = { rows: outputs, cols: k, data };
    const cosines = await ctx.blas.gemm(matrix, matrix, { transB: true });
    similar += alike(cosines.data, outputs, similarity);
  }
  return { sparsity, zero, similar };
}

/** How many of `count` have a value of at least `least`, either sign, with one that stays. */
function alike(values: ArrayLike<number>, count: number, least: number): number {
  const stay: number[] = [];
  for (let i = 0; i < count; i++)
    if (!stay.some((j) => Math.abs(values[i * count + j] ?? 0) >= least)) stay.push(i);
  return count - stay.length;
}

/** A reason in words when it cannot be measured. */
async function byActivations(
  { needs, layer }: Watched,
  similarity: number,
  ctx: AnalyzeContext,
): Promise<Seen | string> {
  const [range, gram] = needs;
  if (!range || !gram)
    return "the channels of its result are not known, so only weights were looked at";
  const [ranges, products] = await Promise.all([ctx.stat(range), ctx.stat(gram)]);
  if (ranges.min.length !== layer.outChannels || products.k !== layer.outChannels)
    return "its result has another number of channels than its weights";
  return seen(ranges, products, similarity);
}

function seen({ min, max, samples }: ChannelRange, gram: Gram, similarity: number): Seen | string {
  const count = min.length;
  const still = new Set<number>();
  let dead = 0;
  for (let i = 0; i < count; i++) {
    const [low, high] = [min[i] ?? 0, max[i] ?? 0];
    if (!Number.isFinite(low) || !Number.isFinite(high))
      return "its activations have NaN or infinite values, so only weights were looked at";
    // Float32 rounding of a constant is not variation.
    if (high - low <= 1e-6 * Math.max(Math.abs(low), Math.abs(high))) {
      still.add(i);
      if (high === 0 && low === 0) dead++;
    }
  }
  const covariance = (i: number, j: number): number =>
    (gram.data[i * count + j] ?? 0) - (gram.mean[i] ?? 0) * (gram.mean[j] ?? 0);
  const moving = Array.from({ length: count }, (_, i) => i).filter((i) => !still.has(i));
  const correlations = new Float64Array(moving.length ** 2);
  moving.forEach((i, a) =>
    moving.forEach((j, b) => {
      const scale = Math.sqrt(Math.max(0, covariance(i, i)) * Math.max(0, covariance(j, j)));
      correlations[a * moving.length + b] = scale > 0 ? covariance(i, j) / scale : 0;
    }),
  );
  return {
    dead,
    constant: still.size - dead,
    correlated: alike(correlations, moving.length, similarity),
    samples,
  };
}

const rowOf = (row: Row): ReportRow => ({
  target: row.name,
  values: [
    row.channels,
    row.sparsity,
    row.zero,
    row.similar,
    row.dead,
    row.constant,
    row.correlated,
  ],
});

function findings(rows: readonly Row[]): string[] {
  const out: string[] = [];
  const say = (count: (row: Row) => number, what: string, next: string): void => {
    const worst = rows.filter((row) => count(row) > 0).sort((a, b) => count(b) - count(a));
    if (worst.length === 0) return;
    const total = worst.reduce((sum, row) => sum + count(row), 0);
    const named = worst
      .slice(0, NAMED)
      .map((row) => `${row.name} ${count(row)} of ${row.channels}`);
    const more = worst.length > NAMED ? `, and ${plural(worst.length - NAMED, "more layer")}` : "";
    out.push(`${what}: ${plural(total, "channel")} (${named.join(", ")}${more}). ${next}`);
  };
  const prune = "prune.channels takes out such channels first.";
  say((row) => row.zero, "Only zero weights", prune);
  const most = Math.max(0, ...rows.map((row) => row.samples));
  const samples = most === 1 ? "the one sample" : `all ${most} samples`;
  say((row) => row.dead ?? 0, `Zero on ${samples}`, prune);
  say((row) => row.constant ?? 0, `Constant on ${samples}`, prune);
  say((row) => row.correlated ?? 0, "Following another channel of the layer", prune);
  say((row) => row.similar ?? 0, "Nearly the weights of another", prune);
  const sparse = rows.filter((row) => row.sparsity >= 0.2).length;
  if (sparse > 0)
    out.push(
      `20 % zero weights or more: ${plural(sparse, "layer")}. Zeros make nothing faster here; only whole channels do.`,
    );
  if (out.length === 0) out.push("No channel is dead, constant or nearly a copy of another.");
  return out;
}
