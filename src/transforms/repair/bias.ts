/**
 * Corrects the bias of layers whose weights have changed, so that their outputs have the mean they
 * had: b' = b − (W'·E[x'] − W·E[x]).
 *
 * Use it after pruning, rounding or factoring weights in the same recipe; it compares with the
 * document's file. Without a bias a layer gets one. With `local` only the layer's own change counts,
 * on the inputs as they are: b' = b − (W' − W)·E[x']. Refused by name: layers that the original does
 * not have or that have not changed, weights that are not stored as floats, statistics with NaN.
 *
 * Nagel et al. 2019, section 4.2 (arXiv:1906.04721).
 */
import { fullBias } from "../../core/linearLayer.ts";
import { writeLayer } from "../../core/linearEdit.ts";
import { inputPlace } from "../../core/linearRows.ts";
import { MAIN, nodeKey, nodeLabel } from "../../core/model.ts";
import type { Unit } from "../../core/plan.ts";
import { defineTransform } from "../../core/plugin.ts";
import { inferShapes } from "../../core/shapeInference.ts";
import { choice } from "../../shared/params.ts";
import type { Skip } from "../../shared/report.ts";
import { exactSize } from "../../shared/report.ts";
import { meanOutputs, pairOf, repairable } from "./lib/pairs.ts";

export default defineTransform({
  meta: {
    id: "repair.bias",
    title: "Correct biases",
    summary: "Corrects biases so that the outputs of changed layers have the mean they had.",
    papers: ["arXiv:1906.04721"],
    formats: ["onnx"],
    ops: ["Conv", "Gemm", "MatMul"],
    data: "required",
    cost: "seconds",
    exact: false,
    warnings: ["Does nothing by itself: it repairs what earlier steps of the recipe did."],
    covers: ["bias-correction"],
    version: 1,
    suffix: "bias",
    api: 1,
    needsRuntime: true,
    params: {
      target: choice({
        title: "Target",
        help: "The mean that the original model has there, or only what the layer's own weights changed.",
        of: ["original", "local"],
        default: "original",
      }),
    },
  },

  plan(model) {
    const { layers, skipped } = repairable(model);
    const more: Skip[] = [];
    const units = layers.flatMap((layer): Unit[] => {
      const name = nodeLabel(MAIN, layer.node);
      const rank = inferShapes(model).shapeOf(MAIN, layer.node.outputs[0] ?? "")?.length;
      if (layer.op === "MatMul" && rank !== 2) {
        more.push({ name, reason: "a MatMul of more than 2 dimensions takes no bias" });
        return [];
      }
      const bytes = (layer.outChannels * layer.weight.tensor.dtype.bits) / 8;
      return [
        {
          name,
          graph: MAIN,
          nodes: [layer.node],
          tensors: layer.bias ? [layer.bias.tensor] : [],
          sizeBefore: layer.bias?.tensor.sizeBytes ?? 0,
          sizeAfter: exactSize(bytes),
          detail: `${layer.outChannels} outputs`,
        },
      ];
    });
    return { units, skipped: [...skipped, ...more] };
  },

  async apply(tx, unit, { target }, ctx): Promise<Skip | undefined> {
    const { name } = unit;
    const [node] = unit.nodes;
    if (!node) return { name, reason: "it is not there" };
    const pair = await pairOf(tx.model, nodeKey(node), ctx);
    if (typeof pair === "string") return { name, reason: pair };
    const { layer, shape, original } = pair;
    const at = inputPlace(layer);
    if (target === "local" && original.k !== shape.k)
      return { name, reason: `it has ${shape.k} inputs and the original ${original.k}` };
    const [now, then] = await Promise.all([
      ctx.stat({ stat: "mean", at, of: "current" }),
      target === "local" ? null : ctx.stat({ stat: "mean", at, of: "base" }),
    ]);
    const { groups, k } = shape;
    const wanted = await meanOutputs(
      original.layer,
      original.outputs,
      { groups, k: original.k },
      (then ?? now).mean,
      ctx,
    );
    const all = Array.from({ length: layer.outChannels }, (_, i) => i);
    const got = await meanOutputs(layer, all, { groups, k }, now.mean, ctx);
    const [bias, old] = await Promise.all([
      layer.bias ? ctx.readF32(layer.bias.tensor) : null,
      original.layer.bias ? ctx.readF32(original.layer.bias.tensor) : null,
    ]);
    const was = fullBias(layer, bias);
    const first = fullBias(original.layer, old);
    const base = target === "local" ? was : original.outputs.map((o) => first[o] ?? 0);
    const moved = was.map((_, o) => (base[o] ?? 0) + (wanted[o] ?? 0) - (got[o] ?? 0));
    if (!moved.every(Number.isFinite))
      return { name, reason: "its inputs have NaN or infinite values" };
    await writeLayer(tx, ctx, layer, { weight: null, bias: moved });
    return undefined;
  },
});
