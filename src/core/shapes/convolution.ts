/** Convolution and pooling: spatial sizes from kernel, strides, dilations and padding. */
import { dtype } from "../../shared/dtype.ts";
import type { Dim } from "../model.ts";
import { multiply, unknownDims } from "./dims.ts";
import {
  formatDims,
  needRank,
  value,
  type Rule,
  type RuleContext,
  type RuleTable,
} from "./rule.ts";

interface Window {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padBegin: number;
  readonly padEnd: number;
}

/** Size of a sliding window's output along one axis; null when it cannot be known or does not fit. */
function windowOutput(
  c: RuleContext,
  input: Dim,
  w: Window,
  autoPad: string,
  ceilMode: boolean,
): Dim {
  const same = autoPad === "SAME_UPPER" || autoPad === "SAME_LOWER";
  const padBegin = autoPad === "NOTSET" ? w.padBegin : 0;
  const pads = autoPad === "NOTSET" ? w.padBegin + w.padEnd : 0;
  const extent = w.dilation * (w.kernel - 1);
  if (typeof input !== "number") return w.stride === 1 && (same || pads === extent) ? input : null;
  if (same) return Math.ceil(input / w.stride);
  const span = input + pads - extent - 1;
  if (span < 0) {
    c.problem(`A window of ${extent + 1} does not fit into ${input} with ${pads} of padding.`);
    return null;
  }
  if (!ceilMode) return Math.floor(span / w.stride) + 1;
  const rounded = Math.ceil(span / w.stride) + 1;
  // The last window must start inside the input or its leading padding, as in onnxruntime.
  return (rounded - 1) * w.stride >= input + padBegin ? rounded - 1 : rounded;
}

function windows(c: RuleContext, kernel: readonly Dim[]): Window[] | null {
  const rank = kernel.length;
  const strides = c.ints("strides");
  const dilations = c.ints("dilations");
  const pads = c.ints("pads");
  const out: Window[] = [];
  for (let i = 0; i < rank; i++) {
    const size = kernel[i];
    const stride = strides?.[i] ?? 1;
    if (typeof size !== "number" || stride < 1) return null;
    out.push({
      kernel: size,
      stride,
      dilation: dilations?.[i] ?? 1,
      padBegin: pads?.[i] ?? 0,
      padEnd: pads?.[i + rank] ?? 0,
    });
  }
  return out;
}

function slide(c: RuleContext, spatial: readonly Dim[], kernel: readonly Dim[]): readonly Dim[] {
  const sized = kernel.length === spatial.length ? windows(c, kernel) : null;
  if (kernel.length !== spatial.length)
    c.problem(
      `The kernel has ${kernel.length} axes, and the input ${spatial.length} spatial ones.`,
    );
  checkLists(c, spatial.length);
  const autoPad = c.text("auto_pad", "NOTSET") || "NOTSET";
  const ceilMode = c.int("ceil_mode", 0) === 1;
  return spatial.map((dim, i) => {
    const w = sized?.[i];
    return w ? windowOutput(c, dim, w, autoPad, ceilMode) : null;
  });
}

/** Kernel size: the attribute, else the spatial part of the weight [M, C/group, k…]. */
const kernelOf = (c: RuleContext, weight: number, rank: number): readonly Dim[] =>
  c.ints("kernel_shape") ?? c.input(weight).shape?.slice(2) ?? unknownDims(rank);

/** X [N, C, spatial…], W [M, C/group, kernel…] gives [N, M, spatial'…]. */
export const convShape = (c: RuleContext, weight = 1): readonly Dim[] | null => {
  const x = c.input(0).shape;
  if (x === null) return null;
  if (x.length < 3) {
    c.problem(`A convolution needs [N, C, spatial…], and the input is ${formatDims(x)}.`);
    return null;
  }
  const w = c.input(weight).shape;
  if (w !== null) checkWeight(c, x, w);
  return [
    x[0] ?? null,
    c.input(weight).shape?.[0] ?? null,
    ...slide(c, x.slice(2), kernelOf(c, weight, x.length - 2)),
  ];
};

function checkWeight(c: RuleContext, x: readonly Dim[], w: readonly Dim[]): void {
  if (w.length !== x.length) {
    c.problem(`The input has ${x.length} dimensions, and the weight ${w.length}.`);
    return;
  }
  const channels = multiply(w[1] ?? null, c.int("group", 1));
  if (typeof channels === "number" && typeof x[1] === "number" && channels !== x[1])
    c.problem(`The input has ${x[1]} channels, and the weight is for ${channels}.`);
  const kernel = c.ints("kernel_shape");
  const differs = kernel?.some((size, i) => typeof w[i + 2] === "number" && w[i + 2] !== size);
  if (kernel && (differs === true || kernel.length !== x.length - 2))
    c.problem(`kernel_shape is [${kernel.join(", ")}], and the weight ${formatDims(w)}.`);
}
/** The list of an attribute is one number per spatial axis, two for pads. */
function checkLists(c: RuleContext, rank: number): void {
  for (const [name, each] of [
    ["strides", 1],
    ["dilations", 1],
    ["pads", 2],
  ] as const) {
    const list = c.ints(name);
    if (list && list.length !== each * rank)
      c.problem(
        `"${name}" has ${list.length} numbers, and ${rank} spatial axes need ${each * rank}.`,
      );
  }
}

/** X [N, C, spatial…], W [C, M/group, kernel…] gives [N, M, spatial'…]. */
const convTranspose: Rule = (c) => {
  const { dtype: type, shape: x } = c.input(0);
  if (x === null || x.length < 3) return [value(type, null)];
  const rank = x.length - 2;
  needRank(c, 1, "The weight", x.length);
  checkLists(c, rank);
  const channels = multiply(c.input(1).shape?.[1] ?? null, c.int("group", 1));
  const fixed = c.ints("output_shape");
  if (fixed) return [value(type, [x[0] ?? null, channels, ...fixed.slice(-rank)])];
  const sized = windows(c, kernelOf(c, 1, rank));
  const autoPad = c.text("auto_pad", "NOTSET");
  const extra = c.ints("output_padding");
  const spatial = x.slice(2).map((dim, i): Dim => {
    const w = sized?.[i];
    if (!w) return null;
    if (autoPad.startsWith("SAME")) return multiply(dim, w.stride);
    const pads = autoPad === "VALID" ? 0 : w.padBegin + w.padEnd;
    const rest = (extra?.[i] ?? 0) + (w.kernel - 1) * w.dilation + 1 - pads - w.stride;
    if (typeof dim === "number") return w.stride * dim + rest;
    return rest === 0 ? multiply(dim, w.stride) : null;
  });
  return [value(type, [x[0] ?? null, channels, ...spatial])];
};

const pool: Rule = (c) => {
  const { dtype: type, shape: x } = c.input(0);
  if (x !== null && x.length < 3)
    c.problem(`Pooling needs [N, C, spatial…], and the input is ${formatDims(x)}.`);
  if (x === null || x.length < 3) return [value(type, null)];
  const shape = [
    x[0] ?? null,
    x[1] ?? null,
    ...slide(c, x.slice(2), c.ints("kernel_shape") ?? unknownDims(x.length - 2)),
  ];
  // The second output of MaxPool is the positions.
  return [value(type, shape), value(dtype("int64"), shape)];
};

const globalPool: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  return [value(type, shape?.map((dim, i) => (i < 2 ? dim : 1)) ?? null)];
};

const conv: Rule = (c) => [value(c.input(0).dtype, convShape(c))];

export const convolutionRules: RuleTable = {
  Conv: conv,
  FusedConv: conv,
  ConvInteger: (c) => [value(dtype("int32"), convShape(c))],
  // x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B
  QLinearConv: (c) => [value(c.input(7).dtype, convShape(c, 3))],
  ConvTranspose: convTranspose,
  MaxPool: pool,
  AveragePool: pool,
  LpPool: pool,
  QLinearAveragePool: pool,
  GlobalAveragePool: globalPool,
  GlobalMaxPool: globalPool,
  GlobalLpPool: globalPool,
  QLinearGlobalAveragePool: globalPool,
};
