/**
 * Every model of the collection, written anew in full: onnxruntime accepts the result exactly when
 * it accepted the original, and gives the same outputs to the last bit.
 */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { corpusCases, corpusMissing, wholeCorpus } from "./cases.ts";
import { verdictsOf, type Verdict } from "./runtime.ts";

describe("the test collection written anew", { skip: corpusMissing }, () => {
  const names = corpusCases().map(({ name }) => name);
  let verdicts: ReadonlyMap<string, Verdict> = new Map();
  before(async () => {
    verdicts = await verdictsOf(names);
  });
  for (const name of names)
    it(name, () => {
      const verdict = verdicts.get(name);
      assert.ok(verdict);
      const { refusal, written, notRun } = verdict;
      assert.equal(written.length, 2, notRun ?? "");
      for (const one of written) {
        assert.equal(one.refusal === null, refusal === null, `${one.way}: ${one.refusal}`);
        assert.equal(one.difference, null, `${one.way}: ${one.difference}`);
      }
      if (wholeCorpus && notRun !== null) console.log(`not run ${name}: ${notRun}`);
    });
});
