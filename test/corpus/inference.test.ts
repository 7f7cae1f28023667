/** The rules of shape inference, and validation, against ONNX's own test collection. */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import type { Model } from "../../src/core/model.ts";
import { readModel } from "../../src/formats/index.ts";
import { memorySource } from "../../src/formats/wire.ts";
import { NO_SIBLINGS } from "../formats/make.ts";
import { verdictOn } from "../helpers/verdict.ts";
import { corpusCases, corpusMissing, wholeCorpus, type CorpusCase } from "./cases.ts";
import { checkInference, plus, ZERO, type InferenceCheck } from "./inference.ts";

/** Models whose sizes follow from the elements of their inputs in ways that no rule computes. */
const BY_DATA =
  /image_decoder|\/test_loop|nonmaxsuppression|range_bfloat16|string_split|strn|unique|sequence_model1/;

describe("inference over the corpus", { skip: corpusMissing }, () => {
  let models: readonly (readonly [CorpusCase, Model])[] = [];
  before(() => {
    models = corpusCases().map((one) => [
      one,
      readModel(memorySource(`/${one.name}.onnx`, one.model), NO_SIBLINGS),
    ]);
  });

  const check = (withData: boolean, skip?: RegExp): InferenceCheck => {
    let all = ZERO;
    for (const [one, model] of models) {
      if (skip?.test(one.name)) continue;
      const found = checkInference(model, one, withData);
      const named = (text: string): string => `${one.name}: ${text}`;
      all = plus(all, {
        ...found,
        mistakes: found.mistakes.map(named),
        unknown: found.unknown.map(named),
      });
    }
    return all;
  };

  it("says nothing false, from declared inputs alone", (t) => {
    const { mistakes, outputs, known } = check(false);
    t.diagnostic(`${known} of ${outputs} outputs are known whole`);
    assert.deepEqual(mistakes, []);
    // The others are told by the elements of an input: the target of a Reshape, the axes of a sum.
    assert.ok(known >= outputs * (wholeCorpus ? 0.84 : 0.7), `${known} of ${outputs}`);
  });

  it("knows every size that follows from small inputs too", (t) => {
    const { mistakes, unknown, outputs } = check(true, BY_DATA);
    t.diagnostic(`${outputs} outputs`);
    assert.deepEqual([...mistakes, ...unknown], []);
  });

  it("finds nothing to say against models that the ONNX checker accepts", () => {
    for (const [{ name }, model] of models) {
      const { full, findings } = verdictOn(() => model);
      assert.ok(full, `${name}: ${findings.map(({ message }) => message).join(" ")}`);
    }
  });
});
