/**
 * Numbers as people read them, the same on the command line, in the editor and in reports.
 *
 * Sizes are decimal (1 MB = 10^6 bytes), as `--target-size 10MB` means it. Nothing depends on the
 * locale, so that texts can be tested and scripts can rely on them.
 */
import type { ActivationDiff, EvalResult, GraphDiff, PairedQuality, Verified } from "./protocol.ts";
import type { MetricUnit, SizeRange } from "./report.ts";

const BYTE_UNITS = ["kB", "MB", "GB", "TB", "PB"] as const;
const COUNT_UNITS = ["k", "M", "G", "T", "P"] as const;

/** `unit` of a thousand-step scale with three significant digits: 1230000 → ["1.23", "MB"]. */
function scaled(value: number, units: readonly string[]): readonly [string, string] | null {
  if (Math.abs(value) < 1000) return null;
  let scaledValue = value;
  let index = -1;
  // 999.5 rounds to "1000", which belongs to the next unit.
  while (Math.abs(scaledValue) >= (index < 0 ? 1000 : 999.5) && index < units.length - 1) {
    scaledValue /= 1000;
    index++;
  }
  const size = Math.abs(scaledValue);
  const digits = size < 9.995 ? 2 : size < 99.95 ? 1 : 0;
  return [scaledValue.toFixed(digits), units[index] ?? ""];
}

/** What became of nodes that belong together, in one word for a table. */
export const GROUP_TITLES: Readonly<Record<GraphDiff["groups"][number]["kind"], string>> = {
  replaced: "replaced",
  absorbed: "taken in",
  shared: "computed once",
  folded: "made constant",
};

/** 1234567 → "1,234,567". */
export function formatCount(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ",");
}

/** 1234567 → "1.23M"; below 1000 the whole number. */
export function formatCompact(value: number): string {
  const parts = Number.isFinite(value) ? scaled(value, COUNT_UNITS) : null;
  return parts ? parts.join("") : formatCount(value);
}

/** 1234567 → "1.23 MB"; below 1000 "999 bytes". */
export function formatBytes(bytes: number): string {
  const parts = Number.isFinite(bytes) ? scaled(bytes, BYTE_UNITS) : null;
  if (parts) return parts.join(" ");
  return bytes === 1 ? "1 byte" : `${formatCount(bytes)} bytes`;
}

/** An exact size as `formatBytes`, a range as "1.20–1.35 MB" or "980 kB–1.02 MB". */
export function formatSizeRange(range: SizeRange): string {
  const low = formatBytes(range.min);
  const high = formatBytes(range.max);
  if (low === high) return low;
  const [lowNumber = "", lowUnit = ""] = low.split(" ");
  const [, highUnit = ""] = high.split(" ");
  return lowUnit === highUnit ? `${lowNumber}–${high}` : `${low}–${high}`;
}

/** A quotient of two quantities: 0.2834 → "0.283×"; "–" where it is not defined. */
export function formatRatio(ratio: number | null): string {
  if (ratio === null || !Number.isFinite(ratio)) return "–";
  return `${significant(ratio, 3)}×`;
}

/** after/before as a quotient; null when there is nothing to divide by. */
export const ratioOf = (after: number, before: number): number | null =>
  before > 0 ? after / before : null;

/** A share of one: 0.9134 → "91.3 %", 0 → "0 %"; small shares keep two significant digits, nearly all is "> 99.9 %". */
export function formatPercent(share: number | null, digits?: number): string {
  if (share === null || !Number.isFinite(share)) return "–";
  const percent = share * 100;
  if (digits !== undefined) return `${percent.toFixed(digits)} %`;
  if (percent === 0 || percent === 100) return `${percent} %`;
  // Rounded to 100 it would deny the rest.
  if (percent < 100 && percent.toFixed(1) === "100.0") return "> 99.9 %";
  return `${Math.abs(percent) < 0.1 ? significant(percent, 2) : percent.toFixed(1)} %`;
}

/** Milliseconds: "12.3 µs", "0.42 ms", "12.3 ms", "1.40 s", "2 min 5 s", "1 h 3 min". */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return "–";
  // Two decimals of a millisecond would leave one digit or none.
  if (ms > 0 && ms < 0.1) return `${(ms * 1000).toFixed(1)} µs`;
  if (ms < 10) return `${ms.toFixed(2)} ms`;
  if (ms < 100) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${ms.toFixed(0)} ms`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${(ms / 1000).toFixed(ms < 9995 ? 2 : 1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Stands for equal to the last bit, where a ratio to no noise would be infinite (no JSON number). */
export const EXACT_DB = 300;

/** Decibels with one decimal; equality to the last bit is "exact", unknown is "–". */
export function formatDb(db: number | null): string {
  if (db === null || Number.isNaN(db)) return "–";
  if (db === EXACT_DB) return "exact";
  return Number.isFinite(db) ? `${db.toFixed(1)} dB` : db > 0 ? "∞ dB" : "−∞ dB";
}

/** Less is rounding of sums in another order. */
const SAME_DB = 0.1;
/** Whether a value's error is other than that of what it was made from. */
export const isNews = ({ sqnrDb, inputDb }: ActivationDiff): boolean =>
  sqnrDb === null || Math.abs(sqnrDb - inputDb) >= SAME_DB;

/** A plain figure with `digits` significant digits, exponential outside 1e-4 … 1e7; null is "–". */
export function formatNumber(value: number | null, digits = 4): string {
  if (value === null) return "–";
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e7) return value.toExponential(digits - 1).replace("-", "−");
  return significant(value, digits).replace("-", "−");
}

/** `digits` significant digits without exponent; whole numbers keep all of theirs. */
function significant(value: number, digits: number): string {
  if (value === 0) return "0";
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  const decimals = Math.max(0, Math.min(20, digits - 1 - exponent));
  return Number.isInteger(value) ? String(value) : value.toFixed(decimals);
}

/** A figure of a report in its unit; counts of 100,000 and more are shortened ("1.23M"). */
export function formatMetricValue(value: number | null, unit: MetricUnit): string {
  if (value === null) return "–";
  switch (unit) {
    case "bytes":
      return formatBytes(value);
    case "dB":
      return formatDb(value);
    case "ms":
      return formatDuration(value);
    case "share":
      return formatPercent(value);
    case "count":
      return Math.abs(value) >= 1e5 ? formatCompact(value) : formatCount(value);
    default:
      return formatNumber(value);
  }
}

/** Dimensions as ONNX tools write them: "[1, 3, batch, ?]"; a scalar is "[]". */
export const formatShape = (shape: readonly (number | string | null)[]): string =>
  `[${shape.map((dim) => dim ?? "?").join(", ")}]`;

/** The metric's name as people know it. */
export function metricTitle(metric: string): string {
  const known: Readonly<Record<string, string>> = {
    top1: "Top-1 accuracy",
    top5: "Top-5 accuracy",
    perplexity: "Perplexity",
    psnr: "PSNR",
    mse: "Mean squared error",
    sqnr: "SQNR",
    nanScores: "Samples with NaN scores",
  };
  return known[metric] ?? metric;
}

/** One value of a metric in its unit: accuracies are shares, PSNR and SQNR are decibels. */
export function formatMetric(metric: string, value: number): string {
  if (metric === "top1" || metric === "top5") return formatPercent(value, 2);
  if (metric === "psnr" || metric === "sqnr") return formatDb(value);
  return formatNumber(value, 5);
}

/** "91.20 % (90.11 % to 92.18 %)": the value with its 95 % interval. */
export const formatEval = (result: EvalResult): string =>
  `${formatMetric(result.metric, result.value)} (${formatMetric(result.metric, result.low)} to ${formatMetric(result.metric, result.high)})`;

/** "eval/dataset.json, n = 1,000", or that it stands on seeded random inputs. */
export const formatEvidence = (result: EvalResult): string =>
  result.synthetic
    ? `synthetic inputs, n = ${formatCount(result.n)}`
    : `${result.data ?? "data unknown"}, n = ${formatCount(result.n)}`;

/** "0.62× (0.58× to 0.67×)", or "–" where nothing was compared. */
export function formatRatioInterval(
  ratio: number | null,
  low: number | null,
  high: number | null,
): string {
  if (ratio === null) return "–";
  if (low === null || high === null) return formatRatio(ratio);
  return `${formatRatio(ratio)} (${formatRatio(low)} to ${formatRatio(high)})`;
}

/** A drop in its unit: "0.35 points" of an accuracy, "0.42 %" of anything else; "−0.10 points" is a gain. */
export function formatDrop(drop: number, unit: PairedQuality["dropUnit"]): string {
  if (!Number.isFinite(drop)) return drop > 0 ? "∞ %" : "−∞ %";
  const text = (drop * 100).toFixed(2).replace(/^-(?=0\.00$)/, "");
  return `${text.replace("-", "−")} ${unit === "points" ? "points" : "%"}`;
}

/** "−0.20 to 0.90 points": the 95 % interval of a drop. */
export const formatDropInterval = ({ dropLow, dropHigh, dropUnit }: PairedQuality): string =>
  `${formatDrop(dropLow, dropUnit).replace(/ \S+$/, "")} to ${formatDrop(dropHigh, dropUnit)}`;

/** In words; a difference counts only where the interval of the drop excludes 0. */
export function dropVerdict({ dropLow, dropHigh }: PairedQuality): "worse" | "better" | null {
  return dropLow > 0 ? "worse" : dropHigh < 0 ? "better" : null;
}

/** "12 lost, 9 won, McNemar p = 0.66". */
export const formatMcNemar = ({ lost, won, p }: NonNullable<PairedQuality["mcnemar"]>): string =>
  `${formatCount(lost)} lost, ${formatCount(won)} won, McNemar p ${p < 1e-4 ? "< 0.0001" : `= ${formatNumber(p, 2)}`}`;

/** A divergence of predictions: "0.0021 nats"; "–" where it has no meaning. */
export const formatKl = (kl: number | null): string =>
  kl === null ? "–" : `${formatNumber(kl, 3)} nats`;

/** "verified by running it", or "not verified: <reason>". */
export const formatVerified = (verified: Verified): string =>
  verified === true ? "verified by running it" : `not verified: ${verified.skipped}`;

/** Reasons with the names that have them, most frequent first. */
export function groupByReason(
  skipped: readonly { readonly name: string; readonly reason: string }[],
): readonly { readonly reason: string; readonly names: readonly string[] }[] {
  const names = new Map<string, string[]>();
  for (const { name, reason } of skipped) {
    const list = names.get(reason);
    if (list) list.push(name);
    else names.set(reason, [name]);
  }
  return [...names]
    .map(([reason, list]) => ({ reason, names: list }))
    .sort((a, b) => b.names.length - a.names.length);
}

/** "1 tensor", "12 tensors". */
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${formatCount(count)} ${count === 1 ? one : many}`;
