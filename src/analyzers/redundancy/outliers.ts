/**
 * Finds weights, and with data activations, whose values are hard to quantize: a few far from all
 * others, or channels of very unequal size.
 *
 * Kurtosis is E[(x − μ)⁴] / σ⁴ (3 for normal values, 1.8 for uniform ones); a high one means that the
 * range is set by few values. The tail is max |x| over the 99.9th percentile of |x|. Imbalance is the
 * largest channel's max |x| over the median channel's: per-tensor scales fail there, per-channel
 * scales and equalization help. Channels are outputs for weights (axis 0 of Conv and transposed Gemm,
 * axis 1 of MatMul and Gemm) and the channel axis for activations. Constant tensors have no kurtosis;
 * weights with NaN are named.
 *
 * Bondarenko 2021 (arXiv:2109.12948); Nagel 2019 (arXiv:1906.04721), section 3.
 */
import { defineAnalyzer } from "../../core/analyzer.ts";
import {
  nodeKey,
  nodeLabel,
  type GraphNode,
  type GraphPath,
  type Model,
} from "../../core/model.ts";
import { useOf, type Need } from "../../core/statistics.ts";
import { constantAt } from "../../core/weightForm.ts";
import { elementCount } from "../../shared/dtype.ts";
import type { Metric, ReportRow, Skip } from "../../shared/report.ts";
import { ofHistogram, ofWeight, type Shape } from "./lib/tails.ts";

const metrics: readonly Metric[] = [
  { id: "kurtosis", title: "kurtosis", unit: "ratio", better: "lower" },
  { id: "tail", title: "max / p99.9", unit: "ratio", better: "lower" },
  { id: "imbalance", title: "channel imbalance", unit: "ratio", better: "lower" },
  { id: "inputKurtosis", title: "input kurtosis", unit: "ratio", better: "lower" },
  { id: "inputTail", title: "input max / p99.9", unit: "ratio", better: "lower" },
  { id: "inputImbalance", title: "input imbalance", unit: "ratio", better: "lower" },
];
/** Columns that need no data. */
const OF_WEIGHTS = 3;

/** Above these a layer is named. Trained layers of the usual kinds stay below. */
const HIGH_KURTOSIS = 20;
const HIGH_TAIL = 4;
const HIGH_IMBALANCE = 10;
/** Tiny weights quantize as they may. */
const MIN_ELEMENTS = 64;

interface Layer {
  readonly path: GraphPath;
  readonly node: GraphNode;
  readonly label: string;
  /** Which input is the weight. */
  readonly slot: number;
  readonly channelAxis: number;
}

const SLOTS: Readonly<Record<string, (node: GraphNode) => number>> = {
  Conv: () => 0,
  ConvTranspose: () => 1,
  MatMul: () => 1,
  Gemm: ({ attrs }) => (attrs["transB"]?.kind === "int" && attrs["transB"].value === 1 ? 0 : 1),
};

function layersOf(model: Model): readonly Layer[] {
  const layers: Layer[] = [];
  for (const graph of model.graphs.values())
    for (const node of graph.nodes) {
      const axis = node.domain === "" && Object.hasOwn(SLOTS, node.op) ? SLOTS[node.op] : undefined;
      const weight = axis ? constantAt(model, graph.path, node.inputs[1] ?? "") : null;
      if (!axis || !weight || weight.tensor.shape.length < 2) continue;
      if (elementCount(weight.tensor.shape) < MIN_ELEMENTS) continue;
      const label = nodeLabel(graph.path, node);
      layers.push({ path: graph.path, node, label, slot: 1, channelAxis: axis(node) });
    }
  return layers;
}

const needsOf = ({ path, node }: Layer): readonly [Need<"histogram">, Need<"channelRange">] => [
  { stat: "histogram", at: useOf(path, nodeKey(node)), of: "before" },
  { stat: "channelRange", at: useOf(path, nodeKey(node)), of: "before" },
];
/** Activations inside bodies of If, Loop and Scan are not captured. */
const isMain = ({ path }: Layer): boolean => path.length === 0;

export default defineAnalyzer({
  meta: {
    id: "redundancy.outliers",
    title: "Outliers and unequal channels",
    summary: "Finds weights and activations whose range is set by few values or few channels.",
    papers: ["Bondarenko 2021 (arXiv:2109.12948)", "Nagel 2019 (arXiv:1906.04721)"],
    formats: ["onnx"],
    data: "optional",
    cost: "seconds",
    covers: ["red-outlier", "red-dynamic-range"],
    version: 1,
    api: 1,
    params: {},
  },
  needs: (model) => layersOf(model).filter(isMain).flatMap(needsOf),
  async run(model, _params, ctx) {
    const layers = layersOf(model);
    const rows: ReportRow[] = [];
    const skipped: Skip[] = [];
    for (const [i, layer] of layers.entries()) {
      ctx.progress((i + 1) / layers.length);
      await ctx.checkpoint();
      const tensor = constantAt(model, layer.path, layer.node.inputs[layer.slot] ?? "")?.tensor;
      if (!tensor) continue;
      if (tensor.dtype.kind !== "float") {
        skipped.push({ name: layer.label, reason: `its weight is ${tensor.dtype.name}` });
        continue;
      }
      const weight = await ofWeight(ctx, tensor, layer.channelAxis);
      if (weight === null) {
        skipped.push({ name: layer.label, reason: "its weight holds NaN or infinite values" });
        continue;
      }
      let input: Shape | null = null;
      if (ctx.data !== null && isMain(layer)) {
        const [histogram, channels] = needsOf(layer);
        input = ofHistogram(await ctx.stat(histogram), await ctx.stat(channels));
      } else if (ctx.data !== null)
        skipped.push({
          name: layer.label,
          reason: "activations inside a subgraph are not captured",
        });
      rows.push({
        target: layer.label,
        values: [
          weight.kurtosis,
          weight.tail,
          weight.imbalance,
          ...(ctx.data === null
            ? []
            : [input?.kurtosis ?? null, input?.tail ?? null, input?.imbalance ?? null]),
        ],
      });
    }
    rows.sort((a, b) => worst(b) - worst(a));
    return {
      analyzer: "redundancy.outliers",
      findings: findings(rows),
      metrics: ctx.data === null ? metrics.slice(0, OF_WEIGHTS) : metrics,
      rows,
      series: [],
      skipped,
      data: ctx.data,
    };
  },
});

const LIMITS = [HIGH_KURTOSIS, HIGH_TAIL, HIGH_IMBALANCE] as const;
/** How far the row's worst figure is over its limit. */
const worst = ({ values }: ReportRow): number =>
  Math.max(0, ...values.map((value, i) => (value ?? 0) / (LIMITS[i % LIMITS.length] ?? 1)));

function findings(rows: readonly ReportRow[]): readonly string[] {
  if (rows.length === 0) return ["There are no weights of convolutions or matrix products here."];
  const over = (column: number): readonly ReportRow[] =>
    rows
      .filter(({ values }) => (values[column] ?? 0) > (LIMITS[column % LIMITS.length] ?? Infinity))
      .sort((a, b) => (b.values[column] ?? 0) - (a.values[column] ?? 0));
  const named = (found: readonly ReportRow[], column: number): string =>
    found
      .slice(0, 3)
      .map(({ target, values }) => `${target} (${Number((values[column] ?? 0).toPrecision(3))})`)
      .join(", ") + (found.length > 3 ? ` and ${found.length - 3} more` : "");
  const say = (column: number, what: string, next: string): readonly string[] => {
    const found = over(column);
    return found.length === 0 ? [] : [`${what}: ${named(found, column)}. ${next}`];
  };
  const all = [
    ...say(
      0,
      "Weights with a heavy tail",
      "Smaller blocks, clipping by error, or 8 bit suit them.",
    ),
    ...say(
      1,
      "Weights whose range few values set",
      "Clip by error instead of minimum and maximum.",
    ),
    ...say(2, "Weights with unequal output channels", "Use per-channel scales, or equalize first."),
    ...say(3, "Inputs with a heavy tail", "Keep them float, or use percentile or entropy ranges."),
    ...say(4, "Inputs whose range few values set", "Use percentile or entropy ranges."),
    ...say(5, "Inputs with unequal channels", "Equalize before static quantization."),
  ];
  return all.length > 0
    ? all
    : ["No weight is unusual: none has a heavy tail or very unequal channels."];
}
