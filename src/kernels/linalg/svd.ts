/**
 * Singular value decomposition A = Σ σ_i·u_i·v_iᵀ of dense matrices, in float64.
 *
 * Exact: eigenvectors of the smaller of A·Aᵀ and AᵀA, one product with A, and σ_i as the norm of
 * that product's rows, which repairs most of what squaring loses: weights are float32, and their
 * float32 decomposition is no more accurate. Truncated: seeded subspace iteration (Halko,
 * Martinsson and Tropp 2011, arXiv:0909.4061, algorithm 4.4) with shifted Cholesky QR (Fukaya et al.
 * 2020), exact within the subspace.
 */
import type { Blas, Matrix, MatrixF64 } from "../../shared/kernels.ts";
import { random as seeded } from "../../shared/random.ts";
import { dampedCholesky } from "./cholesky.ts";
import { eigenSymmetric, eigenvaluesSymmetric } from "./eigen.ts";
import { rowsOf, squaredNorm, toF64, zerosF64 } from "./matrix.ts";
import { solveLower } from "./triangular.ts";

export interface Svd {
  /** Largest first. */
  readonly values: Float64Array;
  /** [r, m]: row i is u_i. */
  readonly left: MatrixF64;
  /** [r, n]: row i is v_i. */
  readonly right: MatrixF64;
}

/** All min(m, n) singular triples of `a` [m, n]. @throws EngineError for NaN and infinity. */
export async function thinSvd(blas: Blas, a: Matrix): Promise<Svd> {
  const { rows, cols, data } = a;
  const exact: MatrixF64 = data instanceof Float64Array ? { rows, cols, data } : toF64(a);
  const wide = rows <= cols;
  const { vectors } = await eigenSymmetric(blas, await smallGram(blas, exact));
  const images = await blas.gemm(vectors, exact, { transB: !wide });
  const { values, order } = normsDescending(images);
  const own = permuted(vectors, order);
  const other = permuted(images, order);
  normalizeRows(other, values);
  return wide ? { values, left: own, right: other } : { values, left: other, right: own };
}

/**
 * The singular values of `a`, largest first, without vectors. Those below 1e-8 of the largest are
 * rounding. @throws EngineError for NaN and infinity.
 */
export async function singularValues(blas: Blas, a: Matrix): Promise<Float64Array> {
  const { rows, cols, data } = a;
  const exact: MatrixF64 = data instanceof Float64Array ? { rows, cols, data } : toF64(a);
  const values = await eigenvaluesSymmetric(blas, await smallGram(blas, exact));
  return values.map((x) => Math.sqrt(Math.max(0, x)));
}

const smallGram = (blas: Blas, a: MatrixF64): Promise<MatrixF64> =>
  blas.gemm(a, a, a.rows <= a.cols ? { transB: true } : { transA: true });

export interface TruncatedOptions {
  readonly seed: number;
  /** Dimensions of the subspace beyond the rank. */
  readonly oversample?: number;
  /** Multiplications with A·Aᵀ: flat spectra need more. */
  readonly iterations?: number;
}

/** Below this, all triples are computed and the first kept: as fast, and exact. */
const ALWAYS_EXACT = 256;

/** The `rank` largest singular triples. @throws EngineError for NaN and infinity. */
export async function truncatedSvd(
  blas: Blas,
  a: Matrix,
  rank: number,
  { seed, oversample = 16, iterations = 4 }: TruncatedOptions,
): Promise<Svd> {
  const least = Math.min(a.rows, a.cols);
  const width = rank + oversample;
  if (least <= ALWAYS_EXACT || width * 2 > least) return firstOf(await thinSvd(blas, a), rank);
  const { rows, cols, data } = a;
  const exact: MatrixF64 = data instanceof Float64Array ? { rows, cols, data } : toF64(a);
  const random = seeded(seed);
  const start = zerosF64(width, exact.cols);
  for (let i = 0; i < start.data.length; i++) start.data[i] = random.normal();
  // Rows span the subspace on the side of u.
  let basis = await orthonormalRows(blas, await blas.gemm(start, exact, { transB: true }));
  for (let i = 0; i < iterations; i++) {
    const across = await orthonormalRows(blas, await blas.gemm(basis, exact));
    basis = await orthonormalRows(blas, await blas.gemm(across, exact, { transB: true }));
  }
  const inside = await thinSvd(blas, await blas.gemm(basis, exact));
  const { values, left, right } = firstOf(inside, rank);
  return { values, left: await blas.gemm(left, basis), right };
}

export const firstOf = ({ values, left, right }: Svd, rank: number): Svd => ({
  values: values.subarray(0, rank),
  left: rowsOf(left, 0, rank),
  right: rowsOf(right, 0, rank),
});

/** Three rounds of Cholesky QR; the shift of the first keeps dependent rows from stopping it. */
async function orthonormalRows(blas: Blas, rows: MatrixF64): Promise<MatrixF64> {
  let q = rows;
  for (const shift of [1e-12, 1e-15, 0]) {
    const factor = await dampedCholesky(blas, await blas.gemm(q, q, { transB: true }), shift);
    if (factor.ok) q = await solveLower(blas, factor.lower, q);
  }
  return q;
}

function normsDescending(rows: MatrixF64): { values: Float64Array; order: number[] } {
  const norms = Array.from({ length: rows.rows }, (_, i) =>
    Math.sqrt(squaredNorm(rowsOf(rows, i, i + 1).data)),
  );
  const order = norms.map((_, i) => i).sort((i, j) => (norms[j] ?? 0) - (norms[i] ?? 0));
  return { values: Float64Array.from(order, (i) => norms[i] ?? 0), order };
}

function permuted(rows: MatrixF64, order: readonly number[]): MatrixF64 {
  const out = zerosF64(rows.rows, rows.cols);
  order.forEach((from, to) => out.data.set(rowsOf(rows, from, from + 1).data, to * rows.cols));
  return out;
}

/** Rows whose norm is below this share of the largest are rounding and get directions of their own. */
const NULL_SHARE = 1e-8;

/** Divides each row by its norm; rows of (nearly) zero norm become unit vectors orthogonal to the others. */
function normalizeRows(rows: MatrixF64, norms: Float64Array): void {
  const floor = (norms[0] ?? 0) * NULL_SHARE;
  let axis = 0;
  for (let i = 0; i < rows.rows; i++) {
    const row = rowsOf(rows, i, i + 1).data;
    const norm = norms[i] ?? 0;
    if (norm > floor) {
      for (let c = 0; c < row.length; c++) row[c] = (row[c] ?? 0) / norm;
      continue;
    }
    // Of any n + 1 axes one is not in the span of the rows before.
    for (; axis < rows.cols; axis++) {
      row.fill(0);
      row[axis] = 1;
      if (orthogonalize(rows, i)) break;
    }
    axis++;
  }
}

/** Makes row i orthogonal to the rows before it, and of norm 1; false when little is left of it. */
function orthogonalize(rows: MatrixF64, i: number): boolean {
  const row = rowsOf(rows, i, i + 1).data;
  // Twice is enough (Parlett).
  for (let round = 0; round < 2; round++) {
    for (let j = 0; j < i; j++) {
      const other = rowsOf(rows, j, j + 1).data;
      let dot = 0;
      for (let c = 0; c < row.length; c++) dot += (row[c] ?? 0) * (other[c] ?? 0);
      for (let c = 0; c < row.length; c++) row[c] = (row[c] ?? 0) - dot * (other[c] ?? 0);
    }
    const norm = Math.sqrt(squaredNorm(row));
    if (norm < 0.01) return false;
    for (let c = 0; c < row.length; c++) row[c] = (row[c] ?? 0) / norm;
  }
  return true;
}
