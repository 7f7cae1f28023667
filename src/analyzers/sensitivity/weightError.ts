/**
 * Applies a technique and compares every weight with what became of it, without any data: signal to
 * error ratio and relative error of the values.
 *
 * SQNR is 10·log10(Σw² / Σ(w − ŵ)²); a relative error of 1 % is 40 dB. It says how well a weight is
 * stored, not how much that matters: where there is data, sensitivity.layerwise is the better guide.
 * Weights that cannot be compared number by number (pruned to another shape, codes whose scale is
 * applied elsewhere) are named.
 *
 * Lin 2016 (arXiv:1511.06393), eq. 1.
 */
import { defineAnalyzer, type WeightError } from "../../core/analyzer.ts";
import { groupByReason, plural } from "../../shared/format.ts";
import { text } from "../../shared/params.ts";
import type { Metric, ReportRow, Skip } from "../../shared/report.ts";

const metrics: readonly Metric[] = [
  { id: "sqnrDb", title: "SQNR", unit: "dB", better: "higher" },
  { id: "relativeError", title: "relative error", unit: "ratio", better: "lower" },
  { id: "bytesBefore", title: "before", unit: "bytes", better: "neither" },
  { id: "bytesAfter", title: "after", unit: "bytes", better: "lower" },
];

/** A weight this far below the median is an outlier worth naming, in dB. */
const NOTABLE_DB = 6;
/** SQNR of equal values, which has no bound. */
const EXACT_DB = 299;

export default defineAnalyzer({
  meta: {
    id: "sensitivity.weightError",
    title: "Error of each weight",
    summary: "Applies a technique and compares every weight with its old values, without data.",
    papers: ["Lin 2016 (arXiv:1511.06393)"],
    formats: ["onnx", "safetensors"],
    data: "none",
    cost: "seconds",
    covers: ["sens-sqnr-weight"],
    version: 1,
    api: 1,
    params: {
      candidate: text({
        title: "Technique",
        help: 'What is tried, as "quantize.weightOnly bits=2" or as JSON; with ";" between several the last is compared.',
        default: "quantize.weightOnly bits=4",
        required: true,
        maxLength: 4000,
      }),
    },
  },
  async run(_model, { candidate }, ctx) {
    const entries = ctx.candidate(candidate);
    await ctx.checkpoint();
    ctx.progress(0);
    const { errors, skipped } = await ctx.weightErrors(entries);
    const left = [
      ...skipped,
      ...errors.flatMap(({ name, reason }) => (reason === null ? [] : [{ name, reason }])),
    ];
    ctx.progress(1);
    const compared = errors
      .filter((error) => error.sqnrDb !== null)
      .sort((a, b) => (a.sqnrDb ?? 0) - (b.sqnrDb ?? 0));
    return {
      analyzer: "sensitivity.weightError",
      findings: findings(compared, candidate, left),
      metrics,
      rows: compared.map(({ name, sqnrDb, bytesBefore, bytesAfter }): ReportRow => ({
        target: name,
        values: [sqnrDb, relativeError(sqnrDb ?? 0), bytesBefore, bytesAfter],
      })),
      series: [],
      skipped: left,
      data: null,
    };
  },
});

const relativeError = (db: number): number => (db > EXACT_DB ? 0 : 10 ** (-db / 20));

/** What takes weights of any layer in any format, where a candidate takes none. */
const ANY_LAYER = "quantize.float16";

function nothingCompared(candidate: string, skipped: readonly Skip[]): readonly string[] {
  const [most] = groupByReason(skipped);
  return [
    `${candidate} changes no weight here${most === undefined ? "" : `: ${most.reason}`}.`,
    ...(candidate.includes(ANY_LAYER)
      ? []
      : [`Next: try ${ANY_LAYER}, which takes the weights of any layer.`]),
  ];
}

function findings(
  sorted: readonly WeightError[],
  candidate: string,
  skipped: readonly Skip[],
): readonly string[] {
  const [worst] = sorted;
  const median = sorted[Math.floor(sorted.length / 2)]?.sqnrDb ?? null;
  if (!worst || worst.sqnrDb === null || median === null)
    return nothingCompared(candidate, skipped);
  if (worst.sqnrDb > EXACT_DB)
    return [
      `${candidate} keeps the values of ${sorted.length === 1 ? `the one weight that it takes (${worst.name})` : `all ${plural(sorted.length, "weight")} that it takes`}.`,
    ];
  const db = (value: number): string => `${value.toFixed(1)} dB`;
  if (sorted.length === 1) return [`1 weight: SQNR ${db(worst.sqnrDb)} (${worst.name}).`];
  const bad = sorted.filter(({ sqnrDb }) => (sqnrDb ?? 0) < median - NOTABLE_DB);
  return [
    `${plural(sorted.length, "weight")}; the median SQNR is ${db(median)}, the lowest ${db(worst.sqnrDb)} (${worst.name}).`,
    ...(bad.length === 0
      ? []
      : [
          `${bad
            .slice(0, 3)
            .map(({ name }) => name)
            .join(
              ", ",
            )} ${bad.length === 1 ? "is" : "are"} ${NOTABLE_DB} dB or more below the median: ${bad.length === 1 ? "it is" : "they are"} the first to keep in float or to give more bits.`,
        ]),
  ];
}
