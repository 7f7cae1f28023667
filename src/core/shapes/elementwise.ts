/** Elementwise operators with NumPy broadcasting, and the arithmetic of small integer tensors. */
import { dtype, dtypeFromOnnx, elementCount, type Dtype } from "../../shared/dtype.ts";
import type { Dim } from "../model.ts";
import { add, concrete, divideExactly, multiply } from "./dims.ts";
import {
  axisOf,
  broadcast,
  MAX_DATA,
  needRank,
  value,
  type Info,
  type Rule,
  type RuleContext,
  type RuleTable,
} from "./rule.ts";

/** Elements of the broadcast result of `f`, or null when any input's elements are not known. */
export function broadcastData(
  inputs: readonly Info[],
  shape: readonly Dim[] | null,
  f: (elements: readonly Dim[]) => Dim,
): readonly Dim[] | null {
  const out = concrete(shape);
  if (out === null || elementCount(out) > MAX_DATA) return null;
  if (inputs.some((input) => input.data === null)) return null;
  const shapes = inputs.map((input) => concrete(input.shape) ?? []);
  return Array.from({ length: elementCount(out) }, (_, flat) =>
    f(inputs.map((input, k) => input.data?.[sourceIndex(flat, out, shapes[k] ?? [])] ?? null)),
  );
}
/** Position in a tensor of `shape` of the element broadcast to position `flat` of `out`. */
function sourceIndex(flat: number, out: readonly number[], shape: readonly number[]): number {
  let index = 0;
  let stride = 1;
  for (let axis = out.length - 1, rest = flat; axis >= 0; axis--) {
    const size = out[axis] ?? 1;
    const own = axis - (out.length - shape.length);
    if (own >= 0) {
      const ownSize = shape[own] ?? 1;
      index += (ownSize === 1 ? 0 : rest % size) * stride;
      stride *= ownSize;
    }
    rest = Math.floor(rest / size);
  }
  return index;
}

type Arithmetic = (a: Dim, b: Dim, type: Dtype | null) => Dim;
const numbers =
  (f: (a: number, b: number) => number): Arithmetic =>
  (a, b) =>
    typeof a === "number" && typeof b === "number" ? f(a, b) : null;
const truth =
  (f: (a: number, b: number) => boolean): Arithmetic =>
  (a, b) =>
    typeof a === "number" && typeof b === "number" ? Number(f(a, b)) : null;
/** Symbols are dimensions, so equal symbols are equal and no symbol equals a negative number. */
const equal: Arithmetic = (a, b) => {
  if (a === null || b === null) return null;
  if (typeof a === typeof b) return a === b ? 1 : typeof a === "number" ? 0 : null;
  const number = typeof a === "number" ? a : b;
  return typeof number === "number" && number < 0 ? 0 : null;
};
const divide: Arithmetic = (a, b, type) => {
  if (typeof a !== "number" || typeof b !== "number") return divideExactly(a, b);
  if (b === 0) return null;
  // Integer division in ONNX is C's: towards zero.
  return type !== null && type.kind === "float" ? a / b : Math.trunc(a / b);
};

const ARITHMETIC: Readonly<Record<string, Arithmetic>> = {
  Add: add,
  Sub: (a, b) => {
    if (a !== null && a === b) return 0;
    return typeof b === "number" ? add(a, -b) : null;
  },
  Mul: multiply,
  Div: divide,
  Mod: numbers((a, b) => a - b * Math.floor(a / b)),
  Pow: numbers((a, b) => a ** b),
};
const COMPARISON: Readonly<Record<string, Arithmetic>> = {
  Equal: equal,
  Less: truth((a, b) => a < b),
  LessOrEqual: truth((a, b) => a <= b),
  Greater: truth((a, b) => a > b),
  GreaterOrEqual: truth((a, b) => a >= b),
  And: truth((a, b) => a !== 0 && b !== 0),
  Or: truth((a, b) => a !== 0 || b !== 0),
  Xor: truth((a, b) => (a !== 0) !== (b !== 0)),
};

/** Before operator set 7 the second input was broadcast to the first, along an `axis`. */
const binaryShape = (c: RuleContext): readonly Dim[] | null =>
  c.opset < 7 && c.node.domain === ""
    ? c.input(0).shape
    : broadcast(c, [c.input(0).shape, c.input(1).shape]);

const binary =
  (f: Arithmetic | undefined, result: Dtype | null): Rule =>
  (c) => {
    const inputs = [c.input(0), c.input(1)];
    const shape = binaryShape(c);
    const type = c.input(0).dtype;
    const data = f ? broadcastData(inputs, shape, ([a = null, b = null]) => f(a, b, type)) : null;
    return [value(result ?? type ?? (c.node.op === "Pow" ? null : c.input(1).dtype), shape, data)];
  };

const variadic =
  (f?: (a: number, b: number) => number): Rule =>
  (c) => {
    const inputs = Array.from({ length: c.inputCount }, (_, i) => c.input(i));
    // One is asked for, which validation says.
    if (inputs.length === 0) return [];
    const shape = broadcast(
      c,
      inputs.map((input) => input.shape),
    );
    const data = f
      ? broadcastData(inputs, shape, (elements) =>
          elements.reduce((a, b) =>
            typeof a === "number" && typeof b === "number" ? f(a, b) : a === b ? a : null,
          ),
        )
      : null;
    return [value(inputs.find((input) => input.dtype)?.dtype ?? null, shape, data)];
  };

const unary =
  (f?: (a: number) => number, result: Dtype | null = null): Rule =>
  (c) => {
    const { dtype: type, shape, data } = c.input(0);
    const mapped = f ? (data?.map((a) => (typeof a === "number" ? f(a) : null)) ?? null) : null;
    return [value(result ?? type, shape, mapped)];
  };

/** Output 0 is as input 0, elements included. */
const identity: Rule = (c) => [c.input(0)];

const cast =
  (target: (c: RuleContext) => Dtype | null): Rule =>
  (c) => {
    const { shape, data } = c.input(0);
    const type = target(c);
    const integer = type !== null && (type.kind === "int" || type.kind === "uint");
    return [
      value(
        type,
        shape,
        data?.map((a) => {
          if (typeof a !== "number") return type?.kind === "bool" ? null : a;
          if (type?.kind === "bool") return a === 0 ? 0 : 1;
          return integer ? Math.trunc(a) : a;
        }) ?? null,
      ),
    ];
  };
const attributeType = (c: RuleContext): Dtype | null => {
  // Operator set 1 wrote the type as text ("FLOAT").
  const code = c.int("to", 0);
  if (c.node.attrs["to"]?.kind === "int" && dtypeFromOnnx(code) === null)
    c.problem(`The attribute "to" is ${code}, which is no element type.`);
  return code === 0 ? (LEGACY_TYPES[c.text("to", "")] ?? null) : dtypeFromOnnx(code);
};
const bitCast: Rule = (c) => {
  const { dtype: from, shape } = c.input(0);
  const to = attributeType(c);
  if (from !== null && to !== null && from.bits !== to.bits)
    c.problem(`${from.name} has ${from.bits} bits and ${to.name} ${to.bits}: bits cannot be kept.`);
  return [value(to, shape)];
};
const LEGACY_TYPES: Readonly<Record<string, Dtype>> = {
  FLOAT: dtype("float32"),
  FLOAT16: dtype("float16"),
  DOUBLE: dtype("float64"),
  INT32: dtype("int32"),
  INT64: dtype("int64"),
  BOOL: dtype("bool"),
};

const where: Rule = (c) => {
  const inputs = [c.input(0), c.input(1), c.input(2)];
  const shape = broadcast(
    c,
    inputs.map((input) => input.shape),
  );
  const data = broadcastData(inputs, shape, ([condition = null, yes = null, no = null]) =>
    typeof condition === "number" ? (condition === 0 ? no : yes) : yes === no ? yes : null,
  );
  return [value(c.input(1).dtype ?? c.input(2).dtype, shape, data)];
};

/** As the input, along an axis that has to be there. */
const alongAxis =
  (op: string): Rule =>
  (c) => {
    const { dtype: type, shape } = c.input(0);
    const fallback = op === "LpNormalization" || c.opset >= 13 ? -1 : 1;
    if (shape !== null && shape.length > 0 && c.node.attrs["axis"])
      axisOf(c, shape.length, fallback);
    return [value(type, shape)];
  };

const bool = dtype("bool");
/** Same type and shape as the first input. */
const SAME = `Acos Acosh Asin Asinh Atan Atanh BitwiseNot Celu Clip Cos Cosh Elu Erf Exp Gelu
  HardSigmoid HardSwish Hardmax LeakyRelu Log LogSoftmax LpNormalization LRN MeanVarianceNormalization
  Mish ParametricSoftplus PRelu Relu Round ScaledTanh Selu Shrink Sigmoid Sign Sin Sinh Softmax
  Softplus Softsign Swish Tan Tanh ThresholdedRelu Trilu Affine ImageScaler InstanceNormalization
  GroupNormalization RMSNormalization RotaryEmbedding Scatter ScatterElements
  ScatterND CumProd CumSum`.split(/\s+/);

const entries = (names: readonly string[], rule: (name: string) => Rule): [string, Rule][] =>
  names.map((name) => [name, rule(name)]);

export const elementwiseRules: RuleTable = {
  ...Object.fromEntries(entries(SAME, () => unary())),
  ...Object.fromEntries(entries(Object.keys(ARITHMETIC), (op) => binary(ARITHMETIC[op], null))),
  ...Object.fromEntries(entries(Object.keys(COMPARISON), (op) => binary(COMPARISON[op], bool))),
  ...Object.fromEntries(
    entries(["BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor"], () => binary(undefined, null)),
  ),
  ...Object.fromEntries(
    entries(["Hardmax", "LogSoftmax", "Softmax", "LpNormalization"], (op) => alongAxis(op)),
  ),
  Min: variadic(Math.min),
  Max: variadic(Math.max),
  Sum: variadic((a, b) => a + b),
  Mean: variadic(),
  Identity: identity,
  Abs: unary(Math.abs),
  Neg: unary((a) => -a),
  Floor: unary(Math.floor),
  Ceil: unary(Math.ceil),
  Sqrt: unary(Math.sqrt),
  Reciprocal: unary((a) => 1 / a),
  Not: unary((a) => (a === 0 ? 1 : 0), bool),
  IsNaN: unary(undefined, bool),
  IsInf: unary(undefined, bool),
  Cast: cast(attributeType),
  BitCast: bitCast,
  CastLike: cast((c) => c.input(1).dtype),
  Where: where,
  ReverseSequence: (c) => {
    needRank(c, 1, "sequence_lens", 1);
    return [value(c.input(0).dtype, c.input(0).shape)];
  },
  Dropout: (c) => {
    needRank(c, 1, "The ratio", 0);
    return [c.input(0), value(c.opset < 10 ? c.input(0).dtype : bool, c.input(0).shape)];
  },
};
