/** What a shape rule sees of a node, and what it answers. Rules are pure and total: unknown is null. */
import { elementCount, type Dtype } from "../../shared/dtype.ts";
import type { Dim, ElementType, GraphNode, Tensor, Value } from "../model.ts";
import { broadcastShapes, concrete, normalizeAxis, unknownDims } from "./dims.ts";

/** What is known of one value. */
export interface Info {
  readonly dtype: Dtype | null;
  readonly shape: readonly Dim[] | null;
  /**
   * The elements, row-major, of a small tensor whose shape is all numbers: constants and what
   * follows from them and from shapes. A string is a symbolic dimension (never negative), null an
   * unknown element. Booleans are 0 and 1.
   */
  readonly data: readonly Dim[] | null;
  /** Of a value that is no tensor: what it holds; `dtype`, `shape` and `data` are null then. */
  readonly holds?: Holder;
}

export interface Holder {
  readonly kind: Exclude<Value["type"], "tensor">;
  readonly of: Info;
  /** Elements of a sequence; whether an optional is full is not followed. */
  readonly length: Dim;
}

export const UNKNOWN: Info = { dtype: null, shape: null, data: null };

/** More elements than any shape, axes, pads or scales input has; bounds the work per value. */
export const MAX_DATA = 256;
/** Of floats only scales and the like matter, and small weights are common: 64 is the highest rank. */
const MAX_FLOATS = 64;

/** Whether the elements of a tensor like this are worth following. */
export const isSmall = (type: Dtype, shape: readonly number[]): boolean =>
  elementCount(shape) <= (type.kind === "float" ? MAX_FLOATS : MAX_DATA);

export interface RuleContext {
  readonly node: GraphNode;
  /** Version of the node's operator set that the model imports. */
  readonly opset: number;
  readonly inputCount: number;
  /** UNKNOWN for an omitted input. */
  input(index: number): Info;
  has(index: number): boolean;
  int(attr: string, fallback: number): number;
  ints(attr: string): readonly number[] | null;
  floats(attr: string): readonly number[] | null;
  text(attr: string, fallback: string): string;
  /** A constant held in an attribute, with its elements when small. */
  constant(attr: string): Info | null;
  /** Infers the subgraph in `attr` with its inputs set to `inputs`; null when there is none. */
  body(attr: string, inputs: readonly Info[]): readonly Info[] | null;
  /** Says that this node cannot work whatever its data: what is wrong, with the figures. */
  problem(text: string): void;
}

/** One Info per output, in order; fewer leaves the rest unknown. */
export type Rule = (c: RuleContext) => readonly Info[];
export type RuleTable = Readonly<Record<string, Rule>>;

/** As readers limit it: a chain of Gathers would otherwise double the rank with every node. */
const MAX_RANK = 64;

/** An answer without impossible sizes: what a damaged file makes of them is not known. */
export function value(
  dtype: Dtype | null,
  shape: readonly Dim[] | null,
  data: readonly Dim[] | null = null,
): Info {
  if (shape === null || shape.length > MAX_RANK) return { dtype, shape: null, data: null };
  const possible = shape.every(isPossible) ? shape : shape.map((d) => (isPossible(d) ? d : null));
  return {
    dtype,
    shape: possible,
    data: data !== null && concrete(possible) !== null ? data : null,
  };
}
const isPossible = (dim: Dim): boolean =>
  typeof dim !== "number" || (dim >= 0 && Number.isSafeInteger(dim));

export const holding = (kind: Holder["kind"], of: Info, length: Dim = null): Info => ({
  ...UNKNOWN,
  holds: { kind, of: { ...of, data: null }, length },
});
export const sequenceOf = (of: Info, length: Dim = null): Info => holding("sequence", of, length);

/** What a declaration says, its symbols included. */
export function infoOfType(type: ElementType): Info {
  if (type.type !== "tensor")
    return holding(type.type, type.element ? infoOfType(type.element) : UNKNOWN);
  return { dtype: type.dtype, shape: type.shape, data: null };
}

/** `axis` counted from the front; null, and said, when it is outside the rank. */
export function axisOf(
  c: RuleContext,
  rank: number,
  fallback: number,
  name = "axis",
): number | null {
  const axis = c.int(name, fallback);
  const at = normalizeAxis(axis, rank);
  if (at === null)
    c.problem(`The attribute "${name}" is ${axis}, and the input has ${rank} dimensions.`);
  return at;
}

/** Says when an input whose rank is known has none of those ranks. */
export function needRank(
  c: RuleContext,
  index: number,
  name: string,
  ...ranks: readonly number[]
): void {
  const { shape } = c.input(index);
  if (shape !== null && !ranks.includes(shape.length))
    c.problem(
      `${name} has ${shape.length} dimensions, ${formatDims(shape)}, and has to have ${ranks.join(" or ")}.`,
    );
}

/** The shape that all broadcast to; said where two sizes rule that out. */
export function broadcast(
  c: RuleContext,
  shapes: readonly (readonly Dim[] | null)[],
): readonly Dim[] | null {
  // Mostly all have the first one's shape, or are scalars and biases beside it: kept as it is.
  const [first = null] = shapes;
  if (first !== null && shapes.every((shape) => shape !== null && covers(first, shape)))
    return first;
  const known = shapes.filter((shape) => shape !== null);
  const rank = Math.max(0, ...known.map((shape) => shape.length));
  for (let back = 1; back <= rank; back++) {
    const sizes = known.map((shape) => shape.at(-back)).filter((dim) => typeof dim === "number");
    const wide = sizes.filter((size) => size !== 1);
    const other = wide.find((size) => size !== wide[0]);
    if (other === undefined) continue;
    const all = known.map((shape) => formatDims(shape)).join(" and ");
    c.problem(`The shapes ${all} do not broadcast: ${wide[0]} and ${other} differ.`);
  }
  return broadcastShapes(shapes);
}
/** Whether `shape` broadcasts to `wide` as it is. */
const covers = (wide: readonly Dim[], shape: readonly Dim[]): boolean =>
  wide === shape ||
  (shape.length <= wide.length &&
    shape.every((dim, i) => dim === 1 || dim === wide[i + wide.length - shape.length]));
export const formatDims = (shape: readonly Dim[]): string =>
  `[${shape.map((dim) => dim ?? "?").join(", ")}]`;

/** The integer list a node takes as input `index` or, in older operator sets, as attribute. */
export function listOf(c: RuleContext, index: number, attr: string): readonly Dim[] | null {
  return c.has(index) ? c.input(index).data : c.ints(attr);
}

/** Elements of a small constant tensor, or null for types without numbers. */
export function elementsOf(tensor: Tensor, bytes: Uint8Array): readonly Dim[] | null {
  if (!isSmall(tensor.dtype, tensor.shape)) return null;
  const count = elementCount(tensor.shape);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = READERS[tensor.dtype.name];
  const width = tensor.dtype.bits / 8;
  if (!read || bytes.byteLength < count * width) return null;
  return Array.from({ length: count }, (_, i) => read(view, i * width));
}

/** IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits. */
function half(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
/** The upper half of a float32. */
function bfloat16(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint16(0, bits);
  return view.getFloat32(0);
}

const READERS: Readonly<Record<string, (view: DataView, at: number) => number>> = {
  int64: (view, at) => Number(view.getBigInt64(at, true)),
  uint64: (view, at) => Number(view.getBigUint64(at, true)),
  int32: (view, at) => view.getInt32(at, true),
  uint32: (view, at) => view.getUint32(at, true),
  int16: (view, at) => view.getInt16(at, true),
  uint16: (view, at) => view.getUint16(at, true),
  int8: (view, at) => view.getInt8(at),
  uint8: (view, at) => view.getUint8(at),
  bool: (view, at) => (view.getUint8(at) === 0 ? 0 : 1),
  float16: (view, at) => half(view.getUint16(at, true)),
  bfloat16: (view, at) => bfloat16(view.getUint16(at, true)),
  float32: (view, at) => view.getFloat32(at, true),
  float64: (view, at) => view.getFloat64(at, true),
};

/** The shape that an input holds as its elements; where those are not known, as many dimensions. */
export function dimsFrom(c: RuleContext, index: number): readonly Dim[] | null {
  const { data, shape } = c.input(index);
  const rank = shape?.[0];
  return data ?? (typeof rank === "number" && rank <= MAX_RANK ? unknownDims(rank) : null);
}
