import assert from "node:assert/strict";
import { mainGraph } from "../../../src/core/model.ts";
import dynamic from "../../../src/transforms/quantize/dynamic.ts";
import { testTechnique, type Case } from "../../helpers/harness.ts";

const cases: readonly Case[] = [
  {
    name: "two products of one input share its codes; Gemm keeps alpha, beta and bias",
    model: `
      input x float32 [batch, 64]
      w = float32 [64, 32] normal
      v = float32 [16, 64] normal
      c = float32 [16] normal
      a = MatMul(x, w)
      b = Gemm(x, v, c) { transB: 1, alpha: 0.5, beta: 2.0 }
      output a float32 [batch, 32]
      output b float32 [batch, 16]`,
    units: ["a", "b"],
    skips: {},
    errorDb: 38,
    nodes: [
      "x_q, x_s, x_z = DynamicQuantizeLinear(x)",
      "a_i = MatMulInteger(x_q, w_q, x_z)",
      "a_f = Cast(a_i)",
      "a_s = Mul(x_s, w_q_s)",
      "a = Mul(a_f, a_s)",
      "b_i = MatMulInteger(x_q, v_q, x_z)",
      "b_f = Cast(b_i)",
      "b_s = Mul(x_s, v_q_s)",
      "b_mm = Mul(b_f, b_s)",
      "b_bias = Mul(c, b_beta)",
      "b = Add(b_mm, b_bias)",
    ],
  },
  {
    name: "an LSTM of two directions with initial state, a scale per gate row",
    model: `
      input x float32 [5, batch, 16]
      input h float32 [2, batch, 8]
      w = float32 [2, 32, 16] normal * 0.3
      r = float32 [2, 32, 8] normal * 0.3
      b = float32 [2, 64] normal
      y, yh, yc = LSTM(x, w, r, b, , h, h) { hidden_size: 8, direction: "bidirectional" }
      output y float32 [5, 2, batch, 8]
      output yc float32 [2, batch, 8]`,
    units: ["y"],
    skips: {},
    errorDb: 34,
    nodes: [
      "y, yh, yc = com.microsoft.DynamicQuantizeLSTM(x, w_q, r_q, b, , h, h, , w_q_s, w_q_z, r_q_s, r_q_z)",
    ],
  },
  {
    name: "a tied table: rows of the embedding and columns of the head have codes of their own",
    model: `
      input ids int64 [batch, 4]
      table = float32 [24, 32] normal
      e = Gather(table, ids)
      tt = Transpose(table) { perm: [1, 0] }
      y = MatMul(e, tt)
      output y float32 [batch, 4, 24]`,
    symbol: 4,
    below: 24,
    units: ["e", "y"],
    skips: {},
    errorDb: 33,
    check: (model) => assert.ok(!mainGraph(model).tensors.has("table")),
  },
  {
    name: "weights in the bodies of If are reached",
    model: `
      input x float32 [2, 32]
      input go bool []
      w = float32 [32, 32] normal
      y = If(go) {
        then_branch: graph { a = MatMul(x, w) output a float32 [2, 32] },
        else_branch: graph { v = float32 [32, 32] normal b = MatMul(x, v) output b float32 [2, 32] }
      }
      output y float32 [2, 32]`,
    units: ["y/then_branch/a", "y/else_branch/b"],
    skips: {},
    errorDb: 38,
  },
  {
    name: "convolutions, GRU, NaN, computed weights and small operator sets are skipped by name",
    model: `
      input x float32 [batch, 16, 8]
      input v float32 [5, batch, 16]
      k = float32 [16, 16, 3] normal
      w = float32 [8, 64] nan
      g = float32 [1, 48, 16] normal
      s = float32 [1, 48, 16] normal
      l = float32 [1, 64, 16] normal
      m = float32 [1, 64, 16] normal
      one = float32 [1] [1]
      ll = Mul(l, one)
      a = Conv(x, k)
      b = MatMul(x, w)
      c = GRU(v, g, s) { hidden_size: 16 }
      d = LSTM(v, ll, m) { hidden_size: 16 }
      output a float32 [batch, 16, 6]
      output b float32 [batch, 16, 64]
      output c float32 [5, 1, batch, 16]
      output d float32 [5, 1, batch, 16]`,
    units: [],
    skips: { a: "slower", b: "NaN", c: "GRU", d: "computed" },
  },
  {
    name: "operator set 9 has no DynamicQuantizeLinear",
    model: `opset 9
      input x float32 [2, 32]
      w = float32 [32, 32] normal
      y = MatMul(x, w)
      output y float32 [2, 32]`,
    units: [],
    skips: { y: "graph.upgradeOpset" },
  },
];

testTechnique(dynamic, cases);
