/** Dense linear algebra against numpy's values (test/fixtures/linalg.json), on both products. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createBlas } from "../../src/engine/blas.ts";
import { referenceBlas } from "../../src/kernels/linalg/blas.ts";
import { cholesky, dampedCholesky } from "../../src/kernels/linalg/cholesky.ts";
import { eigenSymmetric, eigenvaluesSymmetric } from "../../src/kernels/linalg/eigen.ts";
import {
  block,
  meanDiagonal,
  squaredNorm,
  toF32,
  transpose,
  zerosF64,
} from "../../src/kernels/linalg/matrix.ts";
import { invertSpd, solveSpd } from "../../src/kernels/linalg/solve.ts";
import { singularValues, thinSvd, truncatedSvd } from "../../src/kernels/linalg/svd.ts";
import {
  invertLower,
  solveLower,
  solveLowerTransposed,
} from "../../src/kernels/linalg/triangular.ts";
import type { Blas, MatrixF64 } from "../../src/shared/kernels.ts";
import expected from "../fixtures/linalg.json" with { type: "json" };
import { gaussian } from "../helpers/random.ts";

/** The matrix of the fixture: whole numbers below a prime, so that both sides have equal bits. */
function mixed(rows: number, cols: number, prime = 997): MatrixF64 {
  const out = zerosF64(rows, cols);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < cols; j++)
      out.data[i * cols + j] =
        ((i * i * 131 + j * j * 61 + i * j * 7 + i * 3 + j) % prime) / prime - 0.5;
  return out;
}
const identity = (n: number): MatrixF64 => {
  const out = zerosF64(n, n);
  for (let i = 0; i < n; i++) out.data[i * n + i] = 1;
  return out;
};
/** Largest difference, relative to the largest expected value. */
function distance(got: ArrayLike<number>, want: ArrayLike<number>): number {
  assert.equal(got.length, want.length);
  let most = 0;
  let scale = 0;
  for (let i = 0; i < want.length; i++) {
    most = Math.max(most, Math.abs(got[i]! - want[i]!));
    scale = Math.max(scale, Math.abs(want[i]!));
  }
  return most / scale;
}
const near = (got: ArrayLike<number>, want: ArrayLike<number>, bound: number): void => {
  const far = distance(got, want);
  assert.ok(far <= bound, `differs by ${far}, more than ${bound}`);
};
const A = mixed(150, 200);

/** A·Aᵀ + 0.1·I, as in the fixture. */
async function positive(blas: Blas): Promise<MatrixF64> {
  const spd = await blas.gemm(A, A, { transB: true });
  for (let i = 0; i < 150; i++) spd.data[i * 150 + i] = spd.data[i * 150 + i]! + 0.1;
  return spd;
}

for (const [name, blas] of [
  ["reference", referenceBlas],
  ["onnxruntime", createBlas(1)],
] as const)
  describe(`linear algebra on the ${name} products`, () => {
    it("gemm: all orientations, both types, added and subtracted in place", async () => {
      const b = mixed(200, 30);
      const plain = await referenceBlas.gemm(A, b);
      near((await blas.gemm(A, b)).data, plain.data, 1e-14);
      near((await blas.gemm(transpose(A), b, { transA: true })).data, plain.data, 1e-14);
      near((await blas.gemm(A, transpose(b), { transB: true })).data, plain.data, 1e-14);
      const both = await blas.gemm(transpose(A), transpose(b), { transA: true, transB: true });
      near(both.data, plain.data, 1e-14);
      near((await blas.gemm(toF32(A), toF32(b))).data, plain.data, 1e-5);
      const sum = { ...plain, data: plain.data.slice() };
      assert.equal(await blas.gemm(A, b, { into: sum }), sum);
      near(
        sum.data,
        plain.data.map((x) => 2 * x),
        1e-14,
      );
      await blas.gemm(A, b, { into: sum, subtract: true });
      near(sum.data, plain.data, 1e-14);
    });
    it("gemm: views, empty sizes, and sizes that do not fit", async () => {
      const view = { rows: 3, cols: 200, data: A.data.subarray(400, 1000) };
      const got = await blas.gemm(view, A, { transB: true });
      near(got.data, (await referenceBlas.gemm(block(A, 2, 5, 0, 200), transpose(A))).data, 1e-14);
      assert.deepEqual((await blas.gemm(zerosF64(2, 0), zerosF64(0, 3))).data, new Float64Array(6));
      assert.equal((await blas.gemm(zerosF64(0, 4), zerosF64(4, 3))).data.length, 0);
      await assert.rejects(async () => blas.gemm(A, A), /\[150, 200\] · \[150, 200\]/);
      const wrong = { into: zerosF64(3, 3) };
      await assert.rejects(async () => blas.gemm(A, transpose(A), wrong), /into \[3, 3\]/);
    });
    it("gram: batches add up, and the answer is symmetric to the bit", async () => {
      const x = { rows: 1500, cols: 40, data: gaussian(1500 * 40, 3) };
      const whole = await referenceBlas.gram(x);
      const sum = zerosF64(40, 40);
      for (const from of [0, 700]) {
        const rows = from === 0 ? 700 : 800;
        await blas.gram(
          { rows, cols: 40, data: x.data.subarray(from * 40, (from + rows) * 40) },
          sum,
        );
      }
      near(sum.data, whole.data, 1e-5);
      assert.deepEqual(transpose(sum), sum);
      await assert.rejects(async () => blas.gram(x, zerosF64(3, 3)), /rows of 40 into \[3, 3\]/);
    });
    it("gram: more columns than fit one product", async () => {
      const x = { rows: 20, cols: 700, data: gaussian(20 * 700, 4) };
      const got = await blas.gram(x);
      near(got.data, (await referenceBlas.gram(x)).data, 1e-6);
      assert.deepEqual(transpose(got), got);
    });

    it("cholesky: numpy's factor", async () => {
      const spd = await positive(blas);
      const result = await cholesky(blas, spd);
      assert.ok(result.ok);
      const { lower } = result;
      near(identityDiagonal(lower), expected.choleskyDiagonal, 1e-12);
      near((await blas.gemm(lower, lower, { transB: true })).data, spd.data, 1e-14);
      assert.equal(lower.data[1], 0);
    });
    it("cholesky: the failing pivot of an indefinite matrix and of one with NaN", async () => {
      const bad = identity(140);
      bad.data[130 * 140 + 130] = -2;
      assert.deepEqual(await cholesky(blas, bad), { ok: false, pivot: 130, value: -2 });
      bad.data[5 * 140 + 5] = NaN;
      assert.deepEqual(await cholesky(blas, bad), { ok: false, pivot: 5, value: NaN });
      const damped = await dampedCholesky(blas, bad, 0.01);
      assert.deepEqual(damped, { ok: false, pivot: 5, value: NaN });
    });
    it("cholesky: damping is relative, and raised for a matrix without full rank", async () => {
      const few = block(A, 0, 150, 0, 20);
      const gram = await blas.gemm(few, few, { transB: true });
      const damped = await dampedCholesky(blas, gram, 0);
      assert.ok(damped.ok && damped.lambda > 0 && damped.lambda < 1e-6 * meanDiagonal(gram));
      const zeros = await dampedCholesky(blas, zerosF64(4, 4), 0.01);
      assert.ok(zeros.ok && zeros.lambda === 0.01);
    });

    it("triangular: solves, transposed solves, inverse", async () => {
      const result = await cholesky(blas, await positive(blas));
      assert.ok(result.ok);
      const { lower } = result;
      const b = mixed(150, 7);
      near((await blas.gemm(lower, await solveLower(blas, lower, b))).data, b.data, 1e-11);
      const back = await solveLowerTransposed(blas, lower, b);
      near((await blas.gemm(lower, back, { transA: true })).data, b.data, 1e-11);
      const inverse = await invertLower(blas, lower);
      near((await blas.gemm(lower, inverse)).data, identity(150).data, 1e-11);
    });
    it("solve: numpy's ridge solution and inverse", async () => {
      const spd = await positive(blas);
      const solved = await solveSpd(blas, spd, mixed(150, 5, 991), 0.01);
      assert.ok(solved.ok);
      assert.ok(Math.abs(solved.lambda / (0.01 * meanDiagonal(spd)) - 1) < 1e-12);
      const rows = expected.solutionRows.flatMap((r) => [
        ...solved.x.data.subarray(r * 5, r * 5 + 5),
      ]);
      near(rows, expected.solution.flat(), 1e-11);
      const inverse = await invertSpd(blas, spd, 0);
      assert.ok(inverse.ok);
      near(identityDiagonal(inverse.x), expected.inverseDiagonal, 1e-11);
    });

    it("eigen: numpy's values, orthonormal vectors, also with repeated values", async () => {
      const square = block(A, 0, 150, 0, 150);
      const symmetric = zerosF64(150, 150);
      transpose(square).data.forEach((x, i) => (symmetric.data[i] = (x + square.data[i]!) / 2));
      const { values, vectors } = await eigenSymmetric(blas, symmetric);
      near(values, expected.eigenvalues, 1e-13);
      near(await eigenvaluesSymmetric(blas, symmetric), expected.eigenvalues, 1e-13);
      await orthonormal(blas, vectors);
      const images = await blas.gemm(vectors, symmetric);
      near(
        images.data,
        vectors.data.map((x, i) => x * values[Math.floor(i / 150)]!),
        1e-13,
      );
      const same = await eigenSymmetric(blas, identity(70));
      assert.deepEqual(new Set(same.values), new Set([1]));
      await orthonormal(blas, same.vectors);
    });
    it("eigen: sizes 0, 1 and 2; NaN is refused", async () => {
      assert.equal((await eigenSymmetric(blas, zerosF64(0, 0))).values.length, 0);
      const one = await eigenSymmetric(blas, { rows: 1, cols: 1, data: Float64Array.of(-3) });
      assert.deepEqual([...one.values, ...one.vectors.data], [-3, 1]);
      const two = await eigenSymmetric(blas, {
        rows: 2,
        cols: 2,
        data: Float64Array.of(0, 2, 2, 0),
      });
      near(two.values, [2, -2], 1e-15);
      const nan = identity(3);
      nan.data[1] = NaN;
      await assert.rejects(eigenSymmetric(blas, nan), /NaN or infinity/);
    });

    it("svd: numpy's singular values, tall and wide; the factors give the matrix", async () => {
      near(await singularValues(blas, A), expected.singularValues, 1e-12);
      for (const a of [A, transpose(A)]) {
        const { values, left, right } = await thinSvd(blas, a);
        near(values, expected.singularValues, 1e-13);
        await orthonormal(blas, left);
        await orthonormal(blas, right);
        near((await product(blas, { values, left, right })).data, a.data, 1e-13);
      }
    });
    it("svd: a matrix of low rank has orthonormal factors and zeros beyond it", async () => {
      const low = await blas.gemm(mixed(150, 12), mixed(200, 12, 991), { transB: true });
      const { values, left, right } = await thinSvd(blas, low);
      near(values.subarray(0, 12), expected.lowRankValues, 1e-13);
      assert.ok(values[12]! < 1e-7 * values[0]!);
      await orthonormal(blas, left);
      await orthonormal(blas, right);
      const cut = await truncatedSvd(blas, low, 8, { seed: 1 });
      const rest = await product(blas, cut);
      rest.data.forEach((x, i) => (rest.data[i] = low.data[i]! - x));
      near([Math.sqrt(squaredNorm(rest.data))], [expected.lowRankError8], 1e-10);
    });
  });

it("truncated svd: within 1 % of the best error on a flat spectrum, exact on a low rank", async () => {
  const blas = createBlas(1);
  const noise = { rows: 400, cols: 500, data: gaussian(400 * 500, 5) };
  const best = await singularValues(blas, noise);
  const { values, left, right } = await truncatedSvd(blas, noise, 40, { seed: 7 });
  const kept = squaredNorm(values);
  const optimal = squaredNorm(best.subarray(0, 40));
  const total = squaredNorm(noise.data);
  assert.ok(Math.sqrt((total - kept) / (total - optimal)) < 1.01);
  await orthonormal(blas, left);
  await orthonormal(blas, right);
  const again = await truncatedSvd(blas, noise, 40, { seed: 7 });
  assert.deepEqual(again.values, values);
  const low = await blas.gemm(mixed(300, 6), mixed(320, 6, 991), { transB: true });
  near((await product(blas, await truncatedSvd(blas, low, 10, { seed: 1 }))).data, low.data, 1e-10);
});

const identityDiagonal = ({ rows, data }: MatrixF64): number[] =>
  Array.from({ length: rows }, (_, i) => data[i * rows + i]!);

async function orthonormal(blas: Blas, rows: MatrixF64): Promise<void> {
  const inner = await blas.gemm(rows, rows, { transB: true });
  near(inner.data, identity(rows.rows).data, 1e-8);
}
function product(
  blas: Blas,
  svd: { values: Float64Array; left: MatrixF64; right: MatrixF64 },
): Promise<MatrixF64> {
  const { values, left, right } = svd;
  const scaled = left.data.map((x, i) => x * values[Math.floor(i / left.cols)]!);
  return blas.gemm({ ...left, data: scaled }, right, { transA: true });
}
