/** The one shape in which analyzers answer, so that one table, one heat map and one chart serve all. */

/** Something that was not done, by name and with the reason; never an exception. */
export interface Skip {
  readonly name: string;
  readonly reason: string;
}

/** A size that is known exactly (`min === max`) or only within bounds, in bytes. */
export interface SizeRange {
  readonly min: number;
  readonly max: number;
}
export const exactSize = (bytes: number): SizeRange => ({ min: bytes, max: bytes });
export const addSizes = (sizes: readonly SizeRange[]): SizeRange =>
  sizes.reduce((a, b) => ({ min: a.min + b.min, max: a.max + b.max }), { min: 0, max: 0 });

/** `share`: a part of one, shown in percent; `ratio`: a quotient that may be of any size. */
export type MetricUnit =
  "bytes" | "share" | "ratio" | "dB" | "ms" | "count" | "nats" | "points" | "none";

export interface Metric {
  readonly id: string;
  /** Column heading, a few words. */
  readonly title: string;
  readonly unit: MetricUnit;
  readonly better: "lower" | "higher" | "neither";
}

export interface ReportRow {
  /** Label of the node (`nodeLabel`), or name of the tensor or unit this row is about. */
  readonly target: string;
  /** One value per metric, in the order of `metrics`; null where it could not be measured. */
  readonly values: readonly (number | null)[];
}

export interface Series {
  readonly target: string;
  readonly title: string;
  readonly x: readonly number[];
  readonly y: readonly number[];
}

export interface Report {
  readonly analyzer: string;
  /** What it means, in sentences: the worst layers by name, and what to do next. */
  readonly findings: readonly string[];
  readonly metrics: readonly Metric[];
  readonly rows: readonly ReportRow[];
  readonly series: readonly Series[];
  readonly skipped: readonly Skip[];
  /** What the figures were measured on; null when no data was needed. */
  readonly data: string | null;
}
