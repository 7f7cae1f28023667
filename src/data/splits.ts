/**
 * Three splits that never share a sample: calibration (statistics are collected on it), search
 * (candidates are compared on it) and evaluation (results are reported on it, once each).
 */
import { readFileSync, statSync } from "node:fs";
import path from "node:path";

export interface SampleSpan {
  readonly from: number;
  readonly to: number;
}

/** Below so many samples a part would say nothing: both use all of them. */
const MIN_SPLIT = 32;

/** Of `count` samples set aside for calibration, the last quarter is kept for searching. */
const boundary = (count: number): number =>
  count < MIN_SPLIT ? count : count - Math.floor(count / 4);

/** What statistics may be collected on. */
export const calibrationSpan = (count: number): SampleSpan => ({ from: 0, to: boundary(count) });

/** What candidates are compared on; with too few samples the calibration samples themselves. */
export const searchSpan = (count: number, limit: number | null): SampleSpan => {
  const from = count < MIN_SPLIT ? 0 : boundary(count);
  return { from, to: Math.min(count, limit === null ? count : from + limit) };
};

/**
 * Of data that sets nothing aside, the first quarter is searched on and the rest reported on.
 */
export const firstQuarter = (count: number, limit: number | null): SampleSpan => {
  const end = count < MIN_SPLIT ? count : Math.floor(count / 4);
  return { from: 0, to: limit === null ? end : Math.min(end, limit) };
};
export const afterFirstQuarter = (count: number, limit: number | null): SampleSpan => {
  const from = count < MIN_SPLIT ? 0 : Math.floor(count / 4);
  return { from, to: limit === null ? count : Math.min(count, from + limit) };
};

/** Whether search and calibration samples differ. */
export const isSplit = (count: number): boolean => count >= MIN_SPLIT;

/** Larger files are no `dataset.json`. */
const MAX_JSON_BYTES = 2 ** 24;

/** Whether the data sets samples aside for calibration; false also when it cannot be read. */
export function hasCalibration(dataPath: string): boolean {
  const full = path.resolve(dataPath);
  const stat = statSync(full, { throwIfNoEntry: false });
  const file = stat?.isDirectory() === true ? path.join(full, "dataset.json") : full;
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (!/\.json$/i.test(file) || size === undefined || size > MAX_JSON_BYTES) return false;
  try {
    const json: unknown = JSON.parse(readFileSync(file, "utf8"));
    return typeof json === "object" && json !== null && "calibration" in json;
  } catch {
    return false; // Opening it will say what is wrong.
  }
}
