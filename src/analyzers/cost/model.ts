/**
 * Counts what every node costs: parameters, bytes of weights, multiply-accumulates, and the memory
 * that activations need.
 *
 * Nothing is run: shapes are inferred with the sizes that `dims` gives to symbolic dimensions (1
 * where it names none). One multiply-accumulate is 2 FLOPs; only operators that multiply matrices
 * count. Peak activation memory is by liveness in the order of the file: a value lives from the node
 * that makes it until the last one that reads it, inputs and outputs of the graph included, weights
 * and the runtime's work space not. A weight that several nodes use counts at the first.
 *
 * Sze, Chen, Yang, Emer 2017 (arXiv:1703.09039), section V.
 */
import { defineAnalyzer } from "../../core/analyzer.ts";
import { costOf, type Binding } from "../../core/cost.ts";
import { nodeLabel, type Model } from "../../core/model.ts";
import { parametersOf } from "../../core/parameters.ts";
import { scopeOf } from "../../core/scope.ts";
import { inferShapes } from "../../core/shapeInference.ts";
import { tensorTable } from "../../core/tensorTable.ts";
import { text } from "../../shared/params.ts";
import type { Metric, Report, ReportRow, Skip } from "../../shared/report.ts";
import { formatBytes, formatCompact, formatPercent } from "../../shared/format.ts";
import { liveness } from "./lib/liveness.ts";
import { parseDims, symbolsOf } from "./lib/dims.ts";

const metrics: readonly Metric[] = [
  { id: "parameters", title: "parameters", unit: "count", better: "lower" },
  { id: "weightBytes", title: "weights", unit: "bytes", better: "lower" },
  { id: "macs", title: "MACs", unit: "count", better: "lower" },
  { id: "outputBytes", title: "output", unit: "bytes", better: "lower" },
  { id: "aliveBytes", title: "alive", unit: "bytes", better: "lower" },
];

/** Points of the memory curve; more would not be seen. */
const MAX_POINTS = 2048;

export default defineAnalyzer({
  meta: {
    id: "cost.model",
    title: "Size, multiply-accumulates and memory",
    summary:
      "Counts parameters, weight bytes and multiply-accumulates of every node, and the peak memory of activations.",
    papers: ["Sze 2017 (arXiv:1703.09039)"],
    formats: ["onnx"],
    data: "none",
    cost: "instant",
    covers: ["model-cost"],
    version: 1,
    api: 1,
    params: {
      dims: text({
        title: "Symbolic dimensions",
        help: "Sizes such as batch=1,seq=128; dimensions that are not named count as 1.",
        default: "",
        maxLength: 1000,
      }),
    },
  },
  run: (model, { dims }, ctx) => {
    const symbols = symbolsOf(model);
    const sizes = parseDims("cost.model", dims, symbols);
    const bind: Binding = (symbol) => (symbol === null ? 1 : (sizes.get(symbol) ?? 1));
    ctx.progress(1);
    return Promise.resolve(report(model, bind, symbols, sizes));
  },
});

function report(
  model: Model,
  bind: Binding,
  symbols: readonly string[],
  sizes: ReadonlyMap<string, number>,
): Report {
  const cost = costOf(model, bind);
  const macs = new Map(
    cost.nodes.map(({ graph, node, macs: own }) => [nodeLabel(graph, node), own]),
  );
  const weights = weightsByNode(model);
  const memory = liveness(model, inferShapes(model, { bind }));
  const rows: ReportRow[] = [];
  for (const graph of model.graphs.values())
    for (const node of graph.nodes) {
      if (node.op === "Constant") continue;
      const label = nodeLabel(graph.path, node);
      const own = weights.get(label) ?? { parameters: 0, bytes: 0 };
      const step = memory.steps.get(label);
      rows.push({
        target: label,
        values: [
          own.parameters,
          own.bytes,
          macs.get(label) ?? (macs.has(label) ? null : 0),
          step?.outputBytes ?? null,
          step?.aliveBytes ?? null,
        ],
      });
    }
  const at = (row: ReportRow, column: number): number => row.values[column] ?? 0;
  rows.sort((a, b) => at(b, 2) - at(a, 2) || at(b, 1) - at(a, 1));
  const total = (column: number): number => rows.reduce((sum, row) => sum + at(row, column), 0);
  const skipped: readonly Skip[] = [...cost.unknown, ...memory.unknown];
  const findings = [
    `${formatCompact(total(0))} parameters in ${formatBytes(total(1))} of weights; ${cost.macs === null ? "multiply-accumulates are not known in full" : `${formatCompact(cost.macs)} multiply-accumulates per inference`}.`,
    ...heaviest(rows, total(1), cost.macs),
    ...(memory.peak === null
      ? []
      : [
          `Activations need ${formatBytes(memory.peak.bytes)} at ${memory.unknown.length > 0 ? "least" : "most"}, while ${memory.peak.node} runs.`,
        ]),
    ...dimsText(symbols, sizes),
  ];
  const every = Math.max(1, Math.ceil(memory.curve.length / MAX_POINTS));
  const y = memory.curve.filter((_, i) => i % every === 0);
  return {
    analyzer: "cost.model",
    findings,
    metrics,
    rows,
    series:
      y.length < 2
        ? []
        : [
            {
              target: "the model",
              title: "Bytes of activations alive, node by node",
              x: y.map((_, i) => i * every),
              y,
            },
          ],
    skipped,
    data: null,
  };
}

/** Parameters and bytes of the initializers and constants that a node is the first to use. */
function weightsByNode(
  model: Model,
): ReadonlyMap<string, { readonly parameters: number; readonly bytes: number }> {
  const out = new Map<string, { parameters: number; bytes: number }>();
  const scope = scopeOf(model);
  for (const entry of tensorTable(model).entries) {
    const { graph, name, tensor, node } = entry;
    const constant = node !== null && node.op === "Constant";
    const user =
      node !== null && !constant
        ? { graph, node }
        : scope.uses(graph.path, name).find((use) => use.node !== null);
    if (!user?.node) continue;
    const label = nodeLabel(user.graph.path, user.node);
    const own = out.get(label) ?? { parameters: 0, bytes: 0 };
    own.parameters += parametersOf(model, entry);
    own.bytes += tensor.sizeBytes;
    out.set(label, own);
  }
  return out;
}

/** Nodes that hold more than this share are named. */
const NOTABLE = 0.3;

function heaviest(
  rows: readonly ReportRow[],
  bytes: number,
  macs: number | null,
): readonly string[] {
  const most = (column: number): ReportRow | undefined =>
    rows.reduce<ReportRow | undefined>(
      (best, row) => ((row.values[column] ?? 0) > (best?.values[column] ?? 0) ? row : best),
      undefined,
    );
  const largest = most(1);
  const dearest = most(2);
  const share = (row: ReportRow | undefined, column: number, total: number): number =>
    row && total > 0 ? (row.values[column] ?? 0) / total : 0;
  return [
    ...(largest && share(largest, 1, bytes) >= NOTABLE
      ? [`${largest.target} holds ${formatPercent(share(largest, 1, bytes))} of the weights.`]
      : []),
    ...(dearest && macs !== null && share(dearest, 2, macs) >= NOTABLE
      ? [
          `${dearest.target} does ${formatPercent(share(dearest, 2, macs))} of the multiply-accumulates.`,
        ]
      : []),
  ];
}

function dimsText(
  symbols: readonly string[],
  sizes: ReadonlyMap<string, number>,
): readonly string[] {
  if (symbols.length === 0) return [];
  const used = symbols.map((symbol) => `${symbol} = ${sizes.get(symbol) ?? 1}`).join(", ");
  return [`Figures are for ${used}.`];
}
