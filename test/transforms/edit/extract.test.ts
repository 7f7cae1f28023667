import assert from "node:assert/strict";
import { test } from "node:test";
import { planExtraction } from "../../../src/core/extract.ts";
import { mainGraph, type Model } from "../../../src/core/model.ts";
import extract from "../../../src/transforms/edit/extract.ts";
import { modelFromText } from "../../core/modelText.ts";
import { testTechnique } from "../../helpers/harness.ts";

const CHAIN = `input x float32 [2, 4] w1 = float32 [4, 4] normal w2 = float32 [4, 3] normal
  a = MatMul(x, w1) b = Relu(a) c = MatMul(b, w2) y = Exp(c) z = Neg(b)
  output y float32 [2, 3] output z float32 [2, 4]`;
const ends = (model: Model): string =>
  `${mainGraph(model).inputs.join()} → ${mainGraph(model).outputs.join()}`;
const typed = (model: Model, name: string): string => {
  const value = mainGraph(model).values.get(name);
  return `${value?.dtype?.name} ${JSON.stringify(value?.shape)}`;
};

testTechnique(extract, [
  {
    name: "from the start to a value in between",
    model: CHAIN,
    params: { to: "b" },
    units: ["subgraph"],
    skips: {},
    nodes: ["a = MatMul(x, w1)", "b = Relu(a)"],
    tensors: ["w1 float32 [4, 4]"],
    otherEnds: true,
    check: (model) => {
      assert.equal(ends(model), "x → b");
      assert.equal(typed(model, "b"), "float32 [2,4]");
      assert.deepEqual([...mainGraph(model).values.keys()].sort(), ["b", "x"]);
    },
  },
  {
    name: "from a value in between to the end",
    model: CHAIN,
    params: { from: "b" },
    units: ["subgraph"],
    nodes: ["c = MatMul(b, w2)", "y = Exp(c)", "z = Neg(b)"],
    tensors: ["w2 float32 [4, 3]"],
    otherEnds: true,
    check: (model) => {
      assert.equal(ends(model), "b → y,z");
      assert.equal(typed(model, "b"), "float32 [2,4]");
    },
  },
  {
    name: "between two values, in the order they are named",
    model: CHAIN,
    params: { from: "b", to: "c" },
    nodes: ["c = MatMul(b, w2)"],
    otherEnds: true,
    check: (model) => assert.equal(ends(model), "b → c"),
  },
  {
    name: "an initializer as an input",
    model: CHAIN,
    params: { from: "x,w1", to: "a" },
    nodes: ["a = MatMul(x, w1)"],
    tensors: [],
    otherEnds: true,
    check: (model) => {
      assert.equal(ends(model), "x,w1 → a");
      assert.equal(typed(model, "w1"), "float32 [4,4]");
    },
  },
  {
    name: "what bodies take from outside comes along",
    model: `input x float32 [3] input k bool [] input unused float32 [3] s = float32 [3] normal t = float32 [3] normal
      p = Relu(x) q = Exp(x)
      y = If(k) { then_branch: graph { a = Mul(p, s) output a float32 [3] }, else_branch: graph { b = Neg(p) output b float32 [3] } }
      z = If(k) { then_branch: graph { c = Mul(q, t) output c float32 [3] }, else_branch: graph { d = Neg(unused) output d float32 [3] } }
      output y float32 [3] output z float32 [3]`,
    params: { to: "y" },
    nodes: ["p = Relu(x)", "y = If(k)"],
    tensors: ["s float32 [3]"],
    otherEnds: true,
    check: (model) => {
      assert.equal(ends(model), "x,k → y");
      assert.equal(model.graphs.size, 3);
    },
  },
  {
    name: "initializers that are inputs too, as before IR 4",
    model: `ir 3 opset 8 input x float32 [2, 4] w = float32 [4, 4] normal v = float32 [4, 4] normal
      initializer-input w initializer-input v a = MatMul(x, w) y = MatMul(a, v) output y float32 [2, 4]`,
    params: { from: "a", to: "y" },
    nodes: ["y = MatMul(a, v)"],
    tensors: ["v float32 [4, 4]"],
    otherEnds: true,
    check: (model) => assert.equal(ends(model), "a,v → y"),
  },
  {
    name: "the whole model",
    model: CHAIN,
    params: { to: "y, z" },
    units: [],
    skips: { subgraph: "it is the whole model" },
  },
  {
    name: "no ends",
    model: CHAIN,
    units: [],
    skips: { subgraph: "neither its inputs nor its outputs are named" },
  },
  {
    name: "an input that is needed too",
    model: `input x float32 [2] input u float32 [2] a = Relu(x) y = Add(a, u) output y float32 [2]`,
    params: { from: "a", to: "y" },
    units: [],
    skips: { u: "y also needs this input; add it to the values to start from" },
  },
  {
    name: "a value that is made by a needed node",
    model: `input x float32 [4] a, b = Split(x) { axis: 0 } y = Add(a, b) output y float32 [2]`,
    params: { from: "x, a", to: "y" },
    units: [],
    skips: { a: 'Split "a", which is needed, makes it too' },
  },
  {
    name: "an input that is an output",
    model: CHAIN,
    params: { from: "b", to: "b, y" },
    units: [],
    skips: { b: "both an input and an output" },
  },
]);

test("edit.extract: names that are no values are told what they are", () => {
  const model = modelFromText(`input x float32 [3] input k bool [] p = Relu(x) { name: "act" }
    y = If(k) { then_branch: graph { a = Exp(p) output a float32 [3] }, else_branch: graph { b = Neg(p) output b float32 [3] } }
    output y float32 [3]`);
  const reason = (name: string): string => {
    const answer = planExtraction(model, [], [name]);
    return "reason" in answer ? answer.reason : "";
  };
  assert.match(reason("a"), /inside a body/);
  assert.match(reason("act"), /a node's name, not a value's; its output is "p"/);
  assert.match(reason("nothing"), /no such value/);
});
