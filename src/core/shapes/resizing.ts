/** Operators that change the size of maps: by scales or sizes, by blocks, by borders. */
import type { Dim } from "../model.ts";
import { add, divideExactly, multiply, normalizeAxes } from "./dims.ts";
import { value, type Rule, type RuleContext, type RuleTable } from "./rule.ts";

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
  checkSizes(c, axes.length);
  const policy = c.text("keep_aspect_ratio_policy", "stretch");
  if (!["stretch", "not_larger", "not_smaller"].includes(policy))
    c.problem(
      `keep_aspect_ratio_policy is "${policy}", and can be stretch, not_larger or not_smaller.`,
    );
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

/** From operator set 11 it is told either sizes or scales, one per axis. */
function checkSizes(c: RuleContext, axes: number): void {
  if (c.opset < 11) return;
  const isGiven = (index: number): boolean => c.has(index) && c.input(index).shape?.[0] !== 0;
  const given = [2, 3].filter(isGiven);
  if (given.length !== 1 && c.opset >= 13)
    c.problem(
      `Resize needs either scales or sizes, and it has ${given.length === 0 ? "none" : "both"}.`,
    );
  for (const index of given) {
    const count = c.input(index).shape?.[0];
    if (typeof count === "number" && count !== axes)
      c.problem(`There are ${count} ${index === 2 ? "scales" : "sizes"} for ${axes} axes.`);
  }
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
  if (typeof channels === "number" && channels % (b * b) !== 0)
    c.problem(`${channels} channels are no blocks of ${b} × ${b}.`);
  return [value(type, [n, divideExactly(channels, b * b), multiply(h, b), multiply(w, b)])];
};
const spaceToDepth: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  const b = c.int("blocksize", 1);
  if (shape?.length !== 4) return [value(type, null)];
  const [n = null, channels = null, h = null, w = null] = shape;
  for (const size of [h, w])
    if (typeof size === "number" && size % b !== 0) c.problem(`${size} is no multiple of ${b}.`);
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

export const resizingRules: RuleTable = {
  Resize: resize,
  Upsample: upsample,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Crop: crop,
};
