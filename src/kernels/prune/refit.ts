/**
 * Weights of a linear layer fitted anew to what it should give: the ridge regression of the wanted
 * outputs on the inputs that are left, W' = T C_S (H_SS + λI)⁻¹. He et al. 2017 (arXiv:1707.06168),
 * equation 4.
 */
import type { Blas, MatrixF64 } from "../../shared/kernels.ts";
import { zerosF64 } from "../linalg/matrix.ts";
import { solveSpd } from "../linalg/solve.ts";

export interface Refit {
  /** X̂ᵀX̂ / rows of the inputs as they are now, [K, K]. */
  readonly gram: MatrixF64;
  /** X̂ᵀX / rows against the inputs that the wanted outputs were made of, [K, K₀]. */
  readonly cross: MatrixF64;
  /** Means of both inputs; null: no bias takes up what is left of the mean. */
  readonly means: { readonly now: Float64Array; readonly wanted: Float64Array } | null;
  /** What makes the wanted outputs, [O, K₀]. */
  readonly target: MatrixF64;
  /** Columns of X̂ that are left, ascending. */
  readonly kept: readonly number[];
  /** Relative to the mean of H_SS's diagonal. */
  readonly ridge: number;
}

/**
 * @returns the weights [O, kept], and what the outputs' means lack, [O] (zeros without `means`);
 *   null where the Gram has NaN.
 */
export async function refitColumns(
  blas: Blas,
  { gram, cross, means, target, kept, ridge }: Refit,
): Promise<{ readonly weight: MatrixF64; readonly shift: Float64Array } | null> {
  const n = kept.length;
  const h = zerosF64(n, n);
  const c = zerosF64(n, cross.cols);
  kept.forEach((row, i) => {
    kept.forEach((column, j) => {
      const both = means ? (means.now[row] ?? 0) * (means.now[column] ?? 0) : 0;
      h.data[i * n + j] = (gram.data[row * gram.cols + column] ?? 0) - both;
    });
    for (let j = 0; j < cross.cols; j++) {
      const both = means ? (means.now[row] ?? 0) * (means.wanted[j] ?? 0) : 0;
      c.data[i * cross.cols + j] = (cross.data[row * cross.cols + j] ?? 0) - both;
    }
  });
  const solution = await solveSpd(blas, h, await blas.gemm(c, target, { transB: true }), ridge);
  if (!solution.ok) return null;
  const rows = target.rows;
  const weight = zerosF64(rows, n);
  for (let i = 0; i < n; i++)
    for (let o = 0; o < rows; o++) weight.data[o * n + i] = solution.x.data[i * rows + o] ?? 0;
  const shift = new Float64Array(rows);
  if (means)
    for (let o = 0; o < rows; o++) {
      let sum = 0;
      for (let j = 0; j < target.cols; j++)
        sum += (target.data[o * target.cols + j] ?? 0) * (means.wanted[j] ?? 0);
      kept.forEach((column, i) => {
        sum -= (weight.data[o * n + i] ?? 0) * (means.now[column] ?? 0);
      });
      shift[o] = sum;
    }
  return { weight, shift };
}
