/** `lathe check`: a gate for CI: size, drop against a baseline, speed. */
import { usageErrors } from "../shared/errors.ts";
import {
  formatBytes,
  formatDrop,
  formatDropInterval,
  formatEval,
  formatEvidence,
  formatPercent,
  formatRatioInterval,
  metricTitle,
} from "../shared/format.ts";
import type { BenchResult, OptimizeGoal, PairedQuality } from "../shared/protocol.ts";
import type { Arguments } from "./arguments.ts";
import { dataPath, partOf, type Command } from "./command.ts";
import { dropLimit, sizeLimit } from "./goal.ts";
import type { Style } from "./style.ts";
import { left, lines, table } from "./text.ts";

/** What was asked about the model, and what was found. */
export interface Gate {
  readonly name: "size" | "drop" | "faster";
  readonly passed: boolean;
  /** In the gate's own unit: bytes, a share, a ratio of times; null where there is none. */
  readonly value: number | null;
  readonly limit: number;
  readonly reason: string;
}

export const check: Command = {
  name: "check",
  summary:
    "Gate for CI: exit with 1 and the reason when a model is too large, too bad or too slow.",
  usage: "MODEL [--max-size 10MB] [--baseline A --max-drop 1%]",
  positionals: [1, 1],
  options: ["max-size", "baseline", "max-drop", "faster", "data"],
  details: [
    "A drop passes only when the upper end of its 95 % interval is within the limit: too few samples fail, and the reason says so. Speed passes when the whole interval of the ratio of times is below 1, measured here.",
  ],
  examples: [
    { line: "lathe check model.onnx --max-size 10MB", what: "a budget of bytes" },
    {
      line: "lathe check small.onnx --baseline model.onnx --max-drop 1% --data dataset.json",
      what: "against the model it came from",
    },
  ],
  async run([model = ""], args, context) {
    const wanted = wantedGates(args);
    const doc = await context.client.open(model);
    const baseline = wanted.baseline === null ? null : await context.client.open(wanted.baseline);
    const gates: Gate[] = [];
    const sizeOf = async (one: typeof doc): Promise<number> =>
      (await context.client.ask("summary", { doc: one }, { signal: context.signal })).sizeBytes;
    if (wanted.size !== null)
      gates.push(
        sizeGate(await sizeOf(doc), wanted.size, baseline === null ? null : await sizeOf(baseline)),
      );
    const measures =
      baseline === null || (wanted.drop === null && !wanted.faster)
        ? null
        : await context.client.job(
            "diffMeasures",
            {
              ...{ before: baseline, after: doc, data: wanted.drop === null ? null : wanted.data },
              ...{ latency: wanted.faster, activations: false },
            },
            partOf(context, 0, 1),
          );
    if (wanted.drop !== null)
      gates.push(dropGate(measures?.accuracy ?? null, wanted.drop, wanted.data));
    if (wanted.faster) gates.push(fasterGate(measures?.latency ?? null, measures?.notes ?? []));
    const passed = gates.every((gate) => gate.passed);
    return {
      json: { model, baseline: wanted.baseline, passed, gates },
      text: (style) => lines(gateLines(gates, style)),
      exitCode: passed ? 0 : 1,
    };
  },
};

interface Wanted {
  readonly size: OptimizeGoal["targetSize"];
  readonly baseline: string | null;
  readonly drop: number | null;
  readonly faster: boolean;
  readonly data: string | null;
}

/** @throws LatheError (usage) where a gate lacks what it is measured with, or none is named. */
function wantedGates(args: Arguments): Wanted {
  const wanted: Wanted = {
    size: sizeLimit(args, "max-size"),
    baseline: args.text("baseline"),
    drop: dropLimit(args),
    faster: args.flag("faster"),
    data: dataPath(args),
  };
  const refuse = (problem: string): never => {
    throw usageErrors.wrongArguments("check", problem, `lathe check ${check.usage}`);
  };
  const { size, baseline, drop, faster, data } = wanted;
  if (size === null && drop === null && !faster)
    refuse("has nothing to check: it needs --max-size, --max-drop or --faster");
  if (baseline === null && size !== null && "share" in size)
    refuse("needs --baseline for a size that is a share of another");
  if (baseline === null && drop !== null) refuse("needs --baseline for --max-drop");
  if (baseline === null && faster) refuse("needs --baseline for --faster");
  if (data === null && drop !== null) refuse("needs --data for --max-drop");
  return wanted;
}

function sizeGate(
  size: number,
  limit: NonNullable<OptimizeGoal["targetSize"]>,
  baseline: number | null,
): Gate {
  const bytes = "bytes" in limit ? limit.bytes : Math.floor(limit.share * (baseline ?? 0));
  const share = baseline === null ? "" : `, ${formatPercent(size / baseline)} of the baseline`;
  const passed = size <= bytes;
  return {
    ...{ name: "size", passed, value: size, limit: bytes },
    reason: `${formatBytes(size)}${share}; ${passed ? "within" : "more than"} ${formatBytes(bytes)}`,
  };
}

/** @throws LatheError (usage) where the data says nothing of right and wrong. */
function dropGate(quality: PairedQuality | null, limit: number, data: string | null): Gate {
  if (quality === null)
    throw usageErrors.wrongArguments(
      "check",
      `cannot measure a drop: ${data ?? "the data"} has no labels or reference outputs`,
      "lathe eval MODEL --data DATA shows what the data measures.",
    );
  const { before, after, drop, dropUnit, dropHigh } = quality;
  const passed = dropHigh <= limit;
  const most = formatDrop(limit, dropUnit);
  const verdict = passed
    ? `within ${most} with its whole interval`
    : drop > limit
      ? `more than ${most}`
      : `within ${most} is not shown by ${formatEvidence(after)}: more samples would narrow the interval`;
  return {
    ...{ name: "drop", passed, value: drop, limit },
    reason: `${metricTitle(before.metric)} ${formatEval(before)} → ${formatEval(after)}, drop ${formatDrop(drop, dropUnit)} (${formatDropInterval(quality)}); ${verdict}`,
  };
}

function fasterGate(latency: BenchResult | null, notes: readonly string[]): Gate {
  const { ratio = null, ratioLow = null, ratioHigh = null } = latency ?? {};
  const passed = ratioHigh !== null && ratioHigh < 1;
  const verdict = passed
    ? "faster here"
    : ratioLow !== null && ratioLow > 1
      ? "slower here"
      : "no difference in speed is shown here";
  return {
    ...{ name: "faster", passed, value: ratio, limit: 1 },
    reason:
      latency === null
        ? `speed was not measured: ${notes.join(" ")}`
        : `ratio of times ${formatRatioInterval(ratio, ratioLow, ratioHigh)}; ${verdict}`,
  };
}

const gateLines = (gates: readonly Gate[], style: Style): readonly string[] =>
  table(
    [left("gate"), left("result"), left("why")],
    gates.map(({ name, passed, reason }) => [
      name,
      passed ? style.good("passed") : style.bad("failed"),
      reason,
    ]),
    style,
  );
