/** tensors, nodes and node: what tables and the inspector show. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { node } from "../../../src/engine/questions/node.ts";
import { nodes } from "../../../src/engine/questions/nodes.ts";
import { tensors } from "../../../src/engine/questions/tensors.ts";
import type { Entry } from "../../../src/shared/doc.ts";
import type { TensorSort } from "../../../src/shared/protocol.ts";
import { docOf, testEnvironment } from "../../helpers/environment.ts";
import { modelFile, task, tempFolder } from "../../helpers/temp.ts";

const MODEL = `
  input x float32 [batch, 32]
  layer10 = float32 [32, 8] normal
  layer2 = float16 [8] normal
  k = Constant() { value: int64 [3] [1, 2, 3] }
  h = MatMul(x, layer10) { name: "fc" }
  c = Cast(layer2) { to: 1 }
  y = Add(h, c)
  s = Softmax(y) { axis: -1 }
  n = ConstantOfShape(k) { value: float32 [1] [2] }
  output s float32 [batch, 8]
  output n float32 [1, 2, 3]`;
const QUANTIZE: Entry = { transform: "quantize.weightOnly", params: {} };

function ask(t: TestContext, text = MODEL, ...recipe: Entry[]) {
  const folder = tempFolder(t);
  const env = testEnvironment(folder);
  const doc = docOf(modelFile(folder, text), ...recipe);
  return {
    tensors: (sort: TensorSort, descending = false, filter = "", from = 0, to = 100) =>
      tensors({ doc, from, to, sort, descending, filter }, env, task),
    nodes: (filter = "", from = 0, to = 100) => nodes({ doc, from, to, filter }, env, task),
    node: (key: string, graph = "[]") => node({ doc, graph, key }, env, task),
    path: doc.base.path,
  };
}

describe("tensors", () => {
  const names = async (
    t: TestContext,
    ...args: Parameters<ReturnType<typeof ask>["tensors"]>
  ): Promise<string[]> => (await ask(t).tensors(...args)).rows.map((row) => row.name);

  it("come in file order, constants and attributes included", async (t) => {
    assert.deepEqual(await names(t, "order"), ["layer10", "layer2", "k", "n.value"]);
  });
  it("are sorted either way, numbers in names as numbers", async (t) => {
    assert.deepEqual(await names(t, "name"), ["k", "layer2", "layer10", "n.value"]);
    assert.deepEqual(await names(t, "size", true), ["layer10", "k", "layer2", "n.value"]);
    assert.deepEqual(await names(t, "elements"), ["n.value", "k", "layer2", "layer10"]);
    assert.deepEqual(await names(t, "order", true), ["n.value", "k", "layer2", "layer10"]);
  });
  it("are filtered by name and type, and windowed", async (t) => {
    assert.deepEqual(await names(t, "order", false, "LAYER"), ["layer10", "layer2"]);
    assert.deepEqual(await names(t, "order", false, "float16"), ["layer2"]);
    const { total, rows } = await ask(t).tensors("order", false, "", 1, 3);
    assert.equal(total, 4);
    assert.deepEqual(
      rows.map((row) => row.name),
      ["layer2", "k"],
    );
  });
  it("say where they are and who uses them", async (t) => {
    const question = ask(t);
    const [first, , constant, filling] = (await question.tensors("order")).rows;
    assert.equal(first?.file, question.path);
    assert.deepEqual(first.usedBy, ["fc"]);
    assert.equal(first.change, null);
    assert.deepEqual(constant?.usedBy, ["n"]);
    assert.deepEqual(filling?.usedBy, ["n"]);
  });
  it("made by the recipe are new", async (t) => {
    const { rows } = await ask(t, MODEL, QUANTIZE).tensors("order");
    assert.deepEqual(
      rows.map((row) => [row.name, row.change]),
      [
        ["layer2", null],
        ["layer10_q", "new"],
        ["layer10_s", "new"],
        ["layer10_z", "new"],
        ["k", null],
        ["n.value", null],
      ],
    );
  });
  it("of a window stay below the limit of a message", async (t) => {
    const name = "w".repeat(2000);
    const text = Array.from({ length: 600 }, (_, i) => `${name}${i} = float32 [1] ones`).join("\n");
    const question = ask(t, `input x float32 [1]\n${text}\ny = Relu(x)\noutput y float32 [1]`);
    let seen = 0;
    for (;;) {
      const { total, rows } = await question.tensors("order", false, "", seen, 600);
      assert.equal(total, 600);
      assert.ok(JSON.stringify(rows).length < 1e6);
      assert.ok(rows.length > 0);
      seen += rows.length;
      if (seen === total) break;
    }
  });
});

describe("nodes", () => {
  it("are listed in graph order, found by label and operator", async (t) => {
    const question = ask(t);
    const { total, rows } = await question.nodes();
    assert.equal(total, 6);
    assert.deepEqual(rows[1], { graph: "[]", key: "h", label: "fc", op: "MatMul" });
    assert.deepEqual(
      (await question.nodes("softm")).rows.map((row) => row.key),
      ["s"],
    );
    assert.deepEqual(
      (await question.nodes("FC")).rows.map((row) => row.key),
      ["h"],
    );
  });
  it("have types, shapes, attributes and tensors", async (t) => {
    const question = ask(t);
    const view = await question.node("h");
    assert.equal(view.label, "fc");
    assert.deepEqual(view.inputs, [
      { name: "x", dtype: "float32", shape: ["batch", 32] },
      { name: "layer10", dtype: "float32", shape: [32, 8] },
    ]);
    assert.deepEqual(view.outputs, [{ name: "h", dtype: "float32", shape: ["batch", 8] }]);
    assert.deepEqual(
      view.tensors.map((row) => row.name),
      ["layer10"],
    );
    assert.equal(view.change, null);
    assert.deepEqual((await question.node("s")).attributes, [{ name: "axis", value: "-1" }]);
    const filling = await question.node("n");
    assert.deepEqual(filling.attributes, [{ name: "value", value: "float32 [1]" }]);
    assert.deepEqual(
      filling.tensors.map((row) => row.name),
      ["k", "n.value"],
    );
    assert.deepEqual(filling.outputs[0]?.shape, [1, 2, 3]);
  });
  it("changed by the recipe say so", async (t) => {
    const view = await ask(t, MODEL, QUANTIZE).node("h");
    assert.equal(view.op, "MatMulNBits");
    assert.equal(view.change, "replaced");
    assert.deepEqual(view.outputs[0]?.shape, ["batch", 8]);
  });
  it("that are not there are refused", async (t) => {
    const question = ask(t);
    await assert.rejects(question.node("nowhere"), {
      message: /has no node with the output "nowhere"/,
    });
  });
});
