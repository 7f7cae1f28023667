/**
 * GPTQ: rounds a weight to given scales so that the layer's output moves least. Columns are rounded
 * one after the other, and each error is made up for by the columns that are still free.
 *
 * With H = XᵀX + λI, (PHPᵀ)⁻¹ = UᵀU (U upper triangular) and the order P, column j is rounded, its
 * error is e = (w_j − q_j) / U_jj, and every later column k moves by −e·U_jk: the ROW of U, for the
 * column below the diagonal is zero and would leave plain rounding. Each row of the weight keeps the
 * nearest codes where those are no worse on the undamped XᵀX.
 *
 * Frantar et al. 2022 (arXiv:2210.17323), algorithm 1 and section 3.3.
 */
import type { Blas, MatrixF64 } from "../../shared/kernels.ts";
import { dampedCholesky } from "../linalg/cholesky.ts";
import { block, rowsOf, transpose, zerosF64 } from "../linalg/matrix.ts";
import { invertLower } from "../linalg/triangular.ts";
import { roundHalfEven } from "./rounding.ts";

/** The values a weight can take: (code − zero point) · scale. */
export interface CodeGrid {
  readonly low: number;
  readonly high: number;
  /** Columns of a row that share one scale; K for one scale per row. */
  readonly block: number;
  /** [N, ceil(K / block)], all positive. */
  readonly scales: Float32Array;
  /** As `scales`; null where all are 0. */
  readonly zeroPoints: ArrayLike<number> | null;
}

export interface GptqOptions {
  /** λ relative to the mean of the Gram's diagonal. */
  readonly damping: number;
  /** Columns by falling diagonal of the Gram (`act-order`), or as they are. */
  readonly order: "activation" | "stored";
}

export type GptqResult =
  | {
      readonly ok: true;
      /** [N, K]. */
      readonly codes: Int16Array;
      /** Rows of the weight that are not rounded to nearest. */
      readonly changed: number;
      /** tr(Δ·XᵀX·Δᵀ) of these codes and of the nearest ones, in the Gram's units. */
      readonly error: number;
      readonly nearestError: number;
    }
  /** A Gram with NaN, or one that no damping makes positive definite. */
  | { readonly ok: false };

/** Columns rounded between two products. */
const PANEL = 128;

/** @param weight [N, K], finite; @param gram XᵀX [K, K] or any multiple of it. */
export async function gptq(
  blas: Blas,
  weight: MatrixF64,
  gram: MatrixF64,
  grid: CodeGrid,
  { damping, order }: GptqOptions,
): Promise<GptqResult> {
  const { rows: n, cols: k } = weight;
  const columns = Array.from({ length: k }, (_, i) => i);
  if (order === "activation") {
    const diagonal = (i: number): number => gram.data[i * k + i] ?? 0;
    columns.sort((a, b) => diagonal(b) - diagonal(a) || a - b);
  }
  const upper = await inverseFactor(blas, gram, columns, damping);
  if (!upper) return { ok: false };

  const perRow = Math.ceil(k / grid.block);
  const asStored = transpose(weight);
  const free = zerosF64(k, n);
  columns.forEach((column, i) => free.data.set(rowsOf(asStored, column, column + 1).data, i * n));
  const found = candidate(k, n);
  const nearest = candidate(k, n);
  const round = (to: Candidate, column: number, row: number, value: number): number => {
    const at = row * perRow + Math.floor(column / grid.block);
    const scale = grid.scales[at] ?? 1;
    const zero = grid.zeroPoints?.[at] ?? 0;
    const code = Math.min(grid.high, Math.max(grid.low, roundHalfEven(value / scale) + zero));
    const rounded = (code - zero) * scale;
    to.codes[row * k + column] = code;
    to.delta.data[column * n + row] = rounded - (asStored.data[column * n + row] ?? 0);
    return rounded;
  };

  for (let from = 0; from < k; from += PANEL) {
    const to = Math.min(k, from + PANEL);
    const errors = zerosF64(to - from, n);
    for (let j = from; j < to; j++) {
      const column = columns[j] ?? 0;
      const pivot = upper.data[j * k + j] ?? 1;
      const error = rowsOf(errors, j - from, j - from + 1).data;
      for (let row = 0; row < n; row++) {
        const value = free.data[j * n + row] ?? 0;
        error[row] = (value - round(found, column, row, value)) / pivot;
        round(nearest, column, row, asStored.data[column * n + row] ?? 0);
      }
      for (let later = j + 1; later < to; later++) {
        const factor = upper.data[j * k + later] ?? 0;
        const values = rowsOf(free, later, later + 1).data;
        for (let row = 0; row < n; row++)
          values[row] = (values[row] ?? 0) - factor * (error[row] ?? 0);
      }
    }
    if (to === k) break;
    const panel = block(upper, from, to, to, k);
    await blas.gemm(panel, errors, { transA: true, into: rowsOf(free, to, k), subtract: true });
  }

  const [own, plain] = [await gramErrors(blas, gram, found), await gramErrors(blas, gram, nearest)];
  const codes = nearest.codes;
  let [changed, error, nearestError] = [0, 0, 0];
  for (let row = 0; row < n; row++) {
    const [a, b] = [own[row] ?? 0, plain[row] ?? 0];
    nearestError += b;
    error += Math.min(a, b);
    if (!(a < b)) continue;
    codes.set(found.codes.subarray(row * k, (row + 1) * k), row * k);
    changed++;
  }
  return { ok: true, codes, changed, error, nearestError };
}

interface Candidate {
  /** [N, K]. */
  readonly codes: Int16Array;
  /** What they differ by from the weight, [K, N]. */
  readonly delta: MatrixF64;
}
const candidate = (k: number, n: number): Candidate => ({
  codes: new Int16Array(n * k),
  delta: zerosF64(k, n),
});

/**
 * Upper triangular U with UᵀU = (H + λI)⁻¹, H in the given order of columns. With J turning the
 * order around and JHJ = L·Lᵀ, U is J·L⁻¹·J: no inverse is formed and factored anew.
 */
async function inverseFactor(
  blas: Blas,
  gram: MatrixF64,
  columns: readonly number[],
  damping: number,
): Promise<MatrixF64 | null> {
  const k = gram.rows;
  const turned = zerosF64(k, k);
  for (let i = 0; i < k; i++)
    for (let j = 0; j < k; j++)
      turned.data[(k - 1 - i) * k + (k - 1 - j)] =
        gram.data[(columns[i] ?? 0) * k + (columns[j] ?? 0)] ?? 0;
  const factor = await dampedCholesky(blas, turned, damping);
  if (!factor.ok) return null;
  const inverse = await invertLower(blas, factor.lower);
  inverse.data.reverse();
  return inverse;
}

/** δᵀ·H·δ for each row of the weight, [N]. */
async function gramErrors(
  blas: Blas,
  gram: MatrixF64,
  { delta }: Candidate,
): Promise<Float64Array> {
  const n = delta.cols;
  const product = await blas.gemm(gram, delta);
  const errors = new Float64Array(n);
  product.data.forEach((value, i) => {
    errors[i % n] = (errors[i % n] ?? 0) + value * (delta.data[i] ?? 0);
  });
  return errors;
}
