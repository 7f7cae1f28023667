import assert from "node:assert/strict";
import spectrum from "../../../src/analyzers/redundancy/spectrum.ts";
import { testAnalyzer, valueOf } from "../../helpers/analyzers.ts";
import { gaussian } from "../../helpers/random.ts";

/** Diagonal entries as given, zeros elsewhere: the singular values are those entries. */
const diagonal = (rows: number, cols: number, entries: readonly number[]): string => {
  const values: string[] = [];
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < cols; j++) values.push(i === j ? String(entries[i] ?? 0) : "0");
  return `float32 [${rows}, ${cols}] [${values.join(", ")}]`;
};

testAnalyzer(spectrum, [
  {
    name: "ranks of known singular values, by hand",
    model: `input x float32 [n, 12] w = ${diagonal(12, 16, [4, 3])} h = MatMul(x, w)
      r = Relu(h) v = ${diagonal(16, 16, new Array<number>(16).fill(2))} y = MatMul(r, v)
      output y float32 [n, 16]`,
    skips: {},
    check: (report) => {
      assert.equal(valueOf(report, "h", "full"), 12);
      // p = 4/7, 3/7; σ² = 16, 9 of 25.
      const entropy = -(4 / 7) * Math.log(4 / 7) - (3 / 7) * Math.log(3 / 7);
      assert.ok(Math.abs(valueOf(report, "h", "effective")! - Math.exp(entropy)) < 1e-6);
      assert.ok(Math.abs(valueOf(report, "h", "stable")! - 25 / 16) < 1e-9);
      assert.equal(valueOf(report, "h", "rank90"), 2);
      assert.equal(valueOf(report, "h", "rank99"), 2);
      assert.equal(valueOf(report, "h", "breakEven"), 6);
      assert.ok(Math.abs(valueOf(report, "h", "kept")! - (2 * 28) / 192) < 1e-9);
      assert.ok(Math.abs(valueOf(report, "y", "effective")! - 16) < 1e-9);
      assert.ok(Math.abs(valueOf(report, "y", "stable")! - 16) < 1e-9);
      assert.equal(valueOf(report, "y", "rank90"), 15);
      assert.match(report.findings[0]!, /1 of 2 layers are smaller as two factors, by 544 bytes/);
      assert.match(report.findings[1]!, /lowrank\.svd with mode=plain/);
      const curve = report.series.find(({ target }) => target === "h")!;
      assert.deepEqual(curve.x.slice(0, 3), [1, 2, 3]);
      assert.ok(Math.abs(curve.y[1]! - 0.75) < 1e-9 && curve.y[0] === 1);
    },
  },
  {
    name: "a random matrix has a flat spectrum, and the finding says what to do instead",
    model: `input x float32 [n, 64] w = float32 [64, 64] normal y = MatMul(x, w) output y float32 [n, 64]`,
    check: (report) => {
      assert.ok(valueOf(report, "y", "kept")! > 1);
      assert.match(report.findings[0]!, /none of the 1 layers.*quantize\.weightOnly/);
    },
  },
  {
    name: "whitened: inputs that reach few directions leave a low rank",
    model: `input x float32 [n, 16] w = float32 [16, 16] normal y = MatMul(x, w) output y float32 [n, 16]`,
    params: { mode: "whitened" },
    data: {
      inputs: {
        x: {
          shape: [64, 16],
          // Only the first two columns carry anything.
          values: gaussian(64 * 16, 2).map((value, i) => (i % 16 < 2 ? value : value * 1e-3)),
        },
      },
    },
    check: (report) => {
      assert.equal(valueOf(report, "y", "rank95"), 2);
      assert.notEqual(report.data, null);
    },
  },
  {
    name: "whitened without data",
    model: `input x float32 [n, 16] w = float32 [16, 16] normal y = MatMul(x, w) output y float32 [n, 16]`,
    params: { mode: "whitened" },
    refused: "needs calibration data",
  },
  {
    name: "kernels are matrices of patches; groups, NaN, zeros and vectors are named",
    model: `input x float32 [1, 8, 9, 9] a = float32 [8, 8, 3, 3] normal p = Conv(x, a) { name: "p" }
      b = float32 [8, 4, 3, 3] normal q = Conv(p, b) { group: 2 }
      c = float32 [8, 8, 1, 1] nan r = Conv(q, c) d = float32 [8, 8, 1, 1] zeros s = Conv(r, d)
      e = float32 [1, 8, 1, 1] normal y = Conv(s, e) output y float32 [1, 1, 5, 5]`,
    skips: {
      q: "2 groups",
      r: "NaN or infinite",
      s: "all zeros",
      y: "[8, 1] has one singular value",
    },
    check: (report) => assert.equal(valueOf(report, "p", "full"), 8),
  },
]);
