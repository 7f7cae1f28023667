/** Reports of analyzers on disk, by key: the state of the model, the analyzer, its parameters and data. */
import { randomUUID } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Report } from "../shared/report.ts";
import { keyOf } from "./changeCache.ts";
import { touch, type Scratch } from "./scratch.ts";

/** @param identity everything the report depends on, as JSON. */
export const reportKey = (identity: unknown): string => keyOf(["report", identity]);

const fileOf = (scratch: Scratch, key: string): string => path.join(scratch.reports, `${key}.json`);

export function loadReport(scratch: Scratch, key: string, now: Date): Report | null {
  try {
    const report = JSON.parse(readFileSync(fileOf(scratch, key), "utf8")) as Report;
    touch(fileOf(scratch, key), now);
    return report;
  } catch {
    return null; // Not computed yet, or swept while reading.
  }
}

export function storeReport(scratch: Scratch, key: string, report: Report): void {
  const temporary = path.join(scratch.reports, `${key}.${randomUUID()}.tmp`);
  writeFileSync(temporary, JSON.stringify(report));
  renameSync(temporary, fileOf(scratch, key));
}
