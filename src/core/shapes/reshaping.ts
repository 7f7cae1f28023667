/** Operators that rearrange axes without looking at values, other than at their shape inputs. */
import type { Dim } from "../model.ts";
import {
  add,
  broadcastShapes,
  concrete,
  divideExactly,
  multiply,
  normalizeAxes,
  normalizeAxis,
  product,
  unknownDims,
} from "./dims.ts";
import { broadcastData } from "./elementwise.ts";
import { listOf, MAX_DATA, UNKNOWN, value, type Info, type Rule, type RuleTable } from "./rule.ts";

const reshape: Rule = (c) => {
  const { dtype: type, shape: from, data } = c.input(0);
  const target = listOf(c, 1, "shape");
  if (target === null) {
    const rank = c.input(1).shape?.[0];
    return [value(type, typeof rank === "number" && rank <= 64 ? unknownDims(rank) : null)];
  }
  const copyZero = c.int("allowzero", 0) === 0;
  // An unknown element is a copied dimension in practice; it can be solved for like -1 when it is alone.
  const dims = target.map((dim, i) => (dim === 0 && copyZero ? (from?.[i] ?? null) : dim));
  const open = dims.flatMap((dim, i) => (dim === -1 || dim === null ? [i] : []));
  const [only] = open;
  if (open.length === 1 && only !== undefined && from !== null) {
    const known = product(dims.filter((_, i) => i !== only));
    dims[only] = divideExactly(product(from), known);
  }
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
  if (axes.length !== shape.length) return [value(type, null)];
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
  return [value(type, [product(shape.slice(0, at)), product(shape.slice(at))])];
};

const squeeze: Rule = (c) => {
  const { dtype: type, shape, data } = c.input(0);
  if (shape === null) return [value(type, null)];
  if (!c.has(1) && c.ints("axes") === null)
    return [value(type, concrete(shape)?.filter((dim) => dim !== 1) ?? null, data)];
  const axes = normalizeAxes(listOf(c, 1, "axes"), shape.length);
  return [value(type, axes && shape.filter((_, i) => !axes.includes(i)), data)];
};

const unsqueeze: Rule = (c) => {
  const { dtype: type, shape, data } = c.input(0);
  const list = listOf(c, 1, "axes");
  if (shape === null || list === null) return [value(type, null)];
  const rank = shape.length + list.length;
  const axes = normalizeAxes(list, rank);
  if (axes === null) return [value(type, null)];
  let next = 0;
  const out = Array.from({ length: rank }, (_, i): Dim =>
    axes.includes(i) ? 1 : (shape[next++] ?? null),
  );
  return [value(type, out, data)];
};

const concat: Rule = (c) => {
  const inputs = Array.from({ length: c.inputCount }, (_, i) => c.input(i));
  const type = inputs.find((input) => input.dtype)?.dtype ?? null;
  const rank = inputs.find((input) => input.shape)?.shape?.length;
  const axis = rank === undefined ? null : normalizeAxis(c.int("axis", 1), rank);
  if (rank === undefined || axis === null) return [value(type, null)];
  const shape = Array.from({ length: rank }, (_, i): Dim => {
    const sizes = inputs.map((input) => input.shape?.[i] ?? null);
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
  const axis = shape === null ? null : normalizeAxis(c.int("axis", 0), shape.length);
  if (shape === null || axis === null) return unknownDims(count).map(() => value(type, null));
  const total = shape[axis] ?? null;
  const explicit = listOf(c, 1, "split");
  const equal = typeof total === "number" ? Math.ceil(total / count) : divideExactly(total, count);
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
  const target = c.input(1);
  const rank = target.shape?.[0];
  const to = target.data ?? (typeof rank === "number" && rank <= 64 ? unknownDims(rank) : null);
  const shape = broadcastShapes([input.shape, to]);
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

/** floor(size × scale), in the float32 that the scales are stored in. */
const scaled = (dim: Dim, scale: Dim | undefined): Dim => {
  if (scale === 1) return dim;
  if (typeof scale !== "number") return null;
  if (typeof dim === "number") return Math.floor(Math.fround(dim * scale));
  return Number.isInteger(scale) ? multiply(dim, scale) : null;
};

const resize: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  if (shape === null) return [value(type, null)];
  // Operator set 10 has (X, scales); 11 and later (X, roi, scales, sizes).
  const scalesAt = c.opset < 11 ? 1 : 2;
  const scales = c.input(scalesAt).data;
  const sizes = c.has(3) ? c.input(3).data : null;
  const axes = normalizeAxes(c.ints("axes"), shape.length) ?? shape.map((_, i) => i);
  const policy = c.text("keep_aspect_ratio_policy", "stretch");
  const ratio = policy === "stretch" ? null : commonScale(policy, shape, axes, sizes);
  const hasScales = scales !== null && scales.length > 0;
  return [
    value(
      type,
      shape.map((dim, i) => {
        const at = axes.indexOf(i);
        if (at < 0) return dim;
        if (c.has(3) && policy === "stretch") return sizes?.[at] ?? null;
        if (c.has(3))
          return ratio !== null && typeof dim === "number" ? Math.round(ratio * dim) : null;
        return hasScales ? scaled(dim, scales[at]) : null;
      }),
    ),
  ];
};

/** One scale for all axes: the smallest or the largest that the sizes ask for. */
function commonScale(
  policy: string,
  shape: readonly Dim[],
  axes: readonly number[],
  sizes: readonly Dim[] | null,
): number | null {
  const scales = axes.map((axis, i) => {
    const [from, to] = [shape[axis], sizes?.[i]];
    return typeof from === "number" && typeof to === "number" ? to / from : NaN;
  });
  const scale = policy === "not_larger" ? Math.min(...scales) : Math.max(...scales);
  return Number.isFinite(scale) ? scale : null;
}

const upsample: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  const scales = c.has(1)
    ? c.input(1).data
    : (c.floats("scales") ?? [
        1,
        1,
        ...(c.floats("height_scale") ?? []),
        ...(c.floats("width_scale") ?? []),
      ]);
  return [value(type, shape?.map((dim, i) => scaled(dim, scales?.[i])) ?? null)];
};

/** [N, C, H, W] to [N, C/b², H·b, W·b]. */
const depthToSpace: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  const b = c.int("blocksize", 1);
  if (shape?.length !== 4) return [value(type, null)];
  const [n = null, channels = null, h = null, w = null] = shape;
  return [value(type, [n, divideExactly(channels, b * b), multiply(h, b), multiply(w, b)])];
};
const spaceToDepth: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  const b = c.int("blocksize", 1);
  if (shape?.length !== 4) return [value(type, null)];
  const [n = null, channels = null, h = null, w = null] = shape;
  return [value(type, [n, multiply(channels, b * b), divideExactly(h, b), divideExactly(w, b)])];
};

/** Operator set 1, removed since: border = left, top, right, bottom; `scale` fixes the size instead. */
const crop: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  const [left = 0, top = 0, right = 0, bottom = 0] = c.ints("border") ?? [];
  const fixed = c.ints("scale");
  if (shape?.length !== 4) return [value(type, null)];
  const [n = null, channels = null, h = null, w = null] = shape;
  return [
    value(type, [
      n,
      channels,
      fixed?.[0] ?? add(h, -top - bottom),
      fixed?.[1] ?? add(w, -left - right),
    ]),
  ];
};

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
  Resize: resize,
  Upsample: upsample,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Crop: crop,
  // (inputs in (x, scale, zero point) triples after the output's scale and zero point)
  QLinearConcat: (c) => {
    const parts = Array.from({ length: Math.floor((c.inputCount - 2) / 3) }, (_, i) => i * 3 + 2);
    return [
      firstOr(
        concat({
          ...c,
          inputCount: parts.length,
          input: (i) => c.input(parts[i] ?? -1),
        })[0],
      ),
    ];
  },
};
