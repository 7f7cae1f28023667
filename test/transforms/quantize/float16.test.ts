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
    model: `input x float32 [2, 64]  input c bool []
      k = Constant() { value: float32 [64, 64] normal }
      y = If(c) {
        then_branch: graph { a = MatMul(x, k) output a float32 [2, 64] },
        else_branch: graph { v = float32 [64, 64] normal b = MatMul(x, v) output b float32 [2, 64] }
      }
      z = MatMul(x, k)  output y float32 [2, 64]  output z float32 [2, 64]`,
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
    name: "safetensors change type in place",
    format: "safetensors",
    model: `a = float32 [8, 8] normal  b = int64 [3] [1, 2, 3]  c = float32 [4] normal * 1000000`,
    units: ["a"],
    skips: { c: "beyond float16's 65504" },
    tensors: ["a float16 [8, 8]", "b int64 [3]", "c float32 [4]"],
  },
]);
