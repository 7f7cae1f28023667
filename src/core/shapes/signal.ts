/** Fourier transforms and mel weights. */
import { dtypeFromOnnx } from "../../shared/dtype.ts";
import type { Dim } from "../model.ts";
import { normalizeAxis } from "./dims.ts";
import { value, type Rule, type RuleContext, type RuleTable } from "./rule.ts";

const half = (size: Dim): Dim => (typeof size === "number" ? Math.floor(size / 2) + 1 : null);
const scalar = (c: RuleContext, index: number): Dim =>
  c.has(index) ? (c.input(index).data?.[0] ?? null) : null;

/** […, signal, 1 or 2] to […, bins, 2]: `axis` was an attribute before operator set 20. */
const dft: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  if (shape === null) return [value(type, null)];
  const given = c.opset < 20 ? c.int("axis", 1) : c.has(2) ? scalar(c, 2) : -2;
  const axis = typeof given === "number" ? normalizeAxis(given, shape.length) : null;
  const oneSided = c.int("onesided", 0) === 1;
  const real = oneSided && c.int("inverse", 0) === 1;
  return [
    value(
      type,
      shape.map((dim, i): Dim => {
        if (i === shape.length - 1) return real ? 1 : 2;
        if (axis === null) return null;
        if (i !== axis) return dim;
        if (c.has(1)) return oneSided && !real ? half(scalar(c, 1)) : scalar(c, 1);
        if (real) return typeof dim === "number" ? 2 * (dim - 1) : null;
        return oneSided ? half(dim) : dim;
      }),
    ),
  ];
};

/** [batch, length, 1 or 2] to [batch, frames, bins, 2]. */
const stft: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  const step = scalar(c, 1);
  const frame = c.has(3) ? scalar(c, 3) : (c.input(2).shape?.[0] ?? null);
  const length = shape?.[1] ?? null;
  const frames =
    typeof step === "number" && step > 0 && typeof frame === "number" && typeof length === "number"
      ? Math.floor((length - frame) / step) + 1
      : null;
  const bins = c.int("onesided", 1) === 1 ? half(frame) : frame;
  return [value(type, [shape?.[0] ?? null, frames, bins, 2])];
};

export const signalRules: RuleTable = {
  DFT: dft,
  STFT: stft,
  MelWeightMatrix: (c) => [
    value(dtypeFromOnnx(c.int("output_datatype", 1)), [half(scalar(c, 1)), scalar(c, 0)]),
  ],
};
