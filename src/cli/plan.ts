/** `lathe plan`: what a technique would change. Writes nothing and reads no weights. */
import { formatBytes, formatSizeRange, plural } from "../shared/format.ts";
import type { Doc, Entry } from "../shared/doc.ts";
import type { PlanView } from "../shared/protocol.ts";
import type { SizeRange } from "../shared/report.ts";
import { callOptions, dataPath, type Command, type Context } from "./command.ts";
import { paramsText, wantedEntries } from "./recipe.ts";
import type { Style } from "./style.ts";
import { lines, skipLines, unitTable } from "./text.ts";
import { recipePath } from "./positionals.ts";

export const plan: Command = {
  name: "plan",
  summary: "Show what techniques would change and what they would skip; touches nothing.",
  usage: "MODEL (-t ID [-p KEY=VALUE]…)… | --preset ID | RECIPE",
  positionals: [1, 2],
  options: ["technique", "param", "scope", "preset", "target", "data"],
  details: [
    "With --data, it says how often the model would be run over the calibration samples.",
    "A plan reads no weights. When a second technique depends on the first, the first is computed in the scratch folder, still without touching the model.",
  ],
  examples: [
    { line: "lathe plan model.onnx -t quantize.weightOnly -p bits=4", what: "one technique" },
    { line: "lathe plan model.onnx other.onnx.lathe.json", what: "what a recipe would do here" },
  ],
  async run(positionals, args, context) {
    const [model = ""] = positionals;
    const wanted = wantedEntries("plan", args, recipePath("plan", positionals), context.catalog);
    const opened = await context.client.open(model);
    const data = dataPath(args) ?? wanted.data;
    const doc: Doc = data === null ? opened : { ...opened, data };
    const plans = await planEntries(doc, wanted.entries, context);
    return {
      json: {
        entries: plans.map((view) => ({ ...view, bytesAfter: sizeJson(view.bytesAfter) })),
        output: null,
        verified: { skipped: "a plan computes no result" },
      },
      text: (style) => lines(plans.map((view) => planLines(view, style))),
      exitCode: 0,
    };
  },
};

async function planEntries(
  doc: Doc,
  entries: readonly Entry[],
  context: Context,
): Promise<readonly PlanView[]> {
  const plans: PlanView[] = [];
  for (const [i, entry] of entries.entries())
    plans.push(
      await context.client.ask(
        "plan",
        { doc: { ...doc, recipe: entries.slice(0, i) }, entry },
        callOptions(context),
      ),
    );
  return plans;
}

/** A number where the size is exact, so that scripts can compare it with a result's. */
const sizeJson = (size: SizeRange): number | SizeRange => (size.min === size.max ? size.max : size);

function planLines(view: PlanView, style: Style): readonly string[] {
  const gained = `${formatBytes(view.bytesBefore)} → ${formatSizeRange(view.bytesAfter)}`;
  return [
    `${style.bold(view.transform)}  ${style.dim(paramsText(view.params))}`,
    view.units.length === 0
      ? style.warn("  nothing to change")
      : `  ${plural(view.units.length, "unit")}; tensor data ${gained}`,
    ...passLines(view),
    ...unitTable(view.units, style),
    ...skipLines(view.skipped, style),
  ];
}

function passLines({ passes, samples }: PlanView): readonly string[] {
  if (passes === undefined || samples === undefined) return [];
  const data = plural(samples, "calibration sample");
  return [`  measures activations in ${plural(passes, "pass", "passes")} over ${data}`];
}
