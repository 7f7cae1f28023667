/**
 * Balances the channels between layers: channel i of one layer is divided by sᵢ = √(r1ᵢ/r2ᵢ) and the
 * next layer's weights for it are multiplied by it, r being the largest absolute weights; until no
 * factor moves any more. The model computes the same as before.
 *
 * Use it before quantizing with one range per tensor, weights or activations: a channel much smaller
 * than the others would keep hardly any of its bits. Between the two layers only operators may lie
 * that a factor passes (Relu, LeakyRelu, PRelu, pooling, flattening); several users of a result and
 * BatchNormalization that is not folded yet are refused by name, as are weights used twice.
 *
 * Clip (ReLU6) has the same limits for all channels, and no form with limits per channel: it is
 * refused, or becomes Relu and Min with a constant per channel, which is the same function but no
 * longer vanishes in an integer convolution, or loses limits that the calibration data never reaches.
 * High biases may be moved on to the next layer as well, where no padding is in the way.
 *
 * Nagel et al. 2019, sections 4.1.1 to 4.1.3, equations 9 to 16 (arXiv:1906.04721).
 */
import type { WorkContext } from "../../core/context.ts";
import { writeLayer } from "../../core/linearEdit.ts";
import { addResponse, fullBias, scaleChannels } from "../../core/linearLayer.ts";
import { nodeKey } from "../../core/model.ts";
import type { Unit } from "../../core/plan.ts";
import { defineTransform, type Transaction } from "../../core/plugin.ts";
import { rowsOf, type Rows } from "../../core/rows.ts";
import { engineErrors } from "../../shared/errors.ts";
import { choice, number } from "../../shared/params.ts";
import { absorptionSkips, highBias, staysHigh } from "./lib/absorption.ts";
import { reached, writeClip } from "./lib/clips.ts";
import { findChains, type Chain, type ChainLayer } from "./lib/equalization.ts";
import { balanceFactors } from "./lib/balanceFactors.ts";

interface ChainUnit extends Unit {
  /** Whether a Clip lies in it. */
  readonly clips: boolean;
}
interface Prepared {
  /** Why a Clip's limits are needed, by its key. */
  readonly limits: ReadonlyMap<string, string>;
  /** What is to be absorbed of a layer as it is, by its key. */
  readonly shifts: ReadonlyMap<string, Float64Array>;
}

export default defineTransform({
  meta: {
    id: "quantize.equalize",
    title: "Equalize channels",
    summary:
      "Balances the weight ranges of channels between layers, so that one range per tensor serves all; outputs stay the same.",
    papers: ["arXiv:1906.04721"],
    formats: ["onnx"],
    ops: ["Conv", "ConvTranspose", "Gemm", "MatMul"],
    data: "optional",
    cost: "seconds",
    exact: true,
    warnings: [
      "Nothing gets smaller or faster by itself: it prepares for quantization.",
      "With clip relax or absorb, outputs stay the same as far as the calibration data shows.",
    ],
    covers: ["dfq-cle", "dfq-bias-absorb"],
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
      clip: choice({
        title: "Clip between layers",
        help: "keep leaves chains at a Clip (ReLU6) alone. exact gives every channel a limit of its own (Relu and Min): the same function, but the runtime no longer merges it with the convolution. relax leaves out limits that the calibration data never reaches.",
        of: ["keep", "exact", "relax"],
        default: "keep",
      }),
      absorb: choice({
        title: "High biases",
        help: "Moves what a channel never falls below on to the next layer's bias, so that its range gets smaller: spread takes the mean less three standard deviations (a few values are cut off), least the smallest value of the calibration data.",
        of: ["none", "spread", "least"],
        default: "none",
      }),
    },
  },

  plan(model, { clip, absorb }) {
    const { chains, skipped } = findChains(model, clip);
    const high = absorb === "none" ? [] : chains.flatMap(absorptionSkips);
    const units = chains.map((chain) => unitOf(chain, absorb !== "none"));
    return { units, skipped: [...skipped, ...high] };
  },

  async prepare(model, units, { clip, absorb }, ctx): Promise<Prepared> {
    const measuring = absorb !== "none" || (clip === "relax" && units.some(({ clips }) => clips));
    if (measuring && ctx.data === null) throw engineErrors.needsData("quantize.equalize");
    const wanted = new Set(units.map(({ name }) => name));
    const chains = findChains(model, clip).chains.filter(({ name }) => wanted.has(name));
    const limits = new Map<string, string>();
    const shifts = new Map<string, Float64Array>();
    // Asked for together, so that one pass over the data serves all.
    await Promise.all(
      chains.flatMap(({ layers }) =>
        layers.flatMap((one, i) => {
          const next = layers[i + 1];
          return [
            ...(clip === "relax" ? one.clips : []).map(async (between) => {
              const reason = await reached(model, between, ctx);
              if (reason !== null) limits.set(nodeKey(between.node), reason);
            }),
            ...(absorb !== "none" && next && staysHigh(one, next) === null
              ? [one].map(async () => {
                  const found = await highBias(one, absorb, ctx);
                  if (found) shifts.set(nodeKey(one.layer.node), found);
                })
              : []),
          ];
        }),
      ),
    );
    return { limits, shifts };
  },

  async apply(tx, { name }, { least, clip }, ctx, { limits, shifts }) {
    const chain = findChains(tx.model, clip).chains.find((one) => one.name === name);
    if (!chain) return { name, reason: "its layers are not there any more" };
    const parts = partsOf(chain, limits);
    if (parts.length === 0) {
      const own = chain.layers.flatMap(({ clips }) => clips.map(({ node }) => nodeKey(node)));
      const reasons = own.flatMap((key) => limits.get(key) ?? []);
      return { name, reason: reasons[0] ?? "it is one layer" };
    }
    let most = 0;
    let isChanged = false;
    for (const [at, part] of parts.entries()) {
      const solved = await balanceFactors(part, ctx);
      if (typeof solved === "string") return { name, reason: solved };
      const octaves = Math.max(
        ...solved.flatMap((s) => Array.from(s, (x) => Math.abs(Math.log2(x)))),
      );
      most = Math.max(most, octaves);
      const isBalanced = octaves < least;
      const own = part.map(({ layer }) => shifts.get(nodeKey(layer.node)) ?? null);
      if (isBalanced && own.every((shift) => shift === null)) continue;
      isChanged = true;
      const factors = isBalanced ? solved.map((s) => s.map(() => 1)) : solved;
      const taken = own.map((shift, i) => shift && shift.map((c, k) => c / (factors[i]?.[k] ?? 1)));
      for (const [i, one] of part.entries()) {
        const before = { factors: factors[i - 1] ?? null, shifts: taken[i - 1] ?? null };
        const after = { factors: factors[i] ?? null, shifts: taken[i] ?? null };
        await rescale(tx, one, before, after, ctx);
        const own = after.factors;
        if (own && clip !== "keep")
          for (const between of one.clips)
            await writeClip(tx, between, clip, { factors: own, shifts: after.shifts }, ctx);
        ctx.progress((at + (i + 1) / part.length) / parts.length);
        await ctx.checkpoint();
      }
    }
    return isChanged
      ? undefined
      : { name, reason: `it is balanced: all channels within ${most.toFixed(2)} octaves` };
  },
});

/** The chain cut at each Clip whose limits are needed. */
function partsOf({ layers }: Chain, limits: ReadonlyMap<string, string>): ChainLayer[][] {
  const parts: ChainLayer[][] = [[]];
  for (const one of layers) {
    parts.at(-1)?.push(one);
    if (one.clips.some(({ node }) => limits.has(nodeKey(node)))) parts.push([]);
  }
  return parts.filter((part) => part.length > 1);
}

function unitOf({ name, layers }: Chain, absorbs: boolean): ChainUnit {
  let [before, after, biases] = [0, 0, 0];
  const clips = layers.flatMap((one) => one.clips);
  // Two limits a channel; and a bias where a layer had none to take a shift in.
  const limits = clips.reduce((sum, { shape }) => sum + 2 * 4 * (shape[0] ?? 0), 0);
  layers.forEach(({ layer, added }, i) => {
    const { weight, bias, outChannels } = layer;
    before += weight.tensor.sizeBytes;
    after += weight.tensor.sizeBytes;
    // The last layer's bias stays.
    if (bias && i < layers.length - 1) {
      before += bias.tensor.sizeBytes;
      after += (outChannels * weight.tensor.dtype.bits) / 8;
    }
    if (!bias) biases += (outChannels * weight.tensor.dtype.bits) / 8;
    else if (i === layers.length - 1) biases += (outChannels * weight.tensor.dtype.bits) / 8;
    before += added?.bias.tensor.sizeBytes ?? 0;
    after += added?.bias.tensor.sizeBytes ?? 0;
  });
  return {
    name,
    graph: layers[0]?.layer.path ?? [],
    nodes: layers.map(({ layer }) => layer.node),
    tensors: layers.map(({ layer }) => layer.weight.tensor),
    sizeBefore: before,
    sizeAfter: { min: after, max: after + limits + (absorbs ? biases : 0) },
    detail: `${layers.length} layers: ${layers.map(({ layer }) => layer.op).join(" → ")}`,
    clips: clips.length > 0,
  };
}

/** What is done to the channels between two layers: divided by factors, then shifted down. */
interface Between {
  readonly factors: Float64Array | null;
  readonly shifts: Float64Array | null;
}

/** Makes up for what is done to a layer's inputs, and does to its outputs what is to be done. */
async function rescale(
  tx: Transaction,
  { layer, added }: ChainLayer,
  before: Between,
  after: Between,
  ctx: WorkContext,
): Promise<void> {
  const perInput = (values: Float64Array): Float64Array => {
    const each = layer.inChannels / values.length;
    return Float64Array.from(
      { length: layer.inChannels },
      (_, i) => values[Math.floor(i / each)] ?? 0,
    );
  };
  const multiplied = before.factors && perInput(before.factors);
  const divided = after.factors?.map((s) => 1 / s) ?? null;
  const weight = ({ from, values }: Rows): void => {
    if (multiplied) scaleChannels(layer, values, "input", multiplied, from);
    if (divided) scaleChannels(layer, values, "output", divided, from);
  };
  /** With the weights as they will be: what comes in is less by the shifts of the layer before. */
  const responseTo = async (shifts: Float64Array): Promise<Float64Array> => {
    const sums = new Float64Array(layer.outChannels);
    for await (const piece of rowsOf(ctx, layer.weight.tensor)) {
      weight(piece);
      addResponse(layer, piece.values, shifts, sums, piece.from);
    }
    return sums.map((x) => layer.alpha * x);
  };
  const missing = before.shifts ? await responseTo(perInput(before.shifts)) : null;
  const moved = (x: number, c: number): number =>
    x * (divided?.[c] ?? 1) + (missing?.[c] ?? 0) - (after.shifts?.[c] ?? 0);
  const isShifted = missing !== null || after.shifts !== null;
  if (added) {
    const { dtype, shape } = added.bias.tensor;
    const values = (await ctx.readF32(added.bias.tensor)).map(moved);
    const spec = { name: added.bias.name, dtype, shape };
    await tx.putTensor(layer.path, spec, ctx.kernels.fromF32(dtype, values));
  }
  const own = layer.bias ? await ctx.readF32(layer.bias.tensor) : null;
  const scaled = (own !== null && divided !== null) || (isShifted && !added);
  const full = scaled ? fullBias(layer, own) : null;
  // Where an Add holds a bias too, it takes the shifts.
  const bias = full && (added ? full.map((x, c) => x * (divided?.[c] ?? 1)) : full.map(moved));
  await writeLayer(tx, ctx, layer, { weight, bias });
}
