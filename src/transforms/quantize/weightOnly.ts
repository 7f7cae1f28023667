/**
 * Stores the constant matrices of MatMul and Gemm as 8-, 4- or 2-bit codes with a scale, and by
 * default a zero point, per block of 16 to 256 values along K; activations stay float.
 *
 * Round to nearest: q = round(w / s) + z, with s and z from the block's minimum and maximum
 * (asymmetric), or the value of largest magnitude on the lowest code (symmetric). With calibration
 * data codes can be chosen by the error of the product instead (GPTQ, then coordinate descent on codes
 * and scales), in the same bytes. Use it for models
 * whose size is in their matrix products, above all token models; 4 bit with blocks of 32 is 0.16
 * of float32. A weight that several nodes use is quantized once. Weights of convolutions and
 * recurrent layers, batches of matrices, transposed A, weights with NaN, and weights that would
 * grow are skipped by name.
 *
 * Krishnamoorthi 2018 (arXiv:1806.08342); Dettmers and Zettlemoyer 2023 (arXiv:2212.09720); Frantar et
 * al. 2022 (arXiv:2210.17323).
 */
import { graphKey, nodeLabel, type Model } from "../../core/model.ts";
import { withUniqueNames, type Unit } from "../../core/plan.ts";
import { defineTransform, type Transaction } from "../../core/plugin.ts";
import type { NewNode } from "../../core/step.ts";
import { choice, number, type ParamsOf } from "../../shared/params.ts";
import { exactSize } from "../../shared/report.ts";
import type { MatrixF64 } from "../../shared/kernels.ts";
import { matrixSize, quantizeWeight } from "./lib/blocks.ts";
import { MOST_COLUMNS, momentsOf, roundOnMoments } from "./lib/calibratedBlocks.ts";
import {
  betaOf,
  replacement,
  variantParts,
  variantsOf,
  type StoredVariant,
  type Variant,
} from "./lib/storage.ts";
import { findWeights, type Weight } from "./lib/weights.ts";

const params = {
  bits: number({
    title: "Bits per weight",
    help: "8 is nearly lossless, 4 the usual choice, 2 only where the quality is checked.",
    default: 4,
    min: 2,
    max: 8,
    of: [8, 4, 2],
    search: [8, 4],
  }),
  block: number({
    title: "Block size",
    help: "Values along K that share one scale: smaller is more accurate and larger on disk.",
    default: 32,
    min: 16,
    max: 256,
    of: [16, 32, 64, 128, 256],
    search: [32, 128],
  }),
  zeroPoints: choice({
    title: "Zero points",
    help: "asymmetric stores one per block (1.5 dB better at 4 bit on real weights); symmetric none.",
    of: ["asymmetric", "symmetric"],
    default: "asymmetric",
  }),
  scale: choice({
    title: "Scales",
    help: "fitted adjusts each scale to its codes by least squares, in the same bytes; range spans the block's minimum and maximum.",
    of: ["fitted", "range"],
    default: "fitted",
  }),
  rounding: choice({
    title: "Rounding",
    help: "nearest looks at the weights alone; calibrated makes up for each error by the values still free, on what the calibration data feeds the product (GPTQ, then codes and scales fitted to each other; without data as nearest). On a 4-bit character model of perplexity 5.5985: 5.5940 instead of 5.6316, at 2 bit 5.73 instead of 6.35.",
    of: ["nearest", "calibrated"],
    default: "nearest",
  }),
  format: choice({
    title: "Stored as",
    help: "matmulnbits runs fastest in onnxruntime with any opset; dequantizelinear is standard ONNX, opset 21 or later (2 bit: 25).",
    of: ["matmulnbits", "dequantizelinear"],
    default: "matmulnbits",
  }),
  rowsPerCall: choice({
    title: "Rows per call",
    help: "one (token by token) or many (prompts, batches) selects the faster kernel; auto never takes a slow one.",
    of: ["auto", "one", "many"],
    default: "auto",
  }),
  embedding: choice({
    title: "Embedding tables",
    help: "keep leaves them float; 8 or 4 bit stores them as GatherBlockQuantized.",
    of: ["keep", "8", "4"],
    default: "keep",
    search: ["keep", "8"],
  }),
} as const;
export type WeightOnlyParams = ParamsOf<typeof params>;

interface WeightUnit extends Unit {
  readonly weight: Weight;
  readonly variants: readonly Variant[];
}

/** Second moments of what each variant of a unit multiplies, by the unit's name. */
type Prepared = Map<string, readonly (MatrixF64 | null)[]>;

export default defineTransform({
  meta: {
    id: "quantize.weightOnly",
    title: "Quantize weights only",
    summary:
      "Stores the constant matrices of MatMul and Gemm as 8-, 4- or 2-bit codes with a scale per block; activations stay float.",
    papers: ["arXiv:1806.08342", "arXiv:2212.09720", "arXiv:2210.17323"],
    formats: ["onnx"],
    ops: ["MatMul", "Gemm", "Gather"],
    data: "optional",
    cost: "seconds",
    exact: false,
    warnings: [
      "No speed-up for many rows per call: 4-bit products are faster than float for a few rows only.",
      "With rowsPerCall one, and in the dequantizelinear format, onnxruntime also rounds activations to 8 bit inside the product.",
      "Convolutions and recurrent layers stay as they are.",
    ],
    covers: [
      "quant-weight-only",
      "quant-rtn",
      "quant-group",
      "quant-symmetric",
      "quant-asymmetric",
      "quant-int8",
      "quant-int4",
      "quant-int2",
      "embedding-quant",
      "gptq",
    ],
    version: 2,
    suffix: "wo",
    api: 1,
    needsRuntime: true,
    params,
  },

  plan(model, params) {
    const { weights, skipped } = findWeights(model, params.embedding !== "keep");
    const units: WeightUnit[] = [];
    const skips = [...skipped];
    const opsetReason = missingOpset(model, params);
    for (const weight of weights) {
      const unit = planWeight(weight, params, opsetReason);
      if (typeof unit === "string")
        for (const { path, node } of weight.sites)
          skips.push({ name: nodeLabel(path, node), reason: unit });
      else {
        units.push(unit);
        const reason = tooWide(unit, params);
        if (reason !== null) skips.push({ name: `${unit.name} (rounding)`, reason });
      }
    }
    return { units: withUniqueNames(units), skipped: skips };
  },

  async prepare(_model, units, { rounding }, ctx): Promise<Prepared> {
    const moments: Prepared = new Map();
    if (rounding === "nearest" || ctx.data === null) return moments;
    // Asked for together, so that one pass over the data serves all.
    await Promise.all(
      units.map(async ({ name, weight, variants }) => {
        const found = variants.map(async (one) =>
          one.storage === "gather" ? null : await momentsOf(ctx, one, weight.tensor),
        );
        moments.set(name, await Promise.all(found));
      }),
    );
    return moments;
  },

  async apply(tx, unit, params, ctx, moments) {
    const { weight, variants } = unit;
    for (const [i, variant] of variants.entries()) {
      const out = await quantizeWeight(ctx, weight.tensor, variant.transposed, variant.format);
      if (out === null)
        return {
          name: unit.name,
          reason: `its weight "${weight.name}" has NaN or infinite values`,
        };
      const known = moments.get(unit.name)?.[i];
      if (known) {
        const { transposed, format } = variant;
        await roundOnMoments(ctx, weight.tensor, transposed, format, out, known);
        await ctx.checkpoint();
      }
      const { path } = weight.graph;
      const names: string[] = [];
      for (const part of variantParts(variant, weight.tensor, ctx.kernels, out)) {
        const name = tx.uniqueName(path, weight.name + part.suffix);
        const bytes = part.bytes();
        await tx.putTensor(path, { name, dtype: part.dtype, shape: part.shape }, bytes);
        names.push(name);
      }
      await replaceSites(tx, weight, { variant, names }, params, (beta) =>
        ctx.kernels.fromF32(weight.tensor.dtype, Float32Array.of(beta)),
      );
    }
    for (const { path, node, input } of weight.sites)
      tx.dropIfUnused(path, node.inputs[input] ?? "");
    return undefined;
  },
});

/** Why a weight is rounded to nearest whatever the data says; null where that is not so. */
function tooWide({ weight, variants }: WeightUnit, { rounding }: WeightOnlyParams): string | null {
  if (rounding === "nearest") return null;
  const products = variants.filter(({ storage }) => storage !== "gather");
  const k = Math.max(0, ...products.map((one) => matrixSize(weight.tensor, one.transposed).k));
  return k > MOST_COLUMNS
    ? `its products sum over ${k} values, and calibrated rounding takes ${MOST_COLUMNS} at most: it is rounded to nearest`
    : null;
}

/** Why this model cannot hold what `params` ask for; null when it can. */
function missingOpset(model: Model, { format, bits }: WeightOnlyParams): string | null {
  if (format === "matmulnbits") return null;
  const have = model.opsets.get("") ?? model.opsets.get("ai.onnx") ?? 0;
  const need = bits === 2 ? 25 : 21;
  return have >= need
    ? null
    : `${bits}-bit DequantizeLinear with blocks needs opset ${need}, the model has ${have}; the format matmulnbits works with it`;
}

/** The unit, or why the weight stays as it is. */
function planWeight(
  weight: Weight,
  params: WeightOnlyParams,
  opsetReason: string | null,
): WeightUnit | string {
  const { tensor, sites, keptBy } = weight;
  const variants = variantsOf(weight, params);
  if (opsetReason !== null && variants.some((v) => v.storage === "dequantizelinear"))
    return opsetReason;
  const ragged = variants.find(
    (v) => v.storage === "gather" && matrixSize(tensor, true).k % v.format.block !== 0,
  );
  if (ragged)
    return `rows of ${matrixSize(tensor, true).k} values are not whole blocks of ${ragged.format.block}`;
  const elementBytes = tensor.dtype.bits / 8;
  const betas = sites.filter((site) => betaOf(site.node) !== 1 && betaOf(site.node) !== 0);
  const after = variants
    .flatMap((variant) => variantParts(variant, tensor, null, null))
    .reduce((sum, part) => sum + part.sizeBytes, betas.length * elementBytes);
  const before = keptBy === null ? tensor.sizeBytes : 0;
  if (keptBy !== null)
    return `its weight "${weight.name}" is also needed as float by ${keptBy}, so codes would add ${after} bytes`;
  if (after >= before) return `its weight has ${before} bytes; quantized it would have ${after}`;
  const [first] = sites;
  const bits = [...new Set(variants.map((v) => v.format.bits))].join(" and ");
  return {
    name: first ? nodeLabel(first.path, first.node) : weight.name,
    graph: weight.graph.path,
    nodes: sites.map((site) => site.node),
    tensors: [tensor],
    sizeBefore: before,
    sizeAfter: exactSize(after),
    detail: `[${tensor.shape.join(", ")}] ${tensor.dtype.name} → ${bits} bit, block ${params.block}${sites.length > 1 ? `, used ${sites.length} times` : ""}`,
    weight,
    variants,
  };
}

async function replaceSites(
  tx: Transaction,
  weight: Weight,
  stored: StoredVariant,
  params: WeightOnlyParams,
  encode: (beta: number) => Uint8Array,
): Promise<void> {
  const { variant } = stored;
  if (variant.storage !== "dequantizelinear") tx.needOpset("com.microsoft", 1);
  // The one DequantizeLinear of the weight is put beside its first use in the weight's own graph.
  let weightName = "";
  for (const site of variant.sites) {
    const { path, node } = site;
    const insert: NewNode[] = [];
    if (variant.storage === "dequantizelinear" && weightName === "") {
      weightName = tx.uniqueName(weight.graph.path, `${weight.name}_d`);
      const dequantize: NewNode = {
        name: "",
        op: "DequantizeLinear",
        domain: "",
        inputs: stored.names,
        outputs: [weightName],
        attrs: {
          axis: { kind: "int", value: 0 },
          block_size: { kind: "int", value: variant.format.block },
        },
      };
      if (graphKey(path) === graphKey(weight.graph.path)) insert.push(dequantize);
      else tx.replaceNodes(weight.graph.path, { remove: [], insert: [dequantize] });
    }
    const beta = betaOf(node);
    let betaName = "";
    if (beta !== 1 && beta !== 0) {
      betaName = tx.uniqueName(path, `${node.outputs[0] ?? ""}_beta`);
      const { dtype } = weight.tensor;
      await tx.putTensor(path, { name: betaName, dtype, shape: [] }, encode(beta));
    }
    const nodes = replacement(tx, site, stored, weight, { params, betaName, weightName });
    tx.replaceNodes(path, { remove: [node], insert: [...insert, ...nodes] });
  }
}
