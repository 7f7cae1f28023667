/**
 * Finds out which layers a technique hurts: applies the candidate to one layer at a time (or to all
 * but one) and measures how far the model's outputs move on real samples.
 *
 * The model's own outputs are computed once; each variant is run over the same samples. KL is the
 * mean divergence KL(p ‖ q) of the predicted distributions in nats, for outputs that are class
 * scores; otherwise layers are ranked by SQNR. `one` shows what each layer costs by itself, `allButOne`
 * what keeping it as it is would win back. Samples are the last quarter of the calibration samples,
 * which statistics do not use, so that a choice made by this table is not made on the evaluation data.
 * The candidate's last technique is varied; those before it are applied to every variant.
 *
 * Cai 2020 (ZeroQ, arXiv:2001.00281), section 3.2; Wu 2020 (arXiv:2004.09602), section 6.1.
 */
import { defineAnalyzer, type Drift } from "../../core/analyzer.ts";
import type { Unit } from "../../core/plan.ts";
import type { Entry } from "../../shared/doc.ts";
import { asReason, LatheError } from "../../shared/errors.ts";
import { choice, text } from "../../shared/params.ts";
import type { Metric, ReportRow, Skip } from "../../shared/report.ts";
import { describe } from "./lib/findings.ts";

const metrics = (metric: Drift["metric"]): readonly Metric[] => [
  { id: "kl", title: "KL", unit: "nats", better: "lower" },
  { id: "sqnrDb", title: "SQNR", unit: "dB", better: "higher" },
  { id: "mse", title: "MSE", unit: "none", better: "lower" },
  { id: "cosine", title: "cosine", unit: "none", better: "higher" },
  { id: "agreement", title: "agreement", unit: "share", better: "higher" },
  ...(metric === null
    ? []
    : [
        {
          id: "metric",
          title: metric.name,
          unit: metric.name === "top1" ? "ratio" : "none",
          better: metric.better,
        } as const,
      ]),
  { id: "savedBytes", title: "saves", unit: "bytes", better: "higher" },
];

export default defineAnalyzer({
  meta: {
    id: "sensitivity.layerwise",
    title: "Sensitivity of each layer",
    summary: "Applies a technique to one layer at a time and measures how far the outputs move.",
    papers: ["Cai 2020 (arXiv:2001.00281)", "Wu 2020 (arXiv:2004.09602)"],
    formats: ["onnx"],
    data: "required",
    cost: "minutes",
    covers: ["sens-one-layer", "sens-metric-drop"],
    version: 1,
    api: 1,
    params: {
      candidate: text({
        title: "Technique",
        help: 'What is tried, as "quantize.weightOnly bits=2" or as JSON; with ";" between several the last is varied.',
        default: "quantize.weightOnly bits=4",
        required: true,
        maxLength: 4000,
      }),
      mode: choice({
        title: "Layers changed",
        help: "one changes each layer alone; allButOne changes all layers but this one.",
        of: ["one", "allButOne"],
        default: "one",
      }),
    },
  },
  async run(_model, { candidate, mode }, ctx) {
    const entries = ctx.candidate(candidate);
    const [last] = entries.slice(-1);
    if (!last) throw new Error("a candidate has an entry");
    const before = entries.slice(0, -1);
    const plan = await ctx.plan(entries);
    const units = plan.units;
    const skipped: Skip[] = [...plan.skipped];
    const measure = async (names: readonly string[] | null): Promise<Drift | string> => {
      if (names?.length === 0) return ctx.drift(before);
      const entry: Entry = names === null ? last : { ...last, scope: names };
      try {
        const drift = await ctx.drift([...before, entry]);
        return Number.isFinite(drift.mse) ? drift : "the changed model answers NaN or infinity";
      } catch (error) {
        // A layer that cannot be changed or run alone is no reason to lose the others.
        if (error instanceof LatheError && error.failure.code === "engine") return asReason(error);
        throw error;
      }
    };
    const all = units.length === 0 ? null : await measure(null);
    const measured: { unit: Unit; drift: Drift }[] = [];
    for (const [i, unit] of units.entries()) {
      ctx.progress((i + 1) / (units.length + 1));
      await ctx.checkpoint();
      const names =
        mode === "one" ? [unit.name] : units.filter((u) => u !== unit).map((u) => u.name);
      const drift = await measure(names);
      if (typeof drift === "string") skipped.push({ name: unit.name, reason: drift });
      else measured.push({ unit, drift });
    }
    measured.sort((a, b) => badness(b.drift) - badness(a.drift));
    if (mode === "allButOne") measured.reverse();
    const example = measured[0]?.drift ?? null;
    if (typeof all === "string") skipped.push({ name: "all layers together", reason: all });
    return {
      analyzer: "sensitivity.layerwise",
      findings: describe(
        measured.map(({ unit, drift }) => ({ name: unit.name, drift })),
        typeof all === "string" ? null : all,
        mode,
        candidate,
      ),
      metrics: metrics(example?.metric ?? null),
      rows: measured.map(({ unit, drift }): ReportRow => ({
        target: unit.name,
        values: [
          drift.kl,
          drift.sqnrDb,
          drift.mse,
          drift.cosine,
          drift.agreement,
          ...(drift.metric === null ? [] : [drift.metric.after]),
          unit.sizeBefore - unit.sizeAfter.max,
        ],
      })),
      series: [],
      skipped,
      data: example?.evidence ?? ctx.data,
    };
  },
});

/** Larger is worse, by KL where outputs are distributions. */
const badness = (drift: Drift): number => drift.kl ?? -drift.sqnrDb;
