/**
 * Finds weights that are nearly of low rank: the singular values of every linear layer, and what
 * two factors of each would take.
 *
 * A Conv counts as the matrix [N, C·kh·kw] of its patches. Ranks are the fewest components that hold
 * 90, 95 and 99 % of Σσ²; the effective rank is exp of the entropy of σ/Σσ, the stable rank Σσ²/σ₁².
 * "Kept" is what both factors of the rank for `energy` would have of the layer's parameters: from 1
 * on, two factors are no gain. `whitened` asks the same of the layer's output on calibration data
 * (the values of LᵀW with LLᵀ = E[xᵀx]), which is what `lowrank.svd` with mode whitened keeps. Layers
 * whose smaller side exceeds 4,096 are named, for they would take minutes.
 *
 * Roy and Vetterli 2007 (10.5281/zenodo.40328); Wang et al. 2024 (arXiv:2403.07378).
 */
import { defineAnalyzer } from "../../core/analyzer.ts";
import type { WorkContext } from "../../core/context.ts";
import { findLinear, groupsOf, linearSize, type LinearWeight } from "../../core/linear.ts";
import { nodeKey, nodeLabel, type Model } from "../../core/model.ts";
import { readF64 } from "../../core/rows.ts";
import { useOf, type Need } from "../../core/statistics.ts";
import { dampedCholesky } from "../../kernels/linalg/cholesky.ts";
import { singularValues } from "../../kernels/linalg/svd.ts";
import type { MatrixF64 } from "../../shared/kernels.ts";
import { choice, number } from "../../shared/params.ts";
import type { Metric, ReportRow, Series, Skip } from "../../shared/report.ts";
import { places, rankForEnergy, ranksOf } from "./lib/ranks.ts";

const metrics: readonly Metric[] = [
  { id: "full", title: "full rank", unit: "count", better: "neither" },
  { id: "effective", title: "effective rank", unit: "count", better: "lower" },
  { id: "stable", title: "stable rank", unit: "count", better: "lower" },
  { id: "rank90", title: "rank for 90 %", unit: "count", better: "lower" },
  { id: "rank95", title: "rank for 95 %", unit: "count", better: "lower" },
  { id: "rank99", title: "rank for 99 %", unit: "count", better: "lower" },
  { id: "breakEven", title: "break-even rank", unit: "count", better: "higher" },
  { id: "kept", title: "kept by factors", unit: "share", better: "lower" },
];

/** Eigenvalues of 2,048 take 4 s of one core, of 4,096 eight times that. */
const MAX_SIDE = 4096;
/** A curve as people see it, and as many as one message holds. */
const POINTS = 64;
const MAX_SERIES = 200;
/** Added to the Gram's diagonal, relative to its mean, as by lowrank.svd. */
const DAMPING = 1e-5;
/** Layers named in a finding. */
const NAMED = 5;

export default defineAnalyzer({
  meta: {
    id: "redundancy.spectrum",
    title: "Singular values and ranks",
    summary:
      "Finds layers whose weights are nearly of low rank, and what two factors of each would take.",
    papers: ["Roy 2007 (10.5281/zenodo.40328)", "Wang 2024 (arXiv:2403.07378)"],
    formats: ["onnx"],
    data: "optional",
    cost: "seconds",
    covers: ["red-spectrum"],
    version: 1,
    api: 1,
    params: {
      mode: choice({
        title: "Singular values of",
        help: "plain: the weight itself, no data; whitened: the layer's output on calibration data.",
        of: ["plain", "whitened"],
        default: "plain",
      }),
      energy: number({
        title: "Energy kept",
        help: "Share of the squared singular values that two factors would keep.",
        default: 0.95,
        min: 0.01,
        max: 1,
      }),
    },
  },
  needs: (model, { mode }) =>
    mode === "whitened" ? layersOf(model).layers.filter(isMain).map(gramNeed) : [],

  async run(model, { mode, energy }, ctx) {
    const { layers, skipped } = layersOf(model);
    const skips: Skip[] = [...skipped];
    const rows: ReportRow[] = [];
    const series: Series[] = [];
    const smaller: Smaller[] = [];
    for (const [i, layer] of layers.entries()) {
      await ctx.checkpoint();
      ctx.progress(i / layers.length);
      const name = labelOf(layer);
      const values = await spectrumOf(ctx, layer, mode === "whitened");
      if (typeof values === "string") {
        skips.push({ name, reason: values });
        continue;
      }
      const { k, n } = linearSize(layer);
      const rank = rankForEnergy(values, energy);
      const kept = (rank * (k + n)) / (k * n);
      const { effective, stable } = ranksOf(values);
      const [rank90 = 0, rank95 = 0, rank99 = 0] = [0.9, 0.95, 0.99].map((share) =>
        rankForEnergy(values, share),
      );
      const breakEven = Math.ceil((k * n) / (k + n)) - 1;
      rows.push({
        target: name,
        values: [values.length, effective, stable, rank90, rank95, rank99, breakEven, kept],
      });
      if (kept < 1)
        smaller.push({
          name,
          saved: (1 - kept) * layer.tensor.sizeBytes,
          isKernel: layer.tensor.shape.slice(2).some((size) => size !== 1),
        });
      const at = places(values.length, POINTS);
      if (series.length < MAX_SERIES)
        series.push({
          target: name,
          title: "singular values, of the largest",
          x: at.map((place) => place + 1),
          y: at.map((place) => (values[place] ?? 0) / (values[0] ?? 1)),
        });
    }
    ctx.progress(1);
    return {
      analyzer: "redundancy.spectrum",
      findings: findings(rows.length, smaller, energy, mode),
      metrics,
      rows,
      series,
      skipped: skips,
      data: mode === "whitened" ? ctx.data : null,
    };
  },
});

const labelOf = ({ sites: [{ path, node }] }: LinearWeight): string => nodeLabel(path, node);

/** One row per weight, under the name of the first node that uses it. */
function layersOf(model: Model): { layers: readonly LinearWeight[]; skipped: readonly Skip[] } {
  const { weights, skipped } = findLinear(model);
  const skips = [...skipped];
  const seen = new Set<string>();
  const layers = weights.filter((weight) => {
    const { k, n } = linearSize(weight);
    const groups = groupsOf(weight.sites[0].node);
    const reason =
      groups !== 1
        ? `it has ${groups} groups`
        : Math.min(k, n) < 2
          ? `[${k}, ${n}] has one singular value`
          : Math.min(k, n) > MAX_SIDE
            ? `its smaller side is ${Math.min(k, n)}, more than ${MAX_SIDE}: minutes of work`
            : seen.has(labelOf(weight))
              ? "another layer has its name"
              : null;
    if (reason === null) seen.add(labelOf(weight));
    else skips.push({ name: labelOf(weight), reason });
    return reason === null;
  });
  return { layers, skipped: skips };
}

const isMain = ({ sites: [{ path }] }: LinearWeight): boolean => path.length === 0;

const gramNeed = ({ sites: [{ path, node }] }: LinearWeight): Need<"gram"> => ({
  stat: "gram",
  at: useOf(path, nodeKey(node)),
  of: "before",
});

/** Largest first; the reason in words when there are none. */
async function spectrumOf(
  ctx: WorkContext,
  layer: LinearWeight,
  whitened: boolean,
): Promise<Float64Array | string> {
  const { k } = linearSize(layer);
  const { transposed } = layer.sites[0];
  const weight = await readF64(ctx, layer.tensor, whitened && transposed);
  if (!weight) return "its weight holds NaN or infinite values";
  if (weight.data.every((value) => value === 0)) return "its weight is all zeros";
  if (!whitened) return singularValues(ctx.blas, weight);
  if (!isMain(layer)) return "activations inside bodies of If, Loop and Scan are not measured";
  const gram = await ctx.stat(gramNeed(layer));
  const moments: MatrixF64 = { rows: k, cols: k, data: Float64Array.from(gram.data) };
  const factor = await dampedCholesky(ctx.blas, moments, DAMPING);
  if (!factor.ok) return `the statistics of its input are not positive definite`;
  return singularValues(ctx.blas, await ctx.blas.gemm(factor.lower, weight, { transA: true }));
}

interface Smaller {
  readonly name: string;
  readonly saved: number;
  /** A convolution with a larger kernel than 1×1. */
  readonly isKernel: boolean;
}

function findings(
  count: number,
  smaller: readonly Smaller[],
  energy: number,
  mode: "plain" | "whitened",
): string[] {
  if (count === 0) return ["No linear layer has a spectrum."];
  const share = `${Number((energy * 100).toPrecision(3))} %`;
  if (smaller.length === 0)
    return [
      `At ${share} of the energy none of the ${count} layers is smaller as two factors: their spectra are flat. Low rank will cost accuracy here; codes of 4 bit (quantize.weightOnly) or fewer channels (prune.channels) are the better ways to shrink.`,
    ];
  const named = [...smaller].sort((a, b) => b.saved - a.saved).slice(0, NAMED);
  const saved = smaller.reduce((sum, layer) => sum + layer.saved, 0);
  const kernels = smaller.filter((layer) => layer.isKernel).length;
  const more = mode === "plain" ? "; with data, mode=whitened tells what the outputs need" : "";
  return [
    `At ${share} of the energy ${smaller.length} of ${count} layers are smaller as two factors, by ${Math.round(saved).toLocaleString("en")} bytes together; most is saved in ${named.map((layer) => layer.name).join(", ")}.`,
    ...(kernels > 0
      ? [`${kernels} of them have kernels larger than 1×1, which lowrank.svd leaves alone.`]
      : []),
    ...(kernels < smaller.length
      ? [`Next: lowrank.svd with mode=${mode}, rankBy=energy, energy=${energy}${more}.`]
      : []),
  ];
}
