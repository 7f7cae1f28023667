/** Systems with a lower triangular matrix L [n, n], in float64, by blocks of rows. */
import type { Blas, MatrixF64 } from "../../shared/kernels.ts";
import { invertTile, TILE } from "./cholesky.ts";
import { block, rowsOf, setBlock, zerosF64 } from "./matrix.ts";

/** X of L·X = B, B [n, m]. */
export async function solveLower(blas: Blas, lower: MatrixF64, b: MatrixF64): Promise<MatrixF64> {
  const n = lower.rows;
  const x: MatrixF64 = { ...b, data: b.data.slice() };
  for (let from = 0; from < n; from += TILE) {
    const to = Math.min(n, from + TILE);
    const rows = rowsOf(x, from, to);
    if (from > 0)
      await blas.gemm(block(lower, from, to, 0, from), rowsOf(x, 0, from), {
        into: rows,
        subtract: true,
      });
    rows.data.set((await blas.gemm(invertTile(block(lower, from, to, from, to)), rows)).data);
  }
  return x;
}

/** X of Lᵀ·X = B, B [n, m]. */
export async function solveLowerTransposed(
  blas: Blas,
  lower: MatrixF64,
  b: MatrixF64,
): Promise<MatrixF64> {
  const n = lower.rows;
  const x: MatrixF64 = { ...b, data: b.data.slice() };
  for (let from = Math.floor((n - 1) / TILE) * TILE; from >= 0; from -= TILE) {
    const to = Math.min(n, from + TILE);
    const rows = rowsOf(x, from, to);
    if (to < n)
      await blas.gemm(block(lower, to, n, from, to), rowsOf(x, to, n), {
        transA: true,
        into: rows,
        subtract: true,
      });
    const inverse = invertTile(block(lower, from, to, from, to));
    rows.data.set((await blas.gemm(inverse, rows, { transA: true })).data);
  }
  return x;
}

/** L⁻¹, lower triangular. Row block i needs only the first i blocks of columns. */
export async function invertLower(blas: Blas, lower: MatrixF64): Promise<MatrixF64> {
  const n = lower.rows;
  const out = zerosF64(n, n);
  for (let from = 0; from < n; from += TILE) {
    const to = Math.min(n, from + TILE);
    const inverse = invertTile(block(lower, from, to, from, to));
    setBlock(out, from, from, inverse);
    if (from === 0) continue;
    const left = await blas.gemm(block(lower, from, to, 0, from), block(out, 0, from, 0, from));
    const part = zerosF64(to - from, from);
    setBlock(out, from, 0, await blas.gemm(inverse, left, { into: part, subtract: true }));
  }
  return out;
}
