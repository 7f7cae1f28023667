/** Operators whose outputs follow from attributes, shapes or small integer inputs alone. */
import { dtype, dtypeFromOnnx, elementCount, type Dtype } from "../../shared/dtype.ts";
import type { Dim } from "../model.ts";
import { concrete, product } from "./dims.ts";
import {
  dimsFrom,
  isSmall,
  MAX_DATA,
  UNKNOWN,
  value,
  type Rule,
  type RuleContext,
  type RuleTable,
} from "./rule.ts";

const int64 = dtype("int64");
const float32 = dtype("float32");

const VALUES = /^(value(_(int|ints|float|floats|string|strings))?|sparse_value)$/;

const constant: Rule = (c) => {
  const values = Object.keys(c.node.attrs).filter((name) => VALUES.test(name));
  if (values.length !== 1)
    c.problem(
      `A Constant has one value, and this one has ${values.length === 0 ? "none" : values.join(" and ")}.`,
    );
  const tensor = c.constant("value");
  if (tensor) return [tensor];
  const { attrs } = c.node;
  const int = attrs["value_int"];
  if (int?.kind === "int") return [value(int64, [], [int.value])];
  const ints = attrs["value_ints"];
  if (ints?.kind === "ints")
    return [value(int64, [ints.value.length], ints.value.slice(0, MAX_DATA))];
  const float = attrs["value_float"];
  if (float?.kind === "float") return [value(float32, [], [float.value])];
  const floats = attrs["value_floats"];
  if (floats?.kind === "floats") return [value(float32, [floats.value.length])];
  if (attrs["value_string"]) return [value(dtype("string"), [])];
  const strings = attrs["value_strings"];
  if (strings?.kind === "strings") return [value(dtype("string"), [strings.value.length])];
  return [UNKNOWN];
};

/** From operator set 15 a part of the shape, from `start` to `end`. */
const shapeOf: Rule = (c) => {
  const { shape } = c.input(0);
  if (shape === null) return [value(int64, [null])];
  const clamp = (at: number): number =>
    Math.min(shape.length, Math.max(0, at < 0 ? at + shape.length : at));
  const part = shape.slice(clamp(c.int("start", 0)), clamp(c.int("end", shape.length)));
  return [value(int64, [part.length], part)];
};

const filled = (
  type: Dtype | null,
  shape: readonly Dim[] | null,
  fill: Dim,
): readonly Dim[] | null => {
  const dims = concrete(shape);
  if (dims === null || type === null || !isSmall(type, dims)) return null;
  return Array.from({ length: elementCount(dims) }, () => fill);
};

const constantOfShape: Rule = (c) => {
  const fill = c.constant("value");
  const type = c.node.attrs["value"] ? (fill?.dtype ?? null) : float32;
  const shape = dimsFrom(c, 0);
  const element = c.node.attrs["value"] ? (fill?.data?.[0] ?? null) : 0;
  return [value(type, shape, filled(type, shape, element))];
};

const range: Rule = (c) => {
  const [start, limit, delta] = [0, 1, 2].map((i) => c.input(i).data?.[0] ?? null);
  const type = c.input(0).dtype;
  if (start === 0 && delta === 1 && typeof limit === "string") return [value(type, [limit])];
  if (typeof start !== "number" || typeof limit !== "number" || typeof delta !== "number")
    return [value(type, [null])];
  if (delta === 0) return [value(type, [null])];
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  const data =
    count <= MAX_DATA ? Array.from({ length: count }, (_, i) => start + i * delta) : null;
  return [value(type, [count], data)];
};

const random: Rule = (c) => [value(dtypeFromOnnx(c.int("dtype", 1)), c.ints("shape"))];
const window: Rule = (c) => [
  value(dtypeFromOnnx(c.int("output_datatype", 1)), [c.input(0).data?.[0] ?? null]),
];
function typeAttribute(c: RuleContext, fallback: Dtype | null): Dtype | null {
  if (c.node.attrs["dtype"]?.kind !== "int") return fallback;
  const type = dtypeFromOnnx(c.int("dtype", 0));
  if (type === null) c.problem(`The attribute "dtype" is ${c.int("dtype", 0)}, no element type.`);
  return type;
}

const randomLike: Rule = (c) => [value(typeAttribute(c, c.input(0).dtype), c.input(0).shape)];

export const constantRules: RuleTable = {
  Constant: constant,
  Shape: shapeOf,
  Size: (c) => {
    const { shape } = c.input(0);
    return [value(int64, [], shape === null ? null : [product(shape)])];
  },
  ConstantOfShape: constantOfShape,
  Range: range,
  Bernoulli: (c) => [value(typeAttribute(c, c.input(0).dtype), c.input(0).shape)],
  BlackmanWindow: window,
  HammingWindow: window,
  HannWindow: window,
  EyeLike: (c) => [value(typeAttribute(c, c.input(0).dtype), c.input(0).shape)],
  RandomNormal: random,
  RandomNormalLike: randomLike,
  RandomUniformLike: randomLike,
  RandomUniform: random,
  Multinomial: (c) => [
    value(typeAttribute(c, dtype("int32")), [
      c.input(0).shape?.[0] ?? null,
      c.int("sample_size", 1),
    ]),
  ],
};
