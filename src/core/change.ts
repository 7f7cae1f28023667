/** What applying one entry did: the steps, unit by unit. Stored in the cache and read by diff views. */
import type { Entry } from "../shared/doc.ts";
import type { SizeRange, Skip } from "../shared/report.ts";
import type { Step } from "./step.ts";

export interface ChangeUnit {
  readonly name: string;
  readonly op: string;
  readonly detail: string;
  readonly sizeBefore: number;
  readonly sizeAfter: SizeRange;
  readonly steps: readonly Step[];
}

export interface Change {
  readonly entry: Entry;
  readonly units: readonly ChangeUnit[];
  readonly skipped: readonly Skip[];
  /** What should be known of how it was done: of the calibration data. */
  readonly notes: readonly string[];
  /** Tensor bytes of the model before and after. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}
