/** Which rows of all samples together a statistic takes. */
import { random } from "../../shared/random.ts";

/** Fewer rows give a Gram that says more about the rows than about the layer. */
const LEAST_ROWS = 8192;
const SAMPLE_ROWS = 1024;

/** Rows of a `use` place with K columns per group, where the need does not say (QUANTIZATION.md §3). */
export const defaultRows = (stat: string, place: "use" | "value", k: number): number =>
  stat === "samples" ? SAMPLE_ROWS : place === "value" ? Infinity : Math.max(LEAST_ROWS, 2 * k);

export interface Positions {
  /** Ascending; null for all of `total`. */
  readonly chosen: Float64Array | null;
  readonly total: number;
  readonly rows: number;
}

/** One row at random out of each of `wanted` equal stretches, so that every sample gets its share. */
export function choosePositions(total: number, wanted: number, seed: number): Positions {
  if (total <= wanted) return { chosen: null, total, rows: total };
  const rows = Math.max(1, Math.floor(wanted));
  const next = random(seed);
  const chosen = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    const from = Math.floor((i * total) / rows);
    const to = Math.floor(((i + 1) * total) / rows);
    chosen[i] = from + next.int(to - from);
  }
  return { chosen, total, rows };
}

/** Those of [from, to), as numbers from `from` on. */
export function positionsWithin({ chosen }: Positions, from: number, to: number): Float64Array {
  if (chosen === null) return Float64Array.from({ length: to - from }, (_, i) => i);
  return chosen.subarray(lowerBound(chosen, from), lowerBound(chosen, to)).map((at) => at - from);
}

function lowerBound(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? Infinity) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
