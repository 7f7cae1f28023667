/** Operators that pick elements: slicing, gathering, sorting, searching. */
import { dtype } from "../../shared/dtype.ts";
import type { Dim } from "../model.ts";
import { concrete, multiply, normalizeAxes, normalizeAxis, unknownDims } from "./dims.ts";
import { axisOf, listOf, needRank, value, type Rule, type RuleTable } from "./rule.ts";

interface SliceAxis {
  readonly from: number;
  readonly step: number;
  readonly count: number;
}
/** What `start:end:step` picks of an axis, as in NumPy. */
function sliceAxis(size: number, start: number, end: number, step: number): SliceAxis {
  const clamp = (at: number, low: number, high: number): number =>
    Math.min(high, Math.max(low, at < 0 ? at + size : at));
  const from = step > 0 ? clamp(start, 0, size) : clamp(start, 0, size - 1);
  const to = step > 0 ? clamp(end, 0, size) : clamp(end, -1, size);
  return { from, step, count: Math.max(0, Math.ceil((to - from) / step)) };
}

const slice: Rule = (c) => {
  const { dtype: type, shape, data } = c.input(0);
  const starts = listOf(c, 1, "starts");
  const ends = listOf(c, 2, "ends");
  if (shape === null) return [value(type, null)];
  if (starts === null && ends === null && !c.has(3) && c.ints("axes") === null)
    return [value(type, unknownDims(shape.length))];
  const given = c.has(3) || c.ints("axes") !== null ? listOf(c, 3, "axes") : null;
  const hasAxes = c.has(3) || c.ints("axes") !== null;
  const count = starts?.length ?? ends?.length ?? given?.length ?? 0;
  const axes = normalizeAxes(
    hasAxes ? given : Array.from({ length: count }, (_, i) => i),
    shape.length,
  );
  if (axes === null) return [value(type, unknownDims(shape.length))];
  let picked: SliceAxis | null = null;
  const out = shape.map((dim, i): Dim => {
    const at = axes.indexOf(i);
    if (at < 0) return dim;
    const start = starts?.[at] ?? null;
    const end = ends?.[at] ?? null;
    const step = c.has(4) ? (c.input(4).data?.[at] ?? null) : 1;
    if (
      typeof start !== "number" ||
      typeof step !== "number" ||
      !Number.isInteger(step) ||
      step === 0
    )
      return null;
    // From the start to beyond any size, or to the axis' own size: all of it, whatever the size is.
    if (typeof dim !== "number")
      return start === 0 &&
        step === 1 &&
        (end === dim || (typeof end === "number" && end >= 2 ** 31 - 1))
        ? dim
        : null;
    if (typeof end !== "number") return null;
    picked = sliceAxis(dim, start, end, step);
    return picked.count;
  });
  return [value(type, out, shape.length === 1 && data !== null ? take(data, picked) : null)];
};
const take = (data: readonly Dim[], picked: SliceAxis | null): readonly Dim[] | null =>
  picked === null
    ? null
    : Array.from({ length: picked.count }, (_, i) => data[picked.from + i * picked.step] ?? null);

const gather: Rule = (c) => {
  const { dtype: type, shape, data } = c.input(0);
  const indices = c.input(1);
  if (shape === null || indices.shape === null) return [value(type, null)];
  const axis = axisOf(c, shape.length, 0);
  if (axis === null) return [value(type, null)];
  const out = [...shape.slice(0, axis), ...indices.shape, ...shape.slice(axis + 1)];
  const picked =
    data !== null && shape.length === 1
      ? (indices.data?.map((index) =>
          typeof index === "number"
            ? (data[index < 0 ? index + data.length : index] ?? null)
            : null,
        ) ?? null)
      : null;
  return [value(type, out, picked)];
};

const gatherND: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  const indices = c.input(1).shape;
  const width = indices?.at(-1);
  const batch = c.int("batch_dims", 0);
  if (!shape || !indices || typeof width !== "number") return [value(type, null)];
  if (batch + width > shape.length)
    c.problem(`Indices of ${width} numbers do not fit ${shape.length} dimensions.`);
  return [value(type, [...indices.slice(0, -1), ...shape.slice(batch + width)])];
};

const topK: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  const axis = shape === null ? null : axisOf(c, shape.length, -1);
  const k = c.has(1) ? (c.input(1).data?.[0] ?? null) : c.int("k", 0) || null;
  const out =
    shape === null || axis === null ? null : shape.map((dim, i) => (i === axis ? k : dim));
  return [value(type, out), value(dtype("int64"), out)];
};

/** Indices and depth [..., D, ...] inserted at `axis`. */
const oneHot: Rule = (c) => {
  const indices = c.input(0).shape;
  const count = c.input(1).shape?.reduce<Dim>(multiply, 1) ?? null;
  if (typeof count === "number" && count > 1) c.problem(`The depth is ${count} numbers, not one.`);
  needRank(c, 2, "The pair of values", 1);
  if (indices === null) return [value(c.input(2).dtype, null)];
  const axis = c.int("axis", -1);
  const at = axis < 0 ? axis + indices.length + 1 : axis;
  const depth = c.input(1).data?.[0] ?? null;
  return [value(c.input(2).dtype, [...indices.slice(0, at), depth, ...indices.slice(at)])];
};

const nonZero: Rule = (c) => {
  const { shape, data } = c.input(0);
  const int64 = dtype("int64");
  if (data !== null && concrete(data)) {
    const found = data.flatMap((element, i) => (element === 0 ? [] : [i]));
    if (shape?.length === 1) return [value(int64, [1, found.length], found)];
    return [value(int64, [Math.max(1, shape?.length ?? 1), found.length])];
  }
  return [value(int64, [shape === null ? null : Math.max(1, shape.length), null])];
};

const unique: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  const axis = c.node.attrs["axis"];
  const int64 = dtype("int64");
  const at =
    shape !== null && axis?.kind === "int" ? normalizeAxis(axis.value, shape.length) : null;
  const out =
    axis === undefined ? [null] : (shape?.map((dim, i) => (i === at ? null : dim)) ?? null);
  return [value(type, out), value(int64, [null]), value(int64, [null]), value(int64, [null])];
};

const compress: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  const axis = c.node.attrs["axis"];
  const condition = concrete(c.input(1).data);
  const count = condition === null ? null : condition.filter((element) => element !== 0).length;
  if (axis?.kind !== "int") return [value(type, [count])];
  const at = shape === null ? null : normalizeAxis(axis.value, shape.length);
  return [value(type, shape?.map((dim, i) => (i === at ? count : dim)) ?? null)];
};

export const indexingRules: RuleTable = {
  Slice: slice,
  Gather: gather,
  GatherElements: (c) => [value(c.input(0).dtype, c.input(1).shape)],
  GatherND: gatherND,
  TopK: topK,
  OneHot: oneHot,
  NonZero: nonZero,
  Unique: unique,
  Compress: compress,
  NonMaxSuppression: () => [value(dtype("int64"), [null, 3])],
};
