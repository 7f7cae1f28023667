/** Candidates made of several ways, from damages that are given. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { candidatesFor } from "../../../src/engine/advise/candidates.ts";
import type { Layer, Option, Way } from "../../../src/engine/advise/menu.ts";

const way = (label: string, bits: number, refines: string | null): Way => ({
  label,
  entry: { transform: "quantize.static", params: { bits } },
  alongside: ["add"],
  refines,
});

/** Four layers of 1,000 bytes in 8 bit; the first three in 4 bit too, where the first bears it least. */
function scene(refines: string | null): Parameters<typeof candidatesFor>[0] {
  const eight = way("8 bit", 8, null);
  const four = way("4 bit", 4, refines);
  const layers = ["a", "b", "c", "d"].map((name): Layer => {
    const options: Option[] = [];
    const layer = { name, bytes: 1000, options };
    options.push({ way: eight, layer, unit: name, savedBytes: 750 });
    if (name !== "d") options.push({ way: four, layer, unit: name, savedBytes: 875 });
    return layer;
  });
  const units = layers.map(({ name }) => ({ name }));
  return {
    before: [],
    ways: [
      { way: eight, units },
      { way: four, units },
    ],
    layers,
    damages: { of: [[0.1, 9], [0.1, 0.4], [0.1, 0.3], [0.1]], skipped: [] },
    alternatives: [],
  };
}

test("a refinement takes the layers that bear it, as far as the budget goes, in an entry of its own", () => {
  const { candidates } = candidatesFor(scene("quantize.static"), 1, null);
  const mixed = candidates.filter(({ entries }) => entries.length === 2);
  assert.deepEqual(
    mixed.map(({ label, entries, savedBytes }) => [label, entries.map((e) => e.scope), savedBytes]),
    [
      [
        "8 bit (2 layers), 4 bit (2 layers)",
        [
          ["a", "d", "add"],
          ["b", "c"],
        ],
        3250,
      ],
    ],
    "what goes alongside goes once",
  );
  const alone = candidates.filter(({ label }) => label.startsWith("4 bit"));
  assert.deepEqual(alone, [], "no way of its own");
});

test("where a size is asked for, the smaller way is one of its own", () => {
  const { candidates } = candidatesFor(scene(null), 1, 3300);
  const smallest = Math.max(...candidates.map(({ savedBytes }) => savedBytes));
  assert.equal(smallest, 3 * 875 + 750);
});
