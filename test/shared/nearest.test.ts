import assert from "node:assert/strict";
import { it } from "node:test";
import { nearest } from "../../src/shared/failure.ts";

it("the nearest known name is found within a third of the length, and no later than in time", () => {
  assert.equal(nearest("MatMull", ["Mul", "MatMul", "MatMulInteger"]), "MatMul");
  assert.equal(nearest("wieght", ["bias", "Weight"]), "Weight");
  assert.equal(nearest("xyz", ["abc"]), null);
  assert.equal(nearest("abc", ["abd", "abc"]), "abc");
  assert.equal(nearest("kitten", ["sitting"]), null);
  assert.equal(nearest("kittens-", ["sitting-"]), null);
  assert.equal(nearest("kitten ten", ["sitting ten"]), "sitting ten");
  // Names that no one types are not compared: 2,000 of 5,000 letters took 12 seconds.
  assert.equal(nearest("a".repeat(5000), ["a".repeat(4999)]), null);
});
