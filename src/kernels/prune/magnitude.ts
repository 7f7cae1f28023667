/** Which weights are smallest: exactly, in two passes over values that need not all be in memory. */

/** |x| in order: the bits of a float32 without its sign grow with the size. */
const sizes = (values: Float32Array): Uint32Array =>
  new Uint32Array(values.buffer, values.byteOffset, values.length);
const SIGN = 0x7fffffff;
/** Bits of infinity; NaN is above. */
const INFINITE = 0x7f800000;
const LOW_BITS = 16;

/** Counts of the upper, then of the lower half of the bits. */
export interface SizeCounts {
  readonly counts: Float64Array;
  /** Values that are exactly zero. */
  zeros: number;
  /** NaN and infinite values. */
  broken: number;
}
export const sizeCounts = (): SizeCounts => ({
  counts: new Float64Array(1 << LOW_BITS),
  zeros: 0,
  broken: 0,
});

/** First pass: by the upper 16 bits. */
export function countUpper(values: Float32Array, into: SizeCounts): void {
  for (const bits of sizes(values)) {
    const size = bits & SIGN;
    if (size === 0) into.zeros++;
    if (size >= INFINITE) into.broken++;
    const bin = size >>> LOW_BITS;
    into.counts[bin] = (into.counts[bin] ?? 0) + 1;
  }
}

/** Second pass: by the lower 16 bits, of those values whose upper bits are `upper`. */
export function countLower(values: Float32Array, upper: number, into: SizeCounts): void {
  for (const bits of sizes(values)) {
    const size = bits & SIGN;
    if (size >>> LOW_BITS !== upper) continue;
    const bin = size & 0xffff;
    into.counts[bin] = (into.counts[bin] ?? 0) + 1;
  }
}

/** The bin in which the `count`-th smallest value lies, and how many values lie below that bin. */
export function binOf({ counts }: SizeCounts, count: number): { bin: number; below: number } {
  let below = 0;
  for (let bin = 0; bin < counts.length; bin++) {
    const next = below + (counts[bin] ?? 0);
    if (next >= count) return { bin, below };
    below = next;
  }
  return { bin: counts.length - 1, below };
}

/** |x| by the upper and lower half of its bits. */
export const sizeOf = (upper: number, lower: number): number =>
  new Float32Array(Uint32Array.of((upper << LOW_BITS) | lower).buffer)[0] ?? 0;

/** Values smaller than this go; of those that are equal, so many. */
export interface Threshold {
  /** Bits of |x|. */
  readonly bits: number;
  /** How many values of exactly that size go too, in order. */
  equal: number;
}
export const thresholdOf = (upper: number, lower: number, equal: number): Threshold => ({
  bits: ((upper << LOW_BITS) | lower) >>> 0,
  equal,
});

/** Zeroes values below the threshold in place, and equal ones while there are any left to go. */
export function zeroBelow(values: Float32Array, threshold: Threshold): void {
  const bits = sizes(values);
  for (let i = 0; i < bits.length; i++) {
    const size = (bits[i] ?? 0) & SIGN;
    const goes = size < threshold.bits || (size === threshold.bits && threshold.equal > 0);
    if (!goes) continue;
    if (size === threshold.bits) threshold.equal--;
    values[i] = 0;
  }
}

/**
 * Zeroes all but the `keep` largest of each group of `of` values that lie `stride` apart, in place.
 * @param lines where each line of values starts
 */
export function zeroGroups(
  values: Float32Array,
  lines: Iterable<number>,
  line: { readonly length: number; readonly stride: number },
  keep: number,
  of: number,
): void {
  const order: number[] = [];
  for (const start of lines)
    for (let first = 0; first < line.length; first += of) {
      const size = Math.min(of, line.length - first);
      order.length = 0;
      for (let i = 0; i < size; i++) order.push(start + (first + i) * line.stride);
      // A group that is cut short keeps its share, rounded up.
      order.sort((a, b) => Math.abs(values[b] ?? 0) - Math.abs(values[a] ?? 0) || a - b);
      for (const at of order.slice(Math.ceil((size * keep) / of))) values[at] = 0;
    }
}
