/** Sequences and optionals: what they hold, and how many where that follows from the graph. */
import { dtype, dtypeFromOnnx } from "../../shared/dtype.ts";
import { add, agreeShapes, normalizeAxis } from "./dims.ts";
import {
  holding,
  infoOfType,
  sequenceOf,
  UNKNOWN,
  value,
  type Info,
  type Rule,
  type RuleContext,
  type RuleTable,
} from "./rule.ts";

/** What two values have in common. */
export function agreeInfo(a: Info, b: Info): Info {
  if (a.holds && b.holds) {
    if (a.holds.kind !== b.holds.kind) return UNKNOWN;
    // An empty sequence holds whatever the other does.
    const [x, y] = [a.holds, b.holds];
    const length = x.length === y.length ? x.length : null;
    const of = x.length === 0 ? y.of : y.length === 0 ? x.of : agreeInfo(x.of, y.of);
    return holding(x.kind, of, length);
  }
  if (a.holds || b.holds) return UNKNOWN;
  return value(a.dtype === b.dtype ? a.dtype : null, agreeShapes(a.shape, b.shape));
}

const int64 = dtype("int64");
const held = (info: Info): Info => info.holds?.of ?? UNKNOWN;

const construct: Rule = (c) => {
  const all = Array.from({ length: c.inputCount }, (_, i) => c.input(i));
  const [first = UNKNOWN, ...others] = all;
  return [sequenceOf(others.reduce(agreeInfo, first), all.length)];
};

const insert: Rule = (c) => {
  const before = c.input(0).holds;
  const added = c.input(1);
  if (!before) return [sequenceOf(value(added.dtype, null))];
  const of = before.length === 0 ? added : agreeInfo(before.of, added);
  return [sequenceOf(of, add(before.length, 1))];
};

const at: Rule = (c) => [held(c.input(0))];

/** Chunks of the size `split`, parts of the sizes in it, or single slices where there is none. */
const splitToSequence: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  const axis = shape === null ? null : normalizeAxis(c.int("axis", 0), shape.length);
  if (shape === null || axis === null) return [sequenceOf(value(type, null))];
  const total = shape[axis] ?? null;
  if (!c.has(1)) {
    const slice =
      c.int("keepdims", 1) === 1
        ? shape.map((dim, i) => (i === axis ? 1 : dim))
        : shape.filter((_, i) => i !== axis);
    return [sequenceOf(value(type, slice), total)];
  }
  const { data, shape: form } = c.input(1);
  const part = (size: number | null): Info =>
    value(
      type,
      shape.map((dim, i) => (i === axis ? size : dim)),
    );
  if (form?.length === 1) {
    const [first = null, ...others] = data ?? [];
    const equal = typeof first === "number" && others.every((size) => size === first);
    return [sequenceOf(part(equal ? first : null), form[0] ?? null)];
  }
  const size = data?.[0];
  if (typeof size !== "number" || size < 1 || typeof total !== "number")
    return [sequenceOf(part(null))];
  return [sequenceOf(part(total % size === 0 ? size : null), Math.ceil(total / size))];
};

const concatFromSequence: Rule = (c) => {
  const { holds } = c.input(0);
  const { dtype: type, shape } = held(c.input(0));
  const newAxis = c.int("new_axis", 0) === 1;
  if (shape === null) return [value(type, null)];
  const axis = normalizeAxis(c.int("axis", 0), shape.length + (newAxis ? 1 : 0));
  if (axis === null) return [value(type, null)];
  if (newAxis)
    return [value(type, [...shape.slice(0, axis), holds?.length ?? null, ...shape.slice(axis)])];
  const { length = null } = holds ?? {};
  const size = shape[axis] ?? null;
  const total = typeof size === "number" && typeof length === "number" ? size * length : null;
  return [
    value(
      type,
      shape.map((dim, i) => (i === axis ? total : dim)),
    ),
  ];
};

/** The body sees one element of each sequence, and other inputs as they are. */
const sequenceMap: Rule = (c) => {
  const inputs = Array.from({ length: c.inputCount }, (_, i) => c.input(i));
  const outputs = c.body(
    "body",
    inputs.map((info) => (info.holds?.kind === "sequence" ? info.holds.of : info)),
  );
  const length = inputs[0]?.holds?.length ?? null;
  return outputs?.map((info) => sequenceOf(info, length)) ?? [];
};

const typeAttribute = (c: RuleContext): Info => {
  const type = c.node.attrs["type"];
  return type?.kind === "opaque" && type.element ? infoOfType(type.element) : UNKNOWN;
};

export const sequenceRules: RuleTable = {
  SequenceEmpty: (c) => [sequenceOf(value(dtypeFromOnnx(c.int("dtype", 1)), null), 0)],
  SequenceConstruct: construct,
  SequenceInsert: insert,
  SequenceErase: (c) => [sequenceOf(held(c.input(0)), add(c.input(0).holds?.length ?? null, -1))],
  SequenceAt: at,
  SequenceLength: (c) => [value(int64, [], [c.input(0).holds?.length ?? null])],
  SplitToSequence: splitToSequence,
  ConcatFromSequence: concatFromSequence,
  SequenceMap: sequenceMap,
  Optional: (c) => [holding("optional", c.has(0) ? c.input(0) : typeAttribute(c))],
  // From operator set 18 the input may be no optional at all.
  OptionalGetElement: (c) => [
    c.input(0).holds?.kind === "optional" ? held(c.input(0)) : c.input(0),
  ],
  OptionalHasElement: (c) => [value(dtype("bool"), [], c.has(0) ? null : [0])],
};
