/** `lathe bench`: how long one run takes, of one model or of two against each other. */
import { availableParallelism } from "node:os";
import { formatDuration, formatRatioInterval, plural } from "../shared/format.ts";
import type { Doc } from "../shared/doc.ts";
import type { BenchResult } from "../shared/protocol.ts";
import { callOptions, type Command } from "./command.ts";
import type { Style } from "./style.ts";
import { left, lines, right, table } from "./text.ts";

const DEFAULT_RUNS = 50;
/** Of the random inputs; fixed, so that two benches see the same ones. */
const SEED = 0;

export const bench: Command = {
  name: "bench",
  summary: "Measure latency: percentiles of one model, or the ratio of two with its interval.",
  usage: "MODEL [MODEL2]",
  positionals: [1, 2],
  options: ["runs"],
  details: [
    "Two models are run in turns, so that what else the machine does meets both; the ratio is MODEL2's time over MODEL's.",
  ],
  examples: [
    { line: "lathe bench model.onnx", what: "one model" },
    { line: "lathe bench model.onnx model.int4.onnx --runs 200 --threads 1", what: "two" },
  ],
  async run(positionals, args, context) {
    const docs: Doc[] = [];
    for (const model of positionals) docs.push(await context.client.open(model));
    const result = await context.client.job(
      "bench",
      {
        docs,
        runs: args.number("runs") ?? DEFAULT_RUNS,
        threads: args.number("threads") ?? availableParallelism(),
        seed: SEED,
      },
      callOptions(context),
    );
    // Documents may be read through a copy; people know their files by the names they typed.
    const models = result.models.map((model, i) => ({
      ...model,
      path: positionals[i] ?? model.path,
    }));
    const named = { ...result, models };
    return { json: named, text: (style) => lines([benchLines(named, style)]), exitCode: 0 };
  },
};

function benchLines(result: BenchResult, style: Style): readonly string[] {
  const runs = result.models[0]?.runs ?? 0;
  return [
    ...table(
      [left("model"), right("median"), right("90 %")],
      result.models.map((model) => [
        model.path,
        formatDuration(model.p50Ms),
        formatDuration(model.p90Ms),
      ]),
      style,
    ),
    ...(result.ratio === null
      ? []
      : [
          `ratio   ${style.bold(formatRatioInterval(result.ratio, result.ratioLow, result.ratioHigh))}  ${style.dim("(second over first; 95 % interval)")}`,
        ]),
    style.dim(`${plural(runs, "run")} each, ${plural(result.threads, "thread")}, random inputs`),
  ];
}
