/**
 * Makes codes and their scales fit each other and the layer's output: coordinate descent on
 * tr(Δ·H·Δᵀ), H = XᵀX + λI, with everything else held. A code moves to the grid value nearest to its
 * own minimum, q_k − (H·δ)_k / H_kk; the scale of a block to s − aᵀ(H·δ)_B / aᵀH_BB·a, a the codes
 * less their zero point. No step makes the error larger, so the result is never worse than its start.
 *
 * Egiazarian et al. 2024 (arXiv:2401.06118), section 3.3 (codes and codebooks in turn); Nagel et al.
 * 2020 (arXiv:2004.10568), eq. 13 (the objective).
 */
import type { Blas, MatrixF64 } from "../../shared/kernels.ts";
import type { CodeGrid } from "./gptq.ts";
import { zerosF64 } from "../linalg/matrix.ts";
import { roundHalfEven } from "./rounding.ts";

/** Codes, then scales, then codes again; the error hardly falls any more after these. */
const ROUNDS = 6;
/** Passes over the codes of a row in one round. */
const SWEEPS = 4;
/** Rounds in which other grids are tried, and their scales over the present one. */
const SEARCHES = 3;
const SCALES = [0.8, 0.9, 1.1, 1.25];
/** Of a row's error, below which a change of grid is rounding noise. */
const LEAST_GAIN = 1e-9;

export interface RefineOptions {
  /** λ relative to the mean of the Gram's diagonal. */
  readonly damping: number;
  /**
   * Tries other scales and zero points for each block as well: ten times the work, which pays where
   * there are few codes.
   */
  readonly search: boolean;
  /** The grid's zero points, where a search may move them; null where they are given. */
  readonly free: Uint8Array | null;
}

export interface Refined {
  /** tr(Δ·H·Δᵀ) of all rows before and after, in the Gram's units. */
  readonly errorBefore: number;
  readonly error: number;
}

/**
 * Changes `codes` [N, K], `grid.scales` and, in a search, `free` in place.
 * @param weight [N, K], finite; @param gram XᵀX [K, K] or any multiple of it
 */
export async function refineCodes(
  blas: Blas,
  weight: MatrixF64,
  gram: MatrixF64,
  grid: CodeGrid,
  codes: Int16Array,
  { damping, search, free }: RefineOptions,
): Promise<Refined> {
  const { rows: n, cols: k } = weight;
  const h = damped(gram, damping);
  const delta = zerosF64(n, k);
  const perRow = Math.ceil(k / grid.block);
  const blockAt = (row: number, column: number): number =>
    row * perRow + Math.floor(column / grid.block);
  const zeroOf = (at: number): number => grid.zeroPoints?.[at] ?? 0;
  for (let row = 0, i = 0; row < n; row++)
    for (let column = 0; column < k; column++, i++) {
      const at = blockAt(row, column);
      const value = ((codes[i] ?? 0) - zeroOf(at)) * (grid.scales[at] ?? 0);
      delta.data[i] = value - (weight.data[i] ?? 0);
    }
  const saved = {
    gradient: new Float64Array(k),
    delta: new Float64Array(grid.block),
    codes: new Int16Array(grid.block),
  };
  const gradients = await blas.gemm(delta, h);
  const errorBefore = dot(delta.data, gradients.data);

  for (let row = 0; row < n; row++) {
    const gradient = gradients.data.subarray(row * k, (row + 1) * k);
    const own = delta.data.subarray(row * k, (row + 1) * k);
    let error = dot(own, gradient);
    const move = (column: number, by: number): void => {
      error += by * (2 * (gradient[column] ?? 0) + by * (h.data[column * k + column] ?? 0));
      own[column] = (own[column] ?? 0) + by;
      const from = column * k;
      for (let i = 0; i < k; i++) gradient[i] = (gradient[i] ?? 0) + by * (h.data[from + i] ?? 0);
    };
    const sweep = (): number => {
      let changed = 0;
      for (let column = 0; column < k; column++) {
        const at = blockAt(row, column);
        const scale = grid.scales[at] ?? 1;
        const steepness = h.data[column * k + column] ?? 0;
        if (!(steepness > 0)) continue;
        const code = codes[row * k + column] ?? 0;
        const wanted = code - (gradient[column] ?? 0) / steepness / scale;
        const next = clamp(grid, roundHalfEven(wanted));
        if (next === code) continue;
        codes[row * k + column] = next;
        move(column, (next - code) * scale);
        changed++;
      }
      return changed;
    };
    const fitScales = (): void => {
      for (let from = 0; from < k; from += grid.block) {
        const to = Math.min(k, from + grid.block);
        const at = blockAt(row, from);
        const levels = Array.from(
          codes.subarray(row * k + from, row * k + to),
          (code) => code - zeroOf(at),
        );
        let [slope, curve] = [0, 0];
        levels.forEach((a, i) => {
          slope += a * (gradient[from + i] ?? 0);
          levels.forEach((b, j) => {
            curve += a * b * (h.data[(from + i) * k + from + j] ?? 0);
          });
        });
        const scale = grid.scales[at] ?? 1;
        const next = Math.fround(scale - slope / curve);
        // Without levels nothing depends on the scale; its sign belongs to the codes.
        if (!(curve > 0) || !(next > 0) || !Number.isFinite(next)) continue;
        grid.scales[at] = next;
        levels.forEach((a, i) => {
          if (a !== 0) move(from + i, a * (next - scale));
        });
      }
    };
    /**
     * A block on another grid, its codes rounded one after the other at what is best for each then;
     * taken back where the error is not smaller for it.
     */
    const tryGrid = (from: number, to: number, scale: number, zero: number): boolean => {
      const at = blockAt(row, from);
      if (zero < grid.low || zero > grid.high) return false;
      const oldScale = grid.scales[at] ?? 1;
      const oldZero = zeroOf(at);
      const before = error;
      saved.gradient.set(gradient);
      saved.delta.set(own.subarray(from, to));
      saved.codes.set(codes.subarray(row * k + from, row * k + to));
      for (let pass = 0; pass < 2; pass++)
        for (let column = from; column < to; column++) {
          const steepness = h.data[column * k + column] ?? 0;
          const code = codes[row * k + column] ?? 0;
          const value = pass === 0 ? (code - oldZero) * oldScale : (code - zero) * scale;
          const wanted = value - (steepness > 0 ? (gradient[column] ?? 0) / steepness : 0);
          const next = clamp(grid, roundHalfEven(wanted / scale) + zero);
          codes[row * k + column] = next;
          const by = (next - zero) * scale - value;
          if (by !== 0) move(column, by);
        }
      if (error < before * (1 - LEAST_GAIN)) {
        grid.scales[at] = scale;
        if (free) free[at] = zero;
        return true;
      }
      error = before;
      gradient.set(saved.gradient);
      own.set(saved.delta.subarray(0, to - from), from);
      codes.set(saved.codes.subarray(0, to - from), row * k + from);
      return false;
    };
    const searchGrids = (): number => {
      let changed = 0;
      for (let from = 0; from < k; from += grid.block) {
        const to = Math.min(k, from + grid.block);
        const at = blockAt(row, from);
        for (const factor of SCALES)
          if (tryGrid(from, to, Math.fround((grid.scales[at] ?? 1) * factor), zeroOf(at)))
            changed++;
        if (!free) continue;
        for (const step of [-1, 1])
          if (tryGrid(from, to, grid.scales[at] ?? 1, zeroOf(at) + step)) changed++;
      }
      return changed;
    };
    for (let round = 0; round < ROUNDS; round++) {
      let changed = 0;
      for (let pass = 0; pass < SWEEPS; pass++) {
        const now = sweep();
        changed += now;
        if (now === 0) break;
      }
      fitScales();
      if (search && round < SEARCHES) changed += searchGrids();
      if (round > 0 && changed === 0) break;
    }
  }
  return { errorBefore, error: dot(delta.data, gradients.data) };
}

const clamp = ({ low, high }: CodeGrid, code: number): number =>
  Math.min(high, Math.max(low, code));

function damped(gram: MatrixF64, damping: number): MatrixF64 {
  const k = gram.rows;
  const out = { ...gram, data: gram.data.slice() };
  let trace = 0;
  for (let i = 0; i < k; i++) trace += gram.data[i * k + i] ?? 0;
  const lambda = (damping * trace) / Math.max(1, k);
  for (let i = 0; i < k; i++) out.data[i * k + i] = (out.data[i * k + i] ?? 0) + lambda;
  return out;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}
