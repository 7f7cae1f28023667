/** `lathe optimize`: finds a recipe that meets a goal, measures it and writes the result. */
import path from "node:path";
import { usageErrors } from "../shared/errors.ts";
import {
  formatBytes,
  formatNumber,
  formatPercent,
  formatRatio,
  formatVerified,
} from "../shared/format.ts";
import type { Considered, OptimizeResult } from "../shared/protocol.ts";
import { dataPath, partOf, type Command, type Outcome } from "./command.ts";
import { compare, comparisonJson, measureRows, writeReport, type Comparison } from "./compare.ts";
import { goalOf } from "./goal.ts";
import { checkOutput, checkReport } from "./output.ts";
import { paramsText } from "./recipe.ts";
import type { Style } from "./style.ts";
import { left, lines, pairs, right, sizeChange, table } from "./text.ts";

/** Share of the progress before the comparison that the report shows. */
const BEFORE_REPORT = 0.85;

export const optimize: Command = {
  name: "optimize",
  summary: "Find the techniques that meet a goal, apply them, and show what that did.",
  usage: "MODEL -o OUT --data DATA (--max-drop 1% | --target-size 25% | …)",
  positionals: [1, 1],
  options: ["out", "data", "max-drop", "target-size", "faster", "limit", "force", "html"],
  details: [
    "Every layer is tried with every way of storing it, on calibration samples that statistics do not use; combinations are searched and measured; what is offered is measured on the evaluation samples. --max-drop holds only when the upper end of the drop's 95 % interval is within it: in points for accuracies, relative for perplexity and errors.",
    "The result, its recipe (OUT.lathe.json) and a report (OUT.html, or --html FILE) are written. When nothing safe is found, nothing is, and the exit code is 1.",
  ],
  examples: [
    {
      line: "lathe optimize model.onnx -o small.onnx --data dataset.json --max-drop 1%",
      what: "as small as can be within one point",
    },
    {
      line: "lathe optimize model.onnx -o small.onnx --data dataset.json --target-size 25%",
      what: "the best quality in a quarter of the bytes",
    },
  ],
  async run([model = ""], args, context) {
    const goal = goalOf(args);
    const output = args.text("out");
    if (output === null)
      throw usageErrors.wrongArguments(
        "optimize",
        "needs an output, -o OUT",
        `lathe optimize ${optimize.usage}`,
      );
    const opened = await context.client.open(model);
    checkOutput(output, model, args.flag("force"));
    const report = args.text("html") ?? `${output}.html`;
    checkReport(report);
    const data = dataPath(args);
    const doc = data === null ? opened : { ...opened, data };
    const result = await context.client.job(
      "optimize",
      {
        doc,
        goal,
        to: path.resolve(output),
        overwrite: args.flag("force"),
        limit: args.number("limit"),
      },
      partOf(context, 0, BEFORE_REPORT),
    );
    if (!result.found || result.output === null) return outcome(model, result, null);
    const after = await context.client.open(result.output);
    const comparison = await compare(opened, after, data, context, BEFORE_REPORT, {
      accuracy: result.quality,
      latency: result.latency,
    });
    const { considered, reasons, suggestions, data: splits, notes } = result;
    writeReport(report, comparison, result.applied, context, {
      considered,
      reasons,
      suggestions,
      data: splits,
      notes,
    });
    return outcome(model, result, { path: path.resolve(report), comparison });
  },
};

function outcome(
  model: string,
  result: OptimizeResult,
  report: { readonly path: string; readonly comparison: Comparison } | null,
): Outcome {
  const { quality, latency } = result;
  return {
    json: {
      found: result.found,
      entries: result.applied.map(({ entry, units, skipped, notes, bytesBefore, bytesAfter }) => ({
        ...entry,
        units,
        skipped,
        notes,
        bytesBefore,
        bytesAfter,
      })),
      output: result.output,
      verified: result.verified,
      recipe: result.output === null ? null : `${result.output}.lathe.json`,
      sizeBefore: result.sizeBefore,
      sizeAfter: result.sizeAfter,
      before: quality?.before ?? null,
      after: quality?.after ?? null,
      drop: quality?.drop ?? null,
      dropLow: quality?.dropLow ?? null,
      dropHigh: quality?.dropHigh ?? null,
      dropUnit: quality?.dropUnit ?? null,
      latencyRatio: latency?.ratio ?? null,
      latencyRatioLow: latency?.ratioLow ?? null,
      latencyRatioHigh: latency?.ratioHigh ?? null,
      considered: result.considered,
      suggestions: result.suggestions,
      reasons: result.reasons,
      data: result.data,
      notes: result.notes,
      report: report?.path ?? null,
      ...(report === null ? {} : { comparison: comparisonJson(report.comparison) }),
    },
    text: (style) =>
      lines([
        ...consideredLines(result.considered, style),
        result.reasons,
        ...(result.suggestions.length === 0
          ? []
          : [
              "",
              ...result.suggestions.map(
                ({ title, predictedGain, measuredRisk, reason }) =>
                  `${style.bold(title)}: ${predictedGain}; ${measuredRisk}; ${reason}.`,
              ),
            ]),
        ...(result.output === null
          ? []
          : [
              "",
              ...result.applied.map(
                ({ entry }) =>
                  `${style.bold(entry.transform)}  ${style.dim(paramsText(entry.params))}${entry.scope ? style.dim(`  scope of ${entry.scope.length} names`) : ""}`,
              ),
              ...[...new Set(result.applied.flatMap(({ notes }) => notes))].map((text) =>
                style.warn(`note: ${text}`),
              ),
              ...pairs(
                [
                  ["input", model],
                  ["output", result.output],
                  ["size", sizeChange(result.sizeBefore, result.sizeAfter)],
                  ["result", formatVerified(result.verified)],
                  ["recipe", `${result.output}.lathe.json`],
                  ...(report === null
                    ? []
                    : [
                        ...measureRows(report.comparison.measures),
                        ["report", report.path] as const,
                      ]),
                ],
                style,
              ),
            ]),
        ...(result.data === null ? [] : [style.dim(`measured on: ${result.data}`)]),
        ...result.notes.map((note) => style.warn(`note: ${note}`)),
      ]),
    exitCode: result.found ? 0 : 1,
  };
}

function consideredLines(considered: readonly Considered[], style: Style): readonly string[] {
  const points = [...considered].sort((a, b) => a.sizeBytes - b.sizeBytes);
  return [
    ...table(
      [left("considered"), right("size"), right("KL"), right("time"), right("drop"), left("state")],
      points.map(({ label, sizeBytes, kl, latencyRatio, drop, state }) => [
        label,
        formatBytes(sizeBytes),
        formatNumber(kl, 3),
        formatRatio(latencyRatio),
        drop === null ? "–" : formatPercent(drop, 2),
        state,
      ]),
      style,
    ),
    ...(points.length > 0 ? [""] : []),
  ];
}
