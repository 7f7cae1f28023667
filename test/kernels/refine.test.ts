/** Refined codes and scales against exhaustive search, the error computed directly, and GPTQ. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gemm, referenceBlas } from "../../src/kernels/linalg/blas.ts";
import { zerosF64 } from "../../src/kernels/linalg/matrix.ts";
import { gptq, type CodeGrid } from "../../src/kernels/quantize/gptq.ts";
import { refineCodes } from "../../src/kernels/quantize/refine.ts";
import type { MatrixF64 } from "../../src/shared/kernels.ts";
import { gaussian } from "../helpers/random.ts";

const matrix = (rows: number, cols: number, data: ArrayLike<number>): MatrixF64 => ({
  rows,
  cols,
  data: Float64Array.from(data),
});

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

/** tr(Δ·H·Δᵀ), term by term. */
function errorOf(weight: MatrixF64, gram: MatrixF64, grid: CodeGrid, codes: Int16Array): number {
  const { rows, cols: k } = weight;
  const perRow = Math.ceil(k / grid.block);
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    const delta = Array.from({ length: k }, (_, i) => {
      const at = row * perRow + Math.floor(i / grid.block);
      const level = codes[row * k + i]! - (grid.zeroPoints?.[at] ?? 0);
      return level * grid.scales[at]! - weight.data[row * k + i]!;
    });
    for (let i = 0; i < k; i++)
      for (let j = 0; j < k; j++) sum += delta[i]! * gram.data[i * k + j]! * delta[j]!;
  }
  return sum;
}

/** 2-bit blocks of [n, k] with the scale and zero point of each block's range. */
function ranged(weight: MatrixF64, size: number): CodeGrid & { zeroPoints: Uint8Array } {
  const { rows, cols: k } = weight;
  const perRow = k / size;
  const scales = new Float32Array(rows * perRow);
  const zeroPoints = new Uint8Array(rows * perRow);
  for (let at = 0; at < scales.length; at++) {
    const values = weight.data.subarray(at * size, (at + 1) * size);
    const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
    scales[at] = (high - low) / 3;
    zeroPoints[at] = Math.min(3, Math.round(-low / scales[at]!));
  }
  return { low: 0, high: 3, block: size, scales, zeroPoints };
}
const started = async (weight: MatrixF64, gram: MatrixF64, grid: CodeGrid) => {
  const result = await gptq(referenceBlas, weight, gram, grid, {
    damping: 0.01,
    order: "activation",
  });
  assert.ok(result.ok);
  return result;
};

describe("refineCodes", () => {
  it("finds the best codes and scale of four weights, as trying all does", async () => {
    const gram = correlated(4, 64);
    let best = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const weight = matrix(1, 4, gaussian(4, seed));
      const grid = ranged(weight, 4);
      const { codes } = await started(weight, gram, grid);
      await refineCodes(referenceBlas, weight, gram, grid, codes, {
        damping: 0,
        search: true,
        free: grid.zeroPoints,
      });
      const found = errorOf(weight, gram, grid, codes);
      // For given levels the best scale is aᵀHw / aᵀHa.
      let least = Infinity;
      for (let n = 0; n < 256; n++)
        for (let zero = 0; zero < 4; zero++) {
          const levels = [n & 3, (n >> 2) & 3, (n >> 4) & 3, n >> 6].map((code) => code - zero);
          const times = (b: ArrayLike<number>): number =>
            levels.reduce(
              (sum, a, i) =>
                sum + a * levels.reduce((s, _, j) => s + gram.data[i * 4 + j]! * b[j]!, 0),
              0,
            );
          const scale = times(weight.data) / times(levels);
          if (!(scale > 0)) continue;
          const all = { ...grid, scales: Float32Array.of(scale), zeroPoints: Uint8Array.of(zero) };
          const error = errorOf(
            weight,
            gram,
            all,
            Int16Array.from(levels, (a) => a + zero),
          );
          least = Math.min(least, error);
        }
      assert.ok(found >= least * (1 - 1e-5) - 1e-9, `${found} is less than the least, ${least}`);
      if (found <= least * 1.001 + 1e-9) best++;
    }
    // A local search: it need not find the best each time.
    assert.ok(best >= 12, `${best} of 20 found`);
  });

  it("tells the error it leaves, less than that of GPTQ; a search finds less still", async () => {
    const gram = correlated(64, 256);
    const weight = matrix(8, 64, gaussian(8 * 64, 3));
    const errors: number[] = [];
    for (const search of [false, true]) {
      const grid = ranged(weight, 16);
      const { codes, error } = await started(weight, gram, grid);
      const refined = await refineCodes(referenceBlas, weight, gram, grid, codes, {
        damping: 0,
        search,
        free: grid.zeroPoints,
      });
      assert.ok(Math.abs(refined.errorBefore - error) < 1e-6 * error);
      const direct = errorOf(weight, gram, grid, codes);
      assert.ok(Math.abs(refined.error - direct) < 1e-6 * direct, `${refined.error}, ${direct}`);
      assert.ok(codes.every((code) => code >= 0 && code <= 3));
      assert.ok(grid.zeroPoints.every((zero) => zero <= 3) && grid.scales.every((s) => s > 0));
      errors.push(error, refined.error);
    }
    const [plain = 0, fitted = 0, , searched = 0] = errors;
    assert.ok(fitted < 0.9 * plain && searched < 0.95 * fitted, errors.join(", "));
  });

  it("keeps zero points that are given, and blocks without anything", async () => {
    const gram = correlated(32, 128);
    const weight = matrix(2, 32, gaussian(64, 9));
    weight.data.fill(0, 0, 16);
    const grid = { ...ranged(weight, 16), zeroPoints: new Uint8Array(4).fill(2) };
    grid.scales[0] = 1e30;
    const { codes } = await started(weight, gram, grid);
    await refineCodes(referenceBlas, weight, gram, grid, codes, {
      damping: 0.01,
      search: true,
      free: null,
    });
    assert.deepEqual([...grid.zeroPoints], [2, 2, 2, 2]);
    assert.equal(grid.scales[0], Math.fround(1e30));
    assert.ok(codes.subarray(0, 16).every((code) => code === 2));
  });

  it("leaves alone what no input shows", async () => {
    const weight = matrix(2, 16, gaussian(32, 4));
    const grid = ranged(weight, 16);
    const codes = new Int16Array(32).fill(1);
    const before = { scales: grid.scales.slice(), codes: codes.slice() };
    await refineCodes(referenceBlas, weight, zerosF64(16, 16), grid, codes, {
      damping: 0.01,
      search: true,
      free: grid.zeroPoints,
    });
    assert.deepEqual({ scales: grid.scales, codes }, before);
  });
});
