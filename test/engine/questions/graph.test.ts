/** The graph question: levels, parts, subgraphs, changes, and names of reports found in the picture. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, it, type TestContext } from "node:test";
import { graph, graphNames } from "../../../src/engine/questions/graph.ts";
import type { Entry } from "../../../src/shared/doc.ts";
import type { GraphBox, GraphLevel, GraphPart } from "../../../src/shared/graphView.ts";
import { docOf, testEnvironment } from "../../helpers/environment.ts";
import { safetensorsFromText } from "../../helpers/graphText.ts";
import { decoderText, randomText } from "../../helpers/graphs.ts";
import { modelFile, task, tempFolder } from "../../helpers/temp.ts";

type Level = Partial<Omit<GraphLevel, "doc">> & { reveal?: string; part?: number };

function ask(t: TestContext, text: string, ...recipe: Entry[]) {
  const folder = tempFolder(t);
  const env = testEnvironment(folder);
  const doc = docOf(modelFile(folder, text), ...recipe);
  const question = (level: Level = {}): Promise<GraphPart> =>
    graph(
      { doc, graph: "[]", open: "auto", fold: true, reveal: null, part: 0, ...level },
      env,
      task,
    );
  return {
    question,
    whole: async (level: Level = {}) => {
      const first = await question(level);
      const parts = [first];
      for (let part = 1; part < first.parts; part++) parts.push(await question({ ...level, part }));
      return {
        ...first,
        messages: parts.map((part) => Buffer.byteLength(JSON.stringify(part))),
        boxes: parts.flatMap((part) => part.boxes),
        edges: parts.flatMap((part) => part.edges),
        links: parts.flatMap((part) => part.links),
      };
    },
    names: (names: readonly string[], level: Level = {}) =>
      graphNames({ doc, graph: "[]", open: "auto", fold: true, names, ...level }, env, task),
  };
}
const titled = (boxes: readonly GraphBox[], title: string): GraphBox | undefined =>
  boxes.find((box) => box.title === title);

const SMALL = `
  input x float32 [batch, 32]
  w = float32 [32, 8] normal
  k = Constant() { value: int64 [2] [1, 2] }
  q = int8 [8, 4] zeros
  s = float32 [1] [0.5]
  h = MatMul(x, w) { name: "fc" }
  d = DequantizeLinear(q, s) { name: "decode" }
  z = MatMul(h, d) { name: "head" }
  n = ConstantOfShape(k) { name: "filled", value: float32 [1] [2] }
  y = Softmax(z) { axis: -1 }
  output y float32 [batch, 4]
  output n float32 [1, 2]`;

const BRANCHES = `
  input c bool []
  input x float32 [2, 4]
  w = float32 [4, 4] normal
  p = Neg(x) { name: "outside" }
  y = If(c) { name: "choose",
    then_branch: graph { v = float32 [4, 4] normal a = MatMul(p, v) { name: "inner" } b = MatMul(a, w) output b float32 [2, 4] },
    else_branch: graph { e = Identity(p) output e float32 [2, 4] } }
  output y float32 [2, 4]`;

describe("graph", () => {
  it("shows nodes with their weights, inputs and outputs; constants belong to their users", async (t) => {
    const { boxes, nodes, constants } = await ask(t, SMALL).whole();
    assert.deepEqual(
      boxes.map((box) => [box.kind, box.title, box.detail]),
      [
        ["input", "x", "float32 batch×32"],
        ["node", "MatMul", "32×8"],
        ["node", "MatMul", "int8 8×4"],
        ["node", "ConstantOfShape", ""],
        ["node", "Softmax", ""],
        ["output", "y", "float32 batch×4"],
        ["output", "n", "float32 1×2"],
      ],
    );
    assert.equal(nodes, 6);
    assert.equal(constants, 2);
    const [first] = boxes.filter((box) => box.kind === "node");
    assert.equal(first?.name, "fc");
    assert.equal(first.key, "h");
    assert.equal(first.output, "float32 batch×8");
  });
  it("links say what feeds what", async (t) => {
    const { boxes, links, edges } = await ask(t, SMALL).whole();
    const pairs = Array.from({ length: links.length / 2 }, (_, i) =>
      [links[2 * i]!, links[2 * i + 1]!].map((box) => boxes[box]!.key).join(" → "),
    );
    assert.deepEqual(pairs.sort(), ["h → z", "n → n", "x → h", "y → y", "z → y"]);
    assert.equal(edges.length, 5);
    assert.ok(edges.every((edge) => edge.arrow && edge.points.length >= 4));
  });
  it("opens levels: by itself as far as is readable, all, or those named", async (t) => {
    const question = ask(t, decoderText({ layers: 12 }));
    const auto = await question.whole();
    assert.ok(auto.boxes.length < 50, `${auto.boxes.length} boxes`);
    assert.ok(titled(auto.boxes, "layers ×12")?.open);
    const closed = await question.whole({ open: [] });
    assert.equal(closed.open.length, 0);
    assert.equal(titled(closed.boxes, "layers ×12")?.repeats, 12);
    const layers = titled(closed.boxes, "layers ×12")!.id;
    const opened = await question.whole({ open: [layers, "no such group"] });
    assert.deepEqual(opened.open, [layers]);
    assert.ok(titled(opened.boxes, "layers.11"));
    const all = await question.whole({ open: "all" });
    assert.equal(all.open.length, all.groups);
    const flat = await question.whole({ fold: false });
    assert.equal(flat.boxes.filter((box) => box.kind === "group").length, 0);
    assert.equal(
      all.boxes.filter((box) => box.kind === "node").length,
      flat.boxes.filter((box) => box.kind === "node").length,
    );
  });
  it("reveals a node in closed groups, hidden constants by their user", async (t) => {
    const question = ask(t, decoderText({ layers: 12 }));
    const flat = await question.whole({ fold: false });
    const inner = flat.boxes.find((box) => box.name.startsWith("/model/layers.7/mlp/Sigmoid"))!;
    const { boxes, revealed, open } = await question.whole({ open: [], reveal: inner.key });
    assert.equal(boxes[revealed!]?.id, inner.id);
    assert.equal(open.length, 3);
    assert.equal(boxes[boxes[revealed!]!.parent]?.title, "mlp");
    const small = await ask(t, SMALL).whole({ reveal: "d" });
    assert.equal(small.boxes[small.revealed!]?.key, "z");
    assert.equal((await ask(t, SMALL).whole({ reveal: "nothing" })).revealed, null);
  });
  it("enters the bodies of If, with what they take from outside by name", async (t) => {
    const question = ask(t, BRANCHES);
    const main = await question.whole();
    const choose = titled(main.boxes, "If")!;
    assert.deepEqual(
      choose.bodies.map(({ title }) => title),
      ["then_branch", "else_branch"],
    );
    // What a body takes from outside feeds the If.
    const feeds = main.links.flatMap((box, i) =>
      i % 2 === 0 && main.boxes[main.links[i + 1]!] === choose ? [main.boxes[box]!.key] : [],
    );
    assert.deepEqual(feeds.sort(), ["c", "p"]);
    const body = await question.whole({ graph: choose.bodies[0]!.graph });
    assert.deepEqual(
      body.path.map(({ title }) => title.split(" › ").at(-1)),
      ["", "then_branch"].map((title, i) => (i === 0 ? body.path[0]!.title : title)),
    );
    const inner = body.boxes.find((box) => box.name.endsWith("inner"))!;
    assert.deepEqual(inner.lines, ["↥ p"]);
    assert.equal(inner.detail, "4×4");
    // The weight of the outer graph is a weight here too, not a value that comes in.
    assert.deepEqual(body.boxes.filter((box) => box.kind === "node")[1]?.lines, []);
    await assert.rejects(question.whole({ graph: '["no","body"]' }), /no/);
  });
  it("marks what the recipe made and changed, also inside closed groups", async (t) => {
    const recipe: Entry = { transform: "quantize.weightOnly", params: {} };
    const text = decoderText({ layers: 12, width: 64 });
    const before = await ask(t, text).whole({ open: [] });
    assert.ok(before.boxes.every((box) => box.change === null && box.changed === 0));
    const after = await ask(t, text, recipe).whole({ open: [] });
    assert.ok((titled(after.boxes, "layers ×12")?.changed ?? 0) >= 12);
    const flat = await ask(t, text, recipe).whole({ fold: false });
    const made = flat.boxes.filter((box) => box.title === "MatMulNBits");
    assert.ok(made.length > 0);
    assert.ok(made.every((box) => box.change !== null));
    assert.equal(titled(flat.boxes, "Softmax")?.change, null);
  });
  it("finds the boxes that a report's rows mean: nodes, values, weights, nodes of bodies", async (t) => {
    const small = ask(t, SMALL);
    const { boxes } = await small.whole();
    const found = await small.names(["fc", "h", "w", "decode", "q", "x", "nothing"]);
    assert.deepEqual(
      found.boxes.map((list) => list.map((box) => boxes[box]!.key)),
      [["h"], ["h"], ["h"], ["z"], ["z"], ["x"], []],
    );
    const branches = ask(t, BRANCHES);
    const main = await branches.whole();
    const [inner] = (await branches.names(["w"])).boxes;
    assert.deepEqual(
      inner?.map((box) => main.boxes[box]!.title),
      ["If"],
    );
    const decoder = ask(t, decoderText({ layers: 12 }));
    const flat = await decoder.whole({ fold: false });
    const name = flat.boxes.find((box) => box.name.includes("layers.7/mlp"))!.name;
    const folded = await decoder.whole();
    const [layer] = (await decoder.names([name])).boxes;
    assert.equal(folded.boxes[layer![0]!]?.title, "layers.7");
  });
  it("answers 5,000 boxes in parts of less than a message each, the same every time", async (t) => {
    const text = randomText(5000);
    const started = performance.now();
    const first = await ask(t, text).whole({ fold: false });
    console.log(
      `picture of ${first.boxes.length} boxes: ${(performance.now() - started).toFixed(0)} ms, ${first.parts} parts of at most ${Math.max(...first.messages)} bytes`,
    );
    assert.equal(first.boxes.length, 5003);
    assert.ok(first.parts > 1);
    assert.ok(first.messages.every((bytes) => bytes < 1_000_000));
    const again = await ask(t, text).whole({ fold: false });
    assert.deepEqual(again, first);
  });
  it("long names stay within a message", async (t) => {
    const long = "n".repeat(20_000);
    const lines = Array.from(
      { length: 60 },
      (_, i) => `v${i + 1} = Neg(v${i}) { name: "${long}" }`,
    );
    const text = `input v0 float32 [2]\n${lines.join("\n")}\noutput v60 float32 [2]`;
    const { messages } = await ask(t, text).whole();
    assert.ok(messages.every((bytes) => bytes < 1_000_000));
  });
  it("of weights alone is empty", async (t) => {
    const folder = tempFolder(t);
    const file = path.join(folder, "weights.safetensors");
    writeFileSync(file, safetensorsFromText("w = float32 [2, 2] ones"));
    const { boxes, nodes } = await graph(
      { doc: docOf(file), graph: "[]", open: "auto", fold: true, reveal: null, part: 0 },
      testEnvironment(folder),
      task,
    );
    assert.deepEqual([boxes.length, nodes], [0, 0]);
  });
});
