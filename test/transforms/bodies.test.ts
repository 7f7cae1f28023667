/** Weights of layers inside If, Loop and Scan: stored there, in a Constant node there, or outside. */
import assert from "node:assert/strict";
import svd from "../../src/transforms/lowrank/svd.ts";
import magnitude from "../../src/transforms/prune/magnitude.ts";
import dynamic from "../../src/transforms/quantize/dynamic.ts";
import float16 from "../../src/transforms/quantize/float16.ts";
import weightOnly from "../../src/transforms/quantize/weightOnly.ts";
import { testTechnique, type Case } from "../helpers/harness.ts";

const IF = `opset 21 ir 10 input x float32 [4, 64]  s = float32 [64] uniform
  m = ReduceSum(x) { keepdims: 0 }  nought = float32 [] [0.0]  c = Greater(m, nought)
  outer = float32 [64, 64] normal * 0.1  shared = float32 [64, 64] normal * 0.1
  y = If(c) {
    then_branch: graph {
      w = float32 [64, 64] normal * 0.1  a1 = MatMul(x, w)  a2 = MatMul(a1, outer)  a = MatMul(a2, shared)
      output a float32 [4, 64]
    },
    else_branch: graph {
      k = Constant() { value: float32 [64, 64] normal * 0.1 }  b1 = Gemm(x, k, s) { transB: 1 }
      b = MatMul(b1, shared)  output b float32 [4, 64]
    }
  }
  output y float32 [4, 64]`;

const LOOP = `opset 21 ir 10 input x float32 [4, 64]  n = int64 [] [3]  yes = bool [] [1]
  outer = float32 [64, 64] normal * 0.1
  y = Loop(n, yes, x) {
    body: graph {
      input i int64 []  input go bool []  input h float32 [4, 64]
      w = float32 [64, 64] normal * 0.1  on = Identity(go)
      p = MatMul(h, w)  q = MatMul(p, outer)  r = Tanh(q)  output on bool []  output r float32 [4, 64]
    }
  }
  output y float32 [4, 64]`;

const SCAN = `opset 21 ir 10 input x float32 [5, 64]  zero = float32 [64] zeros
  outer = float32 [64, 64] normal * 0.1
  last, y = Scan(zero, x) {
    num_scan_inputs: 1,
    body: graph {
      input h float32 [64]  input e float32 [64]  w = float32 [64, 64] normal * 0.1
      ax = int64 [1] [0]  er = Unsqueeze(e, ax)  hr = Unsqueeze(h, ax)
      p = MatMul(er, w)  q = MatMul(hr, outer)  t = Add(p, q)  u = Tanh(t)  v = Squeeze(u, ax)  z = Identity(v)
      output v float32 [64]  output z float32 [64]
    }
  }
  output last float32 [64]  output y float32 [5, 64]`;

const LSTM = `opset 17 input x float32 [6, 1, 48]  m = ReduceSum(x) { keepdims: 0 }  nought = float32 [] [0.0]
  c = Greater(m, nought)  outer = float32 [1, 128, 32] normal * 0.2
  y = If(c) {
    then_branch: graph {
      w = float32 [1, 128, 48] normal * 0.2
      a = LSTM(x, w, outer) { hidden_size: 32 }  output a float32 [6, 1, 1, 32]
    },
    else_branch: graph {
      k = Constant() { value: float32 [1, 128, 48] normal * 0.2 }
      b = LSTM(x, k, outer) { hidden_size: 32 }  output b float32 [6, 1, 1, 32]
    }
  }
  output y float32 [6, 1, 1, 32]`;

const MODELS = { IF, LOOP, SCAN };
/** No float weight of 64 × 64 is left anywhere. */
const noneLeft: Case["check"] = (model) => {
  for (const graph of model.graphs.values()) {
    for (const { name, dtype, shape } of graph.tensors.values())
      assert.ok(dtype.name !== "float32" || shape.join() !== "64,64", `${name} is float32`);
    for (const { outputs, attrs } of graph.nodes)
      for (const attr of Object.values(attrs))
        assert.ok(
          attr.kind !== "tensor" || attr.value.sizeBytes < 16384,
          `${outputs.join()} is float32`,
        );
  }
};

const cases = (more: Omit<Case, "name" | "model">): Case[] =>
  Object.entries(MODELS).map(([name, model]) => ({
    name: `weights of ${name} bodies`,
    model,
    ...more,
  }));
/** All are reached: nothing is left out with a reason. */
const skips = {};

testTechnique(weightOnly, cases({ params: { bits: 8 }, errorDb: 35, check: noneLeft, skips }));
testTechnique(
  weightOnly,
  cases({
    params: { bits: 8, format: "dequantizelinear" },
    errorDb: 30,
    check: noneLeft,
    skips,
  }),
);
testTechnique(dynamic, [
  ...cases({ errorDb: 28, check: noneLeft, skips }),
  {
    name: "LSTMs in If bodies",
    model: LSTM,
    params: { rounding: "nearest" },
    skips,
    errorDb: 28,
  },
]);
testTechnique(float16, cases({ errorDb: 60, check: noneLeft }));
// Random matrices have no small rank, and no small weights: that all are changed is what counts.
testTechnique(
  svd,
  cases({ params: { rankBy: "rank", rank: 24 }, errorDb: -3, check: noneLeft, skips }),
);
testTechnique(magnitude, cases({ errorDb: 0, skips }));
