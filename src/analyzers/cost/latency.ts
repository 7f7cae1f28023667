/**
 * Times every operator as the runtime really runs it, on this machine: mean milliseconds per
 * inference, from onnxruntime's own profile with all optimizations.
 *
 * The runtime merges nodes (Conv with Add and Relu, LayerNormalization spelled out) and moves data
 * between layouts: a merged node's time is shown at one of the nodes it came from, nodes without a
 * row were merged into others or computed ahead, and rows named after no node of the file are the
 * runtime's own. Without data the inputs are seeded random numbers of a plausible size, with data the
 * first sample. Times depend on the machine and on what else it does: they are never cached, and two
 * models are compared with `lathe bench`, not by these tables.
 *
 * onnxruntime performance documentation, profiling tools.
 */
import { defineAnalyzer } from "../../core/analyzer.ts";
import { nodeLabel } from "../../core/model.ts";
import { number } from "../../shared/params.ts";
import type { Metric, ReportRow } from "../../shared/report.ts";
import { formatDuration, formatPercent, plural } from "../../shared/format.ts";

const metrics: readonly Metric[] = [
  { id: "timeMs", title: "time", unit: "ms", better: "lower" },
  { id: "share", title: "share", unit: "share", better: "neither" },
  { id: "parts", title: "runtime operators", unit: "count", better: "neither" },
];

export default defineAnalyzer({
  meta: {
    id: "cost.latency",
    title: "Time of every operator",
    summary: "Measures how long each operator takes here, from the runtime's own profile.",
    papers: ["onnxruntime documentation, profiling tools"],
    formats: ["onnx"],
    data: "optional",
    cost: "seconds",
    covers: ["latency-profile"],
    version: 1,
    api: 1,
    params: {
      runs: number({
        title: "Inferences",
        help: "Times are means over so many inferences, after three that are not counted.",
        default: 20,
        min: 1,
        max: 1000,
        integer: true,
      }),
    },
  },
  async run(model, { runs }, ctx) {
    const times = await ctx.profile(runs);
    const known = new Map<string, string>();
    for (const graph of model.graphs.values())
      for (const node of graph.nodes) known.set(nodeLabel(graph.path, node), node.op);
    const sums = new Map<string, { ms: number; parts: number; ops: Set<string> }>();
    for (const { node, op, timeMs } of times) {
      const target = known.has(node) ? node : `the runtime's ${op}`;
      const sum = sums.get(target) ?? { ms: 0, parts: 0, ops: new Set<string>() };
      sums.set(target, sum);
      sum.ms += timeMs;
      sum.parts++;
      sum.ops.add(op);
    }
    const total = times.reduce((sum, { timeMs }) => sum + timeMs, 0);
    const rows = [...sums]
      .map(([target, { ms, parts }]): ReportRow => ({
        target,
        values: [ms, total > 0 ? ms / total : null, parts],
      }))
      .sort((a, b) => (b.values[0] ?? 0) - (a.values[0] ?? 0));
    const byOp = new Map<string, number>();
    for (const { op, timeMs } of times) byOp.set(op, (byOp.get(op) ?? 0) + timeMs);
    const ops = [...byOp].sort((a, b) => b[1] - a[1]).slice(0, 3);
    const timed = rows.filter(({ target }) => known.has(target));
    const [slowest] = rows;
    return {
      analyzer: "cost.latency",
      findings: [
        `One inference spends ${formatDuration(total)} in operators here: ${ops.map(([op, ms]) => `${op} ${formatPercent(ms / Math.max(total, 1e-12))}`).join(", ")}.`,
        ...(slowest ? [slowestText(slowest, known.get(slowest.target))] : []),
        `${timed.length} of the file's ${known.size} nodes have a time of their own; the runtime merged the others or computed them ahead.`,
      ],
      metrics,
      rows,
      series: [],
      skipped: [],
      data:
        ctx.data === null
          ? "seeded synthetic inputs, on this machine"
          : `the first sample of ${ctx.data}, on this machine`,
    };
  },
});

/** The runtime renames nodes that it converts, as those of float16: which of the file they are is not known. */
function slowestText({ target, values }: ReportRow, op: string | undefined): string {
  const [, share, parts] = values;
  const percent = formatPercent(share ?? 0);
  return op === undefined
    ? `Most is spent in ${target}: ${percent} in ${plural(parts ?? 1, "operator")} that the runtime made and named.`
    : `The slowest is ${target} (${op}) with ${percent}.`;
}
