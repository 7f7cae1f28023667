/** `lathe analyze`: reports about a model, which stays as it is. */
import { paramErrors, usageErrors } from "../shared/errors.ts";
import { formatMetricValue } from "../shared/format.ts";
import { parseParam, readParams } from "../shared/params.ts";
import type { AnalyzerCall, AnalyzerEntry } from "../shared/protocol.ts";
import type { Report } from "../shared/report.ts";
import type { Arguments } from "./arguments.ts";
import { callOptions, dataPath, type Command } from "./command.ts";
import type { Style } from "./style.ts";
import { left, lines, right, skipLines, table } from "./text.ts";

export const analyze: Command = {
  name: "analyze",
  summary: "Report what costs, what is sensitive and what is redundant; changes nothing.",
  usage: "MODEL [--with ID,…] [-p KEY=VALUE]…",
  positionals: [1, 1],
  options: ["with", "param", "data", "limit"],
  details: [
    "Without --with, all analyzers run that need no data and take seconds at most. -p sets a parameter of every named analyzer that has it.",
  ],
  examples: [
    { line: "lathe analyze model.onnx", what: "what it costs and what can be seen in its weights" },
    {
      line: "lathe analyze model.onnx --with cost.model -p dims=batch=1,seq=128",
      what: "for a sequence of 128",
    },
  ],
  async run([model = ""], args, context) {
    const calls = wantedCalls(args, context.analyzers);
    const opened = await context.client.open(model);
    const data = dataPath(args);
    const doc = data === null ? opened : { ...opened, data };
    const answer = await context.client.job(
      "analyze",
      { doc, calls, limit: args.number("limit") },
      callOptions(context),
    );
    return {
      json: answer,
      text: (style) =>
        lines(
          answer.reports.flatMap((report, i) => [
            ...(i === 0 ? [] : [""]),
            ...reportLines(report, titleOf(report.analyzer, context.analyzers), style),
          ]),
        ),
      exitCode: 0,
    };
  },
};

const titleOf = (id: string, analyzers: readonly AnalyzerEntry[]): string =>
  analyzers.find((entry) => entry.id === id)?.title ?? "";

function wantedCalls(
  args: Arguments,
  analyzers: readonly AnalyzerEntry[],
): readonly AnalyzerCall[] {
  const chosen = chosenAnalyzers(args.text("with"), analyzers);
  const used = new Set<string>();
  const calls = chosen.map((entry) => {
    const own = args.params.filter(([key]) => Object.hasOwn(entry.params, key));
    own.forEach(([key]) => used.add(key));
    const given = Object.fromEntries(
      own.map(([key, text]) => {
        const param = entry.params[key];
        return [key, param === undefined ? text : parseParam(param, text)];
      }),
    );
    return { id: entry.id, params: readParams(entry.id, entry.params, given) };
  });
  const [stray] = args.params.find(([key]) => !used.has(key)) ?? [];
  if (stray !== undefined)
    throw paramErrors.unknownKey(chosen.map(({ id }) => id).join(", "), stray, [
      ...new Set(chosen.flatMap(({ params }) => Object.keys(params))),
    ]);
  return calls;
}

function chosenAnalyzers(
  text: string | null,
  analyzers: readonly AnalyzerEntry[],
): readonly AnalyzerEntry[] {
  if (text === null)
    return analyzers.filter(({ data, cost }) => data !== "required" && cost !== "minutes");
  const names = text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  if (names.length === 0)
    throw usageErrors.badOptionValue("--with", text, "ids of analyzers, separated by commas");
  return [
    ...new Set(
      names.flatMap((name) => {
        const found = analyzers.filter(({ id }) => matches(id, name));
        if (found.length > 0) return found;
        throw paramErrors.unknownAnalyzer(
          name,
          analyzers.map(({ id }) => id),
        );
      }),
    ),
  ];
}

const matches = (id: string, pattern: string): boolean =>
  pattern === id ||
  (pattern.includes("*") &&
    new RegExp(
      `^${pattern
        .split("*")
        .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"))
        .join(".*")}$`,
    ).test(id));

/** Findings first: they are what one came for; then the table they stand on. */
export function reportLines(report: Report, title: string, style: Style): readonly string[] {
  const { metrics } = report;
  return [
    `${style.bold(report.analyzer)}  ${title}`,
    ...report.findings.map((finding) => `  ${finding}`),
    ...(report.data === null ? [] : [style.dim(`  measured on ${report.data}`)]),
    ...table(
      [left(""), ...metrics.map((metric) => right(metric.title))],
      report.rows.map(({ target, values }) => [
        shortened(target),
        ...metrics.map((metric, i) => formatMetricValue(values[i] ?? null, metric.unit)),
      ]),
      style,
    ),
    ...skipLines(report.skipped, style),
  ];
}

/** Columns of a target: names inside nested bodies have hundreds of characters, the end tells most. */
const MAX_TARGET = 56;
const shortened = (target: string): string =>
  target.length > MAX_TARGET ? `…${target.slice(1 - MAX_TARGET)}` : target;
