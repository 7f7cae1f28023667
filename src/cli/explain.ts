/** `lathe explain`: which layers cause what a changed model loses. */
import { usageErrors } from "../shared/errors.ts";
import {
  formatBytes,
  formatDb,
  formatMetric,
  formatNumber,
  formatPercent,
} from "../shared/format.ts";
import type { Doc } from "../shared/doc.ts";
import type { Explanation } from "../shared/protocol.ts";
import type { Arguments } from "./arguments.ts";
import { callOptions, dataPath, type Command, type Context } from "./command.ts";
import { isRecipe, wantedEntries } from "./recipe.ts";
import type { Style } from "./style.ts";
import { left, lines, right, skipLines, table } from "./text.ts";

export const explain: Command = {
  name: "explain",
  summary: "Say which layers cause what a changed model loses, and what to do next.",
  usage: "BEFORE (AFTER | RECIPE | -t ID [-p KEY=VALUE]…) --data DATA",
  positionals: [1, 2],
  options: ["technique", "param", "scope", "preset", "target", "data", "limit"],
  details: [
    "Every changed layer is tried alone, the worst are put back, and errors are followed along the graph. Layers are compared on calibration samples, the metric is measured on the evaluation samples.",
  ],
  examples: [
    {
      line: "lathe explain model.onnx model.int4.onnx --data dataset.json",
      what: "two files",
    },
    {
      line: "lathe explain model.onnx -t quantize.weightOnly -p bits=2 --data dataset.json",
      what: "a technique before it is applied",
    },
  ],
  async run(positionals, args, context) {
    const [first = "", second = null] = positionals;
    const data = dataPath(args);
    if (data === null)
      throw usageErrors.wrongArguments("explain", "needs data", `lathe explain ${explain.usage}`);
    const before = await context.client.open(first);
    const after = await afterOf(before, second, args, context);
    const answer = await context.client.job(
      "explain",
      { before, after, data, limit: args.number("limit") },
      callOptions(context),
    );
    return { json: answer, text: (style) => lines(explanationLines(answer, style)), exitCode: 0 };
  },
};

async function afterOf(
  before: Doc,
  second: string | null,
  args: Arguments,
  context: Context,
): Promise<Doc> {
  if (second !== null && !isRecipe(second)) {
    if (args.entries.length > 0)
      throw usageErrors.wrongArguments(
        "explain",
        "takes a second model or -t, not both",
        `lathe explain ${explain.usage}`,
      );
    return context.client.open(second);
  }
  const { entries } = wantedEntries("explain", args, second, context.catalog);
  return { ...before, recipe: entries };
}

export function explanationLines(answer: Explanation, style: Style): readonly string[] {
  const { layers, after } = answer;
  const name = after?.metric ?? null;
  const metric = (value: number | null): string =>
    value === null || name === null ? "–" : formatMetric(name, value);
  const isScored = layers.some(({ alone }) => alone.kl !== null);
  const apart = (figures: { kl: number | null; sqnrDb: number } | null): string =>
    figures === null ? "–" : isScored ? formatNumber(figures.kl, 3) : formatDb(figures.sqnrDb);
  const unit = isScored ? "KL" : "SQNR";
  const hasMetric = layers.some(({ alone }) => alone.metric !== null);
  return [
    ...answer.findings,
    "",
    ...table(
      [
        left("layer"),
        right("share"),
        right(`${unit} alone`),
        ...(hasMetric ? [right("metric alone")] : []),
        right(`${unit} without it`),
        right("output SQNR"),
        right("saves"),
      ],
      layers.map((layer) => [
        layer.name,
        formatPercent(layer.share),
        apart(layer.alone),
        ...(hasMetric ? [metric(layer.alone.metric)] : []),
        apart(layer.restored),
        formatDb(layer.cascadedDb),
        formatBytes(layer.savedBytes),
      ]),
      style,
    ),
    style.dim(`  layers compared on ${answer.data}`),
    ...skipLines(answer.skipped, style),
  ];
}
