import assert from "node:assert/strict";
import weightOnly from "../../../src/transforms/quantize/weightOnly.ts";
import { testTechnique, type Case } from "../../helpers/harness.ts";

const linear = (more = ""): string => `
  input x float32 [batch, 64]
  w = float32 [64, 48] normal
  y = MatMul(x, w) ${more}
  output y float32 [batch, 48]`;

/** Least output errors of one Gaussian matrix; at 8 bit the products round activations too. */
const formats: readonly Case[] = (
  [
    [8, "asymmetric", 43],
    [8, "symmetric", 42.5],
    [4, "asymmetric", 21.3],
    [4, "symmetric", 20.8],
    [2, "asymmetric", 8],
    [2, "symmetric", 8],
  ] as const
).flatMap(([bits, zeroPoints, errorDb]) =>
  (["matmulnbits", "dequantizelinear"] as const).map((format) => ({
    name: `${bits} bit ${zeroPoints}, ${format}`,
    model: `opset ${format === "matmulnbits" ? 17 : 25} ir 13 ${linear()}`,
    params: { bits, zeroPoints, format },
    units: ["y"],
    skips: {},
    errorDb,
  })),
);

const blocks: readonly Case[] = [16, 32, 64, 128, 256].map((block) => ({
  name: `K = 40 is not a multiple of blocks of ${block}`,
  model: `input x float32 [2, 40]  w = float32 [40, 64] normal  y = MatMul(x, w)  output y float32 [2, 64]`,
  params: { block },
  units: ["y"],
  errorDb: 17,
}));

/** A product of what has 12 dimensions in 64 values: errors of the others can be made up for. */
const narrow = (y: string, shape: string): string => `
  input x float32 [batch, 12]
  p = float32 [12, 64] normal
  w = float32 [${shape}] normal
  wide = MatMul(x, p)
  y = ${y}
  output y float32 [batch, 40]`;
/** Rounded to nearest they have 20 dB at 4 bit (2 bit: 8) like the others. */
const calibrated: readonly Case[] = (
  [
    ["matmulnbits", "asymmetric", 4, "MatMul(wide, w)", "64, 40", 24],
    ["matmulnbits", "symmetric", 4, "Gemm(wide, w) { transB: 1, alpha: 0.5 }", "40, 64", 24],
    ["dequantizelinear", "symmetric", 4, "MatMul(wide, w)", "64, 40", 24],
    ["dequantizelinear", "asymmetric", 2, "MatMul(wide, w)", "64, 40", 10],
    ["matmulnbits", "asymmetric", 2, "MatMul(wide, w)", "64, 40", 10],
    ["matmulnbits", "symmetric", 8, "MatMul(wide, w)", "64, 40", 40],
  ] as const
).map(([format, zeroPoints, bits, y, shape, errorDb]) => ({
  name: `rounding calibrated: ${bits} bit ${zeroPoints}, ${format}, ${y}`,
  model: `opset ${format === "matmulnbits" ? 17 : 25} ir 13 ${narrow(y, shape)}`,
  params: { format, zeroPoints, bits, rounding: "calibrated", rowsPerCall: "many" },
  scope: ["y"],
  samples: 64,
  units: ["y"],
  errorDb,
}));

testTechnique(weightOnly, [
  ...formats,
  ...calibrated,
  {
    name: "rounding calibrated: in a branch and a sum too wide it is as nearest, and the latter says so",
    model: `input x float32 [1, 64]  input c bool []  input u float32 [1, 8200]  big = float32 [8200, 16] normal
      w = float32 [64, 48] normal
      y = If(c) {
        then_branch: graph { a = MatMul(x, w) output a float32 [1, 48] },
        else_branch: graph { v = float32 [64, 48] normal b = MatMul(x, v) output b float32 [1, 48] }
      }
      z = MatMul(u, big)
      output y float32 [1, 48]  output z float32 [1, 16]`,
    params: { rounding: "calibrated" },
    skips: { "z (rounding)": "8192 at most" },
    errorDb: 19,
  },
  ...blocks,
  {
    name: "names, shapes and the operator",
    model: linear('{ name: "proj" }'),
    units: ["proj"],
    nodes: ["y = com.microsoft.MatMulNBits(x, w_q, w_s, w_z)"],
    tensors: ["w_q uint8 [48, 2, 16]", "w_s float32 [48, 2]", "w_z uint8 [48, 1]"],
    errorDb: 21,
    check: (model, change) => {
      assert.equal(model.opsets.get("com.microsoft"), 1);
      assert.equal(change.units[0]?.detail, "[64, 48] float32 → 4 bit, block 32");
      assert.equal(mainNode(model).attrs["accuracy_level"], undefined);
    },
  },
  {
    name: "one row per call rounds activations",
    model: linear(),
    params: { rowsPerCall: "one" },
    errorDb: 20,
    check: (model) =>
      assert.deepEqual(mainNode(model).attrs["accuracy_level"], { kind: "int", value: 4 }),
  },
  {
    name: "blocked DequantizeLinear with a ragged last block",
    model: `opset 21 ir 10 input x float32 [2, 72] w = float32 [72, 33] normal y = MatMul(x, w) output y float32 [2, 33]`,
    params: { format: "dequantizelinear" },
    nodes: ["w_d = DequantizeLinear(w_q, w_s, w_z)", "y = MatMul(x, w_d)"],
    tensors: ["w_q uint4 [72, 33]", "w_s float32 [3, 33]", "w_z uint4 [3, 33]"],
    errorDb: 20,
  },
  {
    name: "opset too old for blocked DequantizeLinear",
    model: `opset 17 ${linear()}`,
    params: { format: "dequantizelinear" },
    units: [],
    skips: { y: "needs opset 21, the model has 17" },
  },
  {
    name: "2-bit types need opset 25",
    model: `opset 21 ir 10 ${linear()}`,
    params: { format: "dequantizelinear", bits: 2 },
    units: [],
    skips: { y: "needs opset 25, the model has 21" },
  },
  {
    name: "Gemm: transB, alpha and a bias vector",
    model: `input x float32 [3, 64]  w = float32 [48, 64] normal  b = float32 [48] normal
      y = Gemm(x, w, b) { transB: 1, alpha: 0.5 }  output y float32 [3, 48]`,
    nodes: ["y = com.microsoft.MatMulNBits(x, w_q, w_s, w_z, , b)"],
    errorDb: 21,
  },
  {
    name: "Gemm: bias of another shape, and beta",
    model: `input x float32 [3, 64]  w = float32 [64, 48] normal  b = float32 [3, 1] normal
      h = Gemm(x, w, b)  v = float32 [48, 48] normal  c = float32 [48] normal
      y = Gemm(h, v, c) { beta: 0.25 }  output y float32 [3, 48]`,
    nodes: [
      "h_mm = com.microsoft.MatMulNBits(x, w_q, w_s, w_z)",
      "h = Add(h_mm, b)",
      "y_bias = Mul(c, y_beta)",
      "y_mm = com.microsoft.MatMulNBits(h, v_q, v_s, v_z)",
      "y = Add(y_mm, y_bias)",
    ],
    errorDb: 17,
  },
  {
    name: "Gemm in the standard format becomes MatMul and Add",
    model: `opset 21 ir 10 input x float32 [3, 64]  w = float32 [48, 64] normal  b = float32 [48] normal
      y = Gemm(x, w, b) { transB: 1, alpha: 2.0 }  output y float32 [3, 48]`,
    params: { format: "dequantizelinear" },
    nodes: ["w_d = DequantizeLinear(w_q, w_s, w_z)", "y_mm = MatMul(x, w_d)", "y = Add(y_mm, b)"],
    errorDb: 20,
  },
  {
    name: "Gemm without bias, and with transposed A",
    model: `input x float32 [64, 64]  w = float32 [64, 64] normal  v = float32 [64, 64] normal
      h = Gemm(x, w)  y = Gemm(h, v) { transA: 1 }  output y float32 [64, 64]`,
    units: ["h"],
    skips: { y: "transA = 1" },
    errorDb: 20,
  },
  {
    name: "a weight used twice is stored once",
    model: `input x float32 [2, 64]  w = float32 [64, 64] normal
      h = MatMul(x, w)  y = MatMul(h, w)  output y float32 [2, 64]`,
    units: ["h"],
    tensors: ["w_q uint8 [64, 2, 16]", "w_s float32 [64, 2]", "w_z uint8 [64, 1]"],
    errorDb: 18,
  },
  {
    name: "a weight used twice in the standard format has one DequantizeLinear",
    model: `opset 21 ir 10 input x float32 [2, 64]  w = float32 [64, 64] normal
      h = MatMul(x, w)  y = MatMul(h, w)  output y float32 [2, 64]`,
    params: { format: "dequantizelinear" },
    nodes: ["w_d = DequantizeLinear(w_q, w_s, w_z)", "h = MatMul(x, w_d)", "y = MatMul(h, w_d)"],
    errorDb: 18,
  },
  {
    name: "through Constant, Identity and Transpose nodes",
    model: `input x float32 [2, 64]
      c = Constant() { value: float32 [64, 64] normal }  i = Identity(c)
      h = MatMul(x, i)  w = float32 [48, 64] normal  t = Transpose(w) { perm: [1, 0] }
      y = MatMul(h, t)  output y float32 [2, 48]`,
    nodes: [
      "h = com.microsoft.MatMulNBits(x, c_q, c_s, c_z)",
      "y = com.microsoft.MatMulNBits(h, w_q, w_s, w_z)",
    ],
    errorDb: 18,
  },
  {
    name: "a tied table stays when the embedding does",
    model: tied(),
    units: [],
    skips: { e: "embedding", y: 'also needed as float by "e" (Gather)' },
  },
  {
    name: "a tied table is quantized for both uses",
    model: tied(),
    params: { embedding: "8" },
    units: ["e"],
    nodes: [
      "e = com.microsoft.GatherBlockQuantized(table_q, ids, table_s, table_z)",
      "y = com.microsoft.MatMulNBits(e, table_q_1, table_s_1, table_z_1)",
    ],
    errorDb: 20,
  },
  {
    name: "weights in branches, and a weight of the outer graph used in one",
    model: `input x float32 [2, 64]  input c bool []  w = float32 [64, 64] normal
      y = If(c) {
        then_branch: graph { a = MatMul(x, w) output a float32 [2, 64] },
        else_branch: graph { v = float32 [64, 64] normal b = MatMul(x, v) output b float32 [2, 64] }
      }
      output y float32 [2, 64]`,
    units: ["y/then_branch/a", "y/else_branch/b"],
    skips: {},
    errorDb: 20,
  },
  {
    name: "left operands, batches, other types and computed matrices stay",
    model: `input x float32 [64, 64]  w = float32 [64, 64] normal  l = MatMul(w, x)
      b3 = float32 [2, 64, 64] normal  p = MatMul(x, b3)  q = MatMul(x, x)
      k = float32 [8, 4, 3, 3] normal  n = Reshape(x, s)  s = int64 [4] [1, 4, 32, 32]
      o = Conv(n, k)
      output l float32 [64, 64]  output p float32 [2, 64, 64]  output q float32 [64, 64]
      output o float32 [1, 8, 30, 30]`,
    units: [],
    skips: { l: "left operand", p: "batch of matrices", o: "weights of Conv" },
  },
  {
    name: "too small to gain, NaN, and already quantized",
    model: `opset com.microsoft 1 input x float32 [2, 4]  input g float32 [2, 2]
      t = float32 [2, 1] normal  a = MatMul(g, t)
      n = float32 [4, 64] nan  b = MatMul(x, n)
      q = uint8 [16, 1, 8] [${Array.from({ length: 128 }, (_, i) => i % 99).join(", ")}]
      s = float32 [16] ones
      z = com.microsoft.MatMulNBits(x, q, s) { K: 4, N: 16, bits: 4, block_size: 16 }
      output a float32 [2, 1]  output b float32 [2, 64]  output z float32 [2, 16]`,
    params: { block: 16 },
    units: [],
    skips: { a: "quantized it would have", b: "NaN or infinite", z: "already quantized" },
  },
  {
    name: "float16 activations have float16 scales",
    model: `input x float16 [2, 64]  w = float16 [64, 48] normal  y = MatMul(x, w)
      output y float16 [2, 48]`,
    tensors: ["w_q uint8 [48, 2, 16]", "w_s float16 [48, 2]", "w_z uint8 [48, 1]"],
    errorDb: 20,
  },
  {
    name: "an initializer that callers may replace",
    model: `input x float32 [2, 64]  w = float32 [64, 48] normal  initializer-input w
      y = MatMul(x, w)  output y float32 [2, 48]`,
    units: [],
    skips: { y: "also a graph input" },
  },
  {
    name: "only what the scope names",
    model: `input x float32 [2, 64]  w = float32 [64, 64] normal  v = float32 [64, 64] normal
      h = MatMul(x, w) { name: "block/up" }  y = MatMul(h, v) { name: "block/down" }
      output y float32 [2, 64]`,
    scope: ["*/down", "y"],
    units: ["block/down"],
    errorDb: 20,
  },
]);

function tied(): string {
  return `input ids int64 [2, 5]  table = float32 [40, 64] normal
    e = Gather(table, ids)  t = Transpose(table)  y = MatMul(e, t)
    output y float32 [2, 5, 40]`;
}
function mainNode(model: Parameters<NonNullable<Case["check"]>>[0]) {
  const node = model.graphs.get("[]")?.nodes[0];
  assert.ok(node);
  return node;
}
