/** Adapters up to operator set 9, when broadcasting, shapes and weights were told by attributes. */
import type { Adapter, AdapterTable } from "./adapters.ts";

/**
 * `broadcast` with `axis`: the second input's dimensions match those of the first from `axis` on;
 * dimensions of 1 behind them say the same.
 */
const axisBroadcast: Adapter = (node) => {
  const [a = "", b = ""] = node.inputs;
  const axis = node.attrs.has("axis") ? node.int("axis", 0) : null;
  if (node.int("broadcast", 0) !== 0 && axis !== null) {
    const [rank, own] = [node.shapeOf(a)?.length, node.shapeOf(b)?.length];
    if (rank === undefined || own === undefined)
      return "it broadcasts along an axis, and the ranks of its inputs are not known";
    const behind = rank - (axis < 0 ? axis + rank : axis) - own;
    if (behind < 0) return `it broadcasts ${own} dimensions from axis ${axis} of ${rank}`;
    const axes = Array.from({ length: behind }, (_, i) => own + i);
    if (behind > 0) node.inputs = [a, node.unsqueezed(b, axes)];
  }
  node.drop("broadcast", "axis");
  return null;
};

/** Slopes are per channel; from 7 on they are broadcast from the last dimension. */
const channelSlopes: Adapter = (node) => {
  const [x = "", slope = ""] = node.inputs;
  const slopes = node.shapeOf(slope);
  if (slopes?.length !== 1) return slopes ? null : "the shape of its slopes is not known";
  if (slopes[0] === 1) return null;
  const rank = node.shapeOf(x)?.length;
  if (rank === undefined) return "the rank of its input is not known";
  const axes = Array.from({ length: Math.max(0, rank - 2) }, (_, i) => i + 1);
  if (axes.length > 0) node.inputs = [x, node.unsqueezed(slope, axes)];
  return null;
};

/** Before 7 these were in training mode unless `is_test` said otherwise. */
const testMode: Adapter = (node) => {
  if (node.int("is_test", 0) === 0) return "it is in training mode (is_test 0)";
  node.drop("is_test");
  return null;
};
const dropAttributes =
  (...names: readonly string[]): Adapter =>
  (node) => {
    node.drop(...names);
    return null;
  };

const castName: Adapter = (node) => {
  const name = node.text("to", "");
  const code = Object.hasOwn(TYPE_CODES, name) ? TYPE_CODES[name] : undefined;
  if (code === undefined) return `it casts to "${name}", which is no type`;
  node.set("to", { kind: "int", value: code });
  return null;
};
const TYPE_CODES: Readonly<Record<string, number>> = {
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
};

const concatAxis: Adapter = (node) => {
  node.set("axis", { kind: "int", value: node.int("axis", 1) });
  return null;
};
const padName: Adapter = (node) => {
  node.set("pads", { kind: "ints", value: node.ints("paddings") ?? [] });
  node.drop("paddings");
  return null;
};
const wholeNorm: Adapter = (node) => {
  const p = node.float("p", 2);
  if (!Number.isInteger(p)) return `its norm ${p} is no whole number`;
  node.set("p", { kind: "int", value: p });
  return null;
};
const reshape: Adapter = (node) => {
  node.setInput(1, node.int64s("shape", node.ints("shape") ?? []));
  node.drop("shape");
  return null;
};
const splitSizes: Adapter = (node) =>
  (node.inputs[1] ?? "") === "" ? null : "its sizes are an input, as in operator set 1 only";

const upsampleSides: Adapter = (node) => {
  const [height, width] = [node.float("height_scale", 1), node.float("width_scale", 1)];
  node.set("scales", { kind: "floats", value: [1, 1, height, width] });
  node.drop("height_scale", "width_scale");
  return null;
};
const upsampleScales: Adapter = (node) => {
  const scales = node.floats("scales");
  if (!scales) return "it has no scales";
  node.setInput(1, node.float32s("scales", scales));
  node.drop("scales");
  return null;
};

const BROADCASTING = "Add And Div Equal Greater Less Mul Or Pow Sub Xor".split(" ");

export const legacyAdapters: AdapterTable = {
  ...Object.fromEntries(BROADCASTING.map((op) => [op, { 7: axisBroadcast }])),
  BatchNormalization: { 7: testMode },
  Cast: { 6: castName },
  Concat: { 4: concatAxis },
  Dropout: { 7: testMode },
  Gemm: { 7: dropAttributes("broadcast") },
  GlobalLpPool: { 2: wholeNorm },
  GRU: { 7: dropAttributes("output_sequence") },
  LpPool: { 2: wholeNorm },
  LSTM: { 7: dropAttributes("output_sequence") },
  Pad: { 2: padName },
  PRelu: { 7: channelSlopes },
  Reshape: { 5: reshape },
  RNN: { 7: dropAttributes("output_sequence") },
  Split: { 2: splitSizes },
  Tile: { 6: () => "its tiles and axis are inputs, as in operator set 1 only" },
  Upsample: { 7: upsampleSides, 9: upsampleScales },
};
