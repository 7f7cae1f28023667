import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { dropLimitText, judgeDrop } from "../../src/shared/dropLimit.ts";
import type { EvalResult, PairedQuality } from "../../src/shared/protocol.ts";

const evaluated = { metric: "top1", n: 1200 } as EvalResult;
const quality = (dropLow: number, drop: number, dropHigh: number): PairedQuality => ({
  before: evaluated,
  after: evaluated,
  drop,
  dropLow,
  dropHigh,
  dropUnit: "points",
  units: 1200,
  mcnemar: null,
  kl: null,
  agreement: null,
});

describe("a limit of a drop", () => {
  it("holds only with the whole interval", () => {
    assert.equal(judgeDrop(quality(-0.002, 0.001, 0.01), 0.01), "within");
    assert.equal(judgeDrop(quality(-0.002, 0.001, 0.0101), 0.01), "not shown");
    assert.equal(judgeDrop(quality(0.02, 0.03, 0.04), 0.01), "exceeded");
    assert.equal(judgeDrop(quality(0.01, 0.02, 0.03), 0.01), "not shown");
    assert.equal(judgeDrop(quality(-0.01, -0.005, 0), 0), "within");
  });

  it("is not met by what is no number", () => {
    assert.equal(judgeDrop(quality(NaN, NaN, NaN), 1), "not shown");
    assert.equal(judgeDrop(quality(Infinity, Infinity, Infinity), 1), "exceeded");
  });

  it("is said with what was allowed and what the samples show", () => {
    assert.equal(dropLimitText(quality(0, 0, 0.004), 0.005), "within the allowed 0.50 points");
    assert.equal(
      dropLimitText(quality(0.02, 0.03, 0.04), 0.01),
      "more than the allowed 1.00 points",
    );
    assert.match(
      dropLimitText(quality(0, 0.01, 0.024), 0.02),
      /^not shown to be within the allowed 2\.00 points: on 1,200 samples it may be up to 2\.40 points/,
    );
  });
});
