/**
 * Eigenvalues and eigenvectors of a real symmetric matrix, in float64: Householder reflections to a
 * tridiagonal matrix, divide and conquer on that (QL without vectors), the reflections applied back.
 */
import { engineErrors } from "../../shared/errors.ts";
import type { Blas, MatrixF64 } from "../../shared/kernels.ts";
import { divideAndConquer } from "./divideConquer.ts";
import { implicitQL } from "./implicitQL.ts";
import { zerosF64 } from "./matrix.ts";
import { applyReflectors, tridiagonalize } from "./tridiagonal.ts";

export interface Eigen {
  /** Largest first. */
  readonly values: Float64Array;
  /** Row i is the unit eigenvector of `values[i]`. */
  readonly vectors: MatrixF64;
}

/** `a` [n, n] symmetric; both triangles are read. @throws EngineError when it holds NaN or infinity. */
export async function eigenSymmetric(blas: Blas, a: MatrixF64): Promise<Eigen> {
  const n = a.rows;
  const { matrix, scale } = scaled(a);
  const t = await tridiagonalize(blas, matrix);
  const { values, rows } = await divideAndConquer(blas, t.diagonal, t.offDiagonal);
  const vectors = zerosF64(n, n);
  for (let i = 0; i < n; i++)
    vectors.data.set(rows.data.subarray(i * n, (i + 1) * n), (n - 1 - i) * n);
  await applyReflectors(blas, t, vectors);
  return { values: values.reverse().map((x) => x * scale), vectors };
}

/** The eigenvalues alone, largest first: a third of the work. @throws as `eigenSymmetric`. */
export async function eigenvaluesSymmetric(blas: Blas, a: MatrixF64): Promise<Float64Array> {
  const { matrix, scale } = scaled(a);
  const { diagonal, offDiagonal } = await tridiagonalize(blas, matrix);
  implicitQL(diagonal, offDiagonal, null);
  return diagonal
    .sort()
    .reverse()
    .map((x) => x * scale);
}

/** Divided by its largest entry, a power of two below it, so that nothing rounds. */
function scaled(a: MatrixF64): { readonly matrix: MatrixF64; readonly scale: number } {
  let largest = 0;
  for (const x of a.data) {
    const size = Math.abs(x);
    if (!(size < Infinity)) throw engineErrors.matrixNotFinite("A symmetric matrix");
    if (size > largest) largest = size;
  }
  if (largest === 0) return { matrix: a, scale: 1 };
  const scale = 2 ** Math.max(-1022, Math.floor(Math.log2(largest)));
  return { matrix: { ...a, data: a.data.map((x) => x / scale) }, scale };
}
