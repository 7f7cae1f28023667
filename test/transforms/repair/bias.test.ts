import assert from "node:assert/strict";
import { test } from "node:test";
import bias from "../../../src/transforms/repair/bias.ts";
import { testTechnique } from "../../helpers/harness.ts";
import { done, entry, NET, tryRecipe } from "./recipes.ts";

testTechnique(bias, [
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

for (const target of ["original", "local"])
  test(`means come back (${target})`, async () => {
    const prune = entry("prune.magnitude", { sparsity: 0.7 });
    const before = await tryRecipe(NET, prune);
    const after = await tryRecipe(NET, prune, entry("repair.bias", { target }));
    // A MatMul of two dimensions and a Conv without bias get one.
    assert.deepEqual(done(after.changes[1]), ["c1", "c2", "l1", "l2"]);
    assert.ok(after.meanError < 0.5 * before.meanError, `${before.meanError} → ${after.meanError}`);
    assert.ok(after.error < before.error, `${before.error} → ${after.error}`);
  });
