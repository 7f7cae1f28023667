/** How much of a tensor's range belongs to few values, or to few channels. */
import type { Tensor } from "../../../core/model.ts";
import { valuesOf, type Reading } from "../../../core/rows.ts";
import type { ChannelRange, Histogram } from "../../../core/statistics.ts";
import {
  binOf,
  countLower,
  countUpper,
  sizeCounts,
  sizeOf,
} from "../../../kernels/prune/magnitude.ts";
import { elementCount } from "../../../shared/dtype.ts";

export interface Shape {
  /** Null for constant values. */
  readonly kurtosis: number | null;
  readonly tail: number | null;
  /** Null for one channel. */
  readonly imbalance: number | null;
}

const PERCENTILE = 0.999;

/**
 * Of a weight's values, in two walks over them.
 * @returns null when a value is not finite
 */
export async function ofWeight(
  ctx: Reading,
  tensor: Tensor,
  channelAxis: number,
): Promise<Shape | null> {
  const count = elementCount(tensor.shape);
  const upper = sizeCounts();
  const channels = channelMaxima(tensor.shape, channelAxis);
  let sum = 0;
  for await (const { from, values } of valuesOf(ctx, tensor)) {
    for (const value of values) {
      if (!Number.isFinite(value)) return null;
      sum += value;
    }
    countUpper(values, upper);
    channels.add(values, from);
  }
  const mean = sum / Math.max(1, count);
  const place = Math.floor((count - 1) * PERCENTILE) + 1;
  const bin = binOf(upper, place);
  const lower = sizeCounts();
  let second = 0;
  let fourth = 0;
  for await (const { values } of valuesOf(ctx, tensor)) {
    for (const value of values) {
      const square = (value - mean) ** 2;
      second += square;
      fourth += square * square;
    }
    countLower(values, bin.bin, lower);
  }
  const at = sizeOf(bin.bin, binOf(lower, place - bin.below).bin);
  const max = channels.maxima.reduce((a, b) => Math.max(a, b), 0);
  return {
    kurtosis: second === 0 ? null : (count * fourth) / (second * second),
    tail: at === 0 ? null : max / at,
    imbalance: imbalanceOf(channels.maxima),
  };
}

/** Largest magnitude of each slice of an axis. */
function channelMaxima(
  shape: readonly number[],
  axis: number,
): { readonly maxima: Float64Array; add(values: Float32Array, from: number): void } {
  const channels = shape[axis] ?? 1;
  const inner = elementCount(shape.slice(axis + 1));
  const maxima = new Float64Array(channels);
  return {
    maxima,
    add(values, from) {
      for (let i = 0; i < values.length;) {
        const run = Math.floor((from + i) / inner);
        const end = Math.min(values.length, (run + 1) * inner - from);
        let most = maxima[run % channels] ?? 0;
        for (; i < end; i++) {
          const value = Math.abs(values[i] ?? 0);
          if (value > most) most = value;
        }
        maxima[run % channels] = most;
      }
    },
  };
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
