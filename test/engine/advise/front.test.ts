import assert from "node:assert/strict";
import { test } from "node:test";
import {
  gentlestWithin,
  paretoFront,
  smallestWithin,
  type Choice,
} from "../../../src/engine/advise/front.ts";
import { randomSource } from "../../helpers/random.ts";

function everyCombination(layers: readonly (readonly Choice[])[]): Choice[] {
  return layers.reduce<Choice[]>(
    (all, choices) =>
      all.flatMap((one) =>
        choices.map(({ bytes, damage }) => ({
          bytes: one.bytes + bytes,
          damage: one.damage + damage,
        })),
      ),
    [{ bytes: 0, damage: 0 }],
  );
}

test("the front is that of all combinations", () => {
  const next = randomSource(4);
  for (let round = 0; round < 20; round++) {
    const layers = Array.from({ length: 1 + Math.floor(next() * 6) }, () =>
      Array.from({ length: 1 + Math.floor(next() * 4) }, () => ({
        bytes: Math.floor(next() * 50),
        damage: Math.floor(next() * 50) / 64,
      })),
    );
    const { points, exact } = paretoFront(layers);
    assert.ok(exact);
    const all = everyCombination(layers);
    for (const budget of [0, 0.1, 0.5, 1, 3]) {
      const best = Math.min(...all.filter((c) => c.damage <= budget).map((c) => c.bytes));
      const found = smallestWithin({ points, exact }, budget);
      assert.equal(found?.bytes ?? Infinity, best);
    }
    for (const bytes of [0, 20, 80, 200]) {
      const best = Math.min(...all.filter((c) => c.bytes <= bytes).map((c) => c.damage));
      assert.equal(gentlestWithin({ points, exact }, bytes)?.damage ?? Infinity, best);
    }
    for (const { picks, bytes } of points)
      assert.equal(
        picks.reduce((sum, pick, i) => sum + layers[i]![pick]!.bytes, 0),
        bytes,
      );
  }
});

test("a large front is thinned, its ends stay", () => {
  const next = randomSource(9);
  const layers = Array.from({ length: 200 }, () =>
    Array.from({ length: 4 }, () => ({ bytes: Math.floor(next() * 1e6), damage: next() })),
  );
  const { points, exact } = paretoFront(layers);
  assert.equal(exact, false);
  const least = layers.reduce((sum, choices) => sum + Math.min(...choices.map((c) => c.bytes)), 0);
  assert.equal(points[0]!.bytes, least);
  for (const [i, point] of points.entries())
    if (i > 0)
      assert.ok(point.damage < points[i - 1]!.damage && point.bytes > points[i - 1]!.bytes);
});

test("a way that does not work is never picked", () => {
  const { points } = paretoFront([
    [
      { bytes: 10, damage: 0 },
      { bytes: 0, damage: Infinity },
    ],
  ]);
  assert.deepEqual(
    points.map(({ picks }) => picks),
    [[0]],
  );
});
