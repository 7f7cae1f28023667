import float16 from "../../../src/transforms/quantize/float16.ts";
import { testTechnique } from "../../helpers/harness.ts";

testTechnique(float16, [
  {
    name: "weights are halved, small tensors stay",
    model: `input x float32 [2, 64]  w = float32 [64, 48] normal  b = float32 [48] normal
      y = Gemm(x, w, b)  output y float32 [2, 48]`,
    units: ["w"],
    skips: { "small tensors": "1 tensors under 1024 bytes" },
    nodes: ["w = Cast(w_h)", "y = Gemm(x, w, b)"],
    tensors: ["b float32 [48]", "w_h float16 [64, 48]"],
    errorDb: 70,
  },
  {
    name: "Constant nodes, branches, and weights used in several places",
    model: `input x float32 [1, 64]  input c bool []
      k = Constant() { value: float32 [64, 64] normal }
      y = If(c) {
        then_branch: graph { a = MatMul(x, k) output a float32 [1, 64] },
        else_branch: graph { v = float32 [64, 64] normal b = MatMul(x, v) output b float32 [1, 64] }
      }
      z = MatMul(x, k)  output y float32 [1, 64]  output z float32 [1, 64]`,
    units: ["k", "y/else_branch/v"],
    skips: {},
    errorDb: 70,
  },
  {
    name: "before IR 4 initializers are inputs too",
    model: `opset 8 ir 3 input x float32 [2, 64]  w = float32 [64, 48] normal  initializer-input w
      y = MatMul(x, w)  output y float32 [2, 48]`,
    units: ["w"],
    errorDb: 70,
    inputsMayGo: true,
  },
  {
    name: "values out of range, tiny ones, NaN, outputs and scales are refused by name",
    model: `opset 21 ir 10 input x float32 [32, 32]
      large = float32 [32, 32] normal * 30000  tiny = float32 [32, 32] normal * 0.0000001
      bad = float32 [32, 32] nan  out = float32 [32, 32] normal  over = float32 [32, 32] normal
      initializer-input over
      q = int8 [32, 300] range  s = float32 [300] uniform
      a = Add(x, large)  b = Add(a, tiny)  c = Add(b, bad)  d = DequantizeLinear(q, s) { axis: 1 }
      y = MatMul(c, d)  z = Add(x, over)
      output y float32 [32, 300]  output z float32 [32, 32]  output out float32 [32, 32]`,
    params: { overflow: "ignore" },
    units: [],
    skips: {
      large: "beyond float16's 65504",
      tiny: "too small for float16",
      bad: "NaN or infinite",
      out: "an output of the graph",
      over: "also a graph input",
      s: "scales of quantized values (DequantizeLinear)",
    },
  },
  {
    name: "with data, layers whose activations leave float16's range keep their weights",
    model: `input x float32 [batch, 32]
      w1 = float32 [32, 32] normal  w2 = float32 [32, 32] normal  w3 = float32 [32, 32] normal
      w4 = float32 [32, 32] normal
      big = float32 [1] [10000]  small = float32 [1] [0.00001]
      t = Transpose(w2)
      a = MatMul(x, w1)  b = Mul(a, big)  c = MatMul(b, t)  d = Mul(c, small)  y = MatMul(d, w3)
      e = Sigmoid(d)  z = MatMul(e, w4)
      output y float32 [batch, 32]  output z float32 [batch, 32]`,
    units: ["w1", "w3", "w4"],
    skips: {
      w2: 'its layer c stays float32: "b" reaches',
      "small tensors": "2 tensors",
    },
    errorDb: 60,
  },
  {
    name: "with data, ranges may be left out of it",
    model: `input x float32 [batch, 32]
      w1 = float32 [32, 32] normal  w2 = float32 [32, 32] normal * 10000
      a = MatMul(x, w1)  y = MatMul(a, w2)
      output y float32 [batch, 32]`,
    params: { overflow: "ignore" },
    units: ["w1", "w2"],
    errorDb: 60,
  },
  {
    name: "with data, values that are infinite keep their layer float32",
    model: `input x float32 [batch, 32]
      w1 = float32 [32, 32] normal  w2 = float32 [32, 32] normal
      zero = float32 [1] [0]
      l = Div(x, zero)  a = MatMul(l, w1)  y = MatMul(x, w2)
      output y float32 [batch, 32]  output a float32 [batch, 32]`,
    units: ["w2"],
    skips: { w1: "its layer a stays float32: ", "small tensors": "1 tensors" },
    errorDb: 60,
  },
  {
    name: "safetensors change type in place",
    format: "safetensors",
    model: `a = float32 [8, 8] normal  b = int64 [3] [1, 2, 3]  c = float32 [4] normal * 1000000`,
    units: ["a"],
    skips: { c: "beyond float16's 65504" },
    tensors: ["a float16 [8, 8]", "b int64 [3]", "c float32 [4]"],
  },
]);
