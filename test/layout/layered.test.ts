/** The layered layout against what any drawing of a graph must hold, and counts that can be worked out by hand. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DEFAULTS, layered, type LayoutBox, type LayoutEdge } from "../../src/layout/layered.ts";
import { randomSource } from "../helpers/random.ts";

const boxes = (count: number, width = 60, height = 30): LayoutBox[] =>
  Array.from({ length: count }, () => ({ width, height, pin: 0 as const }));
const edges = (...pairs: readonly (readonly [number, number])[]): LayoutEdge[] =>
  pairs.map(([from, to]) => ({ from, to, always: false }));

function assertApart(list: readonly LayoutBox[], { x, y }: ReturnType<typeof layered>): void {
  for (let a = 0; a < list.length; a++)
    for (let b = a + 1; b < list.length; b++) {
      const beside =
        x[a]! + list[a]!.width <= x[b]! + 1e-6 || x[b]! + list[b]!.width <= x[a]! + 1e-6;
      const above =
        y[a]! + list[a]!.height <= y[b]! + 1e-6 || y[b]! + list[b]!.height <= y[a]! + 1e-6;
      assert.ok(beside || above, `boxes ${a} and ${b} overlap`);
    }
}

function randomDag(nodes: number, seed: number): LayoutEdge[] {
  const next = randomSource(seed);
  return Array.from({ length: nodes - 1 }, (_, i) => i + 1).flatMap((to) =>
    [0, 1].map(() => ({
      from: Math.max(0, to - 1 - Math.floor(next() * 9)),
      to,
      always: false,
    })),
  );
}

describe("layered", () => {
  it("puts a chain into one straight column", () => {
    const list = boxes(5);
    const { x, y, routes } = layered(list, edges([0, 1], [1, 2], [2, 3], [3, 4]));
    for (let i = 1; i < 5; i++) {
      assert.ok(Math.abs(x[i]! - x[0]!) < 1e-6);
      assert.ok(y[i]! >= y[i - 1]! + 30 + DEFAULTS.rowGap - 1e-6);
    }
    assert.equal(routes.filter((route) => route === null).length, 0);
  });
  it("draws a tree and a diamond without crossings, K3,3 with the fewest there are in two rows", () => {
    const tree = edges([0, 1], [0, 2], [1, 3], [1, 4], [2, 5], [2, 6], [0, 7]);
    assert.equal(layered(boxes(8), tree).crossings, 0);
    assert.equal(layered(boxes(4), edges([0, 1], [0, 2], [1, 3], [2, 3])).crossings, 0);
    const k33 = [0, 1, 2].flatMap((a) => [3, 4, 5].map((b) => [a, b] as const));
    // Complete bipartite with parts of n and m in two rows: n(n−1)m(m−1)/4 crossings in any order.
    assert.equal(layered(boxes(6), edges(...k33)).crossings, 9);
  });
  it("never lets boxes overlap, of whatever size, and points every edge downwards", () => {
    for (const seed of [1, 2, 3]) {
      const next = randomSource(seed + 10);
      const list = boxes(120).map((box) => ({
        ...box,
        width: 20 + Math.floor(next() * 200),
        height: 20 + Math.floor(next() * 300),
      }));
      const dag = randomDag(120, seed);
      const layout = layered(list, dag);
      assertApart(list, layout);
      for (const { from, to } of dag)
        assert.ok(layout.y[from]! + list[from]!.height <= layout.y[to]!, `${from} above ${to}`);
      for (let v = 0; v < 120; v++) {
        assert.ok(layout.x[v]! >= -1e-6 && layout.x[v]! + list[v]!.width <= layout.width + 1e-6);
        assert.ok(layout.y[v]! >= 0 && layout.y[v]! + list[v]!.height <= layout.height + 1e-6);
      }
    }
  });
  it("leads long edges past the boxes between", () => {
    const list = boxes(6, 200, 60);
    const chain = edges([0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [0, 5]);
    const { x, y, routes } = layered(list, chain);
    const long = routes[5]!;
    for (const point of long.slice(1, -1))
      for (let v = 1; v < 5; v++) {
        const inside =
          point.x > x[v]! && point.x < x[v]! + 200 && point.y > y[v]! && point.y < y[v]! + 60;
        assert.ok(!inside, `the edge passes through box ${v}`);
      }
  });
  it("draws no line over too many rows, unless it must", () => {
    const rows = DEFAULTS.maxSpan + 3;
    const chain = Array.from({ length: rows - 1 }, (_, i) => [i, i + 1] as const);
    const list = boxes(rows);
    const far = { from: 0, to: rows - 1 };
    const { routes } = layered(list, [
      ...edges(...chain),
      { ...far, always: false },
      { ...far, always: true },
    ]);
    assert.equal(routes.at(-2), null);
    assert.ok(routes.at(-1));
  });
  it("keeps pinned boxes in the first and last row", () => {
    const list: LayoutBox[] = boxes(6).map((box, i) => ({
      ...box,
      pin: i === 4 ? -1 : i === 5 ? 1 : 0,
    }));
    const { y } = layered(list, edges([0, 1], [1, 2], [2, 3], [4, 3], [0, 5]));
    for (let v = 0; v < 4; v++) {
      assert.ok(y[4]! < y[v]!);
      assert.ok(y[5]! > y[v]!);
    }
  });
  it("survives cycles, loops and doubled edges, and draws each from its source", () => {
    const list = boxes(4);
    const layout = layered(list, edges([0, 1], [1, 2], [2, 0], [3, 3], [0, 1]));
    assertApart(list, layout);
    const back = layout.routes[2]!;
    assert.ok(back[0]!.y > back.at(-1)!.y, "from the lower box to the upper");
    assert.equal(layout.routes[3], null);
  });
  it("lays unconnected parts out beside each other", () => {
    const list = boxes(7);
    const layout = layered(list, edges([0, 1], [1, 2], [3, 4]));
    assertApart(list, layout);
    assert.ok(layout.height < 4 * 30 + 3 * DEFAULTS.rowGap);
  });
  it("gives the same picture for the same graph, and nothing for nothing", () => {
    const dag = randomDag(80, 5);
    assert.deepEqual(layered(boxes(80), dag), layered(boxes(80), dag));
    assert.equal(layered([], []).width, 0);
  });
  it("lays 5,000 nodes of a random graph out in a few seconds at most", () => {
    const started = performance.now();
    layered(boxes(5000), randomDag(5000, 9));
    const ms = performance.now() - started;
    console.log(`layout of 5,000 random nodes: ${ms.toFixed(0)} ms`);
    assert.ok(ms < 15_000, `${ms} ms`);
  });
});
