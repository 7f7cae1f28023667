import assert from "node:assert/strict";
import { test } from "node:test";
import type { Batch } from "../../src/data/bind.ts";
import { topK } from "../../src/engine/metrics/classification.ts";
import { decibels, errorMeter, EXACT_DB } from "../../src/engine/metrics/error.ts";
import { bootstrap, bootstrapMedian, quantile, wilson } from "../../src/engine/metrics/interval.ts";
import { perplexity } from "../../src/engine/metrics/perplexity.ts";
import type { HostData, HostTensor } from "../../src/shared/hostTensor.ts";

const near = (actual: number, expected: number, tolerance = 1e-12): void => {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);
};
const outputs = (shape: readonly number[], data: HostData): ReadonlyMap<string, HostTensor> =>
  new Map([["y", { dtype: "float32", shape, data }]]);
const batch = (count: number, more: Partial<Batch>): Batch => ({
  first: 0,
  count,
  rows: count,
  feeds: new Map(),
  labels: null,
  expected: new Map(),
  ...more,
});

test("Wilson's interval, as scipy.stats.binomtest gives it", () => {
  const table: readonly (readonly [number, number, number, number])[] = [
    [0, 10, 0, 0.2775327998628892],
    [3, 10, 0.10779126740630102, 0.6032218525388546],
    [10, 10, 0.7224672001371107, 1],
    [1606, 2000, 0.7849950986603912, 0.8198431706871697],
  ];
  for (const [successes, n, low, high] of table) {
    const interval = wilson(successes, n);
    near(interval.low, low);
    near(interval.high, high);
  }
});

test("bootstrap: the same every time, and as wide as theory says for a mean", () => {
  // 400 values of ±1: standard error 0.05, so ±0.098 about 0.
  const values = Float64Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? 1 : -1));
  const ones = new Float64Array(400).fill(1);
  const mean = ([sum = 0, n = 1]: readonly number[]): number => sum / n;
  const interval = bootstrap([values, ones], mean);
  assert.deepEqual(bootstrap([values, ones], mean), interval);
  near(interval.low, -0.098, 0.008);
  near(interval.high, 0.098, 0.008);
  assert.deepEqual(bootstrapMedian([Float64Array.of(2, 2, 2)]), { low: 2, high: 2 });
  // What differs between groups counts, however alike the values of each are.
  const apart = [1, 2, 3].map((value) => new Float64Array(20).fill(value));
  assert.deepEqual(bootstrapMedian(apart), { low: 1, high: 3 });
});

test("quantile is linear between neighbours", () => {
  assert.equal(quantile(Float64Array.of(1, 2, 4), 0.75), 3);
  assert.equal(quantile(Float64Array.of(5), 0.9), 5);
});

test("top1 and top5: a tie goes to the lower index, padded rows do not count, NaN is wrong and said", () => {
  const meter = topK("y", "data");
  const scores = Float32Array.of(
    ...[0, 1, 1, 0, 0, 0], // label 2: second
    ...[9, 1, 2, 3, 4, 5], // label 0: first
    ...[6, 5, 4, 3, 2, 1], // label 5: sixth
    ...[NaN, NaN, NaN, NaN, NaN, NaN],
    ...[9, 9, 9, 9, 9, 9], // padding
  );
  meter.add(batch(4, { rows: 5, labels: Int32Array.of(2, 0, 5, 1) }), outputs([5, 6], scores));
  const { value, n, also } = meter.result();
  assert.deepEqual([value, n, also], [0.25, 4, { top5: 0.5, nanScores: 1 }]);
  assert.throws(
    () => meter.add(batch(1, { labels: Int32Array.of(6) }), outputs([1, 6], scores.slice(0, 6))),
    /has the label 6, but the model's output has 6 classes/,
  );
});

test("perplexity is exp of the mean negative log-likelihood; uniform logits give the vocabulary", () => {
  const meter = perplexity("y", "model", "data");
  meter.add(
    batch(2, { labels: Int32Array.of(0, 1, 2, 3) }),
    outputs([2, 2, 4], new Float32Array(16)),
  );
  near(meter.result().value, 4);
  assert.equal(meter.result().n, 4);
  const skewed = perplexity("y", "model", "data");
  // Logits far outside what exp can hold.
  skewed.add(
    batch(1, { labels: Int32Array.of(1) }),
    outputs([1, 1, 2], Float32Array.of(1000, 1001)),
  );
  near(skewed.result().value, 1 + Math.exp(-1));
  assert.throws(
    () =>
      skewed.add(
        batch(1, { labels: Int32Array.of(0) }),
        outputs([1, 1, 2], Float32Array.of(NaN, 0)),
      ),
    /the output "y" is NaN for sample 0/,
  );
  assert.throws(
    () =>
      skewed.add(batch(1, { labels: Int32Array.of(0) }), outputs([1, 2], Float32Array.of(1, 0, 3))),
    /has shape \[1, 2\]; a language model gives scores for each of 1 positions/,
  );
});

test("mse, psnr with clipping to [0, 1], and sqnr", () => {
  const expected = new Map([["y", Float64Array.of(0, 0.5, 1, 1)]]);
  const got = outputs([2, 2], Float32Array.of(-1, 0.75, 1, 2));
  const measure = (metric: "mse" | "psnr" | "sqnr"): number => {
    const meter = errorMeter(metric, ["y"], 2, "model");
    meter.add(batch(2, { expected }), got);
    return meter.result().value;
  };
  near(measure("mse"), (1 + 0.0625 + 0 + 1) / 4);
  near(measure("psnr"), 10 * Math.log10(4 / 0.0625));
  near(measure("sqnr"), 10 * Math.log10(2.25 / 2.0625));
  assert.equal(decibels(1, 0), EXACT_DB);
  const meter = errorMeter("mse", ["y"], 1, "model");
  assert.throws(
    () => meter.add(batch(1, { expected }), outputs([1, 3], new Float32Array(3))),
    /the expected output has 4 values per sample, the model gives 3/,
  );
  assert.throws(
    () => meter.add(batch(1, { expected }), outputs([1, 4], new Float32Array(4).fill(NaN))),
    /is NaN/,
  );
});

test("few samples are cut into segments, so that an interval has something to resample", () => {
  const expected = new Map([["y", Float64Array.from({ length: 64 }, (_, i) => i / 64)]]);
  const meter = errorMeter("mse", ["y"], 1, "model");
  meter.add(
    batch(1, { expected }),
    outputs(
      [1, 64],
      Float32Array.from({ length: 64 }, (_, i) => i / 64 + (i % 7) / 10),
    ),
  );
  const { value, low, high } = meter.result();
  assert.ok(low < value && value < high, `${low} < ${value} < ${high}`);
});
