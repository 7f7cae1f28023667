/** Normalization, recurrent and quantization layers. */
import { dtype, dtypeFromOnnx, type Dtype } from "../../shared/dtype.ts";
import type { Dim } from "../model.ts";
import { broadcastShapes, multiply, normalizeAxis } from "./dims.ts";
import { axisOf, needRank, value, type Rule, type RuleContext, type RuleTable } from "./rule.ts";

/** Y as X; further outputs, where there are any, are running statistics per channel. */
const batchNormalization: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  const statistics = value(c.input(3).dtype ?? type, [shape?.[1] ?? null]);
  return [value(type, shape), statistics, statistics, statistics, statistics];
};

/** Y as X; mean and inverse standard deviation with the normalized axes at 1. */
const layerNormalization: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  const axis = shape === null ? null : axisOf(c, shape.length, -1);
  const moments = value(
    dtype("float32"),
    shape === null || axis === null ? null : shape.map((dim, i) => (i < axis ? dim : 1)),
  );
  return [value(type, shape), moments, moments];
};

/** Y [seq, directions, batch, hidden] (layout 1: batch first), then the last states. */
const recurrent =
  (states: number): Rule =>
  (c) => {
    const { dtype: type, shape: x } = c.input(0);
    needRank(c, 0, "The input", 3);
    const directions = c.text("direction", "forward") === "bidirectional" ? 2 : 1;
    // The weights say it where the attribute is missing: R is [directions, gates·hidden, hidden].
    const hidden: Dim = c.int("hidden_size", 0) || (c.input(2).shape?.[2] ?? null);
    const batchFirst = c.int("layout", 0) === 1;
    const sequence = x?.[batchFirst ? 1 : 0] ?? null;
    const batch = x?.[batchFirst ? 0 : 1] ?? null;
    const state = value(
      type,
      batchFirst ? [batch, directions, hidden] : [directions, batch, hidden],
    );
    const y = batchFirst
      ? [batch, sequence, directions, hidden]
      : [sequence, directions, batch, hidden];
    return [value(type, y), ...Array.from({ length: states }, () => state)];
  };

/** Codes of the zero point's type; without one, what `output_dtype` says, else uint8. */
const quantizeLinear: Rule = (c) => [
  value(c.has(2) ? c.input(2).dtype : (outputType(c) ?? dtype("uint8")), c.input(0).shape),
];
const outputType = (c: RuleContext): Dtype | null => dtypeFromOnnx(c.int("output_dtype", 0));

export const layerRules: RuleTable = {
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
  LSTM: recurrent(2),
  GRU: recurrent(1),
  RNN: recurrent(1),
  QuantizeLinear: quantizeLinear,
  DequantizeLinear: (c) => [value(outputType(c) ?? c.input(1).dtype, c.input(0).shape)],
  DynamicQuantizeLinear: (c) => [
    value(dtype("uint8"), c.input(0).shape),
    value(dtype("float32"), []),
    value(dtype("uint8"), []),
  ],
};

const sameAsFirst: Rule = (c) => [value(c.input(0).dtype, c.input(0).shape)];
/** The residual sum comes fourth; the two between are statistics. */
const skipNormalization: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  return [value(type, shape), value(null, null), value(null, null), value(type, shape)];
};

/** (a, a_scale, a_zero_point, b, b_scale, b_zero_point, …) */
const quantizedBinary: Rule = (c) => [
  value(c.input(0).dtype, broadcastShapes([c.input(0).shape, c.input(3).shape])),
];

/** (codes, indices, scales, …): a Gather of the table that the codes stand for. */
const gatherBlockQuantized: Rule = (c) => {
  const { dtype: type, shape: codes } = c.input(0);
  const indices = c.input(1).shape;
  const axis = codes === null ? null : normalizeAxis(c.int("gather_axis", 0), codes.length);
  if (codes === null || indices === null || axis === null) return [value(c.input(2).dtype, null)];
  // Codes in uint8 are packed along the last axis.
  const perByte = type?.bits === 8 ? 8 / c.int("bits", 4) : 1;
  const table = codes.map((dim, i) => (i === codes.length - 1 ? multiply(dim, perByte) : dim));
  const shape = [...table.slice(0, axis), ...indices, ...table.slice(axis + 1)];
  return [value(c.input(2).dtype, shape)];
};

/** Contributed operators of onnxruntime (domain com.microsoft). */
export const microsoftLayerRules: RuleTable = {
  QuantizeLinear: quantizeLinear,
  DequantizeLinear: layerRules["DequantizeLinear"] ?? sameAsFirst,
  DynamicQuantizeLSTM: recurrent(2),
  SkipLayerNormalization: skipNormalization,
  SkipSimplifiedLayerNormalization: skipNormalization,
  GatherBlockQuantized: gatherBlockQuantized,
  Gelu: sameAsFirst,
  FastGelu: sameAsFirst,
  BiasGelu: sameAsFirst,
  QuickGelu: sameAsFirst,
  RotaryEmbedding: sameAsFirst,
  QLinearAdd: quantizedBinary,
  QLinearMul: quantizedBinary,
  QLinearSigmoid: sameAsFirst,
  QLinearLeakyRelu: sameAsFirst,
  QLinearSoftmax: sameAsFirst,
};
