import assert from "node:assert/strict";
import { test } from "node:test";
import { applySteps } from "../../../src/core/draft.ts";
import { mainGraph } from "../../../src/core/model.ts";
import { renaming } from "../../../src/transforms/edit/lib/pattern.ts";
import rename from "../../../src/transforms/edit/rename.ts";
import { nodesAsText } from "../../helpers/graphText.ts";
import { testTechnique } from "../../helpers/harness.ts";
import { modelFromText } from "../../core/modelText.ts";

const MODEL = `input x float32 [2, 4] fc.w = float32 [4, 4] normal fc.b = float32 [4] normal
  a = MatMul(x, fc.w) { name: "first" } c = Add(a, fc.b) { name: "second" } y = Relu(c) output y float32 [2, 4]`;

testTechnique(rename, [
  {
    name: "tensors by pattern",
    model: MODEL,
    params: { what: "tensors", from: "fc.*", to: "layers.0.*" },
    units: ["fc.w", "fc.b"],
    skips: {},
    nodes: ["a = MatMul(x, layers.0.w)", "c = Add(a, layers.0.b)", "y = Relu(c)"],
    tensors: ["layers.0.w float32 [4, 4]", "layers.0.b float32 [4]"],
  },
  {
    name: "a prefix once",
    model: MODEL,
    params: { what: "tensors", from: "*", to: "m.*" },
    units: ["fc.w", "fc.b"],
    tensors: ["m.fc.w float32 [4, 4]", "m.fc.b float32 [4]"],
  },
  {
    name: "nodes",
    model: MODEL,
    params: { what: "nodes", from: "first", to: "fc/MatMul" },
    units: ["first"],
    check: (model) => assert.equal(mainGraph(model).nodes[0]?.name, "fc/MatMul"),
  },
  {
    name: "a result in between, seen from branches",
    model: `input x float32 [3] input k bool [] p = Relu(x)
      y = If(k) { then_branch: graph { a = Exp(p) output a float32 [3] }, else_branch: graph { b = Neg(p) output b float32 [3] } }
      z = Sqrt(p) output y float32 [3] output z float32 [3]`,
    params: { from: "p", to: "hidden" },
    units: ["p"],
    check: (model) =>
      assert.deepEqual(nodesAsText(model.graphs.get(JSON.stringify(["y", "else_branch"]))!), [
        "b = Neg(hidden)",
      ]),
  },
  {
    name: "names that are taken, and branches that are found by one",
    model: `input x float32 [3] input k bool [] a1 = Relu(x) b1 = Exp(a1)
      a2 = If(k) { then_branch: graph { t = Exp(b1) output t float32 [3] }, else_branch: graph { e = Neg(b1) output e float32 [3] } }
      y = Sqrt(a2) output y float32 [3]`,
    params: { from: "a*", to: "b*" },
    units: [],
    skips: { a1: '"b1" is taken', a2: "its branches are found" },
  },
  {
    name: "tensors of a safetensors file",
    format: "safetensors",
    model: "model.w = float32 [4] ones model.b = float32 [4] zeros",
    params: { from: "model.*", to: "*" },
    units: ["model.w", "model.b"],
    tensors: ["w float32 [4]", "b float32 [4]"],
  },
  {
    name: "what names nothing",
    model: MODEL,
    params: { from: "nothing", to: "else" },
    units: [],
    skips: { nothing: "no values are left" },
  },
  { name: "no pattern", model: MODEL, units: [], skips: { names: "no name or pattern" } },
]);

test("edit.rename: inputs and outputs, the model's own interface", () => {
  const model = modelFromText(MODEL);
  for (const [what, from, to] of [
    ["inputs", "x", "pixels"],
    ["outputs", "y", "scores"],
  ] as const) {
    const { units } = rename.plan(model, { what, from, to });
    assert.deepEqual(
      units.map((unit) => unit.detail),
      [`→ ${to}`],
    );
    const after = mainGraph(applySteps(model, [{ kind: "rename", graph: [], from, to }]));
    assert.deepEqual(after[what], [to]);
    assert.ok(after.values.has(to) && !after.values.has(from));
  }
});

test("edit.rename: patterns", () => {
  const apply = (from: string, to: string, name: string): string | null => {
    const rule = renaming(from, to);
    return typeof rule === "string" ? rule : rule.apply(name);
  };
  assert.equal(apply("a.*.w*", "*/weight*", "a.0.w1"), "0/weight1");
  assert.equal(apply("a*", "*", "abc"), "bc");
  assert.equal(apply("*", "m.*", "m.a"), null);
  assert.equal(apply("a.b", "x", "aXb"), null);
  assert.equal(apply("a", "*", "a"), '"*" has 1 stars, "a" has only 0');
});
