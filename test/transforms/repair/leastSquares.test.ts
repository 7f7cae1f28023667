import assert from "node:assert/strict";
import { test } from "node:test";
import leastSquares from "../../../src/transforms/repair/leastSquares.ts";
import { testTechnique } from "../../helpers/harness.ts";
import { done, entry, NET, reasons, tryRecipe } from "./recipes.ts";

testTechnique(leastSquares, [
  {
    name: "by itself it has nothing to repair, and says so",
    model: NET,
    units: [],
    skips: {
      c1: "those of the original",
      c2: "those of the original",
      l1: "those of the original",
      l2: "those of the original",
    },
    errorDb: Infinity,
  },
]);

test("after channels are removed the error falls", async () => {
  const prune = entry("prune.channels", { amount: 0.4, repair: "none", roundTo: 1 });
  const before = await tryRecipe(NET, prune);
  const after = await tryRecipe(NET, prune, entry("repair.leastSquares"));
  assert.ok(after.error < 0.5 * before.error, `${before.error} → ${after.error}`);
  // The outputs of c2 that are left are found by its bias; nothing tells those of l1 apart.
  assert.deepEqual(done(after.changes[1]), ["c2", "l2"]);
  const { c1, l1 } = reasons(after.changes[1]);
  assert.match(c1 ?? "", /those of the original/);
  assert.match(l1 ?? "", /which 5 of the original's 8 outputs/);
});

test("zeros stay zero, and the error falls", async () => {
  const prune = entry("prune.magnitude", { sparsity: 0.6 });
  const before = await tryRecipe(NET, prune);
  const after = await tryRecipe(NET, prune, entry("repair.leastSquares"));
  assert.ok(after.error < 0.7 * before.error, `${before.error} → ${after.error}`);
  const again = await tryRecipe(NET, prune, entry("repair.leastSquares"), prune);
  assert.match(reasons(again.changes[2])["c1"] ?? "", /zero already/);
});
