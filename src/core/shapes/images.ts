/** Operators on images and regions of them. */
import { dtype } from "../../shared/dtype.ts";
import type { Dim } from "../model.ts";
import { convShape } from "./convolution.ts";
import { divideExactly, normalizeAxes, product, unknownDims } from "./dims.ts";
import { dimsFrom, needRank, value, type Rule, type RuleTable } from "./rule.ts";

/** Inputs X [N, C, spatial…] and rois or boxes. */
const roiAlign: Rule = (c) => [
  value(c.input(0).dtype, [
    c.input(1).shape?.[0] ?? null,
    c.input(0).shape?.[1] ?? null,
    c.int("output_height", 1),
    c.int("output_width", 1),
  ]),
];
const maxRoiPool: Rule = (c) => [
  value(c.input(0).dtype, [
    c.input(1).shape?.[0] ?? null,
    c.input(0).shape?.[1] ?? null,
    ...(c.ints("pooled_shape") ?? unknownDims(2)),
  ]),
];

const gridSample: Rule = (c) => {
  const x = c.input(0).shape;
  const grid = c.input(1).shape;
  if (x) needRank(c, 1, "The grid", x.length);
  const shape = x && grid ? [x[0] ?? null, x[1] ?? null, ...grid.slice(1, -1)] : null;
  return [value(c.input(0).dtype, shape)];
};

/** `size` is [N, C, spatial…]; the grid has one coordinate per spatial axis. */
const affineGrid: Rule = (c) => {
  const rank = c.input(1).shape?.[0];
  const theta = c.input(0).shape;
  const spatial = typeof rank === "number" ? rank - 2 : (theta?.[1] ?? null);
  if (typeof spatial !== "number") return [value(c.input(0).dtype, null)];
  const isUsual = spatial === 2 || spatial === 3;
  const size = dimsFrom(c, 1) ?? (isUsual ? unknownDims(spatial + 2) : null);
  if (size === null) return [value(c.input(0).dtype, null)];
  const batch = size[0] ?? theta?.[0] ?? null;
  return [value(c.input(0).dtype, [batch, ...size.slice(2), spatial])];
};

/** Axes named get the given sizes, cut or padded in equal parts. */
const centerCropPad: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  if (shape === null) return [value(type, null)];
  const axes = normalizeAxes(c.ints("axes") ?? shape.map((_, i) => i), shape.length);
  const target = c.input(1).data;
  const out = shape.map((dim, i): Dim => {
    if (axes === null) return null;
    const at = axes.indexOf(i);
    return at < 0 ? dim : (target?.[at] ?? null);
  });
  return [value(type, out)];
};

/** [N, C·block, blocks] to [N, C, image…]. */
const col2Im: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  const spatial = dimsFrom(c, 1);
  if (spatial === null) return [value(type, null)];
  const block = c.input(2).data;
  const channels = block ? divideExactly(shape?.[1] ?? null, product(block)) : null;
  return [value(type, [shape?.[0] ?? null, channels, ...spatial])];
};

/** The inverse of MaxPool: `output_shape`, or the smallest map that pools to this one. */
const maxUnpool: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  if (shape === null) return [value(type, null)];
  if (c.has(2)) return [value(type, c.input(2).data ?? unknownDims(shape.length))];
  const kernel = c.ints("kernel_shape");
  const strides = c.ints("strides");
  const pads = c.ints("pads");
  const rank = shape.length - 2;
  const out = shape.map((dim, i): Dim => {
    const size = kernel?.[i - 2];
    if (i < 2) return dim;
    if (typeof dim !== "number" || size === undefined) return null;
    const padding = (pads?.[i - 2] ?? 0) + (pads?.[i - 2 + rank] ?? 0);
    return (dim - 1) * (strides?.[i - 2] ?? 1) + size - padding;
  });
  return [value(type, out)];
};

export const imageRules: RuleTable = {
  RoiAlign: roiAlign,
  MaxRoiPool: maxRoiPool,
  GridSample: gridSample,
  AffineGrid: affineGrid,
  CenterCropPad: centerCropPad,
  Col2Im: col2Im,
  DeformConv: (c) => [value(c.input(0).dtype, convShape(c))],
  MaxUnpool: maxUnpool,
  ImageDecoder: (c) => [
    value(dtype("uint8"), [null, null, c.text("pixel_format", "RGB") === "Grayscale" ? 1 : 3]),
  ],
};
