/** What quantized models run as: the operators onnxruntime makes of them when it loads them. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { fingerprint } from "../../../src/engine/files.ts";
import type { Doc, Entry, ParamValues } from "../../../src/shared/doc.ts";
import { writeCalibration } from "../../helpers/calibration.ts";
import { testEnvironment } from "../../helpers/environment.ts";
import { onnxFromText } from "../../helpers/graphText.ts";
import { kernelsOf } from "../../helpers/kernels.ts";
import { tempFolder } from "../../helpers/temp.ts";

async function fused(
  t: TestContext,
  text: string,
  transform: string,
  params: ParamValues = {},
): Promise<string[]> {
  const folder = tempFolder(t);
  const file = path.join(folder, "model.onnx");
  writeFileSync(file, onnxFromText(text));
  const entry: Entry = { transform, params };
  const data = await writeCalibration(file, folder, { samples: 8, symbol: 2, below: 4 });
  const doc: Doc = { base: { path: file, fingerprint: fingerprint(file) }, recipe: [entry], data };
  const kernels = await kernelsOf(await testEnvironment(folder).fileFor(doc));
  // The runtime turns convolutions to channels-last and back where it likes.
  return kernels.filter((op) => op !== "Transpose");
}

const net = `
  opset 17
  input x float32 [batch, 3, 8, 8]
  w1 = float32 [8, 3, 3, 3] normal * 0.2
  g1 = float32 [8] uniform
  b1 = float32 [8] normal
  v1 = float32 [8] ones
  w2 = float32 [8, 1, 3, 3] normal * 0.3
  w3 = float32 [8, 8, 1, 1] normal * 0.3
  w4 = float32 [10, 16] normal * 0.3
  c4 = float32 [10] normal
  six = float32 [] [6]
  zero = float32 [] [0]
  a = Conv(x, w1) { pads: [1, 1, 1, 1] }
  n = BatchNormalization(a, g1, b1, b1, v1)
  r = Relu(n)
  d = Conv(r, w2) { group: 8, pads: [1, 1, 1, 1] }
  e = Clip(d, zero, six)
  f = Conv(e, w3)
  s = Add(f, r)
  k = Concat(s, e) { axis: 1 }
  p = GlobalAveragePool(k)
  l = Flatten(p)
  y = Gemm(l, w4, c4) { transB: 1 }
  output y float32 [batch, 10]`;
const integer = [
  "Flatten",
  "QGemm",
  "QLinearAdd",
  "QLinearConcat",
  "QLinearConv",
  "QLinearConv",
  "QLinearConv",
  "QLinearGlobalAveragePool",
  "QuantizeLinear",
];

test("a convolutional net runs on integers from its input to its last product; Relu and Clip are gone", async (t) =>
  assert.deepEqual(await fused(t, net, "quantize.static"), integer));

test("4-bit weights run as the same operators: unpacked once, when the model is loaded", async (t) =>
  assert.deepEqual(await fused(t, net, "quantize.static", { bits: 4 }), integer));

test("one scale per tensor runs as the same operators", async (t) =>
  assert.deepEqual(await fused(t, net, "quantize.static", { weights: "tensor" }), integer));

const products = `
  opset 17
  input x float32 [batch, 4, 32]
  w = float32 [32, 32] normal
  v = float32 [32, 32] normal
  a = MatMul(x, w)
  b = MatMul(x, v)
  y = Softmax(a)
  z = Softmax(b)
  output y float32 [batch, 4, 32]
  output z float32 [batch, 4, 32]`;

test("products with float outputs are one kernel each and share their input's codes", async (t) =>
  assert.deepEqual(await fused(t, products, "quantize.static"), [
    "MatMulIntegerToFloat",
    "MatMulIntegerToFloat",
    "QuantizeLinear",
    "Softmax",
    "Softmax",
  ]));

test("with ranges at run time as well", async (t) =>
  assert.deepEqual(await fused(t, products, "quantize.dynamic"), [
    "DynamicQuantizeLinear",
    "MatMulIntegerToFloat",
    "MatMulIntegerToFloat",
    "Softmax",
    "Softmax",
  ]));
