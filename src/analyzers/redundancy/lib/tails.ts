/** How much of a tensor's range belongs to few values, or to few channels. */
import type { ChannelRange, Histogram } from "../../../core/statistics.ts";

export interface Shape {
  /** Null for constant values. */
  readonly kurtosis: number | null;
  readonly tail: number | null;
  /** Null for one channel. */
  readonly imbalance: number | null;
}

const PERCENTILE = 0.999;

/**
 * @param values of a tensor of `shape`, row-major
 * @returns null when a value is not finite
 */
export function ofWeight(
  values: Float32Array,
  shape: readonly number[],
  channelAxis: number,
): Shape | null {
  let sum = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) return null;
    sum += value;
  }
  const mean = sum / Math.max(1, values.length);
  let second = 0;
  let fourth = 0;
  const magnitudes = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    const square = (value - mean) ** 2;
    second += square;
    fourth += square * square;
    magnitudes[i] = Math.abs(value);
  }
  const imbalance = imbalanceOf(channelMaxima(values, shape, channelAxis));
  magnitudes.sort();
  const max = magnitudes.at(-1) ?? 0;
  const at = magnitudes[Math.floor((magnitudes.length - 1) * PERCENTILE)] ?? 0;
  return {
    kurtosis: second === 0 ? null : (values.length * fourth) / (second * second),
    tail: at === 0 ? null : max / at,
    imbalance,
  };
}

function channelMaxima(values: Float32Array, shape: readonly number[], axis: number): Float64Array {
  const channels = shape[axis] ?? 1;
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const maxima = new Float64Array(channels);
  for (let i = 0; i < values.length; i++) {
    const channel = Math.floor(i / inner) % channels;
    const value = Math.abs(values[i] ?? 0);
    if (value > (maxima[channel] ?? 0)) maxima[channel] = value;
  }
  return maxima;
}

/** Largest over median; dead channels count as they are. Null for one channel or a median of 0. */
function imbalanceOf(maxima: Float64Array): number | null {
  if (maxima.length < 2) return null;
  const sorted = maxima.slice().sort();
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  return median === 0 ? null : (sorted.at(-1) ?? 0) / median;
}

/** Of activations: moments and the percentile from the histogram's bin centres. */
export function ofHistogram(histogram: Histogram, channels: ChannelRange): Shape {
  const { min, max, counts } = histogram;
  const width = (max - min) / counts.length;
  const centre = (i: number): number => min + (i + 0.5) * width;
  const total = counts.reduce((a, b) => a + b, 0);
  let mean = 0;
  counts.forEach((count, i) => (mean += count * centre(i)));
  mean /= Math.max(1, total);
  let second = 0;
  let fourth = 0;
  counts.forEach((count, i) => {
    const square = (centre(i) - mean) ** 2;
    second += count * square;
    fourth += count * square * square;
  });
  const largest = Math.max(Math.abs(min), Math.abs(max));
  const tailAt = magnitudeAt(counts, centre, total);
  const maxima = Float64Array.from(channels.max, (value, c) =>
    Math.max(Math.abs(value), Math.abs(channels.min[c] ?? 0)),
  );
  return {
    kurtosis: second === 0 || total === 0 ? null : (total * fourth) / (second * second),
    tail: tailAt === 0 ? null : largest / tailAt,
    imbalance: imbalanceOf(maxima),
  };
}

function magnitudeAt(counts: Float64Array, centre: (i: number) => number, total: number): number {
  const order = Array.from(counts, (_, i) => i).sort(
    (a, b) => Math.abs(centre(a)) - Math.abs(centre(b)),
  );
  let seen = 0;
  for (const i of order) {
    seen += counts[i] ?? 0;
    if (seen >= PERCENTILE * total) return Math.abs(centre(i));
  }
  return 0;
}
