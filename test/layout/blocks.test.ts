/** Repeated blocks, found without names: each node must be in the block of its layer. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mainGraph } from "../../src/core/model.ts";
import { foldGraph, type Group, type Member } from "../../src/layout/groups.ts";
import { itemsOf, type ItemGraph } from "../../src/layout/items.ts";
import { modelFromText } from "../core/modelText.ts";
import { decoderText, randomText, residualText } from "../helpers/graphs.ts";
import { randomSource } from "../helpers/random.ts";

const folded = (text: string) => {
  const model = modelFromText(text);
  const items = itemsOf(model, mainGraph(model));
  return { items, root: foldGraph(items).root };
};
const groups = (group: Group): Group[] =>
  group.members.flatMap((member) =>
    typeof member === "number" ? [] : [member, ...groups(member)],
  );
const leaves = (member: Member): number[] =>
  typeof member === "number" ? [member] : member.members.flatMap(leaves);
const repeatsOf = (root: Group): Group[] =>
  root.members.filter((member) => typeof member !== "number").filter(({ repeats }) => repeats > 0);

/** Nodes of a layer by where its nodes were written: `count` layers of equal length. */
function assertLayers(items: ItemGraph, repeat: Group, text: string, layers: number): void {
  assert.equal(repeat.repeats, layers);
  // The scoped twin of an opaque graph says which layer each node came from.
  const truth = itemsOf(modelFromText(text), mainGraph(modelFromText(text)));
  const layerOf = new Map(
    truth.items.map((item) => [item.key, /layers\.(\d+)\//.exec(item.node?.name ?? "")?.[1]]),
  );
  let right = 0;
  let all = 0;
  repeat.members.forEach((block, b) => {
    for (const v of leaves(block)) {
      all++;
      if (layerOf.get(items.items[v]!.key) === String(b)) right++;
    }
  });
  const expected = [...layerOf.values()].filter((layer) => layer !== undefined).length;
  assert.equal(`${right} of ${all}`, `${expected} of ${expected}`);
}

/** The nodes of the text in another order, each still after what it uses. */
function shuffled(text: string): string {
  const next = randomSource(3);
  const lines = text.split("\n");
  const isNode = (line: string): boolean => / = [A-Z]\w*\(/.test(line);
  const waiting = lines.filter(isNode);
  const made = new Set<string>();
  const all = new Set(waiting.map((line) => line.split(" = ")[0]!));
  const out: string[] = [];
  while (waiting.length > 0) {
    const ready = waiting.flatMap((line, i) => {
      const uses = /\((.*?)\)/.exec(line)![1]!.split(", ");
      return uses.every((name) => !all.has(name) || made.has(name)) ? [i] : [];
    });
    const [line] = waiting.splice(ready[Math.floor(next() * ready.length)]!, 1);
    made.add(line!.split(" = ")[0]!);
    out.push(line!);
  }
  const rest = lines.filter((line) => !isNode(line));
  return [...rest.slice(0, -1), ...out, rest.at(-1)!].join("\n");
}

describe("repeated blocks", () => {
  for (const layers of [4, 12, 60])
    it(`a decoder of ${layers} layers without names is found layer by layer`, () => {
      const { items, root } = folded(decoderText({ layers, names: "opaque" }));
      const [repeat] = repeatsOf(root);
      assert.ok(repeat);
      assertLayers(items, repeat, decoderText({ layers }), layers);
      assert.equal(repeat.kinds, 1);
    });
  it("whatever the order of its nodes", () => {
    const { items, root } = folded(shuffled(decoderText({ layers: 12, names: "opaque" })));
    assertLayers(items, repeatsOf(root)[0]!, decoderText({ layers: 12 }), 12);
  });
  it("layers of two kinds are one repeat that says so", () => {
    const options = { layers: 16, expertsEvery: 4 };
    const { items, root } = folded(decoderText({ ...options, names: "opaque" }));
    const [repeat] = repeatsOf(root);
    assertLayers(items, repeat!, decoderText(options), 16);
    assert.equal(repeat!.kinds, 2);
  });
  it("residual blocks of a convolutional network are found", () => {
    const { root } = folded(residualText(30));
    assert.equal(repeatsOf(root)[0]?.repeats, 30);
  });
  it("nothing is found where nothing repeats", () => {
    assert.deepEqual(repeatsOf(folded(randomText(600)).root), []);
  });
  it("what feeds every layer is named, not drawn", () => {
    const model = modelFromText(decoderText({ layers: 12 }));
    const items = itemsOf(model, mainGraph(model));
    const { shared } = foldGraph(items);
    const names = items.items.filter((_, v) => shared[v]).map((item) => item.key);
    assert.deepEqual(names.sort(), ["bias", "cos", "sin"]);
  });
  it("20,000 nodes are folded in about a second", () => {
    const model = modelFromText(decoderText({ layers: 700, names: "opaque", width: 1 }));
    const items = itemsOf(model, mainGraph(model));
    const started = performance.now();
    const { root } = foldGraph(items);
    const ms = performance.now() - started;
    console.log(`folding ${items.items.length} items: ${ms.toFixed(0)} ms`);
    assert.equal(repeatsOf(root)[0]?.repeats, 700);
    assert.ok(ms < 5000, `${ms} ms`);
  });
});

describe("groups", () => {
  it("hold every item once", () => {
    for (const text of [decoderText({ layers: 6 }), randomText(400), residualText(40)]) {
      const { items, root } = folded(text);
      const seen = leaves(root).sort((a, b) => a - b);
      assert.deepEqual(
        seen,
        items.items.map((_, v) => v),
      );
      const ids = groups(root).map(({ id }) => id);
      assert.equal(new Set(ids).size, ids.length, "ids are unique");
    }
  });
  it("are called by the scopes of their names", () => {
    const { root } = folded(decoderText({ layers: 6 }));
    const [repeat] = repeatsOf(root);
    assert.equal(repeat?.title, "layers");
    const [block] = repeat.members as Group[];
    assert.equal(block?.title, "layers.0");
    assert.deepEqual(
      groups(block).map(({ title }) => title),
      ["attention", "mlp"],
    );
  });
  it("small graphs are not folded", () => {
    assert.equal(groups(folded(residualText(5)).root).length, 0);
  });
  it("a scope that would feed itself through a node outside is split", () => {
    const inside = (from: string, to: string, count: number): string =>
      Array.from(
        { length: count },
        (_, i) =>
          `${to}${i} = Neg(${i === 0 ? from : `${to}${i - 1}`}) { name: "/whole/part/Neg_${to}${i}" }`,
      ).join("\n");
    const { items, root } = folded(`
      input x float32 [4]
      ${inside("x", "a", 60)}
      out = Abs(a59) { name: "/other/Abs" }
      ${inside("out", "b", 60)}
      y = Add(b59, a3) { name: "/whole/part/Add" }
      output y float32 [4]`);
    const unit = new Int32Array(items.items.length);
    root.members.forEach((member, i) => {
      for (const v of leaves(member)) unit[v] = i;
    });
    // No two groups at the top need each other.
    const needs = new Set<string>();
    items.graph.from.forEach((u, e) => {
      const [a, b] = [unit[u]!, unit[items.graph.to[e]!]!];
      if (a !== b) needs.add(`${a} ${b}`);
    });
    for (const need of needs) assert.ok(!needs.has(need.split(" ").reverse().join(" ")), need);
  });
});
