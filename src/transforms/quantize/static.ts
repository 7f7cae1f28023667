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
 * Jacob et al. 2018 (arXiv:1712.05877); Krishnamoorthi 2018 (arXiv:1806.08342); Nagel et al. 2021
 * (arXiv:2106.08295).
 */
import { MAIN, nodeLabel, type Model, type Tensor } from "../../core/model.ts";
import { planUpgrade, upgradeOpset } from "../../core/opset/upgrade.ts";
import type { Unit } from "../../core/plan.ts";
import { defineTransform } from "../../core/plugin.ts";
import { scopeOf, type ScopeIndex } from "../../core/scope.ts";
import { valueAt, type Histogram, type Need, type Range } from "../../core/statistics.ts";
import { choice, flag, number, type ParamsOf } from "../../shared/params.ts";
import type { WorkContext } from "../../core/context.ts";
import { Emitter, type EmitFormat } from "./lib/emit.ts";
import { groupsOf, type Group } from "./lib/groups.ts";
import type { Layer } from "./lib/layer.ts";
import { findLayers } from "./lib/layers.ts";
import { PROBE_OPSET, probeGlue, withAllGlue } from "./lib/probedGlue.ts";
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
    help: "Which runtime the file is made for: onnxruntime and openvino take uint8 activations, tensorrt symmetric int8 ones and float biases. Speed is measured in onnxruntime on this machine's CPU only.",
    of: ["onnxruntime", "openvino", "tensorrt"],
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

interface StaticUnit extends Unit {
  readonly layer: Layer;
  /** Groups of its inputs, then of its output where that is rounded. */
  readonly groups: readonly Group[];
}

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
      units: planUnits(model, wanted, params, upgrade.addedBytes),
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
    if (params.glue === "structural")
      return { layers: new Map(), grids, refused, units, emitter: null };
    const { layers } = findLayers(model);
    const probed = await probeGlue(
      model,
      units.filter(({ name }) => !refused.has(name)),
      layers,
      grids,
      { format: formatOf(params).activations, limit: params.probeKl },
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

/** With the glue that the probe will be asked about, where the operator set allows the question. */
function layersFor(model: Model, { glue }: StaticParams): ReturnType<typeof findLayers> {
  const { layers, skipped } = findLayers(model);
  if (glue === "structural") return { layers, skipped };
  const opset = model.opsets.get("") ?? model.opsets.get("ai.onnx") ?? 0;
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
    const values = await ctx.readF32(tensor);
    await ctx.checkpoint();
    if (!values.every(Number.isFinite))
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

function planUnits(
  model: Model,
  layers: readonly Layer[],
  params: StaticParams,
  upgradeBytes: number,
): readonly StaticUnit[] {
  const scope = scopeOf(model);
  const groups = groupsOf(layers);
  const uses = new Map<Tensor, number>();
  for (const { weight } of layers)
    if (weight) uses.set(weight.source.tensor, (uses.get(weight.source.tensor) ?? 0) + 1);
  const seen = new Set<Tensor>();
  const taken = new Map<string, number>();
  return layers.map((layer) => {
    const values = layer.rounds ? [...layer.inputs, layer.output] : layer.inputs;
    const own = values.flatMap((value) => groups.get(value) ?? []);
    const sources = new Set(own.flatMap((group) => group.sources));
    const tensor = layer.weight?.source.tensor;
    const first = tensor !== undefined && !seen.has(tensor);
    if (tensor) seen.add(tensor);
    const label = nodeLabel(MAIN, layer.node);
    const count = taken.get(label) ?? 0;
    taken.set(label, count + 1);
    const size = sizes(scope, layer, params, first ? (uses.get(tensor) ?? 0) : 0);
    return {
      name: count === 0 ? label : `${label} (${count + 1})`,
      graph: MAIN,
      nodes: [layer.node, ...layer.affine, ...(layer.activation ? [layer.activation] : [])],
      tensors: tensor ? [tensor] : [],
      sizeBefore: size.before,
      sizeAfter: { min: size.least, max: size.most + upgradeBytes },
      detail: detailOf(layer, params),
      needs: [...sources].map((value) => needOf(value, params)),
      layer,
      groups: own,
    };
  });
}

/** Bytes that go and come; `layerUses` is how many layers take the weight, 0 when an earlier one counted it. */
function sizes(
  scope: ScopeIndex,
  { weight, affine, inputs, constants, kind }: Layer,
  params: StaticParams,
  layerUses: number,
): { readonly before: number; readonly least: number; readonly most: number } {
  // Scale and zero point of each value, shared where equal ones exist.
  const pairs = (inputs.length + 1) * (4 + 2);
  const gone = (name: string, users: number): number => {
    const found = name === "" ? null : scope.constant(MAIN, name);
    const held = found ? (found.node?.outputs[0] ?? found.tensor.name) : name;
    return found && held === name && scope.uses(found.graph.path, name).length <= users
      ? found.tensor.sizeBytes
      : 0;
  };
  if (!weight) {
    const own = constants.flatMap((name) => scope.constant(MAIN, name)?.tensor.sizeBytes ?? []);
    const width = params.activations === "16" ? 2 : 1;
    const most = own.reduce((sum, bytes) => sum + (bytes / 4) * width + 4 + 2, pairs);
    return { before: constants.reduce((sum, name) => sum + gone(name, 1), 0), least: 0, most };
  }
  const { source, channels, bias } = weight;
  const elements = source.tensor.sizeBytes / 4;
  const before =
    (layerUses > 0 ? gone(source.name, layerUses) : 0) +
    gone(bias, 1) +
    affine.flatMap((part) => part.inputs).reduce((sum, name) => sum + gone(name, 1), 0);
  const scales = params.weights === "channel" || kind === "embedding" ? channels : 1;
  const codes = Math.ceil((elements * (kind === "embedding" ? 8 : params.bits)) / 8) + 4 * scales;
  if (kind === "embedding") return { before, least: codes, most: codes };
  const biased = bias !== "" || affine.length > 0;
  const biasBytes = biased ? 4 * channels + (params.target === "tensorrt" ? 0 : 4 * scales) : 0;
  const own = codes + biasBytes;
  return { before, least: layerUses === 0 ? 0 : own, most: own + scales + pairs };
}

const KINDS: Readonly<Record<Layer["kind"], string>> = {
  conv: "integer convolution",
  gemm: "integer product",
  matmul: "integer product, float output",
  embedding: "8-bit rows",
  share: "moves 8-bit codes",
  join: "8-bit concatenation, a scale per input",
  pool: "8-bit pooling",
  add: "8-bit sum",
  mul: "8-bit elementwise product",
  unary: "8-bit table of a function",
  product: "integer product of two activations",
};
function detailOf(layer: Layer, { bits }: StaticParams): string {
  const { kind, weight, affine, activation, rounds } = layer;
  const parts: string[] = [kind === "matmul" && rounds ? KINDS.gemm : KINDS[kind]];
  if (weight)
    parts.unshift(
      `[${weight.source.tensor.shape.join(", ")}] float32 → ${kind === "embedding" ? 8 : bits} bit,`,
    );
  const absorbed = affine.map(({ op }) => op);
  if (absorbed.length > 0) parts.push(`with ${absorbed.join(" and ")} folded in`);
  if (activation) parts.push(`up to ${activation.op}`);
  return parts.join(" ");
}
