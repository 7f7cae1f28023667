/**
 * Cholesky factorization A = L·Lᵀ of a symmetric positive definite matrix, in float64.
 *
 * Left-looking by block columns: column block j is A_j less one product of the columns already
 * done, so the inner dimension grows with j (products with an inner dimension of 128 run at half the
 * speed of those with 512). Only the diagonal tiles are done here. Golub and Van Loan, 4.2.
 */
import type { Blas, MatrixF64 } from "../../shared/kernels.ts";
import { block, meanDiagonal, setBlock, zerosF64 } from "./matrix.ts";

/** Side of a diagonal tile: 128² float64 values are 128 KiB, half of the second cache. */
export const TILE = 128;

export type Cholesky =
  | { readonly ok: true; readonly lower: MatrixF64 }
  /** The first pivot (row, from 0) that is not positive, and its value; NaN for a matrix with NaN. */
  | { readonly ok: false; readonly pivot: number; readonly value: number };

/** `a` [n, n], of which the lower triangle is read; `lower` has zeros above its diagonal. */
export async function cholesky(blas: Blas, a: MatrixF64): Promise<Cholesky> {
  const n = a.rows;
  const lower = zerosF64(n, n);
  for (let from = 0; from < n; from += TILE) {
    const to = Math.min(n, from + TILE);
    const column = block(a, from, n, from, to);
    if (from > 0)
      await blas.gemm(block(lower, from, n, 0, from), block(lower, from, to, 0, from), {
        transB: true,
        into: column,
        subtract: true,
      });
    const size = to - from;
    const tile = block(column, 0, size, 0, size);
    const failed = choleskyTile(tile);
    if (failed) return { ok: false, pivot: from + failed.pivot, value: failed.value };
    setBlock(lower, from, from, tile);
    if (to === n) break;
    // Rows below the tile: X·Lᵀ = C, by the inverse of the tile.
    const below = block(column, size, n - from, 0, size);
    setBlock(lower, to, from, await blas.gemm(below, invertTile(tile), { transB: true }));
  }
  return { ok: true, lower };
}

/** In place; zeros above the diagonal. Null when every pivot is positive. */
function choleskyTile({ rows: n, data }: MatrixF64): { pivot: number; value: number } | null {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = data[i * n + j] ?? 0;
      for (let k = 0; k < j; k++) sum -= (data[i * n + k] ?? 0) * (data[j * n + k] ?? 0);
      if (j < i) data[i * n + j] = sum / (data[j * n + j] ?? 1);
      else if (sum > 0 && sum < Infinity) data[i * n + i] = Math.sqrt(sum);
      else return { pivot: i, value: sum };
    }
    data.fill(0, i * n + i + 1, (i + 1) * n);
  }
  return null;
}

/** Inverse of a small lower triangular matrix, row by row: o_i = (e_i − Σ l_ik·o_k) / l_ii. */
export function invertTile({ rows: n, data }: MatrixF64): MatrixF64 {
  const out = zerosF64(n, n);
  for (let i = 0; i < n; i++) {
    const to = out.data.subarray(i * n, (i + 1) * n);
    for (let k = 0; k < i; k++) {
      const factor = data[i * n + k] ?? 0;
      if (factor === 0) continue;
      const from = k * n;
      for (let c = 0; c <= k; c++) to[c] = (to[c] ?? 0) - factor * (out.data[from + c] ?? 0);
    }
    const inverse = 1 / (data[i * n + i] ?? 1);
    for (let c = 0; c < i; c++) to[c] = (to[c] ?? 0) * inverse;
    to[i] = inverse;
  }
  return out;
}

export type DampedCholesky =
  | {
      readonly ok: true;
      readonly lower: MatrixF64;
      /** What was added to the diagonal, in the units of the matrix. */
      readonly lambda: number;
    }
  | Extract<Cholesky, { readonly ok: false }>;

/** Damping is raised tenfold so often before a matrix counts as not to be factored. */
const RAISES = 8;

/**
 * Cholesky of H + λI with λ = `relative` × mean of H's diagonal, raised tenfold while a pivot is not
 * positive (rank-deficient statistics round to slightly negative pivots).
 * Answers the failing pivot when nothing helps: NaN, or an indefinite matrix.
 */
export async function dampedCholesky(
  blas: Blas,
  h: MatrixF64,
  relative: number,
): Promise<DampedCholesky> {
  const mean = meanDiagonal(h);
  // A matrix of zeros (an input that is never active) takes λ as it is.
  const scale = mean > 0 ? mean : 1;
  let share = relative;
  for (let raise = 0; ; raise++) {
    const lambda = share * scale;
    const result = await cholesky(blas, addDiagonal(h, lambda));
    if (result.ok) return { ok: true, lower: result.lower, lambda };
    if (raise === RAISES || !Number.isFinite(result.value)) return result;
    share = share === 0 ? 1e-10 : share * 10;
  }
}

/** A copy of `a` with `lambda` added to its diagonal. */
export function addDiagonal(a: MatrixF64, lambda: number): MatrixF64 {
  const data = a.data.slice();
  for (let i = 0; i < a.rows; i++) data[i * a.cols + i] = (data[i * a.cols + i] ?? 0) + lambda;
  return { ...a, data };
}
