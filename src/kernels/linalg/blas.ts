/** `Blas` in plain TypeScript, float64 sums: the reference, and what tests of pure code run on. */
import type { Blas, GemmOptions, Matrix, MatrixF32, MatrixF64 } from "../../shared/kernels.ts";
import { zerosF64, zerosLike } from "./matrix.ts";

interface Shape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** Rows, columns and inner dimension of a product. @throws Error when they do not fit. */
export function gemmShape<T extends Float32Array | Float64Array>(
  a: Matrix<T>,
  b: Matrix<T>,
  { transA = false, transB = false, into }: GemmOptions<T>,
): Shape {
  const [m, k] = transA ? [a.cols, a.rows] : [a.rows, a.cols];
  const [inner, n] = transB ? [b.cols, b.rows] : [b.rows, b.cols];
  const fits = k === inner && (!into || (into.rows === m && into.cols === n));
  const sized = [a, b, ...(into ? [into] : [])].every((x) => x.data.length === x.rows * x.cols);
  if (!fits || !sized)
    throw new Error(
      `gemm: [${m}, ${k}] · [${inner}, ${n}]${into ? ` into [${into.rows}, ${into.cols}]` : ""}`,
    );
  return { m, n, k };
}

/** Twin of `Blas.gemm`. */
export function gemm<T extends Float32Array | Float64Array>(
  a: Matrix<T>,
  b: Matrix<T>,
  options: GemmOptions<T> = {},
): Matrix<T> {
  const { transA = false, transB = false, into, subtract = false } = options;
  const { m, n, k } = gemmShape(a, b, options);
  const out = into ?? zerosLike(a.data, m, n);
  const [rowStep, innerStep] = transA ? [1, a.cols] : [a.cols, 1];
  const sums = new Float64Array(n);
  for (let i = 0; i < m; i++) {
    sums.fill(0);
    for (let p = 0; p < k; p++) {
      const x = a.data[i * rowStep + p * innerStep] ?? 0;
      if (transB)
        for (let j = 0; j < n; j++) sums[j] = (sums[j] ?? 0) + x * (b.data[j * k + p] ?? 0);
      else for (let j = 0; j < n; j++) sums[j] = (sums[j] ?? 0) + x * (b.data[p * n + j] ?? 0);
    }
    const at = i * n;
    for (let j = 0; j < n; j++) {
      const sum = sums[j] ?? 0;
      out.data[at + j] = (out.data[at + j] ?? 0) + (subtract ? -sum : sum);
    }
  }
  return out;
}

/** Twin of `Blas.gram`. */
export function gram(x: MatrixF32, into?: MatrixF64): MatrixF64 {
  const { rows, cols, data } = x;
  const out = into ?? zerosF64(cols, cols);
  if (out.rows !== cols || out.cols !== cols)
    throw new Error(`gram: rows of ${cols} into [${out.rows}, ${out.cols}]`);
  for (let r = 0; r < rows; r++)
    for (let i = 0; i < cols; i++) {
      const value = data[r * cols + i] ?? 0;
      if (value === 0) continue;
      for (let j = 0; j < cols; j++) {
        const at = i * cols + j;
        out.data[at] = (out.data[at] ?? 0) + value * (data[r * cols + j] ?? 0);
      }
    }
  return out;
}

export const referenceBlas: Blas = {
  gemm: (a, b, options) => Promise.resolve(gemm(a, b, options)),
  gram: (x, into) => Promise.resolve(gram(x, into)),
};
