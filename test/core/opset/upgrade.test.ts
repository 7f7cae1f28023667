/** What onnxruntime does not run any more (before 7), and the answers other techniques ask for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mainGraph, type Model } from "../../../src/core/model.ts";
import { canUpgrade, upgradeOpset } from "../../../src/core/opset/upgrade.ts";
import { beginTransaction } from "../../../src/core/transaction.ts";
import { nodesAsText } from "../../helpers/graphText.ts";
import { modelFromText } from "../modelText.ts";

const noSink = { write: () => Promise.reject(new Error("only small constants are added")) };

async function upgraded(text: string, target = 21): Promise<Model> {
  const tx = beginTransaction(modelFromText(text), noSink);
  assert.deepEqual(await upgradeOpset(tx, target), []);
  return tx.finish();
}
async function becomes(text: string, nodes: readonly string[], target = 21): Promise<Model> {
  const model = await upgraded(text, target);
  assert.deepEqual(nodesAsText(mainGraph(model)), nodes);
  assert.equal(model.opsets.get(""), target);
  return model;
}

test("broadcasting along an axis", async () => {
  const text = `opset 6 ir 3 input x float32 [2, 6, 4, 4] b = float32 [6] normal
    y = Add(x, b) { broadcast: 1, axis: 1 } z = Mul(y, b) { broadcast: 1, axis: 1 } output z float32 [2, 6, 4, 4]`;
  const model = await becomes(text, [
    "b_unsqueezed = Unsqueeze(b, axes)",
    "y = Add(x, b_unsqueezed)",
    "b_unsqueezed_1 = Unsqueeze(b, axes)",
    "z = Mul(y, b_unsqueezed_1)",
  ]);
  assert.deepEqual(Object.keys(mainGraph(model).nodes[1]?.attrs ?? {}), []);
});
test("slopes per channel", async () => {
  await becomes(
    `opset 6 ir 3 input x float32 [2, 6, 4] s = float32 [6] normal y = PRelu(x, s) output y float32 [2, 6, 4]`,
    ["s_unsqueezed = Unsqueeze(s)", "y = PRelu(x, s_unsqueezed)"],
    7,
  );
});
test("shapes, types and sides told by attributes", async () => {
  await becomes(
    `opset 1 ir 3 input x float32 [1, 2, 3, 3] a = Reshape(x) { shape: [1, 2, 9], consumed_inputs: [0] }
     b = Cast(a) { to: "FLOAT16" } c = Upsample(x) { width_scale: 2.0, height_scale: 2.0 }
     d = Pad(a) { paddings: [0, 0, 1, 0, 0, 1] } output b float16 [1, 2, 9] output c float32 [1, 2, 6, 6] output d float32 [1, 2, 11]`,
    ["a = Reshape(x, shape)", "b = Cast(a)", "c = Resize(x, , scales)", "d = Pad(a, pads)"],
  );
});

const refusals = (text: string, target = 21): Record<string, string> =>
  Object.fromEntries(
    canUpgrade(modelFromText(text), target).map(({ name, reason }) => [name, reason]),
  );
test("refusals name the node and the operator", async () => {
  const text = `opset 6 ir 3 input x float32 [2, 3] input u float32 a = Affine(x) { alpha: 2.0 }
    b = Dropout(x) c = Add(u, x) { broadcast: 1, axis: 1 } d = com.example.Thing(x)
    output a float32 [2, 3] output b float32 [2, 3] output c float32 [2, 3] output d float32 [2, 3]`;
  const found = refusals(text);
  assert.deepEqual(Object.keys(found), ["a", "b", "c"]);
  assert.match(found["a"] ?? "", /^Affine: an experimental operator/);
  assert.match(found["b"] ?? "", /training mode/);
  assert.match(found["c"] ?? "", /ranks of its inputs are not known/);

  const tx = beginTransaction(modelFromText(text), noSink);
  assert.equal((await upgradeOpset(tx, 21)).length, 3);
  assert.deepEqual(tx.takeSteps(), []);
});
test("an operator set beyond what is known", () => {
  const found = refusals("opset 21 input x float32 [1] y = Relu(x) output y float32 [1]", 99);
  assert.match(found["operator set"] ?? "", /known here/);
});
test("nothing stands in the way of a model that is there already", () => {
  assert.deepEqual(
    refusals("opset 7 input x float32 [1] y = Affine(x) output y float32 [1]", 7),
    {},
  );
});
test("names stay free of every graph's names", async () => {
  const model =
    await upgraded(`opset 11 input x float32 [2, 3] input c bool [] axes = float32 [1] ones
    y = If(c) { then_branch: graph { shape = Softmax(x) { axis: 0 } output shape float32 [2, 3] },
                else_branch: graph { e = Mul(x, axes) output e float32 [2, 3] } }
    z = Unsqueeze(y) { axes: [0] } output z float32 [1, 2, 3]`);
  const names = [...model.graphs.values()].flatMap((g) => [
    ...g.tensors.keys(),
    ...g.nodes.flatMap((n) => n.outputs),
  ]);
  assert.equal(new Set(names).size, names.length, names.join());
});
