import assert from "node:assert/strict";
import foldBatchNorm from "../../../src/transforms/graph/foldBatchNorm.ts";
import { testTechnique } from "../../helpers/harness.ts";

/** Scale, bias, mean and variance of `n` channels, named with a prefix. */
const norm = (n: number, p = ""): string =>
  `${p}g = float32 [${n}] uniform ${p}b = float32 [${n}] normal ${p}m = float32 [${n}] normal ${p}v = float32 [${n}] uniform`;
const IMAGE = "input x float32 [1, 4, 6, 6]";
const outputOf = (c: number, side: number): string =>
  `output y float32 [1, ${c}, ${side}, ${side}]`;

testTechnique(foldBatchNorm, [
  {
    name: "a Conv with and without bias",
    model: `${IMAGE} w = float32 [6, 4, 3, 3] normal wb = float32 [6] normal ${norm(6)} ${norm(6, "p")}
      u = float32 [6, 6, 1, 1] normal
      a = Conv(x, w, wb) { pads: [1, 1, 1, 1] } c = BatchNormalization(a, g, b, m, v) { epsilon: 0.01 }
      d = Relu(c) e = Conv(d, u) y = BatchNormalization(e, pg, pb, pm, pv) ${outputOf(6, 6)}`,
    units: ["c", "y"],
    skips: {},
    nodes: ["c = Conv(x, w, wb)", "d = Relu(c)", "y = Conv(d, u, u_bias)"],
    tensors: [
      "w float32 [6, 4, 3, 3]",
      "wb float32 [6]",
      "u float32 [6, 6, 1, 1]",
      "u_bias float32 [6]",
    ],
    errorDb: 110,
  },
  {
    name: "groups, and ConvTranspose with groups",
    model: `${IMAGE} w = float32 [8, 2, 3, 3] normal ${norm(8)} t = float32 [8, 3, 2, 2] normal ${norm(6, "p")}
      a = Conv(x, w) { group: 2 } c = BatchNormalization(a, g, b, m, v)
      d = ConvTranspose(c, t) { group: 2, strides: [2, 2] } y = BatchNormalization(d, pg, pb, pm, pv)
      ${outputOf(6, 8)}`,
    units: ["c", "y"],
    errorDb: 110,
  },
  {
    name: "Gemm of both orders, with factors and a single bias",
    model: `input x float32 [3, 8] w = float32 [8, 5] normal s = float32 [1] [2] ${norm(5)} u = float32 [4, 5] normal ${norm(4, "p")}
      a = Gemm(x, w, s) { alpha: 0.5, beta: 3.0 } c = BatchNormalization(a, g, b, m, v)
      d = Gemm(c, u) { transB: 1 } y = BatchNormalization(d, pg, pb, pm, pv) output y float32 [3, 4]`,
    units: ["c", "y"],
    nodes: ["c = Gemm(x, w, s)", "y = Gemm(c, u, u_bias)"],
    errorDb: 110,
  },
  {
    name: "a MatMul becomes a Gemm",
    model: `input x float32 [3, 8] w = float32 [8, 5] normal ${norm(5)}
      a = MatMul(x, w) y = BatchNormalization(a, g, b, m, v) output y float32 [3, 5]`,
    units: ["y"],
    nodes: ["y = Gemm(x, w, w_bias)"],
    errorDb: 110,
  },
  {
    name: "columns of a product are no channels",
    model: `input x float32 [2, 5, 8] w = float32 [8, 5] normal ${norm(5)}
      a = MatMul(x, w) y = BatchNormalization(a, g, b, m, v) output y float32 [2, 5, 5]`,
    units: [],
    skips: { y: "not known to have 2 dimensions" },
  },
  {
    name: "into the layer after it, where nothing is padded",
    model: `${IMAGE} w = float32 [6, 2, 3, 3] normal ${norm(4)} ${norm(6, "p")} f = float32 [5, 96] normal
      a = BatchNormalization(x, g, b, m, v) c = Conv(a, w) { group: 2 }
      d = Flatten(c) y = Gemm(d, f) { transB: 1 } output y float32 [1, 5]`,
    units: ["a"],
    nodes: ["c = Conv(x, w, w_bias)", "d = Flatten(c)", "y = Gemm(d, f)"],
    errorDb: 110,
  },
  {
    name: "padding after it, with a shift and without",
    model: `${IMAGE} w = float32 [6, 4, 3, 3] normal k = float32 [6, 4, 3, 3] normal ${norm(4)} z = float32 [4] zeros
      a = BatchNormalization(x, g, b, m, v) c = Conv(a, w) { pads: [1, 1, 1, 1] }
      d = Sigmoid(x) e = BatchNormalization(d, g, z, z, v) f = Conv(e, k) { pads: [1, 1, 1, 1] }
      y = Add(c, f) ${outputOf(6, 6)}`,
    sizes: "atMost",
    units: ["e"],
    skips: { a: "pads with zeros" },
    errorDb: 110,
  },
  {
    name: "one after the other",
    model: `${IMAGE} w = float32 [4, 4, 1, 1] normal ${norm(4)} ${norm(4, "p")}
      a = Conv(x, w) c = BatchNormalization(a, g, b, m, v) y = BatchNormalization(c, pg, pb, pm, pv) ${outputOf(4, 6)}`,
    units: ["c", "y"],
    nodes: ["y = Conv(x, w, w_bias)"],
    tensors: ["w float32 [4, 4, 1, 1]", "w_bias float32 [4]"],
    errorDb: 110,
  },
  {
    name: "constants shared through Identity go with the last that uses them",
    model: `${IMAGE} w = float32 [4, 4, 1, 1] normal u = float32 [4, 4, 1, 1] normal ${norm(4)} i = Identity(g) j = Identity(v)
      a = Conv(x, w) c = BatchNormalization(a, g, b, m, v) d = Relu(c)
      e = Conv(d, u) y = BatchNormalization(e, i, b, m, j) ${outputOf(4, 6)}`,
    units: ["c", "y"],
    nodes: ["c = Conv(x, w, w_bias)", "d = Relu(c)", "y = Conv(d, u, u_bias)"],
    errorDb: 110,
  },
  {
    name: "what is used elsewhere, given out, or not between layers",
    model: `${IMAGE} w = float32 [4, 4, 1, 1] normal u = float32 [4, 4, 1, 1] normal k = float32 [4, 4, 1, 1] normal ${norm(4)}
      a = Conv(x, w) c = BatchNormalization(a, g, b, m, v) d = Relu(a)
      e = BatchNormalization(d, g, b, m, v) f = Relu(e)
      h = Conv(f, u) i = BatchNormalization(h, g, b, m, v)
      o = Conv(i, k) q = BatchNormalization(o, g, b, m, v)
      p = Add(c, q) y = Relu(p) output h float32 [1, 4, 6, 6] ${outputOf(4, 6)}`,
    units: ["i", "q"],
    skips: { c: "is used elsewhere too", e: "it follows Relu; Relu follows it" },
    nodes: [
      "a = Conv(x, w)",
      "c = BatchNormalization(a, g, b, m, v)",
      "d = Relu(a)",
      "e = BatchNormalization(d, g, b, m, v)",
      "f = Relu(e)",
      "h = Conv(f, u)",
      "q = Conv(h, k, k_bias)",
      "p = Add(c, q)",
      "y = Relu(p)",
    ],
    errorDb: 110,
  },
  {
    name: "shared and computed weights",
    model: `${IMAGE} w = float32 [4, 4, 1, 1] normal s = int64 [4] [4, 4, 1, 1] z = ConstantOfShape(s) ${norm(4)}
      a = Conv(x, w) c = BatchNormalization(a, g, b, m, v) e = Conv(c, z) f = BatchNormalization(e, g, b, m, v)
      h = Conv(f, w) y = BatchNormalization(h, g, b, m, v) ${outputOf(4, 6)}`,
    units: [],
    skips: { c: "is used 2 times", f: "made by ConstantOfShape", y: "is used 2 times" },
  },
  {
    name: "training mode",
    model: `${IMAGE} w = float32 [4, 4, 1, 1] normal ${norm(4)} a = Conv(x, w)
      y, rm, rv = BatchNormalization(a, g, b, m, v) { training_mode: 1 } ${outputOf(4, 6)}`,
    units: [],
    skips: { y: "training mode" },
  },
  {
    name: "a variance that is no number, and values beyond float16",
    model: `${IMAGE} w = float32 [2, 4, 1, 1] normal g = float32 [2] ones b = float32 [2] ones m = float32 [2] zeros v = float32 [2] [1, -1]
      a = Conv(x, w) c = BatchNormalization(a, g, b, m, v)
      h = Cast(x) { to: 10 } k = float16 [2, 4, 1, 1] ones t = float16 [2] [60000, 1] o = float16 [2] ones n = float16 [2] zeros p = float16 [2] [0.0001, 1]
      d = Conv(h, k) e = BatchNormalization(d, t, o, n, p) f = Cast(e) { to: 1 } y = Add(c, f) ${outputOf(2, 6)}`,
    sizes: "atMost",
    units: [],
    skips: { c: "channel 1 is scaled by NaN", e: "beyond its type" },
  },
  {
    name: "initializers that callers may replace",
    model: `${IMAGE} w = float32 [4, 4, 1, 1] normal initializer-input w ${norm(4)} a = Conv(x, w)
      y = BatchNormalization(a, g, b, m, v) ${outputOf(4, 6)}`,
    units: [],
    skips: { y: "a caller may replace it" },
  },
  {
    name: "before IR 4, and inside a branch",
    model: `opset 11 ir 3 ${IMAGE} input q bool [] w = float32 [4, 4, 1, 1] normal ${norm(4)}
      initializer-input w initializer-input g initializer-input b initializer-input m initializer-input v
      y = If(q) {
        then_branch: graph { a = Conv(x, w) d = BatchNormalization(a, g, b, m, v) output d float32 [1, 4, 6, 6] },
        else_branch: graph { e = Relu(x) output e float32 [1, 4, 6, 6] }
      } ${outputOf(4, 6)}`,
    inputsMayGo: true,
    units: ["y/then_branch/d"],
    check: (model) => {
      const branch = model.graphs.get(JSON.stringify(["y", "then_branch"]));
      assert.deepEqual(
        branch?.nodes.map((n) => n.op),
        ["Conv"],
      );
    },
    errorDb: 110,
  },
]);
