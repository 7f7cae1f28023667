/**
 * Two models on the same samples: how much worse the second is, and whether that can be chance.
 * Pairing removes what samples have in common: the interval is that of the difference, which is
 * much narrower than the two models' own intervals.
 */
import type { MetricName } from "../../shared/protocol.ts";
import { bootstrap, type Interval } from "./interval.ts";
import type { Units } from "./meter.ts";

export const isAccuracy = (metric: MetricName): boolean => metric === "top1";
export const betterOf = (metric: MetricName): "lower" | "higher" =>
  metric === "perplexity" || metric === "mse" ? "lower" : "higher";

/**
 * How much worse `after` is than `before`; positive is worse. Points (as a share: 0.01 is one point)
 * for accuracies; for everything else relative to `before`, infinite where that is 0.
 */
export function dropOf(metric: MetricName, before: number, after: number): number {
  const worse = betterOf(metric) === "lower" ? after - before : before - after;
  if (isAccuracy(metric) || worse === 0) return worse;
  return before === 0 ? Math.sign(worse) * Infinity : worse / Math.abs(before);
}

export interface PairedDrop extends Interval {
  readonly drop: number;
  /** Units that were resampled together. */
  readonly units: number;
}

/**
 * The drop with its 95 % interval: 10,000 resamples of units (seed 0), both models' values of a unit
 * drawn together.
 */
export function pairedDrop(metric: MetricName, before: Units, after: Units): PairedDrop {
  const [was = EMPTY] = before.columns;
  const [is = EMPTY] = after.columns;
  if (was.length !== is.length) throw new Error("the units of two models do not correspond");
  const sums = (units: Units): number[] =>
    units.columns.map((column) => column.reduce((a, b) => a + b, 0));
  const drop = dropOf(metric, before.value(sums(before)), after.value(sums(after)));
  if (isAccuracy(metric)) {
    // One column of 1 (lost), -1 (won) and 0 instead of four: as every draw is of n samples.
    const lost = was.map((right, i) => right - (is[i] ?? 0));
    const drawn = bootstrap([lost], ([sum = 0]) => sum / Math.max(1, lost.length));
    return { drop, ...widened(drawn, lost), units: lost.length };
  }
  const width = before.columns.length;
  const interval = bootstrap([...before.columns, ...after.columns], (all) =>
    dropOf(metric, before.value(all.slice(0, width)), after.value(all.slice(width))),
  );
  return { drop, ...interval, units: was.length };
}
const EMPTY = new Float64Array(0);

/** With fewer samples that only one model gets right, resampling them shows too little of what may come. */
const ENOUGH = 10;

/**
 * Where hardly a sample tells the models apart, resamples hold none that was not seen: their interval
 * is 0 to 0 on a single sample. It is then at least the closed one of Agresti and Min (2005,
 * doi:10.1002/sim.1781), which adds half a sample to each of the four outcomes.
 */
function widened(drawn: Interval, lost: Float64Array): Interval {
  const [worse, better] = [1, -1].map((sign) => lost.reduce((n, x) => n + (x === sign ? 1 : 0), 0));
  const [b, c] = [(worse ?? 0) + 0.5, (better ?? 0) + 0.5];
  if (b + c - 1 >= ENOUGH) return drawn;
  const n = lost.length + 2;
  const center = (b - c) / n;
  const reach = (1.959963984540054 * Math.sqrt(b + c - (b - c) ** 2 / n)) / n;
  return {
    low: Math.max(-1, Math.min(drawn.low, center - reach)),
    high: Math.min(1, Math.max(drawn.high, center + reach)),
  };
}

export interface McNemar {
  /** Samples that only the first model gets right. */
  readonly lost: number;
  /** Samples that only the second model gets right. */
  readonly won: number;
  /** Exact and two-sided: the chance of so uneven a split when both models are equally good. */
  readonly p: number;
}

/** Of two models' samples, 1 where right and 0 where wrong. */
export function mcnemar(before: Float64Array, after: Float64Array): McNemar {
  let lost = 0;
  let won = 0;
  before.forEach((right, i) => {
    const still = after[i] ?? 0;
    if (right > still) lost++;
    else if (right < still) won++;
  });
  return { lost, won, p: mcnemarExact(lost, won) };
}

/**
 * Exact two-sided McNemar test: 2·P(X ≤ min(lost, won)), X ~ Binomial(lost + won, ½), at most 1;
 * 1 when nothing differs. In logarithms, so that no count is too large.
 */
export function mcnemarExact(lost: number, won: number): number {
  const n = lost + won;
  const k = Math.min(lost, won);
  if (2 * k >= n) return 1;
  let logChoose = 0;
  for (let i = 1; i <= k; i++) logChoose += Math.log((n - k + i) / i);
  // Terms from the largest, C(n, k), down: C(n, i - 1) = C(n, i)·i / (n - i + 1).
  let term = 1;
  let sum = 1;
  for (let i = k; i > 0 && term > 1e-17 * sum; i--) {
    term *= i / (n - i + 1);
    sum += term;
  }
  return Math.min(1, 2 * sum * Math.exp(logChoose - n * Math.LN2));
}
