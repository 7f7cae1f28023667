/**
 * Folds a BatchNormalization into the weights and bias of the Conv, ConvTranspose, Gemm or MatMul
 * beside it: W' = W·a, b' = b·a + shift with a = γ/√(σ²+ε), shift = β − μ·a.
 *
 * Use it before quantizing: a scale left outside would be quantized apart from the weight. A
 * BatchNormalization that follows no layer goes into the one after it (W' = W·diag(a),
 * b' = b + W·shift), where padding does not stand in the way. Refused by name: training mode, a
 * result in between that is used elsewhere or given out, weights used by several layers, statistics
 * that are computed, results beyond the type's range.
 *
 * Jacob et al. 2018, section 3.2 (arXiv:1712.05877); Nagel et al. 2021, section 2.3.1 (arXiv:2106.08295).
 */
import type { WorkContext } from "../../core/context.ts";
import { writeLayer } from "../../core/linearEdit.ts";
import {
  addResponse,
  fullBias,
  scaleChannels,
  usesOfConstant,
  type LinearLayer,
  type StoredConstant,
} from "../../core/linearLayer.ts";
import { nodeLabel, type Tensor } from "../../core/model.ts";
import type { Unit } from "../../core/plan.ts";
import { defineTransform } from "../../core/plugin.ts";
import { rowsOf, type Rows } from "../../core/rows.ts";
import { scopeOf } from "../../core/scope.ts";
import type { Skip } from "../../shared/report.ts";
import {
  batchNorm,
  findFold,
  isBatchNorm,
  isPadded,
  scaleAndShift,
  valueKey,
  type Fold,
} from "./lib/batchNorm.ts";
import { graphIfPresent } from "./lib/facts.ts";

interface FoldUnit extends Unit {
  /** The BatchNormalization's result. */
  readonly output: string;
}

export default defineTransform({
  meta: {
    id: "graph.foldBatchNorm",
    title: "Fold batch normalization",
    summary:
      "Merges each BatchNormalization into the weights of the layer beside it; outputs stay the same.",
    papers: ["arXiv:1712.05877", "arXiv:2106.08295"],
    formats: ["onnx"],
    ops: ["BatchNormalization", "Conv", "ConvTranspose", "Gemm", "MatMul"],
    data: "none",
    cost: "seconds",
    exact: true,
    warnings: ["Little speed-up by itself: onnxruntime folds most of them at load."],
    covers: ["bn-fold"],
    version: 1,
    suffix: "bn",
    api: 1,
    needsRuntime: false,
    params: {},
  },

  plan(model) {
    const units: (Omit<FoldUnit, "sizeBefore" | "sizeAfter" | "tensors"> & {
      /** Bytes of weight and bias that are there already, and written anew. */
      rewritten: number;
      written: number;
      freed: Tensor[];
      /** Bytes that stay if another unit is left out after all. */
      unsure: number;
    })[] = [];
    const skipped: Skip[] = [];
    const folded = new Map<string, LinearLayer>();
    const withBias = new Set<LinearLayer["node"]>();
    const users = new Map<Tensor, { constant: StoredConstant; units: number[] }>();
    for (const graph of model.graphs.values())
      for (const node of graph.nodes) {
        if (!isBatchNorm(node)) continue;
        const name = nodeLabel(graph.path, node);
        const norm = batchNorm(model, graph.path, node);
        const fold = typeof norm === "string" ? norm : findFold(model, norm, folded);
        if (typeof norm === "string" || typeof fold === "string") {
          skipped.push({ name, reason: String(fold) });
          continue;
        }
        const { layer, side } = fold;
        const [output = ""] = node.outputs;
        if (side === "behind") folded.set(valueKey(graph.path, output), layer);
        const replaced = withBias.has(layer.node) ? [] : layer.bias ? [layer.bias] : [];
        for (const constant of [...norm.constants, ...replaced]) {
          const entry = users.get(constant.tensor) ?? { constant, units: [] };
          entry.units.push(units.length);
          users.set(constant.tensor, entry);
        }
        const { dtype, sizeBytes } = layer.weight.tensor;
        const biasBytes = (layer.outChannels * dtype.bits) / 8;
        const rewritten = sizeBytes + (withBias.has(layer.node) ? biasBytes : 0);
        withBias.add(layer.node);
        units.push({
          name,
          output,
          graph: graph.path,
          nodes: side === "behind" ? [layer.node, node] : [node, layer.node],
          rewritten,
          written: sizeBytes + biasBytes,
          freed: [],
          unsure: 0,
          detail: describe(fold),
        });
      }
    // A constant goes with the last that uses it, and only if all that use it are folded.
    for (const [tensor, { constant, units: at }] of users) {
      const last = units[Math.max(...at)];
      if (!last || usesOfConstant(scopeOf(model), constant) > at.length) continue;
      last.freed.push(tensor);
      if (new Set(at).size > 1) last.unsure += tensor.sizeBytes;
    }
    return {
      units: units.map(({ rewritten, written, freed, unsure, ...unit }) => ({
        ...unit,
        tensors: freed,
        sizeAfter: { min: written, max: written + unsure },
        sizeBefore: freed.reduce((sum, { sizeBytes }) => sum + sizeBytes, rewritten),
      })),
      skipped,
    };
  },

  async apply(tx, { name, graph: path, output }, _params, ctx) {
    const { model } = tx;
    const node = graphIfPresent(model, path)?.nodes.find((n) => n.outputs[0] === output);
    const norm = node ? batchNorm(model, path, node) : "it is gone";
    const fold = typeof norm === "string" ? norm : findFold(model, norm, new Map());
    if (!node || typeof norm === "string" || typeof fold === "string")
      return { name, reason: String(fold) };
    const factors = await scaleAndShift(norm, ctx);
    if (typeof factors === "string") return { name, reason: factors };
    const numbers = await foldedNumbers(fold, factors, ctx);
    if (typeof numbers === "string") return { name, reason: numbers };
    await writeLayer(tx, ctx, fold.layer, {
      ...numbers,
      ...(fold.side === "behind" ? { output } : { input: node.inputs[0] ?? "" }),
      remove: [node],
    });
    const reason = numbers.refusal();
    if (reason !== null) return { name, reason };
    for (const { name: constant } of norm.constants) tx.dropIfUnused(path, constant);
    return undefined;
  },
});

function describe({ layer, side }: Fold): string {
  const { op, weight } = layer;
  const shape = `[${weight.tensor.shape.join(", ")}]`;
  return side === "behind"
    ? `into the ${op} ${shape} before it`
    : `into the ${op} ${shape} after it`;
}

const LARGEST: Readonly<Record<string, number>> = { float16: 65504, bfloat16: 3.3895e38 };

interface FoldedNumbers {
  readonly weight: (piece: Rows) => void;
  readonly bias: Float64Array;
  /** Why they cannot be stored, once all of the weight was changed. */
  readonly refusal: () => string | null;
}

async function foldedNumbers(
  { layer, side }: Fold,
  { scale, shift }: { readonly scale: Float64Array; readonly shift: Float64Array },
  ctx: WorkContext,
): Promise<FoldedNumbers | string> {
  const channels = side === "behind" ? layer.outChannels : layer.inChannels;
  if (scale.length !== channels)
    return `it has ${scale.length} channels, the ${layer.op} beside it ${channels}`;
  if (side === "ahead" && isPadded(layer) && shift.some((x) => x !== 0))
    return "the Conv after it pads with zeros, which its shift would have to change too";
  const old = layer.bias ? await ctx.readF32(layer.bias.tensor) : null;
  const bias = fullBias(layer, old);
  if (side === "behind")
    for (let i = 0; i < channels; i++) bias[i] = (bias[i] ?? 0) * (scale[i] ?? 0) + (shift[i] ?? 0);
  else {
    const response = new Float64Array(layer.outChannels);
    for await (const { from, values } of rowsOf(ctx, layer.weight.tensor))
      addResponse(layer, values, shift, response, from);
    response.forEach((x, i) => {
      bias[i] = (bias[i] ?? 0) + layer.alpha * x;
    });
  }
  const largest = LARGEST[layer.weight.tensor.dtype.name] ?? 3.4028e38;
  let beyond: number | undefined;
  const look = (values: Float32Array | Float64Array): void => {
    if (beyond !== undefined) return;
    for (const x of values)
      if (!(Math.abs(x) <= largest)) {
        beyond = x;
        return;
      }
  };
  return {
    weight({ from, values }) {
      scaleChannels(layer, values, side === "behind" ? "output" : "input", scale, from);
      look(values);
    },
    bias,
    refusal() {
      look(bias);
      return beyond === undefined ? null : `a folded value would be ${beyond}, beyond its type`;
    },
  };
}
