/** 95 % intervals: in closed form for shares, by bootstrap for everything else. */
import { random } from "../../shared/random.ts";

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** 97.5th percentile of the standard normal. */
const Z = 1.959963984540054;
/** Drawing 10,000 resamples of 20,000 units takes about a second; fewer resamples for more units. */
const MAX_DRAWS = 2e8;

/** Wilson's score interval of `successes` out of `n`; [0, 1] for n = 0. */
export function wilson(successes: number, n: number): Interval {
  if (n === 0) return { low: 0, high: 1 };
  const share = successes / n;
  const center = share + (Z * Z) / (2 * n);
  const spread = Z * Math.sqrt((share * (1 - share)) / n + (Z * Z) / (4 * n * n));
  const scale = 1 + (Z * Z) / n;
  // At 0 and n the bound is exact; rounding would leave it an ulp outside.
  return {
    low: successes === 0 ? 0 : Math.max(0, (center - spread) / scale),
    high: successes === n ? 1 : Math.min(1, (center + spread) / scale),
  };
}

/**
 * Percentile bootstrap (seed 0) of a statistic of sums over independent units.
 * @param columns one array per sum, with a value for each unit (sample, window, segment)
 */
export function bootstrap(
  columns: readonly Float64Array[],
  statistic: (sums: readonly number[]) => number,
): Interval {
  const units = columns[0]?.length ?? 0;
  const resamples = Math.max(1000, Math.min(10_000, Math.floor(MAX_DRAWS / Math.max(1, units))));
  const rng = random(0);
  const values = new Float64Array(resamples);
  for (let r = 0; r < resamples; r++) {
    const sums = columns.map(() => 0);
    for (let i = 0; i < units; i++) {
      const unit = rng.int(units);
      for (let c = 0; c < columns.length; c++) sums[c] = (sums[c] ?? 0) + (columns[c]?.[unit] ?? 0);
    }
    values[r] = statistic(sums);
  }
  return { low: quantile(values.sort(), 0.025), high: quantile(values, 0.975) };
}

/**
 * 95 % percentile bootstrap (seed 0) of the median of values in groups whose members have more in
 * common than with others: groups are drawn first, then values within each.
 */
export function bootstrapMedian(groups: readonly Float64Array[]): Interval {
  const rng = random(0);
  const medians = new Float64Array(2000);
  const draw: number[] = [];
  for (let r = 0; r < medians.length; r++) {
    draw.length = 0;
    for (let g = 0; g < groups.length; g++) {
      const values = groups[groups.length === 1 ? 0 : rng.int(groups.length)] ?? [];
      for (let i = 0; i < values.length; i++) draw.push(values[rng.int(values.length)] ?? 0);
    }
    medians[r] = quantile(Float64Array.from(draw).sort(), 0.5);
  }
  return { low: quantile(medians.sort(), 0.025), high: quantile(medians, 0.975) };
}

/** Quantile of sorted values, linear between neighbours. */
export function quantile(sorted: Float64Array, q: number): number {
  const at = (sorted.length - 1) * q;
  const below = sorted[Math.floor(at)] ?? 0;
  const above = sorted[Math.ceil(at)] ?? 0;
  // Equal neighbours may be infinite, where the line between them would be NaN.
  return below === above ? below : below + (above - below) * (at - Math.floor(at));
}
