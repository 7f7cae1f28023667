/** A model's outputs sample by sample, and two models' brought together whatever their batch sizes. */
import type { Batch, BoundData } from "../data/bind.ts";
import { Cancelled } from "../shared/errors.ts";
import { toNumbers, type HostTensor } from "../shared/hostTensor.ts";
import type { Signal } from "../shared/task.ts";
import type { MeterInput } from "./metrics/meter.ts";
import type { OutputBatch } from "./metrics/outputs.ts";
import type { Session } from "./ort.ts";
import { syntheticFeeds, type OpenSizes } from "./synthetic.ts";

/** Samples [from, to) of the data. */
export interface SampleRange {
  readonly from: number;
  readonly to: number;
}

/** What a model said of `count` samples from `first` on; `rows` were fed, the rest fills a fixed batch. */
export interface RunBatch extends Pick<Batch, MeterInput> {
  readonly outputs: ReadonlyMap<string, HostTensor>;
}

/** @throws DataError, EngineError, Cancelled */
export async function* runOnData(
  session: Session,
  data: BoundData,
  range: SampleRange,
  fetch: readonly string[],
  signal: Signal,
  openBatch = data.openBatch,
): AsyncGenerator<RunBatch> {
  for await (const batch of data.batches(range.to, openBatch, range.from)) {
    if (signal.aborted) throw new Cancelled();
    const { first, count, rows, labels, expected, feeds } = batch;
    yield { first, count, rows, labels, expected, outputs: await session.run(feeds, fetch) };
  }
}

/** One sample at a time, so that an open batch cannot mix them. */
export async function* runOnSynthetic(
  session: Session,
  samples: number,
  sizes: OpenSizes,
  fetch: readonly string[],
  signal: Signal,
): AsyncGenerator<RunBatch> {
  for (let first = 0; first < samples; first++) {
    if (signal.aborted) throw new Cancelled();
    const outputs = await session.run(syntheticFeeds(session.inputs, first, sizes), fetch);
    yield { first, count: 1, rows: 1, labels: null, expected: NOTHING, outputs };
  }
}
const NOTHING: ReadonlyMap<string, Float64Array> = new Map();

/**
 * Every sample both streams have: `visit` gets its index in each stream's current batch, whose
 * outputs `numbers` reads. Both must be in the order of the data and start at the same sample.
 */
export async function zipSamples(
  before: AsyncIterable<RunBatch>,
  after: AsyncIterable<RunBatch>,
  visit: (before: RunBatch, i: number, after: RunBatch, j: number) => void,
  progress: (samples: number) => void,
): Promise<number> {
  const others = after[Symbol.asyncIterator]();
  let other: RunBatch | null = null;
  let samples = 0;
  try {
    for await (const batch of before) {
      for (let i = 0; i < batch.count; i++) {
        const sample = batch.first + i;
        if (other === null || sample >= other.first + other.count) {
          const next = (await others.next()) as IteratorResult<RunBatch, undefined>;
          if (next.done === true) return samples;
          other = next.value;
        }
        visit(batch, i, other, sample - other.first);
        samples++;
      }
      progress(samples);
    }
    return samples;
  } finally {
    await others.return?.();
  }
}

/** An output of a batch as numbers, converted once; null where the batch does not have it. */
export function numbersIn(batch: RunBatch, name: string): OutputBatch | null {
  let known = converted.get(batch);
  if (!known) {
    known = new Map<string, OutputBatch>();
    converted.set(batch, known);
  }
  let found = known.get(name);
  const tensor = batch.outputs.get(name);
  if (!found && tensor) {
    const values = toNumbers(tensor);
    found = { values, size: values.length / batch.rows, shape: tensor.shape };
    known.set(name, found);
  }
  return found ?? null;
}
const converted = new WeakMap<RunBatch, Map<string, OutputBatch>>();
