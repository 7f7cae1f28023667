/** Operators that rearrange axes without looking at values, other than at their shape inputs. */
import type { Dim } from "../model.ts";
import {
  add,
  concrete,
  divideExactly,
  multiply,
  normalizeAxes,
  product,
  unknownDims,
} from "./dims.ts";
import { broadcastData } from "./elementwise.ts";
import {
  axisOf,
  broadcast,
  dimsFrom,
  formatDims,
  listOf,
  MAX_DATA,
  needRank,
  UNKNOWN,
  value,
  type Info,
  type Rule,
  type RuleContext,
  type RuleTable,
} from "./rule.ts";

const reshape: Rule = (c) => {
  const { dtype: type, shape: from, data } = c.input(0);
  needRank(c, 1, "The target shape", 1);
  const target = listOf(c, 1, "shape");
  if (target === null) {
    return [value(type, dimsFrom(c, 1))];
  }
  const copyZero = c.int("allowzero", 0) === 0;
  // An unknown element is a copied dimension in practice; it can be solved for like -1 when it is alone.
  const dims = target.map((dim, i) => (dim === 0 && copyZero ? (from?.[i] ?? null) : dim));
  const open = dims.flatMap((dim, i) => (dim === -1 || dim === null ? [i] : []));
  const [only] = open;
  const total = from === null ? null : product(from);
  if (target.filter((dim) => dim === -1).length > 1)
    c.problem(`The target ${formatDims(target)} leaves more than one size open.`);
  if (open.length === 1 && only !== undefined && from !== null) {
    const known = product(dims.filter((_, i) => i !== only));
    dims[only] = divideExactly(total, known);
  }
  const made = product(dims);
  const impossible =
    open.length === 0
      ? typeof made === "number" && made !== total
      : open.length === 1 && only !== undefined && target[only] === -1 && dims[only] === null;
  if (from !== null && typeof total === "number" && total > 0 && impossible)
    c.problem(
      `${formatDims(from)} has ${total} elements, which do not fill ${formatDims(target)}.`,
    );
  return [
    value(
      type,
      dims.map((dim) => (dim === -1 ? null : dim)),
      data,
    ),
  ];
};

const transpose: Rule = (c) => {
  const { dtype: type, shape, data } = c.input(0);
  if (shape === null) return [value(type, null)];
  const axes = c.ints("perm") ?? shape.map((_, i) => shape.length - 1 - i);
  if (
    axes.length !== shape.length ||
    new Set(axes).size < axes.length ||
    axes.some((axis) => !(axis in shape))
  ) {
    c.problem(`perm is [${axes.join(", ")}], no order of the axes of ${formatDims(shape)}.`);
    return [value(type, null)];
  }
  return [
    value(
      type,
      axes.map((axis) => shape[axis] ?? null),
      shape.length < 2 ? data : null,
    ),
  ];
};

const flatten: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  if (shape === null) return [value(type, unknownDims(2))];
  const axis = c.int("axis", 1);
  const at = axis < 0 ? axis + shape.length : axis;
  if (at < 0 || at > shape.length)
    c.problem(`axis is ${axis}, and the input has ${shape.length} dimensions.`);
  return [value(type, [product(shape.slice(0, at)), product(shape.slice(at))])];
};

const squeeze: Rule = (c) => {
  const { dtype: type, shape, data } = c.input(0);
  if (shape === null) return [value(type, null)];
  if (!c.has(1) && c.ints("axes") === null)
    return [value(type, concrete(shape)?.filter((dim) => dim !== 1) ?? null, data)];
  const axes = axesOf(c, listOf(c, 1, "axes"), shape.length);
  const wide = axes?.find((axis) => typeof shape[axis] === "number" && shape[axis] !== 1);
  if (wide !== undefined)
    c.problem(`Axis ${wide} of ${formatDims(shape)} is not 1, so it cannot be squeezed out.`);
  return [value(type, axes && shape.filter((_, i) => !axes.includes(i)), data)];
};

const unsqueeze: Rule = (c) => {
  const { dtype: type, shape, data } = c.input(0);
  const list = listOf(c, 1, "axes");
  if (shape === null || list === null) return [value(type, null)];
  const rank = shape.length + list.length;
  const axes = axesOf(c, list, rank);
  if (axes === null) return [value(type, null)];
  if (new Set(axes).size < axes.length) {
    c.problem(`The axes [${list.join(", ")}] name one of them twice.`);
    return [value(type, null)];
  }
  let next = 0;
  const out = Array.from({ length: rank }, (_, i): Dim =>
    axes.includes(i) ? 1 : (shape[next++] ?? null),
  );
  return [value(type, out, data)];
};

/** Axes counted from the front; said where one is outside the rank. */
function axesOf(c: RuleContext, list: readonly Dim[] | null, rank: number): number[] | null {
  const axes = normalizeAxes(list, rank);
  if (axes === null && list?.every((axis) => typeof axis === "number") === true)
    c.problem(`The axes [${list.join(", ")}] are not all within ${rank} dimensions.`);
  return axes;
}

const concat: Rule = (c) => {
  const inputs = Array.from({ length: c.inputCount }, (_, i) => c.input(i));
  const type = inputs.find((input) => input.dtype)?.dtype ?? null;
  const rank = inputs.find((input) => input.shape)?.shape?.length;
  const axis = rank === undefined ? null : axisOf(c, rank, 1);
  if (rank === undefined || axis === null) return [value(type, null)];
  const ranks = inputs.flatMap((input) => input.shape?.length ?? []);
  if (ranks.some((one) => one !== rank))
    c.problem(`The inputs have ${[...new Set(ranks)].join(" and ")} dimensions.`);
  const shape = Array.from({ length: rank }, (_, i): Dim => {
    const sizes = inputs.map((input) => input.shape?.[i] ?? null);
    const numbers = sizes.filter((size) => typeof size === "number");
    const other = numbers.find((size) => size !== numbers[0]);
    if (i !== axis && other !== undefined)
      c.problem(
        `The inputs differ on axis ${i}, ${numbers[0]} and ${other}, and are joined on axis ${axis}.`,
      );
    // Off the axis all sizes are equal, so one known number tells.
    if (i !== axis)
      return sizes.find((d) => typeof d === "number") ?? sizes.find((d) => d !== null) ?? null;
    return sizes.reduce(add, 0);
  });
  const data =
    rank === 1 && inputs.every((input) => input.data !== null)
      ? inputs.flatMap((input) => input.data ?? [])
      : null;
  return [value(type, shape, data !== null && data.length <= MAX_DATA ? data : null)];
};

const split: Rule = (c) => {
  const { dtype: type, shape, data } = c.input(0);
  const count = c.node.outputs.length;
  const axis = shape === null ? null : axisOf(c, shape.length, 0);
  if (shape === null || axis === null) return unknownDims(count).map(() => value(type, null));
  if (c.opset >= 18 && !c.has(1) && c.node.attrs["num_outputs"] === undefined)
    c.problem("Split has neither sizes nor num_outputs.");
  const total = shape[axis] ?? null;
  const explicit = listOf(c, 1, "split");
  const equal = typeof total === "number" ? Math.ceil(total / count) : divideExactly(total, count);
  const sum = explicit?.reduce(add, 0);
  if (typeof sum === "number" && typeof total === "number" && sum !== total)
    c.problem(
      `The parts [${explicit?.join(", ")}] are ${sum} together, and axis ${axis} is ${total}.`,
    );
  let start = 0;
  return Array.from({ length: count }, (_, i) => {
    // Equal parts; the last is smaller when they do not fit.
    const last = typeof total === "number" && typeof equal === "number" && i === count - 1;
    const implicit = last ? total - equal * (count - 1) : equal;
    const size = explicit || c.has(1) ? (explicit?.[i] ?? null) : implicit;
    const part = shape.map((dim, j) => (j === axis ? size : dim));
    const own =
      data !== null && shape.length === 1 && typeof size === "number"
        ? data.slice(start, (start += size))
        : null;
    return value(type, part, own);
  });
};

const expand: Rule = (c) => {
  const input = c.input(0);
  const to = dimsFrom(c, 1);
  const shape = broadcast(c, [input.shape, to]);
  return [
    value(
      input.dtype,
      shape,
      broadcastData([input], shape, ([a = null]) => a),
    ),
  ];
};

const tile: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  const repeats = c.input(1).data;
  return [value(type, shape?.map((dim, i) => multiply(dim, repeats?.[i] ?? null)) ?? null)];
};

const pad: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  const pads = c.opset < 2 ? c.ints("paddings") : listOf(c, 1, "pads");
  if (shape === null) return [value(type, null)];
  const axes = c.has(3) ? normalizeAxes(c.input(3).data, shape.length) : shape.map((_, i) => i);
  if (pads === null || axes === null) return [value(type, unknownDims(shape.length))];
  if (pads.length !== 2 * axes.length)
    c.problem(`There are ${pads.length} pads, and ${axes.length} axes take ${2 * axes.length}.`);
  return [
    value(
      type,
      shape.map((dim, i) => {
        const at = axes.indexOf(i);
        return at < 0 ? dim : add(add(dim, pads[at] ?? null), pads[at + axes.length] ?? null);
      }),
    ),
  ];
};

/** The node as if it had only these of its inputs. */
const withInputs = (c: RuleContext, parts: readonly number[]): RuleContext => ({
  node: c.node,
  opset: c.opset,
  inputCount: parts.length,
  input: (i) => c.input(parts[i] ?? -1),
  has: (i) => c.has(parts[i] ?? -1),
  int: (attr, fallback) => c.int(attr, fallback),
  ints: (attr) => c.ints(attr),
  floats: (attr) => c.floats(attr),
  text: (attr, fallback) => c.text(attr, fallback),
  constant: (attr) => c.constant(attr),
  body: (attr, inputs) => c.body(attr, inputs),
  problem: (text) => {
    c.problem(text);
  },
});

const firstOr = (info: Info | undefined): Info => info ?? UNKNOWN;

export const reshapingRules: RuleTable = {
  Reshape: reshape,
  Transpose: transpose,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Concat: concat,
  Split: split,
  Expand: expand,
  Tile: tile,
  Pad: pad,
  // (inputs in (x, scale, zero point) triples after the output's scale and zero point)
  QLinearConcat: (c) => {
    const parts = Array.from({ length: Math.floor((c.inputCount - 2) / 3) }, (_, i) => i * 3 + 2);
    return [firstOr(concat(withInputs(c, parts))[0])];
  },
};
