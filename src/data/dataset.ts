/** A data set as every kind of file gives it, before it is matched to a model's inputs. */
import { dataErrors } from "../shared/errors.ts";
import type { IoInfo } from "../shared/hostTensor.ts";
import type { MetricName } from "../shared/protocol.ts";
import type { Prepared } from "./preprocess.ts";
import { product, type Samples } from "./samples.ts";

export const TASKS = ["classification", "language-model", "regression", "agreement"] as const;
export type DataTask = (typeof TASKS)[number];

/** The metrics each task can be measured by, its default first. */
export const METRICS: Readonly<Record<DataTask, readonly MetricName[]>> = {
  classification: ["top1"],
  "language-model": ["perplexity"],
  regression: ["mse", "psnr", "sqnr"],
  agreement: ["sqnr", "psnr", "mse"],
};

/** Which part of the data: `evaluation`, or the samples set aside for calibration. */
export type Split = "evaluation" | "calibration";

export interface ModelIo {
  readonly inputs: readonly IoInfo[];
  readonly outputs: readonly IoInfo[];
}

export interface Expected {
  readonly samples: Samples;
  /** Multiplies the stored values. */
  readonly scale: number;
}

export interface Dataset {
  readonly path: string;
  /** Null for data without anything to compare with: calibration, benchmarks. */
  readonly task: DataTask | null;
  readonly metric: MetricName | null;
  /** By input name; "*" serves every input not named. */
  readonly inputs: ReadonlyMap<string, Prepared>;
  /** One class per sample; for language models the next token of each position. */
  readonly labels: Samples | null;
  /** By output name; "*" is the first output. */
  readonly expected: ReadonlyMap<string, Expected>;
}

/** @throws DataError for anything but one whole number per sample. */
export function checkLabels(labels: Samples): Samples {
  if (product(labels.shape) !== 1 || !/^u?int/.test(labels.dtype))
    throw dataErrors.bad(
      labels.path,
      labels.path,
      `labels must be one whole number per sample; it has ${product(labels.shape)} of ${labels.dtype}`,
      "Save them as a one-dimensional array of integers.",
    );
  return { ...labels, shape: [] };
}
