/** Symmetric positive definite systems, as closed-form refits and second-order pruning solve them. */
import type { Blas, MatrixF64 } from "../../shared/kernels.ts";
import { dampedCholesky } from "./cholesky.ts";
import { invertLower, solveLower, solveLowerTransposed } from "./triangular.ts";

export type Solution =
  | {
      readonly ok: true;
      readonly x: MatrixF64;
      /** What was added to the diagonal, in the units of H. */
      readonly lambda: number;
    }
  /** H is not positive definite at this row with any damping tried; NaN for a matrix with NaN. */
  | { readonly ok: false; readonly pivot: number; readonly value: number };

/**
 * X of (H + λI)·X = B with λ = `ridge` × mean of H's diagonal, raised tenfold while H + λI is not
 * positive definite. H [n, n] symmetric, B [n, m]. With H = XᵀX and B = XᵀY this is ridge regression.
 */
export async function solveSpd(
  blas: Blas,
  h: MatrixF64,
  b: MatrixF64,
  ridge: number,
): Promise<Solution> {
  const factor = await dampedCholesky(blas, h, ridge);
  if (!factor.ok) return factor;
  const half = await solveLower(blas, factor.lower, b);
  const x = await solveLowerTransposed(blas, factor.lower, half);
  return { ok: true, x, lambda: factor.lambda };
}

/** (H + λI)⁻¹ = L⁻ᵀ·L⁻¹, with λ as in `solveSpd`. */
export async function invertSpd(blas: Blas, h: MatrixF64, ridge: number): Promise<Solution> {
  const factor = await dampedCholesky(blas, h, ridge);
  if (!factor.ok) return factor;
  const inverse = await invertLower(blas, factor.lower);
  const x = await blas.gemm(inverse, inverse, { transA: true });
  return { ok: true, x, lambda: factor.lambda };
}
