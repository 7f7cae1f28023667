/**
 * Fits the weights of changed layers anew, so that from their inputs as they are now they give what
 * they gave in the original model: W' = W·XᵀX̂ (X̂ᵀX̂ + λI)⁻¹.
 *
 * Use it after pruning or factoring in the same recipe; it compares with the document's file, in
 * order, so that each layer also makes up for the ones before. Weights that are zero stay zero.
 * Refused by name: layers that the original does not have or that have not changed, quantized weights,
 * layers of which it is not known which outputs are left, more than 4,096 inputs, statistics with NaN.
 *
 * He et al. 2017, equation 4 (arXiv:1707.06168); Frantar and Alistarh 2023 (arXiv:2301.00774) for the
 * fit within a mask.
 */
import type { WorkContext } from "../../core/context.ts";
import { fromRows, inputPlace, readRows, rowShape } from "../../core/linearRows.ts";
import { MAIN, nodeKey, nodeLabel } from "../../core/model.ts";
import type { Unit } from "../../core/plan.ts";
import { defineTransform } from "../../core/plugin.ts";
import type { CrossGram, Gram } from "../../core/statistics.ts";
import { refitColumns } from "../../kernels/prune/refit.ts";
import type { MatrixF64 } from "../../shared/kernels.ts";
import { number } from "../../shared/params.ts";
import { exactSize, type Skip } from "../../shared/report.ts";
import { originalRows, pairOf, repairable, type Pair } from "./lib/pairs.ts";

const MAX_COLUMNS = 4096;
/** Fitted together: 134 MB of float64 for each of their targets, products and solutions. */
const MAX_OUTPUTS = 4096;
/** A fit within a mask factors a matrix for every output; more work than this takes minutes. */
const MAX_WORK = 1e12;

export default defineTransform({
  meta: {
    id: "repair.leastSquares",
    title: "Fit changed layers",
    summary: "Fits the weights of changed layers so that they give what they gave before.",
    papers: ["arXiv:1707.06168", "arXiv:2301.00774"],
    formats: ["onnx"],
    ops: ["Conv", "Gemm", "MatMul"],
    data: "required",
    cost: "minutes",
    exact: false,
    warnings: ["Does nothing by itself: it repairs what earlier steps of the recipe did."],
    covers: ["lsq-refit"],
    version: 1,
    suffix: "fit",
    api: 1,
    needsRuntime: true,
    params: {
      ridge: number({
        title: "Ridge",
        help: "Added to the diagonal of XᵀX, relative to its mean; more trusts the calibration data less.",
        default: 0.0001,
        min: 1e-8,
        max: 1,
        search: [0.0001, 0.01],
      }),
    },
  },

  plan(model) {
    const { layers, skipped } = repairable(model);
    const more: Skip[] = [];
    const units = layers.flatMap((layer): Unit[] => {
      const name = nodeLabel(MAIN, layer.node);
      const k = rowShape(layer)?.k ?? 0;
      if (!layer.weight.own) {
        more.push({ name, reason: "its weight is used elsewhere too" });
        return [];
      }
      if (k > MAX_COLUMNS) {
        more.push({ name, reason: `it has ${k} inputs; at most ${MAX_COLUMNS} can be fitted` });
        return [];
      }
      const bytes = layer.weight.tensor.sizeBytes + (layer.bias?.tensor.sizeBytes ?? 0);
      return [
        {
          name,
          graph: MAIN,
          nodes: [layer.node],
          tensors: [layer.weight.tensor, ...(layer.bias ? [layer.bias.tensor] : [])],
          sizeBefore: bytes,
          sizeAfter: exactSize(bytes),
          detail: `${layer.outChannels} outputs of ${k} inputs`,
        },
      ];
    });
    return { units, skipped: [...skipped, ...more] };
  },

  async apply(tx, unit, { ridge }, ctx): Promise<Skip | undefined> {
    const { name } = unit;
    const [node] = unit.nodes;
    if (!node) return { name, reason: "it is not there" };
    const pair = await pairOf(tx.model, nodeKey(node), ctx);
    if (typeof pair === "string") return { name, reason: pair };
    const { layer, shape, original } = pair;
    const at = inputPlace(layer);
    const [gram, cross, mean] = await Promise.all([
      ctx.stat({ stat: "gram", at, of: "current" }),
      ctx.stat({ stat: "crossGram", at, of: "current", against: { at, of: "base" } }),
      ctx.stat({ stat: "mean", at, of: "base" }),
    ]);
    const fit = await fitted(pair, { gram, cross, mean: mean.mean }, ridge, ctx);
    if (typeof fit === "string") return { name, reason: fit };
    const { bias, weight } = layer;
    const count = shape.groups * shape.outputs;
    const { dtype } = weight.tensor;
    await tx.putTensor(
      MAIN,
      { name: weight.name, dtype, shape: weight.tensor.shape },
      ctx.kernels.fromF32(dtype, fromRows(layer, fit.weight, count)),
    );
    if (!bias) return undefined;
    const values = await ctx.readF32(bias.tensor);
    const old = original.layer.bias ? await ctx.readF32(original.layer.bias.tensor) : null;
    const moved =
      values.length === count && old
        ? values.map((_, o) => {
            const first = old.length === 1 ? old[0] : old[original.outputs[o] ?? o];
            return (first ?? 0) + ((fit.shift[o] ?? 0) * layer.alpha) / layer.beta;
          })
        : values;
    await tx.putTensor(
      MAIN,
      { name: bias.name, dtype: bias.tensor.dtype, shape: bias.tensor.shape },
      ctx.kernels.fromF32(bias.tensor.dtype, moved),
    );
    return undefined;
  },
});

interface Statistics {
  readonly gram: Gram;
  readonly cross: CrossGram;
  readonly mean: Float64Array;
}

/** Rows [groups · outputs, K], and what the means lack; a reason where there is no fit. */
async function fitted(
  { layer, shape, original }: Pair,
  { gram, cross, mean }: Statistics,
  ridge: number,
  ctx: WorkContext,
): Promise<{ readonly weight: Float32Array; readonly shift: Float64Array } | string> {
  const { groups, outputs, k } = shape;
  if (cross.kA !== k || cross.kB !== original.k || gram.k !== k)
    return "its inputs have another size than its weights";
  const [rows, wanted] = [await readRows(layer, ctx), await originalRows(original, ctx)];
  const shift = new Float64Array(groups * outputs);
  const all = Array.from({ length: k }, (_, i) => i);
  for (let g = 0; g < groups; g++) {
    const own = part(gram.data, g, k, k);
    const other = part(cross.data, g, k, original.k);
    const means = layer.bias
      ? {
          now: gram.mean.subarray(g * k, (g + 1) * k),
          wanted: mean.subarray(g * original.k, (g + 1) * original.k),
        }
      : null;
    for (const { first, count, kept } of sameMasks(rows, g, outputs, k, all)) {
      if (kept.length ** 3 * (kept === all ? 1 : outputs) > MAX_WORK)
        return "the fit would take too long";
      if (kept.length === 0) continue;
      const target = part(wanted.subarray(first * original.k), 0, count, original.k);
      const result = await refitColumns(ctx.blas, {
        gram: own,
        cross: other,
        means,
        target,
        kept,
        ridge,
      });
      if (!result) return "its inputs have NaN or infinite values";
      for (let o = 0; o < count; o++) {
        kept.forEach((column, i) => {
          // In place: masks are looked for row by row, before the row is written.
          rows[(first + o) * k + column] = result.weight.data[o * kept.length + i] ?? 0;
        });
        shift[first + o] = result.shift[o] ?? 0;
      }
      await ctx.checkpoint();
    }
  }
  return { weight: rows, shift };
}

const part = (data: ArrayLike<number>, group: number, rows: number, cols: number): MatrixF64 => ({
  rows,
  cols,
  data: Float64Array.from({ length: rows * cols }, (_, i) => data[group * rows * cols + i] ?? 0),
});

/** Runs of neighbouring rows with the same columns in use; zeros that were made are kept. */
function* sameMasks(
  rows: Float32Array,
  group: number,
  outputs: number,
  k: number,
  all: readonly number[],
): Generator<{ readonly first: number; readonly count: number; readonly kept: readonly number[] }> {
  const from = group * outputs;
  const zeros = rows.subarray(from * k, (from + outputs) * k).filter((x) => x === 0).length;
  // A few zeros are chance, not a mask.
  if (zeros < 0.05 * outputs * k) {
    for (let o = 0; o < outputs; o += MAX_OUTPUTS)
      yield { first: from + o, count: Math.min(MAX_OUTPUTS, outputs - o), kept: all };
    return;
  }
  for (let o = 0; o < outputs; o++)
    yield {
      first: from + o,
      count: 1,
      kept: all.filter((column) => rows[(from + o) * k + column] !== 0),
    };
}
