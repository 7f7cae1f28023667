import assert from "node:assert/strict";
import { test } from "node:test";
import batchNorm from "../../../src/transforms/repair/batchNorm.ts";
import { testTechnique } from "../../helpers/harness.ts";
import { done, entry, NET, reasons, tryRecipe } from "./recipes.ts";

testTechnique(batchNorm, [
  {
    name: "on a model as opened the data's own statistics are stored",
    model: NET,
    units: ["n1", "n2"],
    skips: {},
    errorDb: -20,
  },
  {
    name: "shared statistics get copies of their own; training mode is refused",
    model: `input x float32 [8, 4]  s = float32 [4] ones  b = float32 [4] zeros  m = float32 [4] normal  v = float32 [4] ones
      m2 = Identity(m)  a = BatchNormalization(x, s, b, m, v) { name: "a" }  c = BatchNormalization(a, s, b, m2, v) { name: "c" }
      d, e, f = BatchNormalization(c, s, b, m, v) { name: "t", training_mode: 1 }  output d float32 [8, 4]`,
    units: ["a", "c"],
    skips: { t: "training mode" },
    errorDb: -20,
  },
  {
    name: "a channel that never varies has a variance of 0, and keeps it",
    model: `input x float32 [8, 4]  w = float32 [4, 4] zeros  s = float32 [4] ones  b = float32 [4] zeros  m = float32 [4] normal  v = float32 [4] ones
      y = MatMul(x, w)  a = BatchNormalization(y, s, b, m, v) { name: "a" }  c = Add(a, x)  output c float32 [8, 4]`,
    units: ["a"],
    skips: {},
    errorDb: -20,
  },
]);

test("after weights change, the error falls", async () => {
  const prune = entry("prune.magnitude", { sparsity: 0.7 });
  const before = await tryRecipe(NET, prune);
  const after = await tryRecipe(NET, prune, entry("repair.batchNorm"));
  assert.deepEqual(done(after.changes[1]), ["n1", "n2"]);
  assert.ok(after.error < before.error, `${before.error} → ${after.error}`);
});

test("nothing moves where nothing has changed before it", async () => {
  const edit = entry("prune.magnitude", { sparsity: 0.3 });
  const { changes } = await tryRecipe(NET, { ...edit, scope: ["l2"] }, entry("repair.batchNorm"));
  assert.deepEqual(done(changes[1]), []);
  assert.match(reasons(changes[1])["n1"] ?? "", /what they should be/);
});
