/** `lathe inspect`: what is in a model file. Reads structure only, never weights. */
import { formatBytes, formatCompact, formatCount, formatShape, plural } from "../shared/format.ts";
import type { Doc } from "../shared/doc.ts";
import type { Summary, TensorRow } from "../shared/protocol.ts";
import { callOptions, type Command, type Context } from "./command.ts";
import type { Style } from "./style.ts";
import { ioText, left, lines, pairs, right, table } from "./text.ts";

/** Rows per question: an answer of 1000 rows with long names stays below the limit of 1 MB. */
const PAGE_ROWS = 1000;
/** Operators named in the summary line. */
const MAX_OPS = 8;
const MAX_METADATA_CHARS = 100;
const MAX_FUNCTIONS = 8;

export const inspect: Command = {
  name: "inspect",
  summary: "Show what is in a model: format, size, operators, inputs, outputs, tensors.",
  usage: "MODEL",
  positionals: [1, 1],
  options: ["tensors"],
  details: ["Reads the structure only, so it is as quick on a file of many gigabytes."],
  examples: [
    { line: "lathe inspect model.onnx", what: "a summary" },
    { line: "lathe inspect model.safetensors --tensors --json", what: "all of it, for scripts" },
  ],
  async run([model = ""], args, context) {
    const doc = await context.client.open(model);
    const summary = await context.client.ask("summary", { doc }, callOptions(context));
    const tensors = args.flag("tensors") ? await allTensors(doc, context) : null;
    return {
      json:
        tensors === null
          ? summary
          : { ...summary, tensors: tensors.map(({ graph, ...tensor }) => ({ ...tensor, graph })) },
      text: (style) => lines([summaryLines(summary, tensors, style)]),
      exitCode: 0,
    };
  },
};

async function allTensors(doc: Doc, context: Context): Promise<readonly TensorRow[]> {
  const rows: TensorRow[] = [];
  for (let total = Number.POSITIVE_INFINITY; rows.length < total;) {
    const page = await context.client.ask(
      "tensors",
      {
        doc,
        from: rows.length,
        to: rows.length + PAGE_ROWS,
        sort: "order",
        descending: false,
        filter: "",
      },
      callOptions(context),
    );
    rows.push(...page.rows);
    total = page.rows.length === 0 ? rows.length : page.total;
  }
  return rows;
}

function summaryLines(
  summary: Summary,
  tensors: readonly TensorRow[] | null,
  style: Style,
): readonly string[] {
  const rows = tensors ?? summary.largest;
  const external = summary.files.filter((file) => file.role !== "model");
  return [
    style.bold(summary.path),
    ...pairs(
      [
        ["format", formatLine(summary)],
        ["size", sizeLine(summary, external.length)],
        ["parameters", formatCount(summary.parameters)],
        ["tensors", tensorsLine(summary)],
        ...(summary.format === "onnx"
          ? ([
              ["nodes", nodesLine(summary)],
              ["MACs", macsText(summary)],
            ] as const)
          : []),
        ...functionLines(summary).map((line) => ["function", line] as const),
        ...summary.training.map((steps) => ["training", trainingLine(steps)] as const),
        ...summary.inputs.map((value) => ["input", ioText(value)] as const),
        ...summary.outputs.map((value) => ["output", ioText(value)] as const),
        ...summary.metadata.map(
          ({ key, value }) => ["metadata", `${key}: ${shortened(value)}`] as const,
        ),
      ],
      style,
    ),
    ...summary.warnings.map((warning) => style.warn(`warning: ${warning}`)),
    ...moduleLines(summary, style),
    ...(rows.length === 0 ? [] : ["", tensors === null ? "Largest tensors" : "Tensors"]),
    ...table(
      [left("name"), left("type"), left("shape"), right("size"), left("used by")],
      rows.map((tensor) => [
        tensor.name,
        tensor.dtype,
        formatShape(tensor.shape),
        formatBytes(tensor.sizeBytes),
        usersText(tensor.usedBy),
      ]),
      style,
      tensors === null ? undefined : Number.POSITIVE_INFINITY,
    ),
  ];
}

/** "1.20G per run", and for which sizes where the model leaves some open. */
function macsText({ macs, inputs }: Summary): string {
  if (macs === null) return "not known in full; `lathe analyze --with cost.model` shows by layer";
  const open = inputs.flatMap(({ shape }) => shape.filter((d) => typeof d === "string"));
  const sizes = [...new Set(open)].map((name) => `${name} = 1`).join(", ");
  return `${formatCompact(macs)} per run${sizes === "" || macs === 0 ? "" : ` at ${sizes}`}`;
}

/** Names inside branches are paths as long as the nesting is deep: what tells them apart is their end. */
const MAX_USER = 48;
const tail = (name: string): string =>
  name.length <= MAX_USER ? name : `…${name.slice(1 - MAX_USER)}`;

/** "conv1", "q_proj, k_proj", "…/rnn/Slice and 5 more": who reads a tensor, on what is left of a line. */
function usersText(users: readonly string[]): string {
  const all = users.join(", ");
  const [first = ""] = users;
  if (all.length <= MAX_USER || users.length === 1) return tail(all);
  return `${tail(first)} and ${users.length - 1} more`;
}

/** The short tree of modules; nothing where names tell of none, or of one. */
function moduleLines({ modules }: Summary, style: Style): readonly string[] {
  if (modules.length < 2) return [];
  const rows = modules.map(({ depth, label, repeat, tensors, sizeBytes }) => [
    `${"  ".repeat(depth)}${label}${repeat > 1 ? `  (${formatCount(repeat)} ×)` : ""}`,
    formatCount(tensors),
    formatBytes(sizeBytes),
  ]);
  const columns = [left("module"), right("tensors"), right("size")];
  return ["", "Modules", ...table(columns, rows, style)];
}

/** The first of the model's own functions, and how many more there are. */
function functionLines({ functions }: Summary): readonly string[] {
  const shown = functions.slice(0, MAX_FUNCTIONS).map(({ domain, name, overload, nodes }) => {
    const full = `${domain}.${name}${overload === "" ? "" : `:${overload}`}`;
    return `${tail(full)}  ${plural(nodes, "node")}`;
  });
  const more = functions.length - shown.length;
  return more > 0 ? [...shown, `… and ${formatCount(more)} more (--json lists them)`] : shown;
}

function trainingLine({ initialization, algorithm }: Summary["training"][number]): string {
  const { nodes } = algorithm;
  const start =
    initialization.nodes === 0 && initialization.sets === 0
      ? "no initialization"
      : `initialization of ${plural(initialization.nodes, "node")} sets ${plural(initialization.sets, "tensor")}`;
  return `algorithm of ${plural(nodes, "node")} updates ${plural(algorithm.sets, "tensor")}; ${start}`;
}

const shortened = (text: string): string => {
  const line = text.replace(/\s+/g, " ");
  return line.length <= MAX_METADATA_CHARS ? line : `${line.slice(0, MAX_METADATA_CHARS)}…`;
};

function formatLine(summary: Summary): string {
  if (summary.format === "safetensors") return "safetensors";
  const opsets = Object.entries(summary.opsets).map(
    ([domain, version]) => `${domain === "" ? "ai.onnx" : domain} ${version}`,
  );
  const producer = summary.producer === "" ? "" : `, made by ${summary.producer}`;
  return `ONNX, IR ${summary.irVersion}, opset ${opsets.join(", ")}${producer}`;
}

function sizeLine(summary: Summary, externalFiles: number): string {
  const size = formatBytes(summary.sizeBytes);
  if (externalFiles === 0) return size;
  return summary.format === "safetensors"
    ? `${size} in ${plural(externalFiles, "shard")}`
    : `${size} with ${plural(externalFiles, "file")} of external data`;
}

function tensorsLine(summary: Summary): string {
  const byDtype = Object.entries(summary.bytesByDtype)
    .sort(([, a], [, b]) => b - a)
    .map(([dtype, bytes]) => `${dtype} ${formatBytes(bytes)}`);
  return `${formatCount(summary.tensors)}${byDtype.length === 0 ? "" : `: ${byDtype.join(", ")}`}`;
}

function nodesLine(summary: Summary): string {
  const ops = summary.opCounts.slice(0, MAX_OPS).map(({ op, count }) => `${op} ${count}`);
  const more = summary.opCounts.length > MAX_OPS ? ", …" : "";
  const inner =
    summary.nodesInSubgraphs > 0
      ? ` and ${formatCount(summary.nodesInSubgraphs)} in subgraphs`
      : "";
  return `${formatCount(summary.nodes)}${inner}: ${ops.join(", ")}${more}`;
}
