/** Fitted scales of 8-bit rows against a fine search of all scales. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fitRowScales } from "../../src/kernels/quantize/rowScales.ts";
import { gaussian } from "../helpers/random.ts";

const ROWS = 12;
const K = 96;

function errorOf(values: Float32Array, scale: number): number {
  let sum = 0;
  for (const value of values) {
    const code = Math.max(-127, Math.min(127, Math.round(value / scale)));
    sum += (code * scale - value) ** 2;
  }
  return sum;
}
const rowOf = (values: Float32Array, row: number): Float32Array =>
  values.subarray(row * K, (row + 1) * K);
const spanning = (values: Float32Array): Float32Array =>
  Float32Array.from({ length: values.length / K }, (_, row) => {
    const most = Math.max(...rowOf(values, row).map(Math.abs));
    return most > 0 ? most / 127 : 1;
  });

describe("fitRowScales", () => {
  it("is within a few percent of the best of 4,000 scales, and better than the range", () => {
    const values = Float32Array.from(gaussian(ROWS * K, 7));
    const ranges = spanning(values);
    const scales = ranges.slice();
    fitRowScales(values, scales);
    let [fitted, ranged, best] = [0, 0, 0];
    for (let row = 0; row < ROWS; row++) {
      const own = rowOf(values, row);
      const tried = Array.from({ length: 4000 }, (_, i) => ranges[row]! * (0.6 + i * 0.00011));
      const error = errorOf(own, scales[row]!);
      assert.ok(error <= errorOf(own, ranges[row]!), `row ${row}`);
      fitted += error;
      ranged += errorOf(own, ranges[row]!);
      best += Math.min(...tried.map((scale) => errorOf(own, scale)));
    }
    assert.ok(fitted < 0.985 * ranged, `${fitted} against ${ranged}`);
    assert.ok(fitted < 1.1 * best, `${fitted} against ${best}`);
  });

  it("leaves rows of zeros, and rows that their range holds exactly", () => {
    const values = new Float32Array(2 * K);
    for (let i = 0; i < K; i++) values[K + i] = 2 ** -7 * ((i % 255) - 47);
    values[K] = 127 * 2 ** -7;
    const scales = spanning(values);
    fitRowScales(values, scales);
    assert.deepEqual([...scales], [1, 2 ** -7]);
  });
});
