/** What every metric is: fed one batch after another, it ends in a value with an interval. */
import type { Batch } from "../../data/bind.ts";
import type { HostTensor } from "../../shared/hostTensor.ts";
import type { Interval } from "./interval.ts";

export interface Measured extends Interval {
  readonly value: number;
  readonly n: number;
  readonly also: Readonly<Record<string, number>>;
}

/**
 * What a metric adds up over independent units (samples, windows of text, segments), in the order of
 * the data. Units of two models on the same data correspond, which is what paired statistics need.
 */
export interface Units {
  /** One array per sum, with a value for each unit. */
  readonly columns: readonly Float64Array[];
  /** The metric's value from the columns' sums. */
  readonly value: (sums: readonly number[]) => number;
}

export interface Meter {
  /** Outputs the metric reads. */
  readonly fetch: readonly string[];
  /** @throws DataError or EngineError for values that have no meaning. */
  add(batch: Pick<Batch, MeterInput>, outputs: ReadonlyMap<string, HostTensor>): void;
  units(): Units;
  result(): Measured;
}
/** What of a batch a metric looks at; never the inputs. */
export type MeterInput = "first" | "count" | "rows" | "labels" | "expected";
