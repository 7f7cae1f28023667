/** How good a model is on data: a metric with its 95 % interval. */
import path from "node:path";
import type { BoundData } from "../data/bind.ts";
import type { ModelIo, Split } from "../data/dataset.ts";
import { openData } from "../data/open.ts";
import { Cancelled, dataErrors, usageErrors } from "../shared/errors.ts";
import type { EvalResult, MetricName } from "../shared/protocol.ts";
import type { Task } from "../shared/task.ts";
import { compareOutputs } from "./compareOutputs.ts";
import { topK } from "./metrics/classification.ts";
import { errorMeter } from "./metrics/error.ts";
import type { Meter } from "./metrics/meter.ts";
import { betterOf } from "./metrics/paired.ts";
import { perplexity } from "./metrics/perplexity.ts";
import { createSession } from "./ort.ts";

export interface EvaluateOptions {
  /** First so many samples (windows of text); all when null. */
  readonly limit: number | null;
  /** 0 is all cores. */
  readonly threads: number;
  readonly split?: Split;
  /** The model before it was changed: what outputs are held against when there is no data. */
  readonly reference?: string | null;
}

/**
 * Runs the model over the data as it will be deployed (all optimizations).
 *
 * Without data there is nothing to be right or wrong about, so a quality cannot be had. What can be
 * had is how far a changed model moved: SQNR of its outputs against `reference` on seeded synthetic
 * inputs, `synthetic: true`. Without a reference either, it is refused.
 * @throws DataError, EngineError, Cancelled; LatheError `usage` without data and reference.
 */
export async function evaluate(
  modelPath: string,
  dataPath: string | null,
  options: EvaluateOptions,
  task: Task,
): Promise<EvalResult> {
  if (dataPath === null) return evaluateSynthetic(modelPath, options, task);
  const session = await createSession(modelPath, { threads: options.threads, optimization: "all" });
  try {
    const data = await openData(dataPath, session, options.split);
    const total = Math.min(data.count, options.limit ?? data.count);
    const { metric, meter } = meterFor(data, session, modelPath, total);
    for await (const batch of data.batches(options.limit)) {
      if (task.signal.aborted) throw new Cancelled();
      meter.add(batch, await session.run(batch.feeds, meter.fetch));
      task.progress((batch.first + batch.count) / total, `${path.basename(modelPath)} on data`);
    }
    return {
      metric,
      ...meter.result(),
      better: betterOf(metric),
      synthetic: false,
      data: dataPath,
      notes: data.notes,
    };
  } finally {
    await session.release();
  }
}

/** The data says what is right: labels, or expected outputs. */
export const isJudged = (data: BoundData): boolean =>
  data.task !== null && (data.labelled || data.expected.length > 0);

/**
 * How the data wants a model to be judged.
 * @param samples how many will be measured
 * @throws DataError when it does not say what is right
 */
export function meterFor(
  data: BoundData,
  io: ModelIo,
  modelPath: string,
  samples: number,
): { metric: MetricName; meter: Meter } {
  const { task, metric } = data;
  const output = io.outputs.find(({ dtype }) => dtype !== null)?.name;
  const missing = (what: string): Error =>
    dataErrors.bad(
      data.path,
      what,
      `it has no ${what}, so there is nothing to measure against`,
      'Add "labels" (classes) or "outputs" (expected values) to the data.',
    );
  if (task === null || metric === null) throw missing("labels");
  if (output === undefined) throw missing("model output to compare");
  if (task === "regression" || task === "agreement") {
    if (data.expected.length === 0) throw missing("outputs");
    const kind = metric === "mse" || metric === "psnr" ? metric : "sqnr";
    return { metric: kind, meter: errorMeter(kind, data.expected, samples, modelPath) };
  }
  if (!data.labelled) throw missing("labels");
  return task === "classification"
    ? { metric: "top1", meter: topK(output, data.path) }
    : { metric: "perplexity", meter: perplexity(output, modelPath, data.path) };
}

async function evaluateSynthetic(
  modelPath: string,
  options: EvaluateOptions,
  task: Task,
): Promise<EvalResult> {
  const { reference } = options;
  if (reference === null || reference === undefined)
    throw usageErrors.usage(
      "A model's quality cannot be measured without data.",
      "Give --data with a dataset.json, .npz, image folder, table or text; `lathe diff A B` compares two models without data.",
    );
  const compared = await compareOutputs(
    reference,
    modelPath,
    null,
    { samples: options.limit ?? 16, threads: options.threads },
    task,
  );
  return {
    metric: "sqnr",
    value: compared.sqnr.value,
    low: compared.sqnr.low,
    high: compared.sqnr.high,
    n: compared.samples,
    better: "higher",
    synthetic: true,
    data: null,
    also: {},
    notes: [],
  };
}
