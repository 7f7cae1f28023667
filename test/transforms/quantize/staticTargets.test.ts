/** quantize.static for runtimes other than onnxruntime: what QNN gets, and who gets nothing and why. */
import assert from "node:assert/strict";
import { mainGraph, type Model } from "../../../src/core/model.ts";
import { scopeOf } from "../../../src/core/scope.ts";
import { inferShapes } from "../../../src/core/shapeInference.ts";
import staticQuantize from "../../../src/transforms/quantize/static.ts";
import { testTechnique } from "../../helpers/harness.ts";

/** Operators that compute on a float value that is no output of DequantizeLinear, or give one that no QuantizeLinear takes. */
function floatOperators(model: Model): readonly string[] {
  const scope = scopeOf(model);
  const shapes = inferShapes(model);
  const isFloat = (name: string): boolean =>
    name !== "" && shapes.dtypeOf([], name)?.name === "float32";
  const made = (name: string): string => {
    const maker = scope.define([], name);
    return maker?.kind === "node" ? maker.node.op : (maker?.kind ?? "");
  };
  return mainGraph(model)
    .nodes.filter(({ op }) => op !== "QuantizeLinear" && op !== "DequantizeLinear")
    .filter(
      ({ inputs, outputs }) =>
        inputs.some((name) => isFloat(name) && made(name) !== "DequantizeLinear") ||
        outputs.some(
          (name) =>
            isFloat(name) &&
            !scope.uses([], name).every(({ node }) => node?.op === "QuantizeLinear"),
        ),
    )
    .map(({ outputs }) => outputs[0] ?? "");
}
const dtypesOf = (model: Model, suffix: string): readonly string[] =>
  [...mainGraph(model).tensors.values()]
    .filter(({ name }) => name.endsWith(suffix))
    .map(({ dtype }) => dtype.name);
const ops = (model: Model): readonly string[] => mainGraph(model).nodes.map(({ op }) => op);

const images = (batch: string): string => `
  input x float32 [${batch}, 3, 8, 8]
  w1 = float32 [8, 3, 3, 3] normal * 0.2
  b1 = float32 [8] normal
  six = float32 [] [2.5]
  zero = float32 [] [0]
  w2 = float32 [8, 8, 3, 3] normal * 0.1
  w3 = float32 [10, 8] normal * 0.3
  c3 = float32 [10] normal
  half = float32 [1] [0.5]
  a = Conv(x, w1, b1) { pads: [1, 1, 1, 1] }
  r = Relu(a)
  c = Conv(r, w2) { pads: [1, 1, 1, 1] }
  k = Clip(c, zero, six)
  h = Sigmoid(k)
  m = Mul(h, half)
  s = Add(m, r)
  t = Relu(s)
  p = GlobalAveragePool(t)
  f = Flatten(p)
  g = Gemm(f, w3, c3) { transB: 1 }
  y = Softmax(g) { axis: -1 }
  output y float32 [${batch}, 10]`;
const everything = ["a", "c", "h", "m", "s", "p", "f", "g", "y"];

const attention = `
  input ids int64 [1, 6]
  input mask int64 [1, 6]
  table = float32 [20, 32] normal
  wq = float32 [32, 32] normal * 0.2
  wk = float32 [32, 32] normal * 0.2
  wy = float32 [32, 8] normal * 0.2
  gamma = float32 [32] uniform
  beta = float32 [32] normal
  axis = int64 [1] [1]
  none = int64 [1] [0]
  zero = float32 [1] [0]
  big = float32 [1] [-10000]
  e = Gather(table, ids)
  q = MatMul(e, wq)
  k = MatMul(e, wk)
  kt = Transpose(k) { perm: [0, 2, 1] }
  s = MatMul(q, kt)
  u = Unsqueeze(mask, axis)
  c = Equal(u, none)
  mm = Where(c, big, zero)
  sm = Add(s, mm)
  p = Softmax(sm) { axis: -1 }
  v = MatMul(p, e)
  l = LayerNormalization(v, gamma, beta) { axis: -1 }
  y = MatMul(l, wy)
  output y float32 [1, 6, 8]`;

testTechnique(staticQuantize, [
  {
    name: "QNN: every operator between codes, Relu and Clip gone into them, products with one scale",
    model: images("1"),
    params: { target: "qnn", probeKl: 0.01 },
    units: everything,
    skips: {},
    sizes: "atMost",
    errorDb: 25,
    check: (model) => {
      assert.deepEqual(floatOperators(model), []);
      assert.ok(!ops(model).includes("Relu") && !ops(model).includes("Clip"), ops(model).join());
      const { tensors } = mainGraph(model);
      assert.deepEqual(tensors.get("w2_q_s")?.shape, [8]);
      assert.deepEqual(tensors.get("w3_q_s")?.shape, []);
      assert.deepEqual(dtypesOf(model, "half_q"), ["uint8"]);
    },
  },
  {
    name: "QNN with 16-bit activations: codes of uint16, weights of int8",
    model: images("1"),
    params: { target: "qnn", activations: "16", probeKl: 0.01 },
    units: everything,
    skips: {},
    sizes: "atMost",
    errorDb: 35,
    check: (model) => {
      assert.deepEqual(floatOperators(model), []);
      assert.deepEqual(dtypesOf(model, "half_q"), ["uint16"]);
      assert.deepEqual(dtypesOf(model, "w2_q"), ["int8"]);
      assert.equal(model.opsets.get(""), 21);
    },
  },
  {
    name: "QNN: what an attention mask does to its sum is found out, and stays float by name",
    model: attention,
    params: { target: "qnn", probeKl: 0.01 },
    units: ["e", "q", "k", "kt", "s", "mm", "v", "l", "y"],
    skips: { sm: 'rounding "sm" alone', p: 'rounding "sm" alone' },
    sizes: "atMost",
    errorDb: 15,
    below: 6,
    check: (model) => assert.deepEqual(floatOperators(model), ["sm", "p"]),
  },
  {
    name: "QNN: a size that is open is refused with the input that has it",
    model: images("batch"),
    params: { target: "qnn" },
    units: [],
    skips: { "the model": 'the input "x" has the shape [batch, 3, 8, 8]' },
  },
  {
    name: "QNN: an old operator set is refused with what raises it",
    model: `opset 8
      input x float32 [1, 4]
      w = float32 [4, 4] normal
      y = MatMul(x, w)
      output y float32 [1, 4]`,
    params: { target: "qnn" },
    units: [],
    skips: { "the model": "graph.upgradeOpset" },
  },
  {
    name: "Core ML: refused with what goes there",
    model: images("1"),
    params: { target: "coreml" },
    units: [],
    skips: { "the model": "unproven there. quantize.float16" },
  },
  {
    name: "WebGPU: refused with what goes there",
    model: images("1"),
    params: { target: "web" },
    units: [],
    skips: { "the model": "WebGPU has no integer activations" },
  },
]);
