/** What every metric is: fed one batch after another, it ends in a value with an interval. */
import type { Batch } from "../../data/bind.ts";
import type { HostTensor } from "../../shared/hostTensor.ts";
import type { Interval } from "./interval.ts";

export interface Measured extends Interval {
  readonly value: number;
  readonly n: number;
  readonly also: Readonly<Record<string, number>>;
}

export interface Meter {
  /** Outputs the metric reads. */
  readonly fetch: readonly string[];
  /** @throws DataError or EngineError for values that have no meaning. */
  add(batch: Batch, outputs: ReadonlyMap<string, HostTensor>): void;
  result(): Measured;
}
