/** `lathe apply`: changes a model and writes the result to a new file, with its recipe beside. */
import path from "node:path";
import { usageErrors } from "../shared/errors.ts";
import { formatBytes, formatVerified, plural } from "../shared/format.ts";
import type { Doc } from "../shared/doc.ts";
import type { ApplyResult, CatalogEntry, SaveOptions, SaveResult } from "../shared/protocol.ts";
import type { Arguments } from "./arguments.ts";
import { dataPath, partOf, type Command, type Outcome } from "./command.ts";
import { compare, comparisonJson, measureRows, writeReport, type Comparison } from "./compare.ts";
import { shardLimit } from "./goal.ts";
import { checkOutput, checkReport } from "./output.ts";
import { recipePath } from "./positionals.ts";
import { kindOf } from "../shared/modelPath.ts";
import { simulatedText, type TargetId } from "../shared/presets.ts";
import { findTechnique, paramsText, wantedEntries } from "./recipe.ts";
import type { Style } from "./style.ts";
import { lines, pairs, sizeChange, skipLines, unitTable } from "./text.ts";

/** Share of the progress before the comparison that a report needs. */
const BEFORE_REPORT = 0.6;

interface Written {
  readonly model: string;
  readonly results: readonly ApplyResult[];
  readonly saved: SaveResult;
  readonly target: TargetId | null;
  readonly data: string | null;
}
interface Report {
  readonly path: string;
  readonly comparison: Comparison;
}

export const apply: Command = {
  name: "apply",
  summary: "Change a model and write the result to a new file.",
  usage: "MODEL (-t ID [-p KEY=VALUE]…)… | --preset ID | RECIPE -o OUT",
  positionals: [1, 2],
  options: [
    "technique",
    "param",
    "scope",
    "preset",
    "target",
    "out",
    "data",
    "external-data",
    "max-shard-size",
    "force",
    "no-verify",
    "html",
  ],
  details: [
    "The result is loaded and run once before it takes its name. Its recipe is written beside it as OUT.lathe.json and into its metadata; `lathe apply MODEL OUT.lathe.json -o OTHER` does the same again.",
    "With --html, the result is also compared with the input (on --data, if given), and the page shows that beside what was changed and what was skipped.",
    "A result that is for another runtime than onnxruntime on a CPU says so: its accuracy is simulated here and its speed not measured; the runtime is kept in the recipe. What a result may lose is checked by `lathe check OUT --baseline MODEL --max-drop 1% --data DATA`.",
    "A sharded model keeps the shards it has; with --max-shard-size it is cut anew (OUT ends in .safetensors.index.json).",
    "The input is never changed, unless OUT is the input and --force is given.",
  ],
  examples: [
    {
      line: "lathe apply model.onnx -t quantize.weightOnly -p bits=4 -o model.int4.onnx",
      what: "one technique",
    },
    {
      line: "lathe apply model.onnx --preset int8 --data dataset.json -o model.int8.onnx",
      what: "a ready recipe",
    },
    {
      line: "lathe apply model.onnx -t graph.clean -t quantize.weightOnly -o small.onnx",
      what: "two, in this order",
    },
  ],
  async run(positionals, args, context) {
    const [model = ""] = positionals;
    const recipe = recipePath("apply", positionals);
    const wanted = wantedEntries("apply", args, recipe, context.catalog);
    const output = args.text("out");
    if (output === null)
      throw usageErrors.wrongArguments(
        "apply",
        "needs an output, -o OUT",
        `lathe apply ${apply.usage}`,
      );
    const report = args.text("html");
    if (wanted.entries.length > 0) context.client.expectSave(model);
    const opened = await context.client.open(model);
    checkOutput(output, model, args.flag("force"));
    const maxShardBytes = shardLimit(args, kindOf(output));
    if (report !== null) checkReport(report);
    const data = dataPath(args) ?? wanted.data;
    const doc: Doc = data === null ? opened : { ...opened, data };
    // Data that does not fit is better known before the result is written than after.
    if (report !== null && data !== null)
      await context.client.job("evaluate", { doc, data, limit: 1 }, { signal: context.signal });
    const saved = await context.client.job(
      "save",
      {
        doc: { ...doc, recipe: wanted.entries },
        to: path.resolve(output),
        options: { ...saveOptions(args, wanted.target), maxShardBytes },
      },
      partOf(context, 0, report === null ? 1 : BEFORE_REPORT),
    );
    const results = saved.applied;
    const written = { model, results, saved, target: wanted.target, data };
    if (report === null) return outcome(written, null, context.catalog);
    // A base that was replaced is read from where its bytes are kept.
    const before = saved.keptBase === null ? opened : await context.client.open(saved.keptBase);
    const after = await context.client.open(saved.path);
    const comparison = await compare(before, after, data, context, BEFORE_REPORT);
    writeReport(report, comparison, results, context);
    return outcome(written, { path: path.resolve(report), comparison }, context.catalog);
  },
};

const saveOptions = (args: Arguments, target: TargetId | null): SaveOptions => {
  const externalData = args.text("external-data");
  return {
    externalData: externalData === "always" || externalData === "never" ? externalData : "auto",
    overwrite: args.flag("force"),
    verify: !args.flag("no-verify"),
    recipeFile: true,
    ...(target === null ? {} : { target }),
  };
};

function outcome(
  { model, results, saved, target, data }: Written,
  report: Report | null,
  catalog: readonly CatalogEntry[],
): Outcome {
  const recipe = results.length > 0 ? `${saved.path}.lathe.json` : null;
  const simulated = simulatedText(target);
  const fed = report?.comparison.measures.accuracy?.after.notes ?? [];
  const notes = [...new Set([...saved.notes, ...fed])];
  return {
    json: {
      entries: results.map(({ entry, units, skipped, notes, bytesBefore, bytesAfter }) => ({
        ...entry,
        units,
        skipped,
        notes,
        bytesBefore,
        bytesAfter,
      })),
      output: saved.path,
      verified: saved.verified,
      recipe,
      target,
      sizeBefore: saved.baseBytes,
      sizeAfter: saved.sizeBytes,
      notes,
      report: report === null ? null : report.path,
      ...(report === null ? {} : { comparison: comparisonJson(report.comparison) }),
    },
    text: (style) =>
      lines([
        ...results.map((result) => resultLines(result, data, catalog, style)),
        pairs(
          [
            ["input", model],
            ["output", saved.path],
            ["size", sizeChange(saved.baseBytes, saved.sizeBytes)],
            ["result", verifiedText(saved, style)],
            ...(simulated === null ? [] : [["target", style.warn(simulated)] as const]),
            ...(recipe === null ? [] : [["recipe", recipe] as const]),
            ...(report === null
              ? []
              : [...measureRows(report.comparison.measures), ["report", report.path] as const]),
          ],
          style,
        ),
        notes.map((note) => style.warn(`note: ${note}`)),
      ]),
    exitCode: 0,
  };
}

const verifiedText = (saved: SaveResult, style: Style): string =>
  saved.verified === true
    ? style.good(formatVerified(saved.verified))
    : style.warn(formatVerified(saved.verified));

function resultLines(
  result: ApplyResult,
  data: string | null,
  catalog: readonly CatalogEntry[],
  style: Style,
): readonly string[] {
  const { transform, params } = result.entry;
  const { warnings, withoutData } = findTechnique(transform, catalog);
  const notes = [
    ...result.notes,
    ...warnings,
    ...(data === null && withoutData !== undefined ? [withoutData] : []),
  ];
  return [
    `${style.bold(transform)}  ${style.dim(paramsText(params))}`,
    result.units.length === 0
      ? style.warn("  nothing was changed")
      : `  ${plural(result.units.length, "unit")}; tensor data ${formatBytes(result.bytesBefore)} → ${formatBytes(result.bytesAfter)}`,
    ...unitTable(result.units, style),
    ...skipLines(result.skipped, style),
    ...(result.units.length === 0 ? [] : notes.map((text) => style.warn(`  note: ${text}`))),
    "",
  ];
}
