/**
 * From measured activations to the range that integer codes span, and from the range to scale and
 * zero point. Ranges always hold 0, so that padding and Relu are exact.
 *
 * Percentile and entropy as Migacz 2017 ("8-bit inference with TensorRT") and Wu et al. 2020
 * (arXiv:2004.09602); MSE as the same section 3.2 of Nagel et al. 2021 (arXiv:2106.08295).
 */
import type { Histogram } from "../../../core/statistics.ts";

export interface ValueRange {
  readonly lo: number;
  readonly hi: number;
}
export type RangeMethod = "minmax" | "percentile" | "mse" | "entropy";

/** How activations are coded. */
export interface ActivationFormat {
  readonly dtype: "uint8" | "int8" | "uint16";
  /** Zero point 0 and a range that is as wide on both sides, as TensorRT wants it. */
  readonly symmetric: boolean;
}
export interface Grid {
  readonly scale: number;
  readonly zero: number;
}

const { fround } = Math;
/** Below this a float32 reciprocal overflows; a value that is always 0 gets it too. */
const SMALLEST_SCALE = 2 ** -100;

export const codesOf = ({ dtype }: ActivationFormat): readonly [number, number] =>
  dtype === "uint8" ? [0, 255] : dtype === "int8" ? [-128, 127] : [0, 65535];

/** Scale and zero point such that 0 has a code of its own and the whole range is covered. */
export function gridOf({ lo, hi }: ValueRange, format: ActivationFormat): Grid {
  const [least, most] = codesOf(format);
  if (format.symmetric) {
    const widest = Math.max(-lo, hi);
    return { scale: positive(fround(widest / most)), zero: 0 };
  }
  const scale = positive(fround(hi / (most - least) - lo / (most - least)));
  const zero = Math.min(most, Math.max(least, Math.round(least - lo / scale)));
  return { scale, zero };
}
const positive = (scale: number): number => (scale >= SMALLEST_SCALE ? scale : 1);

export const unite = (a: ValueRange, b: ValueRange): ValueRange => ({
  lo: Math.min(a.lo, b.lo),
  hi: Math.max(a.hi, b.hi),
});

/** The range with 0 in it. */
export const withZero = (min: number, max: number): ValueRange => ({
  lo: Math.min(0, min),
  hi: Math.max(0, max),
});

/** @param percentile share in % of the values that stay inside, for the method percentile. */
export function rangeFrom(
  method: Exclude<RangeMethod, "minmax">,
  histogram: Histogram,
  percentile: number,
  levels: number,
): ValueRange {
  if (!(histogram.max > histogram.min)) return withZero(histogram.min, histogram.max);
  switch (method) {
    case "percentile":
      return percentileRange(histogram, percentile);
    case "mse":
      return bestShrink(histogram, (range) => squaredError(histogram, range, levels));
    case "entropy":
      return bestShrink(histogram, (range) => divergence(histogram, range, levels));
  }
}

/** The tails together hold (100 − percentile) % of the values; a side without values keeps its end. */
function percentileRange({ min, max, counts }: Histogram, percentile: number): ValueRange {
  const total = counts.reduce((a, b) => a + b, 0);
  const oneSided = min >= 0 || max <= 0;
  const tail = (total * (100 - percentile)) / 100 / (oneSided ? 1 : 2);
  const width = (max - min) / counts.length;
  const edge = (at: (i: number) => number): number => {
    let outside = 0;
    for (let i = 0; i < counts.length; i++) {
      const here = at(i);
      // Within a bin values are taken as evenly spread.
      if (outside + here > tail) return i + (tail - outside) / here;
      outside += here;
    }
    return 0;
  };
  const below = edge((i) => counts[i] ?? 0);
  const above = edge((i) => counts[counts.length - 1 - i] ?? 0);
  return withZero(min >= 0 ? min : min + below * width, max <= 0 ? max : max - above * width);
}

const SHRINKS = 71;
/** The candidate range of least cost: both ends shrunk together from the measured extremes to 0.3 of them. */
function bestShrink({ min, max }: Histogram, cost: (range: ValueRange) => number): ValueRange {
  const whole = withZero(min, max);
  let best = whole;
  let least = Infinity;
  for (let i = 0; i < SHRINKS; i++) {
    const factor = 1 - (0.7 * i) / (SHRINKS - 1);
    const candidate = { lo: whole.lo * factor, hi: whole.hi * factor };
    const value = cost(candidate);
    if (value < least) [best, least] = [candidate, value];
  }
  return best;
}

/** Expected squared error per value: Δ²/12 inside, the distance to the end outside; exact zeros cost nothing. */
function squaredError(
  { min, max, counts, zeros }: Histogram,
  { lo, hi }: ValueRange,
  levels: number,
): number {
  const width = (max - min) / counts.length;
  const step = (hi - lo) / (levels - 1);
  let inside = -zeros;
  let clipped = 0;
  for (let i = 0; i < counts.length; i++) {
    const count = counts[i] ?? 0;
    const centre = min + (i + 0.5) * width;
    const over = centre > hi ? centre - hi : centre < lo ? lo - centre : 0;
    if (over === 0) inside += count;
    else clipped += count * over * over;
  }
  return (inside * step * step) / 12 + clipped;
}

/** Shares below this count as this much, so that an empty bin costs a bounded amount. */
const LEAST_SHARE = 1e-7;

/**
 * KL(P ‖ Q): P is the histogram with what is outside put on the ends, Q the same mass as `levels`
 * codes can tell it apart, spread evenly over the bins of a code that P has. The bin of exact zeros is
 * left out of both: after a Relu it holds most of the values and has a code of its own.
 */
function divergence(
  { min, max, counts, zeros }: Histogram,
  { lo, hi }: ValueRange,
  levels: number,
): number {
  const bins = counts.length;
  const width = (max - min) / bins;
  const first = Math.max(0, Math.floor((lo - min) / width));
  const last = Math.min(bins - 1, Math.ceil((hi - min) / width) - 1);
  const zeroBin = Math.min(bins - 1, Math.max(0, Math.floor(-min / width)));
  const p = new Float64Array(bins);
  for (let i = 0; i < bins; i++) {
    const count = (counts[i] ?? 0) - (i === zeroBin ? zeros : 0);
    const at = Math.min(last, Math.max(first, i));
    p[at] = (p[at] ?? 0) + Math.max(0, count);
  }
  // Q is made from what lies inside: mass moved to the ends is what clipping loses.
  const mass = new Float64Array(levels);
  const filled = new Float64Array(levels);
  const levelOf = (bin: number): number =>
    Math.min(levels - 1, Math.floor(((bin - first) * levels) / (last - first + 1)));
  for (let i = first; i <= last; i++) {
    const count = Math.max(0, (counts[i] ?? 0) - (i === zeroBin ? zeros : 0));
    const level = levelOf(i);
    mass[level] = (mass[level] ?? 0) + count;
    if ((p[i] ?? 0) > 0) filled[level] = (filled[level] ?? 0) + 1;
  }
  const total = p.reduce((a, b) => a + b, 0);
  const kept = mass.reduce((a, b) => a + b, 0);
  if (total === 0 || kept === 0) return Infinity;
  let sum = 0;
  for (let i = first; i <= last; i++) {
    const share = (p[i] ?? 0) / total;
    if (share === 0) continue;
    const level = levelOf(i);
    const other = (mass[level] ?? 0) / Math.max(1, filled[level] ?? 0) / kept;
    sum += share * Math.log(share / Math.max(other, LEAST_SHARE));
  }
  return sum;
}
