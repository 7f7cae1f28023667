import assert from "node:assert/strict";
import { test } from "node:test";
import type { Model } from "../../../src/core/model.ts";
import { mainGraph } from "../../../src/core/model.ts";
import { engineErrors, LatheError } from "../../../src/shared/errors.ts";
import staticQuantize from "../../../src/transforms/quantize/static.ts";
import { testTechnique, type Case } from "../../helpers/harness.ts";
import { docOf, testEnvironment } from "../../helpers/environment.ts";
import { onnxFromText } from "../../helpers/graphText.ts";
import { tempFolder } from "../../helpers/temp.ts";
import { writeFileSync } from "node:fs";
import path from "node:path";

const ops = (model: Model): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { op } of mainGraph(model).nodes) counts[op] = (counts[op] ?? 0) + 1;
  return counts;
};
const opset = (model: Model): number | undefined => model.opsets.get("");

const residual = `
  input x float32 [batch, 3, 8, 8]
  w1 = float32 [8, 3, 3, 3] normal * 0.2
  g1 = float32 [8] uniform
  b1 = float32 [8] normal
  m1 = float32 [8] normal
  v1 = float32 [8] ones
  w2 = float32 [8, 8, 3, 3] normal * 0.1
  c2 = float32 [8] normal
  w3 = float32 [10, 8] normal * 0.3
  c3 = float32 [10] normal
  a = Conv(x, w1) { pads: [1, 1, 1, 1] }
  n = BatchNormalization(a, g1, b1, m1, v1)
  r = Relu(n)
  c = Conv(r, w2, c2) { pads: [1, 1, 1, 1] }
  s = Add(c, r)
  t = Relu(s)
  p = GlobalAveragePool(t)
  f = Flatten(p)
  y = Gemm(f, w3, c3) { transB: 1 }
  output y float32 [batch, 10]`;

const cases: readonly Case[] = [
  {
    name: "a residual block: BatchNormalization vanishes, the sum and the pool take codes, the last product gives float",
    model: `opset 17 ${residual}`,
    units: ["a", "c", "s", "p", "f", "y"],
    skips: {},
    errorDb: 30,
    check: (model) => {
      assert.equal(ops(model)["BatchNormalization"], undefined);
      assert.equal(ops(model)["QuantizeLinear"], 6);
      assert.deepEqual(mainGraph(model).outputs, ["y"]);
    },
  },
  {
    name: "4-bit weights: stored as int4, cast at load, the operator set raised to 21",
    model: `opset 17 ${residual}`,
    params: { bits: 4 },
    units: ["a", "c", "s", "p", "f", "y"],
    skips: {},
    errorDb: 14,
    check: (model) => {
      assert.equal(opset(model), 21);
      assert.equal(ops(model)["Cast"], 3);
      const w = mainGraph(model).tensors.get("w2_q");
      assert.equal(w?.dtype.name, "int4");
      assert.equal(w?.sizeBytes, (8 * 8 * 9) / 2);
    },
  },
  {
    name: "opset 7 with initializers as inputs is upgraded to 13; Concat and MaxPool share one scale",
    model: `opset 7 ir 3
      input x float32 [1, 3, 8, 8]
      w1 = float32 [4, 3, 1, 1] normal
      w2 = float32 [4, 3, 3, 3] normal * 3
      w3 = float32 [4, 8, 1, 1] normal
      initializer-input w1 initializer-input w2 initializer-input w3
      a = Conv(x, w1)
      b = Conv(x, w2) { pads: [1, 1, 1, 1] }
      c = Concat(a, b) { axis: 1 }
      m = MaxPool(c) { kernel_shape: [2, 2], strides: [2, 2] }
      y = Conv(m, w3)
      output y float32 [1, 4, 4, 4]`,
    units: ["a", "b", "c", "m", "y"],
    skips: {},
    errorDb: 30,
    inputsMayGo: true,
    check: (model) => {
      assert.equal(opset(model), 13);
      const { nodes } = mainGraph(model);
      const scales = ["a", "b", "c", "m"].map(
        (name) =>
          nodes.find((n) => n.op === "DequantizeLinear" && n.outputs[0] === name)?.inputs[1],
      );
      assert.equal(new Set(scales).size, 1, scales.join());
    },
  },
  {
    name: "products of a transformer give float; a mask of -10000 and softmax are never rounded",
    model: `
      input ids int64 [batch, 6]
      input mask float32 [batch, 6, 6]
      table = float32 [20, 32] normal
      wq = float32 [32, 32] normal * 0.2
      wk = float32 [32, 32] normal * 0.2
      big = float32 [1] [-10000]
      e = Gather(table, ids)
      q = MatMul(e, wq)
      k = MatMul(e, wk)
      kt = Transpose(k) { perm: [0, 2, 1] }
      s = MatMul(q, kt)
      mm = Mul(mask, big)
      sm = Add(s, mm)
      p = Softmax(sm) { axis: -1 }
      y = MatMul(p, e)
      output y float32 [batch, 6, 32]`,
    symbol: 6,
    below: 20,
    units: ["e", "q", "k"],
    skips: {},
    errorDb: 18,
    check: (model) => assert.equal(ops(model)["QuantizeLinear"], 1),
  },
  {
    name: "weights that are no constants, NaN, float16 and recurrent ones are skipped by name",
    model: `
      input x float32 [batch, 3, 4, 4]
      input v float32 [5, batch, 4]
      w = float32 [2, 3, 1, 1] nan
      h = float32 [2, 3, 1, 1] normal
      two = float32 [1] [2]
      hh = Mul(h, two)
      wl = float32 [1, 32, 4] normal
      rl = float32 [1, 32, 8] normal
      a = Conv(x, w)
      b = Conv(x, hh)
      l = LSTM(v, wl, rl) { hidden_size: 8 }
      output a float32 [batch, 2, 4, 4]
      output b float32 [batch, 2, 4, 4]
      output l float32 [5, 1, batch, 8]`,
    symbol: 4,
    units: [],
    skips: { a: "NaN", b: "computed, not a constant", l: "quantize.dynamic" },
  },
  {
    name: "a Conv used by a graph output and by others keeps the output's name",
    model: `
      input x float32 [batch, 3, 4, 4]
      w = float32 [4, 3, 1, 1] normal
      u = float32 [4, 4, 1, 1] normal
      a = Conv(x, w)
      c = Clip(a, lo, hi)
      lo = float32 [] [0]
      hi = float32 [] [6]
      y = Conv(c, u)
      output c float32 [batch, 4, 4, 4]
      output y float32 [batch, 4, 4, 4]`,
    units: ["a", "y"],
    skips: {},
    errorDb: 26,
  },
  {
    name: "one weight for two products is stored once; a tied table keeps its own codes",
    model: `
      input ids int64 [batch, 4]
      table = float32 [24, 32] normal
      e = Gather(table, ids)
      tt = Transpose(table) { perm: [1, 0] }
      a = MatMul(e, w)
      w = float32 [32, 32] normal
      b = MatMul(a, w)
      y = MatMul(b, tt)
      output y float32 [batch, 4, 24]`,
    symbol: 4,
    below: 24,
    units: ["e", "a", "b", "y"],
    skips: {},
    errorDb: 28,
    check: (model) => {
      const names = [...mainGraph(model).tensors.keys()];
      assert.equal(names.filter((name) => name.startsWith("w_q")).length, 2, names.join());
      assert.ok(!names.includes("table") && !names.includes("w"));
    },
  },
  {
    name: "symmetric int8 activations and float biases for TensorRT",
    model: `opset 17 ${residual}`,
    params: { target: "tensorrt", method: "minmax" },
    units: ["a", "c", "s", "p", "f", "y"],
    skips: {},
    errorDb: 25,
    check: (model) => {
      const types = [...mainGraph(model).tensors.values()].map((t) => t.dtype.name);
      assert.ok(!types.includes("int32") && !types.includes("uint8"));
    },
  },
  ...(["minmax", "mse", "entropy"] as const).map((method) => ({
    name: `ranges by ${method}, one scale per tensor, 16-bit activations`,
    model: `opset 17 ${residual}`,
    params: { method, weights: "tensor", activations: "16" },
    skips: {},
    errorDb: 30,
  })),
  {
    name: "a scope: what is left out stays float, values at its border are rounded for the others",
    model: `opset 17 ${residual}`,
    scope: ["c"],
    units: ["c"],
    skips: {},
    errorDb: 35,
  },
  {
    name: "constant activations and one sample",
    model: `
      input x float32 [batch, 2, 2, 2]
      zero = float32 [1] [0]
      w = float32 [2, 2, 1, 1] normal
      z = Mul(x, zero)
      y = Conv(z, w, b)
      b = float32 [2] normal
      output y float32 [batch, 2, 2, 2]`,
    samples: 1,
    units: ["y"],
    skips: {},
    errorDb: 35,
  },
];

testTechnique(staticQuantize, cases);

test("quantize.static without data is refused by name", async (t) => {
  const folder = tempFolder(t);
  const file = path.join(folder, "m.onnx");
  writeFileSync(file, onnxFromText(`opset 17 ${residual}`));
  const doc = docOf(file, { transform: "quantize.static", params: {} });
  await assert.rejects(testEnvironment(folder).open(doc), (error: unknown) => {
    const expected = engineErrors.needsData("quantize.static");
    return error instanceof LatheError && error.message === expected.message;
  });
});
