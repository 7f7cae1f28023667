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
  const wanted = new Float64Array(width.length);
  const weights = new Float64Array(width.length);
  const pull = (v: number, list: readonly number[] | undefined): void => {
    for (const w of list ?? []) {
      const strength = isBend(v) && isBend(w) ? 8 : isBend(v) || isBend(w) ? 2 : 1;
      wanted[v] = (wanted[v] ?? 0) + strength * (x[w] ?? 0);
      weights[v] = (weights[v] ?? 0) + strength;
    }
  };
  const projection = new Projection(rows.reduce((max, row) => Math.max(max, row.length), 0));
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const direction = sweep % 3;
    for (let k = 0; k < rows.length; k++) {
      const row = rows[direction === 1 ? rows.length - 1 - k : k] ?? [];
      for (const v of row) {
        wanted[v] = weights[v] = 0;
        if (direction !== 1) pull(v, network.up[v]);
        if (direction !== 0) pull(v, network.down[v]);
        const weight = weights[v] ?? 0;
        wanted[v] = weight > 0 ? (wanted[v] ?? 0) / weight : (x[v] ?? 0);
        weights[v] = weight > 0 ? weight : 0.1;
      }
      projection.place(row, wanted, weights, apart, x);
    }
  }
  return x;
}

/**
 * The places closest to `wanted` (weighted least squares) that keep the order and the distances:
 * isotonic regression by pool-adjacent-violators on wanted minus the sums of distances. O(row).
 */
class Projection {
  readonly #offsets: Float64Array;
  /** Pools of vertices that touch: sum of wanted places, weight and size of each. */
  readonly #sums: Float64Array;
  readonly #weights: Float64Array;
  readonly #sizes: Int32Array;

  constructor(longestRow: number) {
    this.#offsets = new Float64Array(longestRow);
    this.#sums = new Float64Array(longestRow);
    this.#weights = new Float64Array(longestRow);
    this.#sizes = new Int32Array(longestRow);
  }

  place(
    row: readonly number[],
    wanted: Float64Array,
    weights: Float64Array,
    apart: (a: number, b: number) => number,
    x: Float64Array,
  ): void {
    let pools = 0;
    let offset = 0;
    for (let i = 0; i < row.length; i++) {
      const v = row[i] ?? 0;
      if (i > 0) offset += apart(row[i - 1] ?? 0, v);
      this.#offsets[i] = offset;
      let weight = weights[v] ?? 1;
      let sum = ((wanted[v] ?? 0) - offset) * weight;
      let size = 1;
      while (pools > 0) {
        const lastSum = this.#sums[pools - 1] ?? 0;
        const lastWeight = this.#weights[pools - 1] ?? 1;
        if (lastSum / lastWeight < sum / weight) break;
        sum += lastSum;
        weight += lastWeight;
        size += this.#sizes[--pools] ?? 0;
      }
      this.#sums[pools] = sum;
      this.#weights[pools] = weight;
      this.#sizes[pools++] = size;
    }
    for (let pool = 0, i = 0; pool < pools; pool++) {
      const at = (this.#sums[pool] ?? 0) / (this.#weights[pool] ?? 1);
      for (const end = i + (this.#sizes[pool] ?? 0); i < end; i++)
        x[row[i] ?? 0] = at + (this.#offsets[i] ?? 0);
    }
  }
}
