/** `lathe diff`: what differs between two models: graph, tensors, outputs, accuracy, latency, size. */
import path from "node:path";
import {
  GROUP_TITLES,
  formatBytes,
  formatDb,
  formatKl,
  formatNumber,
  formatPercent,
  isNews,
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
  options: ["data", "activations", "html"],
  details: [
    "A is before, B is after. With --data, accuracy and outputs are measured on it; without, outputs are compared on seeded random inputs, and the answer says so.",
  ],
  examples: [
    { line: "lathe diff model.onnx model.int4.onnx --data dataset.json", what: "with accuracy" },
    {
      line: "lathe diff a.onnx b.onnx --activations --data dataset.json",
      what: "layer by layer",
    },
    { line: "lathe diff a.onnx b.onnx --html report.html", what: "as a page to pass on" },
  ],
  async run([a = "", b = ""], args, context) {
    const report = args.text("html");
    if (report !== null) checkReport(report);
    const data = dataPath(args);
    const before = await context.client.open(a);
    const after = await context.client.open(b);
    const comparison = await compare(before, after, data, context, 0, {
      activations: args.flag("activations"),
    });
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
    ...activationTable(measures, style),
    ...groupLines(graph, style),
    ...graphLines(graph, style),
    ...measures.notes.map((note) => style.warn(`note: ${note}`)),
  ];
}

function graphText({ matched, added, removed, changed, groups, constants }: GraphDiff): string {
  if (added.length + removed.length + changed.length + groups.length === 0)
    return `no difference in ${plural(matched, "node")}`;
  const grouped = groups.reduce((sum, { count }) => sum + count, 0);
  return [
    `${matched} matched`,
    `${added.length} added`,
    `${removed.length} removed`,
    `${changed.length} changed`,
    ...(grouped === 0 ? [] : [plural(grouped, "group")]),
    ...(constants.added === 0 ? [] : [`${constants.added} constants added`]),
    ...(constants.removed === 0 ? [] : [`${constants.removed} constants removed`]),
  ].join(", ");
}

function groupLines({ groups }: GraphDiff, style: Style): readonly string[] {
  if (groups.length === 0) return [];
  const columns = [right("times"), left("nodes"), left("was"), left("is"), left("such as")];
  const rows = groups.map(({ count, kind, before, after, names }) => [
    String(count),
    GROUP_TITLES[kind],
    before,
    after,
    names[0] ?? "",
  ]);
  return ["", ...table(columns, rows, style)];
}

/** Shape arithmetic and the like: many of them differ between exporters, and none of them matters. */
const SMALL_BYTES = 64;

function tensorTable(tensors: readonly TensorDiff[], style: Style): readonly string[] {
  if (tensors.length === 0) return [];
  const isSmall = ({ sqnrDb, bytesBefore, bytesAfter }: TensorDiff): boolean =>
    sqnrDb === null && Math.max(bytesBefore, bytesAfter) <= SMALL_BYTES;
  const small = tensors.filter(isSmall).length;
  const shown = small > 3 ? tensors.filter((tensor) => !isSmall(tensor)) : tensors;
  const columns = [
    left("tensor"),
    left("is"),
    right("SQNR"),
    right("before"),
    right("after"),
    left("detail"),
  ];
  const rows = byBytes(shown).map((tensor) => [
    tensor.name,
    tensor.status,
    formatDb(tensor.sqnrDb),
    formatBytes(tensor.bytesBefore),
    formatBytes(tensor.bytesAfter),
    tensor.detail,
  ]);
  return [
    "",
    ...table(columns, rows, style),
    ...(shown === tensors
      ? []
      : [style.dim(`  … and ${small} of at most ${SMALL_BYTES} bytes (--json lists all)`)]),
  ];
}

/** The largest first: a long table is cut. */
const byBytes = (tensors: readonly TensorDiff[]): readonly TensorDiff[] => {
  const bytes = (tensor: TensorDiff): number => Math.max(tensor.bytesBefore, tensor.bytesAfter);
  return [...tensors].sort((a, b) => bytes(b) - bytes(a));
};

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

/** Rows in the text: a table is read from where the error starts. */
const MAX_ACTIVATIONS = 40;

function activationTable({ activations }: DiffMeasures, style: Style): readonly string[] {
  if (activations === null) return [];
  // Views of values that were compared already say nothing new.
  const rows = activations.rows.filter(isNews);
  const equal = activations.rows.length - rows.length;
  const columns = [
    left("value"),
    right("SQNR in"),
    right("out"),
    right("cosine"),
    right("max |Δ|"),
    left("made by"),
  ];
  const cells = rows.map((row) => [
    row.name,
    formatDb(row.inputDb),
    formatDb(row.sqnrDb),
    formatNumber(row.cosine, 6),
    formatNumber(row.maxAbs, 3),
    row.op,
  ]);
  const more = [
    plural(activations.samples, "sample"),
    ...(equal === 0 ? [] : [`${plural(equal, "value")} as near as what made them`]),
    ...(activations.inSubgraphs === 0
      ? []
      : [`${plural(activations.inSubgraphs, "node")} inside subgraphs not looked into`]),
  ];
  return [
    "",
    ...table(columns, cells, style, MAX_ACTIVATIONS),
    style.dim(`  values inside, in the order of the graph; ${more.join("; ")}`),
  ];
}

function graphLines(graph: GraphDiff, style: Style): readonly string[] {
  const rows = [
    ...graph.removed.map((node) => ({ ...node, is: "removed", what: "" })),
    ...graph.added.map((node) => ({ ...node, is: "added", what: "" })),
    ...graph.changed.map((node) => ({ ...node, is: "changed" })),
  ];
  if (rows.length === 0) return [];
  // What happened to many nodes alike is one line.
  const alike = new Map<string, { first: (typeof rows)[number]; count: number }>();
  for (const row of rows) {
    const key = JSON.stringify([row.is, row.op, row.what]);
    const known = alike.get(key);
    if (known) known.count++;
    else alike.set(key, { first: row, count: 1 });
  }
  const columns = [left("node"), left("op"), left("name"), left("what")];
  const cells = [...alike.values()].map(({ first, count }) => [
    first.is,
    first.op,
    count === 1 ? first.name : `${first.name} and ${count - 1} more`,
    first.what,
  ]);
  return ["", ...table(columns, cells, style)];
}
