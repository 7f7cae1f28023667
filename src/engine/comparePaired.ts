/**
 * Two models on the same labelled samples, in one pass and bounded memory: quality of both, how much
 * worse the second is with its interval, and how far their outputs are apart.
 */
import type { BoundData } from "../data/bind.ts";
import { openData } from "../data/open.ts";
import type { Split } from "../data/dataset.ts";
import { dtype } from "../shared/dtype.ts";
import { plural } from "../shared/format.ts";
import { dataErrors } from "../shared/errors.ts";
import type { EvalResult, MetricName, OutputDiff, PairedQuality } from "../shared/protocol.ts";
import type { Signal, Task } from "../shared/task.ts";
import { addSample, incomparable, sharedOutputs } from "./compareOutputs.ts";
import { isJudged, meterFor } from "./evaluate.ts";
import type { Meter, Units } from "./metrics/meter.ts";
import { outputMeter, worstOutput } from "./metrics/outputs.ts";
import { betterOf, isAccuracy, mcnemar, pairedDrop } from "./metrics/paired.ts";
import { createSession, type Session } from "./ort.ts";
import { runOnData, zipSamples, type RunBatch, type SampleRange } from "./sampleRuns.ts";

export interface PairedOptions {
  /** Samples [from, to) (windows of text); all when null. */
  readonly range: SampleRange | null;
  /** 0 is all cores. */
  readonly threads: number;
  readonly split?: Split;
  /** The metric's outputs only, where others would cost time and memory for nothing. */
  readonly metricOutputsOnly?: boolean;
}

export interface PairedComparison {
  /** Null where the data has nothing to be right about. */
  readonly quality: PairedQuality | null;
  /** Of the output the metric reads, else the first of floats: mean KL(before ‖ after) in nats, and so on. */
  readonly first: OutputDiff | null;
  /**
   * What counts where models are compared: the metric's output, or without a metric the worst of all
   * float outputs: by KL where each has one, else by SQNR, with no KL.
   */
  readonly decisive: OutputDiff | null;
  readonly outputs: readonly OutputDiff[];
  readonly samples: number;
  readonly notes: readonly string[];
}

/** One model's answers on data, asked for once and kept, to hold any number of others against. */
export interface Reference {
  readonly path: string;
  readonly session: Pick<Session, "outputs">;
  readonly data: string;
  readonly options: PairedOptions;
  readonly samples: number;
  /** Whether the answers are in memory; else each comparison runs the model anew. */
  readonly kept: boolean;
  /** In the order of the data. @throws EngineError, Cancelled */
  batches(signal: Signal): AsyncIterable<RunBatch>;
  /** Known once `batches` has run through. */
  judged(): Judged | null;
  release(): Promise<void>;
}

export interface Judged {
  readonly result: EvalResult;
  readonly units: Units;
}

/** Answers beyond this are not kept. */
export const KEEP_BYTES = 2 ** 28;

/**
 * Runs the model over the data and keeps what it says. Free it with `release`.
 * @throws DataError, EngineError, Cancelled
 */
export async function openReference(
  modelPath: string,
  dataPath: string,
  options: PairedOptions,
  task: Task,
  keepBytes = KEEP_BYTES,
): Promise<Reference> {
  const live = await liveReference(modelPath, dataPath, options);
  try {
    const kept: RunBatch[] = [];
    let bytes = 0;
    for await (const batch of live.batches(task.signal)) {
      if (bytes <= keepBytes) {
        const own = trimmed(batch);
        for (const { data } of own.outputs.values())
          bytes += Array.isArray(data) ? data.length * 64 : data.byteLength;
        kept.push(own);
      }
      if (bytes > keepBytes) kept.length = 0;
      task.progress((batch.first + batch.count) / live.samples, "running the reference");
    }
    if (bytes > keepBytes) return live;
    await live.release();
    return {
      ...live,
      kept: true,
      batches: () => inMemory(kept),
      release: () => Promise.resolve(),
    };
  } catch (error) {
    await live.release();
    throw error;
  }
}

/** A copy of the samples' outputs, without the rows that fill a fixed batch. */
function trimmed(batch: RunBatch): RunBatch {
  const outputs = new Map(
    [...batch.outputs].map(([name, tensor]) => {
      const [rows = batch.rows, ...own] = tensor.shape;
      // An output without a row per sample is kept whole.
      if (rows !== batch.rows) return [name, { ...tensor, data: tensor.data.slice() }];
      const size = tensor.data.length / rows;
      const data = tensor.data.slice(0, batch.count * size);
      return [name, { ...tensor, shape: [batch.count, ...own], data }];
    }),
  );
  return { ...batch, rows: batch.count, outputs };
}

function inMemory(batches: readonly RunBatch[]): AsyncIterable<RunBatch> {
  return {
    [Symbol.asyncIterator]: () => {
      const next = batches[Symbol.iterator]();
      return { next: () => Promise.resolve(next.next()) };
    },
  };
}

async function liveReference(
  modelPath: string,
  dataPath: string,
  options: PairedOptions,
): Promise<Reference> {
  const { judge, session, run, from, samples } = await judging(modelPath, dataPath, options);
  let judgedTo = from;
  return {
    path: modelPath,
    session,
    data: dataPath,
    options,
    samples,
    kept: false,
    async *batches(signal) {
      for await (const batch of run(signal)) {
        // Once each, also when a run was cut short or is repeated.
        if (batch.first === judgedTo) {
          judge?.add(batch);
          judgedTo += batch.count;
        }
        yield batch;
      }
    },
    judged: () => (judgedTo === from + samples ? (judge?.result() ?? null) : null),
    release: () => session.release(),
  };
}

interface Judge {
  readonly metric: MetricName;
  readonly outputs: readonly string[];
  add(batch: RunBatch): void;
  result(): Judged;
}
interface Judging {
  readonly session: Session;
  readonly from: number;
  readonly samples: number;
  /** Of the data. */
  readonly notes: readonly string[];
  /** Null where the data has nothing to be right about. */
  readonly judge: Judge | null;
  run(signal: Signal, fetch?: readonly string[]): AsyncGenerator<RunBatch>;
}

async function judging(
  modelPath: string,
  dataPath: string,
  options: PairedOptions,
): Promise<Judging> {
  const session = await createSession(modelPath, { threads: options.threads, optimization: "all" });
  try {
    const data = await openData(dataPath, session, options.split);
    const { from, to } = options.range ?? { from: 0, to: data.count };
    const range = { from, to: Math.min(to, data.count) };
    const samples = range.to - range.from;
    if (samples <= 0) throw dataErrors.empty(dataPath);
    const measured = isJudged(data) ? meterFor(data, session, modelPath, samples) : null;
    const tensors = session.outputs.filter(({ dtype }) => dtype !== null);
    const all =
      options.metricOutputsOnly === true && measured !== null
        ? measured.meter.fetch
        : tensors.map(({ name }) => name);
    return {
      session,
      from,
      samples,
      notes: data.notes,
      judge: measured === null ? null : judgeOf(measured.metric, measured.meter, data),
      run: (signal, fetch = all) => runOnData(session, data, range, fetch, signal),
    };
  } catch (error) {
    await session.release();
    throw error;
  }
}

function judgeOf(metric: MetricName, meter: Meter, { path, notes }: BoundData): Judge {
  return {
    metric,
    outputs: meter.fetch,
    add: (batch) => meter.add(batch, batch.outputs),
    result: () => ({
      units: meter.units(),
      result: {
        metric,
        ...meter.result(),
        better: betterOf(metric),
        synthetic: false,
        data: path,
        notes,
      },
    }),
  };
}

/**
 * @param before a model, or a reference on the same data
 * @throws DataError; EngineError when either does not run or answers NaN; Cancelled
 */
export async function comparePaired(
  before: string | Reference,
  afterPath: string,
  dataPath: string,
  options: PairedOptions,
  task: Task,
): Promise<PairedComparison> {
  if (typeof before !== "string") return compareWith(before, afterPath, task);
  const reference = await liveReference(before, dataPath, options);
  try {
    return await compareWith(reference, afterPath, task);
  } finally {
    await reference.release();
  }
}

/** Indices, such as those of boxes that are kept, say little by their distance. */
export const floatOutputs = ({ outputs }: Pick<Session, "outputs">): readonly string[] =>
  outputs.flatMap(({ name, dtype: type }) =>
    type !== null && dtype(type).kind === "float" ? [name] : [],
  );

async function compareWith(
  reference: Reference,
  afterPath: string,
  task: Task,
): Promise<PairedComparison> {
  const { data, options, samples: total } = reference;
  const { session, judge, run, notes } = await judging(afterPath, data, options);
  try {
    const shared = sharedOutputs(reference.session, session);
    const floats = floatOutputs(session).filter((name) => shared.names.includes(name));
    const first = judge?.outputs[0] ?? floats[0] ?? shared.names[0];
    const names =
      options.metricOutputsOnly === true
        ? shared.names.filter((name) => judge?.outputs.includes(name) ?? name === first)
        : shared.names;
    // Distances between regressions are no divergences of predictions.
    const isScored = judge === null || judge.metric === "top1" || judge.metric === "perplexity";
    const meters = names.map((name) => outputMeter(name, isScored));
    const fetch = [...new Set([...names, ...(judge?.outputs ?? [])])];
    const judged = async function* (): AsyncGenerator<RunBatch> {
      for await (const batch of run(task.signal, fetch)) {
        judge?.add(batch);
        yield batch;
      }
    };
    const samples = await zipSamples(
      judged(),
      reference.batches(task.signal),
      (b, j, a, i) => addSample(meters, names, a, i, b, j),
      (done) => task.progress(done / total, "comparing on data"),
    );
    const outputs = meters.map((meter) => meter.result());
    const main = outputs.find(({ name }) => name === first) ?? null;
    const was = reference.judged();
    return {
      quality: judge === null || was === null ? null : qualityOf(was, judge.result(), main),
      first: main,
      decisive:
        judge === null
          ? worstOutput(
              meters.filter((_, i) => floats.includes(names[i] ?? "")),
              main,
            )
          : main,
      outputs,
      samples,
      notes: [
        ...shared.notes,
        `Compared on ${plural(samples, "sample")} of ${data}.`,
        ...notes,
        ...incomparable(outputs),
      ],
    };
  } finally {
    await session.release();
  }
}

function qualityOf(before: Judged, after: Judged, output: OutputDiff | null): PairedQuality {
  const { metric } = after.result;
  const { drop, low, high, units } = pairedDrop(metric, before.units, after.units);
  const [was, is] = [before.units.columns[0], after.units.columns[0]];
  return {
    before: before.result,
    after: after.result,
    drop,
    dropLow: low,
    dropHigh: high,
    dropUnit: isAccuracy(metric) ? "points" : "relative",
    units,
    mcnemar: isAccuracy(metric) && was && is ? mcnemar(was, is) : null,
    kl: output?.kl ?? null,
    agreement: output?.agreement ?? null,
  };
}
