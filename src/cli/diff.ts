/** `lathe diff`: what differs between two models: graph, tensors, outputs, accuracy, latency, size. */
import path from "node:path";
import {
  formatBytes,
  formatDb,
  formatKl,
  formatNumber,
  formatPercent,
  plural,
} from "../shared/format.ts";
import type { DiffMeasures, GraphDiff, TensorDiff } from "../shared/protocol.ts";
import { dataPath, type Command } from "./command.ts";
import { compare, comparisonJson, measureRows, writeReport, type Comparison } from "./compare.ts";
import { checkReport } from "./output.ts";
import type { Style } from "./style.ts";
import { left, lines, pairs, right, sizeChange, table } from "./text.ts";

export const diff: Command = {
  name: "diff",
  summary: "Compare two models: graph, tensors, outputs, accuracy, latency, size.",
  usage: "A B",
  positionals: [2, 2],
  options: ["data", "html"],
  details: [
    "A is before, B is after. With --data, accuracy and outputs are measured on it; without, outputs are compared on seeded random inputs, and the answer says so.",
  ],
  examples: [
    { line: "lathe diff model.onnx model.int4.onnx --data dataset.json", what: "with accuracy" },
    { line: "lathe diff a.onnx b.onnx --html report.html", what: "as a page to pass on" },
  ],
  async run([a = "", b = ""], args, context) {
    const report = args.text("html");
    if (report !== null) checkReport(report);
    const data = dataPath(args);
    const before = await context.client.open(a);
    const after = await context.client.open(b);
    const comparison = await compare(before, after, data, context, 0);
    if (report !== null) writeReport(report, comparison, [], context);
    return {
      json: { ...comparisonJson(comparison), report },
      text: (style) =>
        lines([
          diffLines(comparison, style),
          report === null ? [] : ["", `The report is in ${path.resolve(report)}`],
        ]),
      exitCode: 0,
    };
  },
};

function diffLines(comparison: Comparison, style: Style): readonly string[] {
  const { before, after, structure, tensors, measures } = comparison;
  const graph = structure.graph;
  return [
    ...pairs(
      [
        ["before", before.path],
        ["after", after.path],
        ["size", sizeChange(structure.size.before, structure.size.after)],
        ...measureRows(measures),
        ["graph", graphText(graph)],
        ["tensors", tensors.length === 0 ? "no difference" : `${tensors.length} differ`],
      ],
      style,
    ),
    ...tensorTable(tensors, style),
    ...outputTable(measures, style),
    ...graphLines(graph, style),
    ...measures.notes.map((note) => style.warn(`note: ${note}`)),
  ];
}

const graphText = (graph: GraphDiff): string =>
  graph.added.length + graph.removed.length + graph.changed.length === 0
    ? `no difference in ${plural(graph.matched, "node")}`
    : `${graph.matched} matched, ${graph.added.length} added, ${graph.removed.length} removed, ${graph.changed.length} changed`;

const tensorTable = (tensors: readonly TensorDiff[], style: Style): readonly string[] =>
  tensors.length === 0
    ? []
    : [
        "",
        ...table(
          [
            left("tensor"),
            left("is"),
            right("SQNR"),
            right("before"),
            right("after"),
            left("detail"),
          ],
          tensors.map((tensor) => [
            tensor.name,
            tensor.status,
            formatDb(tensor.sqnrDb),
            formatBytes(tensor.bytesBefore),
            formatBytes(tensor.bytesAfter),
            tensor.detail,
          ]),
          style,
        ),
      ];

const outputTable = (measures: DiffMeasures, style: Style): readonly string[] =>
  measures.outputs === null || measures.outputs.length === 0
    ? []
    : [
        "",
        ...table(
          [
            left("output"),
            right("SQNR"),
            right("max |Δ|"),
            right("MSE"),
            right("cosine"),
            right("same arg max"),
            right("KL"),
          ],
          measures.outputs.map((output) => [
            output.name,
            formatDb(output.sqnrDb),
            formatNumber(output.maxAbs),
            formatNumber(output.mse, 3),
            formatNumber(output.cosine, 6),
            formatPercent(output.agreement),
            formatKl(output.kl),
          ]),
          style,
        ),
      ];

function graphLines(graph: GraphDiff, style: Style): readonly string[] {
  const rows = [
    ...graph.removed.map(({ name, op }) => ["removed", op, name, ""]),
    ...graph.added.map(({ name, op }) => ["added", op, name, ""]),
    ...graph.changed.map(({ name, op, what }) => ["changed", op, name, what]),
  ];
  if (rows.length === 0) return [];
  return ["", ...table([left("node"), left("op"), left("name"), left("what")], rows, style)];
}
