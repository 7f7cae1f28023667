/**
 * Balances the channels between layers: channel i of one layer is divided by sᵢ = √(r1ᵢ/r2ᵢ) and the
 * next layer's weights for it are multiplied by it, r being the largest absolute weights; until no
 * factor moves any more. The model computes the same as before.
 *
 * Use it before quantizing with one range per tensor, weights or activations: a channel much smaller
 * than the others would keep hardly any of its bits. Between the two layers only operators may lie
 * that a factor passes (Relu, LeakyRelu, PRelu, pooling, flattening); several users of a result,
 * Clip, and BatchNormalization that is not folded yet are refused by name, as are weights used twice.
 *
 * Nagel et al. 2019, section 4.1, equations 9 to 11 (arXiv:1906.04721).
 */
import type { WorkContext } from "../../core/context.ts";
import { writeLayer } from "../../core/linearEdit.ts";
import { forEachChannelPair, fullBias, scaleChannels } from "../../core/linearLayer.ts";
import type { Unit } from "../../core/plan.ts";
import { defineTransform, type Transaction } from "../../core/plugin.ts";
import { number } from "../../shared/params.ts";
import { exactSize } from "../../shared/report.ts";
import {
  balance,
  findChains,
  pairMaxima,
  rangesOf,
  withoutKernel,
  type Chain,
  type ChainLayer,
} from "./lib/equalization.ts";

export default defineTransform({
  meta: {
    id: "quantize.equalize",
    title: "Equalize channels",
    summary:
      "Balances the weight ranges of channels between layers, so that one range per tensor serves all; outputs stay the same.",
    papers: ["arXiv:1906.04721"],
    formats: ["onnx"],
    ops: ["Conv", "ConvTranspose", "Gemm", "MatMul"],
    data: "none",
    cost: "seconds",
    exact: true,
    warnings: ["Nothing gets smaller or faster by itself: it prepares for quantization."],
    covers: ["dfq-cle"],
    version: 1,
    suffix: "eq",
    api: 1,
    needsRuntime: false,
    params: {
      least: number({
        title: "Least imbalance",
        help: "Chains of layers in which every channel is within this of balance stay as they are.",
        default: 0.1,
        min: 0.01,
        max: 16,
        unit: "octaves",
      }),
    },
  },

  plan(model) {
    const { chains, skipped } = findChains(model);
    return { units: chains.map(unitOf), skipped };
  },

  async apply(tx, { name }, { least }, ctx) {
    const chain = findChains(tx.model).chains.find((one) => one.name === name);
    if (!chain) return { name, reason: "its layers are not there any more" };
    const solved = await solve(chain, ctx);
    if (typeof solved === "string") return { name, reason: solved };
    const octaves = Math.max(
      ...solved.flatMap((s) => Array.from(s, (x) => Math.abs(Math.log2(x)))),
    );
    if (octaves < least)
      return { name, reason: `it is balanced: all channels within ${octaves.toFixed(2)} octaves` };
    for (const [i, one] of chain.layers.entries()) {
      await rescale(tx, one, solved[i - 1] ?? null, solved[i] ?? null, ctx);
      ctx.progress((i + 1) / chain.layers.length);
      await ctx.checkpoint();
    }
    return undefined;
  },
});

function unitOf({ name, layers }: Chain): Unit {
  let [before, after] = [0, 0];
  layers.forEach(({ layer, added }, i) => {
    const { weight, bias, outChannels } = layer;
    before += weight.tensor.sizeBytes;
    after += weight.tensor.sizeBytes;
    // The last layer's bias stays.
    if (bias && i < layers.length - 1) {
      before += bias.tensor.sizeBytes;
      after += (outChannels * weight.tensor.dtype.bits) / 8;
    }
    before += added?.bias.tensor.sizeBytes ?? 0;
    after += added?.bias.tensor.sizeBytes ?? 0;
  });
  return {
    name,
    graph: layers[0]?.layer.path ?? [],
    nodes: layers.map(({ layer }) => layer.node),
    tensors: layers.map(({ layer }) => layer.weight.tensor),
    sizeBefore: before,
    sizeAfter: exactSize(after),
    detail: `${layers.length} layers: ${layers.map(({ layer }) => layer.op).join(" → ")}`,
  };
}

const MAX_SWEEPS = 100;
/** No factor moves by more than this any more. */
const SETTLED = 1e-4;
/** A channel that all but vanishes on one side would take the other beyond what float32 holds well. */
const MAX_FACTOR = 1e4;

/** The factors between each two layers of a chain, by channel; a reason where weights are no numbers. */
async function solve({ layers }: Chain, ctx: WorkContext): Promise<Float64Array[] | string> {
  const maxima: Float64Array[] = [];
  for (const { layer } of layers) {
    const found = await pairMaxima(layer, ctx);
    if (found.some((x) => !Number.isFinite(x)))
      return `the weight ${layer.weight.name} has NaN or infinite values`;
    maxima.push(found);
    await ctx.checkpoint();
  }
  const factors = layers
    .slice(0, -1)
    .map(({ layer }) => new Float64Array(layer.outChannels).fill(1));
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    let moved = 0;
    for (const [i, total] of factors.entries()) {
      const [one, two] = [layers[i]?.layer, layers[i + 1]?.layer];
      const [first, second] = [maxima[i], maxima[i + 1]];
      if (!one || !two || !first || !second) continue;
      const channels = one.outChannels;
      const r1 = rangesOf(one, first, "output", channels);
      const r2 = rangesOf(two, second, "input", channels);
      const steps = total.map((sofar, c) => {
        const wanted = sofar * balance(r1[c] ?? 0, r2[c] ?? 0);
        const step = Math.min(MAX_FACTOR, Math.max(1 / MAX_FACTOR, wanted)) / sofar;
        moved = Math.max(moved, Math.abs(Math.log(step)));
        return step;
      });
      steps.forEach((step, c) => (total[c] = (total[c] ?? 1) * step));
      const each = two.inChannels / channels;
      forEachChannelPair(withoutKernel(one), (at, _input, output) => {
        first[at] = (first[at] ?? 0) / (steps[output] ?? 1);
      });
      forEachChannelPair(withoutKernel(two), (at, input) => {
        second[at] = (second[at] ?? 0) * (steps[Math.floor(input / each)] ?? 1);
      });
    }
    if (moved < SETTLED) break;
  }
  return factors;
}

/** Multiplies a layer's inputs by the factors before it and divides its outputs by those after it. */
async function rescale(
  tx: Transaction,
  { layer, added }: ChainLayer,
  before: Float64Array | null,
  after: Float64Array | null,
  ctx: WorkContext,
): Promise<void> {
  const weight = (await ctx.readF32(layer.weight.tensor)).slice();
  if (before) {
    const each = layer.inChannels / before.length;
    const features = Float64Array.from(
      { length: layer.inChannels },
      (_, i) => before[Math.floor(i / each)] ?? 1,
    );
    scaleChannels(layer, weight, "input", features);
  }
  const divided = after?.map((s) => 1 / s) ?? null;
  if (divided) scaleChannels(layer, weight, "output", divided);
  const old = layer.bias && divided ? await ctx.readF32(layer.bias.tensor) : null;
  const bias = old && divided ? fullBias(layer, old).map((x, i) => x * (divided[i] ?? 1)) : null;
  if (added && divided) {
    const values = (await ctx.readF32(added.bias.tensor)).map((x, i) => x * (divided[i] ?? 1));
    const { dtype, shape } = added.bias.tensor;
    const spec = { name: added.bias.name, dtype, shape };
    await tx.putTensor(layer.path, spec, ctx.kernels.fromF32(dtype, values));
  }
  await writeLayer(tx, ctx.kernels, layer, { weight, bias });
}
