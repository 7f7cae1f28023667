/**
 * Rounds weights and activations to 8 bit with scales fixed by calibration data (QDQ), so that
 * convolutions and matrix products run on integers.
 *
 * Weights get one symmetric scale per output channel, activations one asymmetric scale per tensor from
 * what the calibration data shows. BatchNormalization after a convolution vanishes in it; values that
 * are only moved (MaxPool, Concat, Reshape) share a scale; biases become int32. Use it for
 * convolutional nets, where it is 2 to 4 times smaller and faster, and for transformers whose
 * products should be integer; with 4 bit the weights take half of that again at the same speed,
 * because onnxruntime unpacks them once when it loads the model. Recurrent layers, weights of
 * other types than float32, and everything inside subgraphs are skipped by name.
 *
 * For QNN every operator lies between codes, one scale per matrix; what alone moves the outputs stays
 * float (static text encoder 87.08 % of 87.11, 6 of 115 operators float; resnet8 80.6 of 80.3).
 *
 * Jacob et al. 2018 (arXiv:1712.05877); Krishnamoorthi 2018 (arXiv:1806.08342); Nagel et al. 2021
 * (arXiv:2106.08295).
 */
import type { WorkContext } from "../../core/context.ts";
import { MAIN, nodeLabel, type Model } from "../../core/model.ts";
import { planUpgrade, upgradeOpset } from "../../core/opset/upgrade.ts";
import { defineTransform } from "../../core/plugin.ts";
import { isFinite } from "../../core/rows.ts";
import { scopeOf, type ScopeIndex } from "../../core/scope.ts";
import { valueAt, type Histogram, type Need, type Range } from "../../core/statistics.ts";
import { choice, flag, number, type ParamsOf } from "../../shared/params.ts";
import type { Skip } from "../../shared/report.ts";
import { Emitter, type EmitFormat } from "./lib/emit.ts";
import { openShape, withEverything, withoutFloat } from "./lib/everywhere.ts";
import type { Group } from "./lib/groups.ts";
import type { Layer } from "./lib/layer.ts";
import { findLayers } from "./lib/layers.ts";
import { leftOfGlue, PROBE_OPSET, probeGlue, withAllGlue } from "./lib/probedGlue.ts";
import { planUnits, type StaticUnit } from "./lib/plannedLayers.ts";
import {
  codesOf,
  gridOf,
  rangeFrom,
  unite,
  withZero,
  type Grid,
  type ValueRange,
} from "./lib/ranges.ts";

const params = {
  target: choice({
    title: "Runs on",
    help: "Which runtime the file is made for: onnxruntime and openvino take uint8 activations, tensorrt symmetric int8 ones and float biases, qnn codes everywhere (found out tensor by tensor, see the probe) and static shapes. Core ML and WebGPU have no integer activations: asked for them, it refuses and says why. Speed is measured in onnxruntime on this machine's CPU only.",
    of: ["onnxruntime", "openvino", "tensorrt", "qnn", "coreml", "web"],
    default: "onnxruntime",
  }),
  method: choice({
    title: "Range of activations",
    help: "minmax takes all that calibration shows, percentile leaves out the rarest, mse and entropy clip where rounding and clipping together cost least.",
    of: ["minmax", "percentile", "mse", "entropy"],
    default: "percentile",
    search: ["minmax", "percentile", "mse"],
  }),
  percentile: number({
    title: "Percentile",
    help: "Share of the values that stay inside the range, for the method percentile.",
    default: 99.9999,
    min: 90,
    max: 100,
    unit: "%",
  }),
  bits: number({
    title: "Bits per weight",
    help: "8 is the usual choice; 4 halves the file again at the same speed and costs accuracy. Activations have 8 either way.",
    default: 8,
    min: 4,
    max: 8,
    of: [8, 4],
    search: [8, 4],
  }),
  weights: choice({
    title: "Scales of weights",
    help: "One per output channel, or one per tensor for runtimes without the other.",
    of: ["channel", "tensor"],
    default: "channel",
  }),
  activations: choice({
    title: "Activations",
    help: "8 bit computes on integers; 16 bit shows what rounding of activations costs, and is slow in onnxruntime.",
    of: ["8", "16"],
    default: "8",
  }),
  embedding: choice({
    title: "Embedding tables",
    help: "8 bit with one scale per row, or keep them float.",
    of: ["8", "keep"],
    default: "8",
  }),
  glue: choice({
    title: "Between the products",
    help: "What lies between products with a weight: structural keeps it float, except between convolutions. probe makes additions, scalings, softmax and attention's own products integer too, and leaves float each tensor whose rounding alone moves the outputs, such as a sum with an attention mask. Latency in onnxruntime on CPU against structural: a text encoder 0.87 to 0.95, a language model whose normalizations are written out as single operators 1.17 to 1.27, because the runtime no longer fuses them: measure before you keep it.",
    of: ["structural", "probe"],
    default: "structural",
  }),
  probeKl: number({
    title: "Limit of the probe",
    help: "For glue: probe, the KL divergence of the outputs, in nats, that rounding one tensor alone may cause; where outputs are no scores of classes, its noise power as a share of theirs.",
    default: 1e-4,
    min: 0,
    max: 1,
  }),
  reduceRange: flag({
    title: "Weights of 7 bit",
    help: "For processors without VNNI instructions, where sums of two 8-bit products may overflow.",
    default: false,
  }),
} as const;
type StaticParams = ParamsOf<typeof params>;

interface Prepared {
  /** As they are written, by a unit's name, where that is not how they were planned. */
  readonly layers: ReadonlyMap<string, Layer>;
  /** By a group's id. */
  readonly grids: ReadonlyMap<string, Grid>;
  readonly refused: ReadonlyMap<string, string>;
  readonly units: readonly StaticUnit[];
  emitter: Emitter | null;
}

export default defineTransform({
  meta: {
    id: "quantize.static",
    title: "Quantize weights and activations",
    summary:
      "Rounds weights and activations to 8 bit with scales from calibration data, so that convolutions and matrix products run on integers.",
    papers: ["arXiv:1712.05877", "arXiv:1806.08342", "arXiv:2106.08295", "arXiv:2004.09602"],
    formats: ["onnx"],
    ops: ["Conv", "Gemm", "MatMul", "Gather", "Add", "Concat", "MaxPool", "AveragePool"],
    data: "required",
    cost: "seconds",
    exact: false,
    warnings: [
      "For targets other than onnxruntime, accuracy is simulated and speed not measured.",
      "4-bit weights make the file smaller, not the memory: onnxruntime unpacks them to 8 bit when it loads the model.",
    ],
    covers: [
      "ptq-static",
      "quant-weight-activation",
      "quant-integer-only",
      "quant-per-tensor",
      "quant-per-channel",
      "calib-minmax",
      "calib-absmax",
      "calib-percentile",
      "calib-mse",
      "calib-kl-entropy",
      "quant-whitepaper",
      "reduce-range",
    ],
    version: 1,
    suffix: "int8",
    api: 1,
    needsRuntime: true,
    params,
  },

  plan(model, params) {
    const refusal = refusedTarget(model, params);
    if (refusal) return { units: [], skipped: [refusal] };
    const { layers, skipped } = layersFor(model, params);
    const wanted = layers.filter(({ kind }) => kind !== "embedding" || params.embedding === "8");
    const kept = layers
      .filter((layer) => !wanted.includes(layer))
      .map(({ node }) => ({
        name: nodeLabel(MAIN, node),
        reason: "an embedding table; the parameter embedding keeps it float",
      }));
    const upgrade = planUpgrade(model, neededOpset(params));
    if (wanted.length > 0 && upgrade.refused.length > 0)
      return { units: [], skipped: [...skipped, ...kept, ...upgrade.refused] };
    return {
      units: planUnits(model, wanted, params, upgrade.addedBytes, (value) => needOf(value, params)),
      skipped: [...skipped, ...kept],
    };
  },

  async prepare(model, units, params, ctx): Promise<Prepared> {
    const grids = new Map<string, Grid>();
    const refused = new Map<string, string>();
    for (const unit of units) {
      const reason = await badWeight(scopeOf(model), unit, ctx);
      if (reason !== null) refused.set(unit.name, reason);
    }
    for (const unit of units)
      for (const group of unit.groups) {
        if (grids.has(group.id)) continue;
        const range = await measured(group, params, ctx);
        if (typeof range === "string") refused.set(unit.name, range);
        else grids.set(group.id, gridOf(range, formatOf(params).activations));
      }
    if (!isProbed(params)) return { layers: new Map(), grids, refused, units, emitter: null };
    const { layers } = findLayers(model);
    const probed = await probeGlue(
      units.filter(({ name }) => !refused.has(name)),
      layers,
      grids,
      {
        format: formatOf(params).activations,
        limit: params.probeKl,
        left: params.target === "qnn" ? withoutFloat : leftOfGlue(model, layers),
      },
      ctx,
    );
    for (const [name, reason] of probed.refused) refused.set(name, reason);
    return { layers: probed.layers, grids, refused, units, emitter: null };
  },

  async apply(tx, unit, params, ctx, prepared) {
    const reason = prepared.refused.get(unit.name);
    if (reason !== undefined) return { name: unit.name, reason };
    const [refusal] = await upgradeOpset(tx, neededOpset(params));
    if (refusal) return refusal;
    prepared.emitter ??= emitterFor(
      prepared,
      (grids, rounded) => new Emitter(tx, ctx, formatOf(params), grids, rounded),
    );
    await prepared.emitter.layer(prepared.layers.get(unit.name) ?? unit.layer);
    return undefined;
  },
});

/** Runtimes whose integer form is not this one. */
const NO_QDQ: Readonly<Partial<Record<StaticParams["target"], string>>> = {
  coreml:
    "Core ML takes float16, or weights alone as integers; integer activations in QuantizeLinear and DequantizeLinear are unproven there. quantize.float16 and quantize.weightOnly (format dequantizelinear) make files for it",
  web: "WebGPU has no integer activations: what lies between QuantizeLinear and DequantizeLinear would go back to the CPU. quantize.float16 and quantize.weightOnly (4 bit, block 32) make files for it",
};
function refusedTarget(model: Model, { target }: StaticParams): Skip | null {
  const reason = NO_QDQ[target];
  if (reason !== undefined) return { name: "the model", reason };
  if (target !== "qnn") return null;
  const opset = opsetOf(model);
  return opset >= PROBE_OPSET
    ? openShape(model)
    : {
        name: "the model",
        reason: `its operator set is ${opset}, and to find what must stay float for QNN ${PROBE_OPSET} is needed (graph.upgradeOpset can fix it)`,
      };
}

const opsetOf = (model: Model): number => model.opsets.get("") ?? model.opsets.get("ai.onnx") ?? 0;
const isProbed = ({ target, glue }: StaticParams): boolean => target === "qnn" || glue === "probe";

/** With the glue that the probe will be asked about, where the operator set allows the question. */
function layersFor(model: Model, params: StaticParams): ReturnType<typeof findLayers> {
  const { layers, skipped } = findLayers(model);
  if (params.target === "qnn") return withEverything(model, { layers, skipped });
  if (!isProbed(params)) return { layers, skipped };
  const opset = opsetOf(model);
  if (opset >= PROBE_OPSET) return { layers: withAllGlue(model, layers), skipped };
  const reason = `its operator set is ${opset} and the probe of the glue needs ${PROBE_OPSET}; the glue stays as the structural rule has it (graph.upgradeOpset can fix it)`;
  return { layers, skipped: [...skipped, { name: "the model", reason }] };
}

/** QuantizeLinear per channel came with 13, 4- and 16-bit codes with 21. */
const neededOpset = ({ bits, activations }: StaticParams): number =>
  bits === 4 || activations === "16" ? 21 : 13;

const formatOf = (params: StaticParams): EmitFormat => {
  const symmetric = params.target === "tensorrt";
  return {
    activations: {
      dtype: params.activations === "16" ? "uint16" : symmetric ? "int8" : "uint8",
      symmetric: symmetric && params.activations === "8",
    },
    weights: {
      bits: params.bits === 4 ? 4 : 8,
      perChannel: params.weights === "channel",
      reduceRange: params.reduceRange,
    },
    integerBias: !symmetric,
    wholeProducts: params.target === "qnn",
    dropsClamps: params.target === "qnn",
  };
};

function emitterFor(
  { layers, grids, refused, units }: Prepared,
  create: (grids: ReadonlyMap<string, Grid>, rounded: ReadonlySet<string>) => Emitter,
): Emitter {
  const byValue = new Map<string, Grid>();
  const rounded = new Set<string>();
  for (const { name, layer: planned, groups } of units) {
    if (refused.has(name)) continue;
    const layer = layers.get(name) ?? planned;
    const values = layer.rounds ? [...layer.inputs, layer.output] : layer.inputs;
    values.forEach((value, i) => {
      const grid = grids.get(groups[i]?.id ?? "");
      if (grid) byValue.set(value, grid);
    });
    if (layer.rounds) rounded.add(layer.output);
  }
  return create(byValue, rounded);
}

async function badWeight(
  scope: ScopeIndex,
  { layer }: StaticUnit,
  ctx: WorkContext,
): Promise<string | null> {
  const sources = layer.constants.flatMap((name) => scope.constant(MAIN, name)?.tensor ?? []);
  for (const tensor of [...(layer.weight ? [layer.weight.source.tensor] : []), ...sources]) {
    if (!(await isFinite(ctx, tensor)))
      return `its ${layer.weight ? "weight" : "constant"} "${tensor.name}" has NaN or infinite values`;
  }
  return null;
}

const rangeNeed = (value: string): Need<"range"> => ({
  stat: "range",
  at: valueAt(MAIN, value),
  of: "before",
});
const histogramNeed = (value: string): Need<"histogram"> => ({
  ...rangeNeed(value),
  stat: "histogram",
});
const needOf = (value: string, { method }: StaticParams): Need =>
  method === "minmax" ? rangeNeed(value) : histogramNeed(value);

const statOf = (
  value: string,
  method: StaticParams["method"],
  ctx: WorkContext,
): Promise<Range | Histogram> =>
  method === "minmax" ? ctx.stat(rangeNeed(value)) : ctx.stat(histogramNeed(value));

/** The group's range, or why it has none. */
async function measured(
  group: Group,
  params: StaticParams,
  ctx: WorkContext,
): Promise<ValueRange | string> {
  const { method, percentile } = params;
  const [least, most] = codesOf(formatOf(params).activations);
  let all: ValueRange | null = null;
  for (const value of group.sources) {
    const found = await statOf(value, method, ctx);
    if (!Number.isFinite(found.min) || !Number.isFinite(found.max))
      return `"${value}" takes NaN or infinite values on the calibration data`;
    const range =
      method === "minmax" || !("counts" in found)
        ? withZero(found.min, found.max)
        : rangeFrom(method, found, percentile, most - least + 1);
    all = all === null ? range : unite(all, range);
  }
  return all ?? { lo: 0, hi: 0 };
}
