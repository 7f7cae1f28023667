/** Pictures: what is visible, where, and how lines pass frames. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mainGraph } from "../../src/core/model.ts";
import { foldGraph, type Group } from "../../src/layout/groups.ts";
import { itemsOf } from "../../src/layout/items.ts";
import { namedLines } from "../../src/layout/boxText.ts";
import { placeView, type PlacedView } from "../../src/layout/view.ts";
import { modelFromText } from "../core/modelText.ts";
import { decoderText, randomText, residualText } from "../helpers/graphs.ts";

function picture(text: string, isOpen: (group: Group) => boolean, fold = true): PlacedView {
  const model = modelFromText(text);
  const items = itemsOf(model, mainGraph(model));
  const { root, shared } = foldGraph(items);
  return placeView({
    root: fold ? root : { ...root, members: items.items.map((_, v) => v) },
    graph: items.graph,
    shared,
    textOf: (member) =>
      typeof member === "number"
        ? { title: items.items[member]!.node?.op ?? items.items[member]!.key, detail: "" }
        : { title: member.title, detail: `${member.size} nodes` },
    valueOf: (item) => items.items[item]!.key,
    captured: () => [],
    isOpen,
  });
}

const all = (): boolean => true;
const none = (): boolean => false;

function assertNested({ boxes, width, height }: PlacedView): void {
  boxes.forEach((box, i) => {
    const around = boxes[box.parent] ?? { x: 0, y: 0, width, height };
    // Two pixels: places are rounded.
    assert.ok(
      box.x >= around.x - 2 &&
        box.y >= around.y - 2 &&
        box.x + box.width <= around.x + around.width + 2 &&
        box.y + box.height <= around.y + around.height + 2,
      `box ${i} (${box.text.title}) lies inside its frame`,
    );
    boxes.slice(i + 1).forEach((other) => {
      if (other.parent !== box.parent) return;
      const apart =
        box.x + box.width <= other.x + 1 ||
        other.x + other.width <= box.x + 1 ||
        box.y + box.height <= other.y + 1 ||
        other.y + other.height <= box.y + 1;
      assert.ok(apart, `${box.text.title} and ${other.text.title} overlap`);
    });
  });
}

/** Every line begins and ends at the edge of its boxes. */
function assertAttached({ boxes, edges }: PlacedView): void {
  for (const { from, to, points } of edges)
    for (const [index, point] of [
      [from, points[0]!],
      [to, points.at(-1)!],
    ] as const) {
      const box = boxes[index]!;
      assert.ok(
        point.x >= box.x - 2 &&
          point.x <= box.x + box.width + 2 &&
          point.y >= box.y - 2 &&
          point.y <= box.y + box.height + 2,
        `a line ends at ${box.text.title}`,
      );
    }
}

describe("a picture", () => {
  const cases: readonly (readonly [string, string, (group: Group) => boolean, boolean])[] = [
    ["a decoder, closed", decoderText({ layers: 8 }), none, true],
    ["a decoder, all open", decoderText({ layers: 8 }), all, true],
    [
      "a decoder, one layer open",
      decoderText({ layers: 8 }),
      ({ title }) => title === "layers" || title === "layers.2",
      true,
    ],
    ["a decoder, unfolded", decoderText({ layers: 8 }), none, false],
    ["a convolutional network, all open", residualText(30), all, true],
    ["a random graph", randomText(300), all, true],
  ];
  for (const [name, text, isOpen, fold] of cases)
    it(`${name}: boxes lie in their frames and apart, lines end at boxes`, () => {
      const view = picture(text, isOpen, fold);
      assertNested(view);
      assertAttached(view);
      assert.deepEqual(view, picture(text, isOpen, fold), "the same twice");
    });

  it("a graph without blocks is cut into parts, none of which stands for a handful of nodes", () => {
    const names = (text: string): string[] =>
      picture(text, none).boxes.map(({ text: { title } }) => title);
    // One long run that nothing cuts, with a few nodes before and behind.
    const tail = Array.from(
      { length: 120 },
      (_, i) => `t${i} = Tanh(${i === 0 ? "y" : `t${i - 1}`})`,
    );
    const text = `${randomText(300).replace("output y float32 [4]", "")}
${tail.join("\n")}
output t119 float32 [4]`;
    for (const title of names(text)) assert.doesNotMatch(title, /^Part 1 of 1$/);
    for (const {
      text: { title, detail },
    } of picture(text, none).boxes)
      if (/^(Part|Main part)/.test(title)) assert.ok(Number(detail.split(" ")[0]) >= 8, detail);
  });

  it("closed shows a layer's box with what feeds all layers by name", () => {
    const view = picture(decoderText({ layers: 8 }), ({ repeats }) => repeats > 0);
    const layer = view.boxes.find((box) => box.text.title === "layers.3");
    assert.deepEqual([...layer!.named].sort(), ["bias", "cos", "sin"]);
    const producer = view.boxes.find((box) => box.text.title === "Cos");
    assert.equal(producer?.usedElsewhere, 8);
    // In the order of the layers from top to bottom.
    const tops = view.boxes.filter((box) => /^layers\.\d/.test(box.text.title)).map((box) => box.y);
    assert.deepEqual(
      tops,
      [...tops].sort((a, b) => a - b),
    );
  });
  it("a residual into an open layer goes on inside its frame", () => {
    const view = picture(
      decoderText({ layers: 8 }),
      ({ title }) => title === "layers" || title === "layers.2",
    );
    const frame = view.boxes.findIndex((box) => box.text.title === "layers.2");
    const before = view.boxes.findIndex((box) => box.text.title === "layers.1");
    const into = view.edges.find((edge) => edge.from === before && edge.to === frame);
    assert.ok(into && !into.arrow);
    const inside = view.edges.filter(
      (edge) => edge.from === frame && view.boxes[edge.to]?.parent === frame,
    );
    // The norm and the residual addition, from the same place of the frame.
    assert.equal(inside.length, 2);
    assert.equal(inside[0]!.points[0]!.x, inside[1]!.points[0]!.x);
    assert.ok(Math.abs(into.points.at(-1)!.x - inside[0]!.points[0]!.x) <= 1);
  });
  it("links say who uses what, by line or by name, and every item has a box", () => {
    const view = picture(decoderText({ layers: 8 }), ({ repeats }) => repeats > 0);
    const of = (title: string) => view.boxes.findIndex((box) => box.text.title === title);
    const has = (a: string, b: string): boolean =>
      view.links.some(([from, to]) => from === of(a) && to === of(b));
    assert.ok(has("layers.0", "layers.1"));
    assert.ok(has("Cos", "layers.7"));
    assert.ok(!has("layers.0", "layers.2"));
    assert.ok(view.boxOf.every((box) => box >= 0));
  });
  it("a closed decoder is a dozen boxes", () => {
    const view = picture(decoderText({ layers: 8 }), none);
    assert.ok(view.boxes.length < 12, `${view.boxes.length} boxes`);
    assert.ok(view.edges.length < 12);
  });
});

describe("named lines", () => {
  it("are three at most, and count the rest", () => {
    assert.deepEqual(namedLines(["a", "b", "c", "d", "e"], 2), [
      "↥ a",
      "↥ b",
      "↥ c",
      "↥ 2 more",
      "↧ 2 by name",
    ]);
    assert.deepEqual(namedLines([], 0), []);
  });
});
