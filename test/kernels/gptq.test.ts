/** GPTQ against closed forms, a plain least-squares version of itself, and rounding to nearest. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gemm, referenceBlas } from "../../src/kernels/linalg/blas.ts";
import { zerosF64 } from "../../src/kernels/linalg/matrix.ts";
import { solveSpd } from "../../src/kernels/linalg/solve.ts";
import { gptq, type CodeGrid, type GptqOptions } from "../../src/kernels/quantize/gptq.ts";
import { roundHalfEven } from "../../src/kernels/quantize/rounding.ts";
import type { MatrixF64 } from "../../src/shared/kernels.ts";
import { gaussian } from "../helpers/random.ts";

const matrix = (rows: number, cols: number, data: ArrayLike<number>): MatrixF64 => ({
  rows,
  cols,
  data: Float64Array.from(data),
});
const whole = (rows: number, k: number): CodeGrid => ({
  low: -127,
  high: 127,
  block: k,
  scales: new Float32Array(rows).fill(1),
  zeroPoints: null,
});
const plain: GptqOptions = { damping: 0, order: "stored" };

/** Inputs of which neighbours go together, as [k, k] XᵀX / rows. */
function correlated(k: number, rows: number): MatrixF64 {
  const noise = gaussian(rows * k, 5);
  const x = zerosF64(rows, k);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < k; c++)
      x.data[r * k + c] = 0.9 * (c > 0 ? x.data[r * k + c - 1]! : 0) + noise[r * k + c]!;
  const gram = gemm(x, x, { transA: true });
  return { ...gram, data: gram.data.map((v) => v / rows) };
}

async function run(
  weight: MatrixF64,
  gram: MatrixF64,
  grid: CodeGrid,
  options: GptqOptions = plain,
): Promise<Extract<Awaited<ReturnType<typeof gptq>>, { ok: true }>> {
  const result = await gptq(referenceBlas, weight, gram, grid, options);
  assert.ok(result.ok);
  return result;
}

describe("gptq", () => {
  it("moves the second column by what the first one's error asks for", async () => {
    // q1 = 0 leaves d = -0.4; the best other column is w2 - d·h12/h22 = 0.3 + 0.4·0.8 = 0.62.
    const gram = matrix(2, 2, [1, 0.8, 0.8, 1]);
    const result = await run(matrix(1, 2, [0.4, 0.3]), gram, whole(1, 2));
    assert.deepEqual([...result.codes], [0, 1]);
    // (-0.4, 0.7) and (-0.4, -0.3) on the Gram.
    assert.ok(Math.abs(result.error - (0.16 + 0.49 - 2 * 0.8 * 0.28)) < 1e-12);
    assert.ok(Math.abs(result.nearestError - (0.16 + 0.09 + 2 * 0.8 * 0.12)) < 1e-12);
    assert.equal(result.changed, 1);
  });

  it("rounds to nearest where inputs are independent, and where it is no better", async () => {
    const weight = matrix(2, 3, [0.4, 1.6, -2.5, 3.5, -0.2, 200]);
    const diagonal = matrix(3, 3, [1, 0, 0, 0, 2, 0, 0, 0, 3]);
    const independent = await run(weight, diagonal, whole(2, 3));
    assert.deepEqual(
      [...independent.codes],
      [0, 2, -2, 4, -0, 127].map((c) => c + 0),
    );
    assert.equal(independent.changed, 0);
    const silent = await run(weight, zerosF64(3, 3), whole(2, 3), { ...plain, damping: 0.1 });
    assert.equal(silent.changed, 0);
  });

  it("equals rounding each column and refitting all that are free, across panels", async () => {
    const [k, n] = [150, 3];
    const gram = correlated(k, 2 * k);
    const weight = matrix(n, k, gaussian(n * k, 6));
    const scale = 0.25;
    const grid = { ...whole(n, k), scales: new Float32Array(n).fill(scale) };
    const { codes } = await run(weight, gram, grid);
    for (let row = 0; row < n; row++) {
      const w = weight.data.slice(row * k, (row + 1) * k);
      const expected: number[] = [];
      for (let j = 0; j < k; j++) {
        const code = roundHalfEven(w[j]! / scale);
        expected.push(code);
        const error = code * scale - w[j]!;
        const left = k - j - 1;
        if (left === 0) break;
        const sub = zerosF64(left, left);
        const side = zerosF64(left, 1);
        for (let a = 0; a < left; a++) {
          side.data[a] = gram.data[(j + 1 + a) * k + j]! * error;
          for (let b = 0; b < left; b++)
            sub.data[a * left + b] = gram.data[(j + 1 + a) * k + j + 1 + b]!;
        }
        const solved = await solveSpd(referenceBlas, sub, side, 0);
        assert.ok(solved.ok);
        solved.x.data.forEach((v, a) => (w[j + 1 + a] = w[j + 1 + a]! - v));
      }
      assert.deepEqual([...codes.subarray(row * k, (row + 1) * k)], expected);
    }
  });

  it("halves the error of 4-bit blocks with zero points, in either order", async () => {
    const [k, n, size] = [96, 8, 32];
    const gram = correlated(k, 300);
    const weight = matrix(n, k, gaussian(n * k, 7));
    const grid: CodeGrid = {
      low: 0,
      high: 15,
      block: size,
      scales: new Float32Array((n * k) / size).fill(0.4),
      zeroPoints: new Uint8Array((n * k) / size).fill(8),
    };
    for (const order of ["activation", "stored"] as const) {
      const result = await run(weight, gram, grid, { damping: 0.01, order });
      assert.ok(result.error < 0.5 * result.nearestError, `${result.error / result.nearestError}`);
      assert.ok(result.codes.every((code) => code >= 0 && code <= 15));
    }
  });

  it("says that a Gram with NaN gives nothing", async () => {
    const weight = matrix(1, 2, [1, 2]);
    const result = await gptq(referenceBlas, weight, matrix(2, 2, [1, NaN, NaN, 1]), whole(1, 2), {
      damping: 0.01,
      order: "stored",
    });
    assert.equal(result.ok, false);
  });
});
