/**
 * Which inputs of linear layers can go, by the error that is left after the other weights have made
 * up for them: Optimal Brain Surgeon for blocks of inputs (one channel with all its kernel taps, one
 * head), on the layer's own least-squares error.
 *
 * With H = XᵀX and W [O, K], removing the block J costs tr(W_J (H⁻¹_JJ)⁻¹ W_Jᵀ); afterwards
 * W ← W − W_J (H⁻¹_JJ)⁻¹ H⁻¹_J and H⁻¹ ← H⁻¹ − H⁻¹_·J (H⁻¹_JJ)⁻¹ H⁻¹_J.
 * Hassibi and Stork 1992; Frantar and Alistarh 2022 (arXiv:2208.11580), section 3.
 */
import type { Blas, MatrixF64 } from "../../shared/kernels.ts";
import { zerosF64 } from "../linalg/matrix.ts";
import { invertSpd } from "../linalg/solve.ts";

/** A layer that reads the candidates, or one group of a grouped convolution. */
export interface Reader {
  /** XᵀX of its input, [K, K]. */
  readonly gram: MatrixF64;
  /** [O, K]. */
  readonly weight: MatrixF64;
  /** For each candidate the columns that it stands for; all lists of one length. */
  readonly columns: readonly (readonly number[])[];
}

export type ObsResult =
  | {
      readonly ok: true;
      /** Candidates in the order of their removal. */
      readonly removed: readonly number[];
      /** The error that each removal adds, in the units of the outputs squared. */
      readonly costs: readonly number[];
    }
  /** A Gram or weight with NaN, or one that no damping makes positive definite. */
  | { readonly ok: false };

interface State {
  readonly inverse: MatrixF64;
  readonly weight: MatrixF64;
  readonly columns: readonly (readonly number[])[];
}

/**
 * Removes the cheapest candidate `count` times; the cost of a candidate is summed over its readers.
 * @param damping added to each Gram's diagonal, relative to its mean
 */
export async function obsRemoval(
  blas: Blas,
  readers: readonly Reader[],
  count: number,
  damping: number,
  checkpoint: (done: number) => Promise<void>,
): Promise<ObsResult> {
  const states: State[] = [];
  for (const { gram, weight, columns } of readers) {
    const inverse = await invertSpd(blas, gram, damping);
    if (!inverse.ok) return { ok: false };
    states.push({ inverse: inverse.x, weight: { ...weight, data: weight.data.slice() }, columns });
  }
  const candidates = readers[0]?.columns.length ?? 0;
  const alive = new Set(Array.from({ length: candidates }, (_, i) => i));
  const removed: number[] = [];
  const costs: number[] = [];
  while (removed.length < count && alive.size > 0) {
    let best = -1;
    let least = Infinity;
    for (const candidate of alive) {
      let cost = 0;
      for (const state of states) cost += removalCost(state, candidate);
      if (cost < least) [best, least] = [candidate, cost];
    }
    if (best < 0) return { ok: false };
    for (const state of states) await remove(blas, state, best);
    alive.delete(best);
    removed.push(best);
    costs.push(least);
    await checkpoint(removed.length / count);
  }
  return { ok: true, removed, costs };
}

/** tr(W_J K W_Jᵀ) with K = (H⁻¹_JJ)⁻¹, through the Cholesky factor of H⁻¹_JJ; NaN where it has none. */
function removalCost({ inverse, weight, columns }: State, candidate: number): number {
  const list = columns[candidate] ?? [];
  const lower = factor(inverse, list);
  if (!lower) return NaN;
  const n = list.length;
  const z = new Float64Array(n);
  let cost = 0;
  for (let o = 0; o < weight.rows; o++) {
    const at = o * weight.cols;
    for (let i = 0; i < n; i++) {
      let sum = weight.data[at + (list[i] ?? 0)] ?? 0;
      for (let k = 0; k < i; k++) sum -= (lower[i * n + k] ?? 0) * (z[k] ?? 0);
      const value = sum / (lower[i * n + i] ?? 1);
      z[i] = value;
      cost += value * value;
    }
  }
  return cost;
}

/** Cholesky factor of a small block of a matrix, [n, n] row-major; null where a pivot is not positive. */
function factor({ cols, data }: MatrixF64, list: readonly number[]): Float64Array | null {
  const n = list.length;
  const lower = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let sum = data[(list[i] ?? 0) * cols + (list[j] ?? 0)] ?? 0;
      for (let k = 0; k < j; k++) sum -= (lower[i * n + k] ?? 0) * (lower[j * n + k] ?? 0);
      if (j < i) lower[i * n + j] = sum / (lower[j * n + j] ?? 1);
      else if (sum > 0) lower[i * n + i] = Math.sqrt(sum);
      else return null;
    }
  return lower;
}

/** Takes the block out of W and H⁻¹; its rows and columns of H⁻¹ become zero. */
async function remove(
  blas: Blas,
  { inverse, weight, columns }: State,
  candidate: number,
): Promise<void> {
  const list = columns[candidate] ?? [];
  const lower = factor(inverse, list);
  if (!lower) return;
  const n = list.length;
  // R = L⁻¹ H⁻¹_J: H⁻¹ loses RᵀR, and W loses (L⁻¹ W_Jᵀ)ᵀ R.
  const rows = halved(
    lower,
    n,
    inverse.cols,
    (i, c) => inverse.data[(list[i] ?? 0) * inverse.cols + c],
  );
  const left = halved(
    lower,
    n,
    weight.rows,
    (i, o) => weight.data[o * weight.cols + (list[i] ?? 0)],
  );
  await blas.gemm(left, rows, { transA: true, into: weight, subtract: true });
  await blas.gemm(rows, rows, { transA: true, into: inverse, subtract: true });
  for (const column of list) {
    inverse.data.fill(0, column * inverse.cols, (column + 1) * inverse.cols);
    for (let r = 0; r < inverse.rows; r++) inverse.data[r * inverse.cols + column] = 0;
    for (let o = 0; o < weight.rows; o++) weight.data[o * weight.cols + column] = 0;
  }
}

/** L⁻¹·B for B [n, m] given element by element. */
function halved(
  lower: Float64Array,
  n: number,
  m: number,
  element: (i: number, c: number) => number | undefined,
): MatrixF64 {
  const out = zerosF64(n, m);
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < m; c++) {
      let sum = element(i, c) ?? 0;
      for (let k = 0; k < i; k++) sum -= (lower[i * n + k] ?? 0) * (out.data[k * m + c] ?? 0);
      out.data[i * m + c] = sum / (lower[i * n + i] ?? 1);
    }
  }
  return out;
}
