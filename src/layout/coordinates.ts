/** Horizontal places within rows: each vertex near its neighbours, none overlapping. */
import type { Network } from "./ordering.ts";

export interface Widths {
  readonly width: readonly number[];
  /** Vertices from this number on are bends of long edges. */
  readonly firstBend: number;
  readonly gap: number;
}

/** Between two bends side by side. */
const BEND_GAP = 8;
/** Ends on a sweep downwards: after it long edges are straight as far as nothing stands in their way. */
const SWEEPS = 13;

/** Centre of each vertex; long edges come out straight because bends pull each other most. */
export function placeColumns(
  network: Network,
  rows: readonly (readonly number[])[],
  { width, firstBend, gap }: Widths,
): Float64Array {
  const x = new Float64Array(width.length);
  const isBend = (v: number): boolean => v >= firstBend;
  const apart = (a: number, b: number): number =>
    ((width[a] ?? 0) + (width[b] ?? 0)) / 2 + (isBend(a) && isBend(b) ? BEND_GAP : gap);
  for (const row of rows) {
    let at = 0;
    row.forEach((v, i) => {
      const before = row[i - 1];
      at += before === undefined ? 0 : apart(before, v);
      x[v] = at;
    });
    for (const v of row) x[v] = (x[v] ?? 0) - at / 2;
  }
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const direction = sweep % 3;
    for (let k = 0; k < rows.length; k++) {
      const row = rows[direction === 1 ? rows.length - 1 - k : k] ?? [];
      const wanted: number[] = [];
      const weights: number[] = [];
      for (const v of row) {
        let sum = 0;
        let weight = 0;
        const pull = (list: readonly number[] | undefined): void => {
          for (const w of list ?? []) {
            const strength = isBend(v) && isBend(w) ? 8 : isBend(v) || isBend(w) ? 2 : 1;
            sum += strength * (x[w] ?? 0);
            weight += strength;
          }
        };
        if (direction !== 1) pull(network.up[v]);
        if (direction !== 0) pull(network.down[v]);
        wanted.push(weight > 0 ? sum / weight : (x[v] ?? 0));
        weights.push(weight > 0 ? weight : 0.1);
      }
      project(row, wanted, weights, apart, x);
    }
  }
  return x;
}

/**
 * The places closest to `wanted` (weighted least squares) that keep the order and the distances:
 * isotonic regression by pool-adjacent-violators on wanted minus the sums of distances. O(row).
 */
function project(
  row: readonly number[],
  wanted: readonly number[],
  weights: readonly number[],
  apart: (a: number, b: number) => number,
  x: Float64Array,
): void {
  const offsets: number[] = [];
  const pools: { sum: number; weight: number; size: number }[] = [];
  let offset = 0;
  row.forEach((v, i) => {
    const before = row[i - 1];
    offset += before === undefined ? 0 : apart(before, v);
    offsets.push(offset);
    const weight = weights[i] ?? 1;
    let pool = { sum: ((wanted[i] ?? 0) - offset) * weight, weight, size: 1 };
    for (
      let last = pools.at(-1);
      last && last.sum / last.weight >= pool.sum / pool.weight;
      last = pools.at(-1)
    ) {
      pools.pop();
      pool = {
        sum: pool.sum + last.sum,
        weight: pool.weight + last.weight,
        size: pool.size + last.size,
      };
    }
    pools.push(pool);
  });
  let i = 0;
  for (const pool of pools)
    for (const end = i + pool.size; i < end; i++)
      x[row[i] ?? 0] = pool.sum / pool.weight + (offsets[i] ?? 0);
}
