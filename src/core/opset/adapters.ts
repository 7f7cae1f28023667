/**
 * What has to change in a node when its operator changed in a way that older models do not survive.
 * Versions without an entry only widened an operator: more types, new optional inputs, new modes.
 * Sources: the ONNX change log (docs/Changelog.md) and, where it is silent, what onnxruntime's
 * kernels of the older version compute.
 */
import { legacyAdapters } from "./legacy.ts";
import { plain, type Rewrite } from "./rewrite.ts";

/** Changes the node; answers why it cannot be done, or null. */
export type Adapter = (node: Rewrite) => string | null;
export type AdapterTable = Readonly<Record<string, Readonly<Record<number, Adapter>>>>;

const axesToInput: Adapter = (node) => {
  const axes = node.ints("axes");
  if (axes) node.setInput(1, node.int64s("axes", axes));
  node.drop("axes");
  return null;
};

/** Before 13 the input is flattened to two dimensions at `axis` (1 by default). */
const flattenedSoftmax: Adapter = (node) => {
  const [x = ""] = node.inputs;
  const shape = node.shapeOf(x);
  const axis = node.int("axis", 1);
  if (shape) {
    const at = axis < 0 ? axis + shape.length : axis;
    // Flattening changes nothing where only dimensions of 1 follow.
    if (at < shape.length && shape.slice(at + 1).every((dim) => dim === 1)) {
      node.set("axis", { kind: "int", value: axis });
      return null;
    }
  }
  const [y = ""] = node.outputs;
  const dims = shape?.every((dim): dim is number => typeof dim === "number") ? shape : null;
  const [flat, soft] = [node.fresh(`${y}_flat`), node.fresh(`${y}_flat_out`)];
  node.before.push(plain("Flatten", [x], [flat], { axis: { kind: "int", value: axis } }));
  const original = dims ? node.int64s("shape", dims) : node.fresh(`${y}_shape`);
  if (!dims) node.before.push(plain("Shape", [x], [original]));
  node.after.push(plain("Reshape", [soft, original], [y]));
  node.inputs = [flat];
  node.outputs = [soft];
  node.set("axis", { kind: "int", value: -1 });
  return null;
};

const clip: Adapter = (node) => {
  const [x = ""] = node.inputs;
  for (const [name, at, open] of [
    ["min", 1, -MAX_FLOAT32],
    ["max", 2, MAX_FLOAT32],
  ] as const) {
    const bound = node.float(name, open);
    if (Math.abs(bound) < MAX_FLOAT32) {
      const input = node.scalarLike(name, bound, x);
      if (input === null) return UNKNOWN_TYPE;
      node.setInput(at, input);
    }
  }
  node.drop("min", "max");
  return null;
};
/** The bound that stands for none; files may have it rounded. */
const MAX_FLOAT32 = 3.4028234e38;
const UNKNOWN_TYPE = "the type of its input is not known, and constants of that type are needed";

const pad: Adapter = (node) => {
  const [x = ""] = node.inputs;
  node.setInput(1, node.int64s("pads", node.ints("pads") ?? []));
  const value = node.float("value", 0);
  if (value !== 0) {
    const input = node.scalarLike("pad_value", value, x);
    if (input === null) return UNKNOWN_TYPE;
    node.setInput(2, input);
  }
  node.drop("pads", "value");
  return null;
};

const slice: Adapter = (node) => {
  const [starts, ends, axes] = [node.ints("starts"), node.ints("ends"), node.ints("axes")];
  if (!starts || !ends) return "it has no starts or ends";
  node.setInput(1, node.int64s("starts", starts));
  node.setInput(2, node.int64s("ends", ends));
  if (axes) node.setInput(3, node.int64s("axes", axes));
  node.drop("starts", "ends", "axes");
  return null;
};

/** The mask was of the input's type before 10. */
const dropoutMask: Adapter = (node) => {
  if (node.usersOf(1).length > 0) return "its mask is used, whose type changed";
  node.outputs = node.outputs.slice(0, 1);
  return null;
};
const dropoutRatio: Adapter = (node) => {
  if (node.attrs.has("ratio"))
    node.setInput(1, node.float32s("ratio", [node.float("ratio", 0.5)], []));
  node.drop("ratio");
  return null;
};

/** Upsample became Resize; both pick the pixel before, and interpolate from the corner. */
const upsample: Adapter = (node) => {
  node.op = "Resize";
  return null;
};
const resize: Adapter = (node) => {
  const [x = "", scales = ""] = node.inputs;
  const factors = node.constantFloats(scales);
  node.inputs = [x, node.target < 13 ? node.float32s("roi", []) : "", scales];
  node.set("coordinate_transformation_mode", { kind: "string", value: "asymmetric" });
  if (node.text("mode", "nearest") !== "nearest") return null;
  const grows = factors?.every((factor) => factor >= 1) ?? false;
  if (!grows && factors?.every((factor) => factor <= 1) !== true)
    return "which pixels it picks depends on scales that are not known or both grow and shrink";
  node.set("nearest_mode", { kind: "string", value: grows ? "floor" : "ceil" });
  return null;
};
const resizeModes: Adapter = (node) =>
  node.text("coordinate_transformation_mode", "") === "tf_half_pixel_for_nn"
    ? "its coordinate mode tf_half_pixel_for_nn is gone from operator set 13 on"
    : null;

const split: Adapter = (node) => {
  const parts = node.ints("split");
  if (parts) node.setInput(1, node.int64s("split", parts));
  node.drop("split");
  return null;
};
const splitCount: Adapter = (node) => {
  if ((node.inputs[1] ?? "") === "")
    node.set("num_outputs", { kind: "int", value: node.outputs.length });
  return null;
};

const topK: Adapter = (node) => {
  node.setInput(1, node.int64s("k", [node.int("k", 1)]));
  node.drop("k");
  return null;
};

/** Statistics were outputs of their own, used in training only. */
const batchNormOutputs: Adapter = (node) => {
  if (node.outputs.some((_, i) => i > 0 && node.usersOf(i).length > 0))
    return "its statistics are used as outputs, which have another meaning now";
  node.outputs = node.outputs.slice(0, 1);
  return null;
};
const batchNormSpatial: Adapter = (node) => {
  if (node.int("spatial", 1) === 0)
    return "it normalizes each position by itself (spatial 0), which newer versions cannot";
  node.drop("spatial");
  return null;
};

const gridSample: Adapter = (node) => {
  const names: Readonly<Record<string, string>> = { bilinear: "linear", bicubic: "cubic" };
  const mode = node.text("mode", "bilinear");
  node.set("mode", { kind: "string", value: names[mode] ?? mode });
  return null;
};
const dft: Adapter = (node) => {
  node.setInput(2, node.int64s("axis", [node.int("axis", 1)], []));
  node.drop("axis");
  return null;
};
const roiAlign: Adapter = (node) => {
  node.set("coordinate_transformation_mode", { kind: "string", value: "output_half_pixel" });
  return null;
};

/**
 * onnxruntime (1.30 to 1.32) moves such an operator in front of the DequantizeLinear and, from
 * operator set 21 on, writes a QuantizeLinear of the wrong type: the model does not load.
 */
const MOVED = new Set(["MaxPool", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"]);
const signedCodes: Adapter = (node) => {
  const [codes = "", , zeroPoint = ""] = node.inputs;
  const signed = [codes, zeroPoint].some((name) => node.dtypeOf(name)?.name === "int8");
  const moved = node.usersOf(0).find((user) => MOVED.has(user?.op ?? ""));
  return signed && !node.isConstant(codes) && moved
    ? `its int8 values go to ${moved.op}, a pair that onnxruntime fails to load from operator set 21 on; 20 is possible`
    : null;
};

const refuse =
  (reason: string): Adapter =>
  () =>
    reason;
const renamed =
  (op: string): Adapter =>
  (node) => {
    node.op = op;
    return null;
  };

const adapters: AdapterTable = {
  BatchNormalization: { 9: batchNormSpatial, 14: batchNormOutputs },
  Clip: { 11: clip },
  DequantizeLinear: { 21: signedCodes },
  DFT: { 20: dft },
  Dropout: { 10: dropoutMask, 12: dropoutRatio },
  GridSample: { 20: gridSample },
  GroupNormalization: {
    21: refuse("its scale and bias are per group; from operator set 21 on they are per channel"),
  },
  Hardmax: { 13: flattenedSoftmax },
  LogSoftmax: { 13: flattenedSoftmax },
  Pad: { 11: pad },
  Resize: { 11: resize, 13: resizeModes },
  RoiAlign: { 16: roiAlign },
  Scan: { 9: refuse("Scan of operator set 8 runs over batches, which newer versions do not") },
  Scatter: { 11: renamed("ScatterElements") },
  Slice: { 10: slice },
  Softmax: { 13: flattenedSoftmax },
  Split: { 13: split, 18: splitCount },
  Squeeze: { 13: axesToInput },
  TopK: { 10: topK },
  Unsqueeze: { 13: axesToInput },
  Upsample: { 10: upsample },
  ReduceSum: { 13: axesToInput },
  ...Object.fromEntries(
    ["L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare"].map((kind) => [
      `Reduce${kind}`,
      { 18: axesToInput },
    ]),
  ),
};

/** What an operator needs when it arrives at an operator set; null where nothing changes. */
export function adapterFor(op: string, opset: number): Adapter | null {
  const own = (table: AdapterTable): Adapter | null =>
    (Object.hasOwn(table, op) ? table[op]?.[opset] : undefined) ?? null;
  return own(adapters) ?? own(legacyAdapters);
}
