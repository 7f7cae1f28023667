import assert from "node:assert/strict";
import outliers from "../../../src/analyzers/redundancy/outliers.ts";
import { ofHistogram, ofWeight } from "../../../src/analyzers/redundancy/lib/tails.ts";
import { test } from "node:test";
import type { Tensor } from "../../../src/core/model.ts";
import type { Reading } from "../../../src/core/rows.ts";
import { dtype } from "../../../src/shared/dtype.ts";
import { testAnalyzer, valueOf } from "../../helpers/analyzers.ts";
import { gaussian } from "../../helpers/random.ts";

testAnalyzer(outliers, [
  {
    name: "normal weights are not unusual: kurtosis 3",
    model: `
opset 17
input x float32 [2, 64]
w = float32 [64, 128] normal
y = MatMul(x, w)
output y float32 [2, 128]
`,
    check: (report) => {
      assert.ok(Math.abs(valueOf(report, "y", "kurtosis")! - 3) < 0.3);
      assert.match(report.findings[0]!, /No weight is unusual/);
      assert.deepEqual(
        report.metrics.map(({ id }) => id),
        ["kurtosis", "tail", "imbalance"],
      );
    },
  },
  {
    name: "with data, an input channel that is far larger than the others is found",
    model: `
opset 17
input x float32 [batch, 16]
w = float32 [16, 64] normal
h = MatMul(x, w)
r = Relu(h)
v = float32 [64, 8] normal
y = MatMul(r, v)
output y float32 [batch, 8]
`,
    data: {
      inputs: {
        x: {
          shape: [64, 16],
          values: gaussian(64 * 16, 5).map((value, i) => (i % 16 === 3 ? 50 * value : value)),
        },
      },
    },
    check: (report) => {
      assert.ok(valueOf(report, "h", "inputImbalance")! > 20);
      assert.ok(valueOf(report, "h", "inputKurtosis")! > 10);
      assert.ok(valueOf(report, "y", "inputImbalance")! < 10);
      assert.equal(report.metrics.length, 6);
      assert.match(report.findings.join(" "), /unequal channels: h/);
    },
  },
  {
    name: "weights that are not finite, not float or tiny are left out, by name where it matters",
    model: `
opset 17
input x float32 [2, 16]
w = float32 [16, 16] nan
t = float32 [16, 2] normal
h = MatMul(x, w)
y = MatMul(h, t)
output y float32 [2, 2]
`,
    skips: { h: "NaN" },
    check: (report) => assert.deepEqual(report.rows, []),
  },
]);

/** Of a tensor that is read by so many values at a time. */
function tails(values: Float32Array, shape: readonly number[], axis: number, pieceValues = 12) {
  const ctx: Reading = {
    pieceValues,
    checkpoint: () => Promise.resolve(),
    readRowsF32: (_, from, to) => Promise.resolve(values.slice(from, to)),
  };
  const at = new Uint8Array(values.buffer);
  const tensor: Tensor = { name: "w", dtype: dtype("float32"), shape, at, sizeBytes: at.length };
  return ofWeight(ctx, tensor, axis);
}

test("tails of weights in closed form", async () => {
  // Twenty values of ±1 and one of 21: its own row, so its channel's too.
  const values = Float32Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? 1 : -1));
  values[63] = 21;
  const shape = (await tails(values, [8, 8], 0))!;
  assert.equal(shape.imbalance, 21);
  assert.equal(shape.tail, 21);
  assert.equal((await tails(values, [8, 8], 1))!.imbalance, 21);
  assert.ok(shape.kurtosis! > 30);
  const uniform = Float32Array.from({ length: 4001 }, (_, i) => i - 2000);
  assert.ok(Math.abs((await tails(uniform, [4001], 0))!.kurtosis! - 1.8) < 1e-3);
  assert.equal((await tails(new Float32Array(64).fill(2), [8, 8], 0))!.kurtosis, null);
  assert.equal(await tails(Float32Array.of(1, NaN), [2], 0), null);
});

test("the tail is over the 99.9th percentile of magnitudes as sorting gives it", async () => {
  const values = Float32Array.from(gaussian(3001, 5));
  const sorted = values.map(Math.abs).sort();
  const expected = sorted.at(-1)! / sorted[Math.floor(3000 * 0.999)]!;
  for (const pieceValues of [100, 100_000])
    assert.equal((await tails(values, [3001], 0, pieceValues))!.tail, expected);
});

test("tails of activations from a histogram", () => {
  const samples = gaussian(50_000, 3);
  const counts = new Float64Array(2048);
  const [min, max] = [-8, 8];
  for (const x of samples) counts[Math.floor(((x - min) / (max - min)) * 2048)]!++;
  const sampled = { samples: 1, rows: 1, key: "" };
  const shape = ofHistogram(
    { ...sampled, min, max, counts, zeros: 0 },
    { ...sampled, min: Float32Array.of(-1, -1, 0), max: Float32Array.of(1, 1, 30) },
  );
  assert.ok(Math.abs(shape.kurtosis! - 3) < 0.1);
  assert.ok(Math.abs(shape.tail! - 8 / 3.29) < 0.15);
  assert.equal(shape.imbalance, 30);
});
