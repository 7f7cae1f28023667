/** Row-major matrices as plain values: making them, and moving pieces of them. */
import type { Matrix, MatrixF32, MatrixF64 } from "../../shared/kernels.ts";

export const zerosF64 = (rows: number, cols: number): MatrixF64 => ({
  rows,
  cols,
  data: new Float64Array(rows * cols),
});

export const toF64 = ({ rows, cols, data }: Matrix): MatrixF64 => ({
  rows,
  cols,
  data: Float64Array.from(data),
});
export const toF32 = ({ rows, cols, data }: Matrix): MatrixF32 => ({
  rows,
  cols,
  data: Float32Array.from(data),
});

/** Zeros of the same element type as `like`. */
export function zerosLike<T extends Float32Array | Float64Array>(
  like: T,
  rows: number,
  cols: number,
): Matrix<T> {
  const make = like instanceof Float32Array ? Float32Array : Float64Array;
  return { rows, cols, data: new make(rows * cols) as T };
}

/** Rows [from, to) as a view. */
export function rowsOf<T extends Float32Array | Float64Array>(
  { cols, data }: Matrix<T>,
  from: number,
  to: number,
): Matrix<T> {
  return { rows: to - from, cols, data: data.subarray(from * cols, to * cols) as T };
}

/** A copy of rows [r0, r1) and columns [c0, c1). */
export function block<T extends Float32Array | Float64Array>(
  m: Matrix<T>,
  r0: number,
  r1: number,
  c0: number,
  c1: number,
): Matrix<T> {
  const out = zerosLike(m.data, r1 - r0, c1 - c0);
  for (let r = r0; r < r1; r++)
    out.data.set(m.data.subarray(r * m.cols + c0, r * m.cols + c1), (r - r0) * out.cols);
  return out;
}

/** Writes `part` at row `r0`, column `c0` of `m`. */
export function setBlock<T extends Float32Array | Float64Array>(
  m: Matrix<T>,
  r0: number,
  c0: number,
  part: Matrix<T>,
): void {
  for (let r = 0; r < part.rows; r++)
    m.data.set(part.data.subarray(r * part.cols, (r + 1) * part.cols), (r0 + r) * m.cols + c0);
}

/** Values are moved in squares that stay in the first cache. */
const SQUARE = 32;
export function transpose<T extends Float32Array | Float64Array>(m: Matrix<T>): Matrix<T> {
  const { rows, cols, data } = m;
  const out = zerosLike(data, cols, rows);
  const to = out.data;
  for (let r0 = 0; r0 < rows; r0 += SQUARE)
    for (let c0 = 0; c0 < cols; c0 += SQUARE) {
      const r1 = Math.min(rows, r0 + SQUARE);
      const c1 = Math.min(cols, c0 + SQUARE);
      for (let r = r0; r < r1; r++)
        for (let c = c0; c < c1; c++) to[c * rows + r] = data[r * cols + c] ?? 0;
    }
  return out;
}

/** Copies what is above the diagonal of a square matrix to below it. */
export function mirrorUpper({ rows: n, data }: Matrix): void {
  for (let r0 = 0; r0 < n; r0 += SQUARE)
    for (let c0 = r0; c0 < n; c0 += SQUARE) {
      const r1 = Math.min(n, r0 + SQUARE);
      const c1 = Math.min(n, c0 + SQUARE);
      for (let r = r0; r < r1; r++)
        for (let c = Math.max(c0, r + 1); c < c1; c++) data[c * n + r] = data[r * n + c] ?? 0;
    }
}

/** Mean of the diagonal: the scale that damping is given relative to. */
export function meanDiagonal({ rows, cols, data }: Matrix): number {
  let sum = 0;
  for (let i = 0; i < rows; i++) sum += data[i * cols + i] ?? 0;
  return rows === 0 ? 0 : sum / rows;
}

/** Sum of squares, in float64. */
export function squaredNorm(values: Float32Array | Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value * value;
  return sum;
}
