/**
 * Products of tall matrices with few columns, summed in float64: what calibrated techniques know of
 * the input of a layer with few channels, above all of depthwise convolutions. Wider ones go through
 * `Blas`.
 */
import type { MatrixF32 } from "../shared/kernels.ts";

/**
 * Adds the upper triangle of XᵀX to `sums` [k, k].
 * @param x rows of `stride` values; the k columns begin at `offset`
 */
export function addGram(
  x: Float32Array,
  rows: number,
  stride: number,
  offset: number,
  k: number,
  sums: Float64Array,
): void {
  for (let r = 0; r < rows; r++) {
    const from = r * stride + offset;
    for (let i = 0; i < k; i++) {
      const left = x[from + i] ?? 0;
      if (left === 0) continue;
      const row = i * k;
      for (let j = i; j < k; j++) sums[row + j] = (sums[row + j] ?? 0) + left * (x[from + j] ?? 0);
    }
  }
}

/** Adds AᵀB to `sums` [a.cols, b.cols]; both have the same rows. */
export function addCrossGram(a: MatrixF32, b: MatrixF32, sums: Float64Array): void {
  for (let r = 0; r < a.rows; r++)
    for (let i = 0; i < a.cols; i++) {
      const left = a.data[r * a.cols + i] ?? 0;
      const from = r * b.cols;
      const row = i * b.cols;
      for (let j = 0; j < b.cols; j++)
        sums[row + j] = (sums[row + j] ?? 0) + left * (b.data[from + j] ?? 0);
    }
}
