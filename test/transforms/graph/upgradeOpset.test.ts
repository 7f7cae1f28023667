/** Each adapter on a graph of its own: onnxruntime runs both versions and the outputs are equal. */
import assert from "node:assert/strict";
import type { Model } from "../../../src/core/model.ts";
import upgradeOpset from "../../../src/transforms/graph/upgradeOpset.ts";
import { testTechnique, type Case } from "../../helpers/harness.ts";

const at =
  (opset: number) =>
  (model: Model): void =>
    assert.equal(model.opsets.get(""), opset);

/** Upgrades one node, to 21 unless said otherwise. */
const one = (
  name: string,
  opset: number,
  model: string,
  nodes: readonly string[],
  more: Partial<Case> = {},
): Case => ({
  name: `${name} of ${opset}`,
  model: `opset ${opset} ir ${opset < 9 ? 3 : 4} ${model}`,
  units: ["operator set"],
  skips: {},
  nodes,
  check: at(21),
  inputsMayGo: true,
  ...more,
});

const X = "input x float32 [2, 6, 4]";
testTechnique(upgradeOpset, [
  {
    name: "a model at the target stays",
    model: `opset 21 ir 10 ${X} y = Relu(x) output y float32 [2, 6, 4]`,
    units: [],
    skips: { "the model": "holds nothing" },
  },
  {
    name: "a newer model is not lowered",
    model: `opset 21 ir 10 ${X} y = Relu(x) output y float32 [2, 6, 4]`,
    params: { target: 13 },
    units: [],
    skips: { "operator set": "never lowered" },
  },
  one("nothing to rewrite", 13, `${X} y = Relu(x) output y float32 [2, 6, 4]`, ["y = Relu(x)"]),
  one(
    "Squeeze and Unsqueeze",
    11,
    `${X} a = Unsqueeze(x) { axes: [0] } b = Squeeze(a) { axes: [0] } y = Unsqueeze(b) { axes: [0] }
     output y float32 [1, 2, 6, 4]`,
    ["a = Unsqueeze(x, axes)", "b = Squeeze(a, axes)", "y = Unsqueeze(b, axes)"],
    { tensors: ["axes int64 [1]"] },
  ),
  one(
    "ReduceSum and ReduceMean",
    11,
    `${X} a = ReduceSum(x) { axes: [-1], keepdims: 0 } b = ReduceMean(a) { axes: [1] }
     y = ReduceMax(b) output y float32 [1, 1]`,
    ["a = ReduceSum(x, axes)", "b = ReduceMean(a, axes_1)", "y = ReduceMax(b)"],
  ),
  one(
    "Clip",
    7,
    `${X} a = Clip(x) { min: -0.5, max: 0.5 } b = Clip(a) { min: 0.0 } y = Clip(b)
     output y float32 [2, 6, 4]`,
    ["a = Clip(x, min, max)", "b = Clip(a, min_1)", "y = Clip(b)"],
  ),
  one(
    "Clip in float16",
    7,
    `input x float16 [2, 6] a = Clip(x) { min: 1.25, max: 1.5 } y = Cast(a) { to: 1 }
     output y float32 [2, 6]`,
    [
      "min_cast = Cast(min)",
      "max_cast = Cast(max)",
      "a = Clip(x, min_cast, max_cast)",
      "y = Cast(a)",
    ],
  ),
  one(
    "Pad",
    7,
    `${X} y = Pad(x) { pads: [0, 1, 0, 0, 1, 2], value: 0.5 } output y float32 [2, 8, 6]`,
    ["y = Pad(x, pads, pad_value)"],
  ),
  one(
    "Slice",
    9,
    `${X} a = Slice(x) { starts: [1, -3], ends: [9223372036854775807, -1], axes: [1, 2] }
     y = Slice(a) { starts: [0], ends: [1] } output y float32 [1, 5, 2]`,
    ["a = Slice(x, starts, ends, axes)", "y = Slice(a, starts_1, ends_1)"],
  ),
  one("Dropout", 7, `${X} y, mask = Dropout(x) { ratio: 0.25 } output y float32 [2, 6, 4]`, [
    "y = Dropout(x, ratio)",
  ]),
  one(
    "Softmax over the last dimension",
    11,
    `${X} y = Softmax(x) { axis: 2 } output y float32 [2, 6, 4]`,
    ["y = Softmax(x)"],
  ),
  one(
    "Softmax before dimensions of 1",
    7,
    `input x float32 [2, 6, 1, 1] y = Softmax(x) output y float32 [2, 6, 1, 1]`,
    ["y = Softmax(x)"],
  ),
  one("Softmax over several dimensions", 7, `${X} y = Softmax(x) output y float32 [2, 6, 4]`, [
    "y_flat = Flatten(x)",
    "y_flat_out = Softmax(y_flat)",
    "y = Reshape(y_flat_out, shape)",
  ]),
  one(
    "LogSoftmax and Hardmax of a shape not known",
    11,
    `input x float32 [batch, 6, 4] a = LogSoftmax(x) { axis: 1 } y = Hardmax(a) { axis: 0 }
     output y float32 [batch, 6, 4]`,
    [
      "a_flat = Flatten(x)",
      "a_shape = Shape(x)",
      "a_flat_out = LogSoftmax(a_flat)",
      "a = Reshape(a_flat_out, a_shape)",
      "y_flat = Flatten(a)",
      "y_shape = Shape(a)",
      "y_flat_out = Hardmax(y_flat)",
      "y = Reshape(y_flat_out, y_shape)",
    ],
  ),
  one(
    "Upsample, nearest, to Resize of 11",
    7,
    `input x float32 [1, 2, 3, 3] y = Upsample(x) { mode: "nearest", scales: [1.0, 1.0, 2.0, 3.0] }
     output y float32 [1, 2, 6, 9]`,
    ["y = Resize(x, roi, scales)"],
    { params: { target: 11 }, check: at(11) },
  ),
  one(
    "Upsample, linear",
    9,
    `input x float32 [1, 2, 3, 3] s = float32 [4] [1, 1, 2, 3] y = Upsample(x, s) { mode: "linear" }
     output y float32 [1, 2, 6, 9]`,
    ["y = Resize(x, , s)"],
  ),
  one(
    "Resize that shrinks",
    10,
    `input x float32 [1, 2, 9, 9] s = float32 [4] [1, 1, 0.4, 0.6] y = Resize(x, s)
     output y float32 [1, 2, 3, 5]`,
    ["y = Resize(x, , s)"],
  ),
  one(
    "Split in given and in equal parts",
    11,
    `${X} a, b = Split(x) { axis: 1, split: [2, 4] } c, d = Split(a) { axis: 1 }
     output b float32 [2, 4, 4] output c float32 [2, 1, 4] output d float32 [2, 1, 4]`,
    ["a, b = Split(x, split)", "c, d = Split(a)"],
  ),
  one(
    "TopK",
    9,
    `${X} y, i = TopK(x) { k: 2, axis: 1 } output y float32 [2, 2, 4] output i int64 [2, 2, 4]`,
    ["y, i = TopK(x, k)"],
  ),
  one(
    "BatchNormalization",
    7,
    `${X} s = float32 [6] uniform b = float32 [6] normal m = float32 [6] normal v = float32 [6] ones
     y = BatchNormalization(x, s, b, m, v) { spatial: 1 } output y float32 [2, 6, 4]`,
    ["y = BatchNormalization(x, s, b, m, v)"],
  ),
  one(
    "GridSample",
    16,
    `input x float32 [1, 1, 4, 4] input g float32 [1, 2, 2, 2] y = GridSample(x, g) { mode: "bilinear" }
     output y float32 [1, 1, 2, 2]`,
    ["y = GridSample(x, g)"],
  ),
  one(
    "DFT",
    17,
    `input x float32 [2, 8, 1] y = DFT(x) { axis: 1 } output y float32 [2, 8, 2]`,
    ["y = DFT(x, , axis)"],
    { errorDb: 120 },
  ),
  one(
    "RoiAlign",
    10,
    `input x float32 [1, 1, 8, 8] r = float32 [1, 4] [0, 1, 5, 6] i = int64 [1] [0]
     y = RoiAlign(x, r, i) { output_height: 2, output_width: 2, sampling_ratio: 2 }
     output y float32 [1, 1, 2, 2]`,
    ["y = RoiAlign(x, r, i)"],
  ),
  one(
    "inside branches, with names of their own",
    11,
    `${X} input c bool [] y = If(c) {
       then_branch: graph { a = Squeeze(u) { axes: [0] } u = Unsqueeze(x) { axes: [0] } output a float32 [2, 6, 4] },
       else_branch: graph { b = Softmax(x) { axis: -1 } output b float32 [2, 6, 4] }
     } output y float32 [2, 6, 4]`.replace(
      "a = Squeeze(u) { axes: [0] } u = Unsqueeze(x) { axes: [0] }",
      "u = Unsqueeze(x) { axes: [0] } a = Squeeze(u) { axes: [0] }",
    ),
    ["y = If(c)"],
  ),
  {
    name: "what has no way is refused by name, and all of it",
    model: `opset 10 ir 4 ${X} i = int64 [1] [0] s = float32 [3] [1, 0.5, 2]
      r = Resize(x, s) m, n = Dropout(x) z = Softmax(x) { axis: 2 } o = Add(z, m)
      output r float32 [2, 3, 8] output o float32 [2, 6, 4]`,
    units: [],
    skips: { r: "both grow and shrink" },
  },
  {
    name: "BatchNormalization by position",
    model: `opset 7 ir 3 input x float32 [2, 3] s = float32 [3] uniform b = float32 [3] normal m = float32 [3] normal
      v = float32 [3] ones y = BatchNormalization(x, s, b, m, v) { spatial: 0 } output y float32 [2, 3]`,
    units: [],
    skips: { y: "normalizes each position by itself" },
  },
  {
    name: "int8 values that onnxruntime would not load",
    model: `opset 19 ir 9 ${X} s = float32 [] [0.1] z = int8 [] [0] q = QuantizeLinear(x, s, z)
      d = DequantizeLinear(q, s, z) y = Transpose(d) { perm: [0, 2, 1] } output y float32 [2, 4, 6]`,
    units: [],
    skips: { d: "fails to load" },
  },
]);
