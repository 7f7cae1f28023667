/** What *Optimize…* decided and why, in sentences. */
import type { Drift } from "../../core/analyzer.ts";
import {
  formatBytes,
  formatEval,
  formatNumber,
  formatPercent,
  formatRatioInterval,
  metricTitle,
  plural,
} from "../../shared/format.ts";
import type { BenchResult, PairedQuality, Suggestion } from "../../shared/protocol.ts";
import type { Candidate } from "./candidates.ts";
import type { Layer } from "./menu.ts";
import type { Trial } from "./trial.ts";

interface Apart {
  readonly label: string;
  readonly kl: number | null;
  readonly sqnrDb: number;
  readonly sizeBytes: number;
}

const apart = ({ kl, sqnrDb }: Pick<Apart, "kl" | "sqnrDb">): string =>
  kl === null ? `SQNR ${formatNumber(sqnrDb, 3)} dB` : `KL ${formatNumber(kl, 3)} nats`;
const dropText = ({ drop, dropLow, dropHigh, dropUnit }: PairedQuality): string => {
  const one = (value: number): string =>
    (dropUnit === "points" ? (100 * value).toFixed(2) : formatPercent(value, 2)).replace("-", "−");
  const unit = dropUnit === "points" ? " points" : "";
  return `${one(drop)}${unit} (${one(dropLow)} to ${one(dropHigh)})`;
};
const limitText = (limit: number, unit: PairedQuality["dropUnit"]): string =>
  unit === "points"
    ? `${formatNumber(100 * limit)} ${100 * limit === 1 ? "point" : "points"}`
    : formatPercent(limit);
const times = ({ ratio, ratioLow, ratioHigh }: BenchResult): string =>
  formatRatioInterval(ratio, ratioLow, ratioHigh);

/** Where only a size was asked for, a loss is measured and no reason to refuse. */
const noLimit = ({ dropLow }: PairedQuality): string =>
  dropLow > 0 ? "; it is worse, and --max-drop sets no limit to that" : "";

export const say = {
  notFinite: (): string =>
    "The model's own outputs on the search samples are NaN or infinite: nothing can be compared with them.",
  noLayers: (): string =>
    "No technique of the catalogue finds a layer that it can make smaller here.",
  notExact: (transform: string, drift: Drift): string =>
    `${transform} is left out: it moves the outputs (${apart(drift)}).`,
  searched: (
    layers: readonly Layer[],
    ways: readonly string[],
    exact: boolean,
    meter: { readonly evidence: string },
  ): string =>
    `${plural(layers.length, "layer")} with ${ways.join(", ")}: each tried alone on ${meter.evidence}; combinations by ${exact ? "exact search over" : "thinned search over"} the sums.`,
  tooLarge: (size: number, wanted: number): string =>
    `it has ${formatBytes(size)}, more than ${formatBytes(wanted)}`,
  unreachable: (wanted: number, smallest: number): string =>
    `A size of ${formatBytes(wanted)} cannot be reached: the smallest that the techniques at hand give is ${formatBytes(smallest)}.`,
  notFaster: (latency: BenchResult): string =>
    `it is not faster here: ${times(latency)} of the time`,
  slower: (latency: BenchResult): string => `it is slower here: ${times(latency)} of the time`,
  /** What a configuration lacks that was measured, but not chosen. */
  outdone: {
    size: "the chosen one is smaller",
    time: "the chosen one is faster here",
    damage: "the chosen one is as good otherwise and keeps the outputs nearer",
    length: "the chosen one does as well with a shorter recipe",
    unlooked: "others were tried first, and no more were measured on the report samples",
  },
  tooFar: (one: Apart): string =>
    `its outputs are too far away on the search samples: ${apart(one)}`,
  /** "; most of it comes from A (62 %) and B (20 %)". */
  causes: ({ worst }: Pick<Candidate, "worst">): string =>
    worst.length === 0
      ? ""
      : `; most of it comes from ${worst.map(({ name, share }) => `${name} (${formatPercent(share)})`).join(" and ")}`,
  /** Layers that a chosen recipe leaves as they are, by name. */
  kept: (names: readonly string[]): readonly string[] =>
    names.length === 0
      ? []
      : [
          `Kept as they are, since they bear it least or nothing is saved there: ${names.slice(0, 5).join(", ")}${names.length > 5 ? ` and ${names.length - 5} more` : ""}.`,
        ],
  notShown: (quality: PairedQuality, limit: number): string =>
    `a drop within ${limitText(limit, quality.dropUnit)} is not shown: ${dropText(quality)}`,
  chosen: (
    one: Apart,
    quality: PairedQuality | null,
    sizeBefore: number,
    limit: number | null,
  ): string =>
    `${one.label}: ${formatPercent(one.sizeBytes / sizeBefore)} of the bytes, ${apart(one)} on the search samples${
      quality === null
        ? ""
        : `; ${metricTitle(quality.before.metric)} ${formatEval(quality.before)} → ${formatEval(quality.after)}, drop ${dropText(quality)}${limit === null ? noLimit(quality) : `, within ${limitText(limit, quality.dropUnit)} with its whole interval`}`
    }.`,
  speed: (latency: BenchResult, vague: boolean): string => {
    const { ratioLow, ratioHigh } = latency;
    if (ratioHigh !== null && ratioHigh < 1)
      return `It is faster here: ${times(latency)} of the time.`;
    if (ratioLow !== null && ratioLow > 1)
      return `It is slower here (${times(latency)} of the time): smaller, not faster.`;
    return vague
      ? `Whether it is faster or slower here could not be told, other work disturbs the measurement: ${times(latency)} of the time.`
      : `Its speed here is the same within noise: ${times(latency)} of the time.`;
  },
  nothingHolds: (limit: number | null, looks: number): string =>
    looks === 0
      ? "No candidate is near enough to the goal to be measured on the report samples."
      : `None of the ${plural(looks, "candidate")} measured on the report samples holds${limit === null ? "" : " with its whole interval"}.`,
  unchanged: (path: string): string =>
    `Nothing safe that meets the goal was found; ${path} stays as it is.`,
  splits: (data: string, trial: Trial): string =>
    `search: ${trial.meter.evidence}; report: ${trial.reported === 0 ? "no sample was needed" : `${plural(trial.reported, "sample")} of ${data}`}`,
  suggestions: (
    one: Candidate & Apart,
    quality: PairedQuality | null,
    latency: BenchResult,
    sizeBefore: number,
  ): readonly Suggestion[] => {
    const groups = new Map<
      string,
      { bytes: number; count: number; entry: Suggestion["entries"] }
    >();
    for (const option of one.picks) {
      if (!option) continue;
      const known = groups.get(option.way.label) ?? { bytes: 0, count: 0, entry: [] };
      known.bytes += option.savedBytes;
      known.count++;
      known.entry = one.entries.filter(
        ({ transform, params }) =>
          transform === option.way.entry.transform &&
          JSON.stringify(params) === JSON.stringify(option.way.entry.params),
      );
      groups.set(option.way.label, known);
    }
    const kept = one.picks.filter((option) => option === null).length;
    const { first } = one;
    const speed = `${times(latency)} of the time here`;
    const measuredRisk = `${quality === null ? apart(one) : `a drop of ${dropText(quality)}`} for the whole recipe`;
    return [
      ...(first === null
        ? []
        : [
            {
              title: first.label,
              entries: first.entries,
              predictedGain: `${formatBytes(sizeBefore - one.sizeBytes)} less, ${speed}${groups.size === 0 ? "" : ", for the whole recipe"}`,
              measuredRisk,
              reason: first.reason,
            },
          ]),
      ...[...groups].map(([label, { bytes, count, entry }]) => ({
        title: `${label} for ${plural(count, "layer")}`,
        entries: entry,
        predictedGain:
          first === null
            ? `${formatBytes(bytes)} less${groups.size === 1 ? `, ${speed}` : ""}`
            : `${formatBytes(bytes)} less by itself`,
        measuredRisk,
        reason:
          kept === 0
            ? "every layer bears it"
            : kept === 1
              ? "1 layer that bears it least stays as it is"
              : `${kept} layers that bear it least stay as they are`,
      })),
    ];
  },
};
