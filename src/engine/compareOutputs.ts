/** Two models on the same inputs, side by side in bounded memory: how far their outputs are apart. */
import { openData } from "../data/open.ts";
import { plural } from "../shared/format.ts";
import type { OutputDiff } from "../shared/protocol.ts";
import type { Task } from "../shared/task.ts";
import { decibels } from "./metrics/error.ts";
import { bootstrap, type Interval } from "./metrics/interval.ts";
import { outputMeter, type OutputMeter } from "./metrics/outputs.ts";
import { createSession, type Session } from "./ort.ts";
import {
  numbersIn,
  runOnData,
  runOnSynthetic,
  zipSamples,
  type RunBatch,
  type SampleRange,
} from "./sampleRuns.ts";
import { runnableSizes } from "./synthetic.ts";

export interface CompareOptions {
  /** At most so many samples. */
  readonly samples: number;
  /** 0 is all cores. */
  readonly threads: number;
}

export interface OutputComparison {
  /** For each output both models have, in the first one's order. */
  readonly outputs: readonly OutputDiff[];
  /** Over all outputs together, with a 95 % interval over samples. */
  readonly sqnr: Interval & { readonly value: number };
  readonly samples: number;
  /** Outputs that could not be compared, and on what the figures stand. */
  readonly notes: readonly string[];
}

/**
 * Runs both over the data, or over seeded synthetic inputs when it is null.
 * @throws DataError, EngineError when either does not run; Cancelled.
 */
export async function compareOutputs(
  beforePath: string,
  afterPath: string,
  dataPath: string | null,
  options: CompareOptions,
  task: Task,
): Promise<OutputComparison> {
  const settings = { threads: options.threads, optimization: "all" } as const;
  const before = await createSession(beforePath, settings);
  try {
    const after = await createSession(afterPath, settings);
    try {
      const { names, notes } = sharedOutputs(before, after);
      const meters = names.map((name) => outputMeter(name, true));
      const streams = await (dataPath === null
        ? onSynthetic(before, after, options.samples, names, task)
        : onData(before, after, dataPath, options.samples, names, task));
      const samples = await zipSamples(
        ...streams,
        (a, i, b, j) => addSample(meters, names, a, i, b, j),
        (done) => task.progress(done / options.samples, "comparing outputs"),
      );
      const outputs = meters.map((meter) => meter.result());
      return {
        outputs,
        sqnr: pooled(meters),
        samples,
        notes: [...notes, evidence(samples, dataPath), ...incomparable(outputs)],
      };
    } finally {
      await after.release();
    }
  } finally {
    await before.release();
  }
}

type Streams = readonly [AsyncIterable<RunBatch>, AsyncIterable<RunBatch>];

async function onSynthetic(
  before: Session,
  after: Session,
  samples: number,
  names: readonly string[],
  { signal }: Task,
): Promise<Streams> {
  const sizes = await runnableSizes(before, 0);
  return [
    runOnSynthetic(before, samples, sizes, names, signal),
    runOnSynthetic(after, samples, sizes, names, signal),
  ];
}

async function onData(
  before: Session,
  after: Session,
  dataPath: string,
  samples: number,
  names: readonly string[],
  { signal }: Task,
): Promise<Streams> {
  const [first, second] = [await openData(dataPath, before), await openData(dataPath, after)];
  const range: SampleRange = { from: 0, to: Math.min(samples, first.count) };
  return [
    runOnData(before, first, range, names, signal),
    runOnData(after, second, range, names, signal),
  ];
}

/** Outputs of numbers that both have, in the first one's order; and a note for each other one. */
export function sharedOutputs(
  before: Pick<Session, "outputs">,
  after: Pick<Session, "outputs">,
): { readonly names: readonly string[]; readonly notes: readonly string[] } {
  const notes: string[] = [];
  const names: string[] = [];
  for (const { name, dtype } of before.outputs) {
    const other = after.outputs.find((output) => output.name === name);
    const isNumeric = (type: string | null | undefined): boolean =>
      type !== null && type !== undefined && type !== "string";
    if (isNumeric(dtype) && isNumeric(other?.dtype)) names.push(name);
    else
      notes.push(
        `Output "${name}" is not compared: ${other ? "it holds no numbers" : "the second model does not have it"}.`,
      );
  }
  return { names, notes };
}

export function addSample(
  meters: readonly OutputMeter[],
  names: readonly string[],
  before: RunBatch,
  i: number,
  after: RunBatch,
  j: number,
): void {
  names.forEach((name, index) => {
    const [a, b] = [numbersIn(before, name), numbersIn(after, name)];
    if (a && b) meters[index]?.add(a, i, b, j);
  });
}

export const incomparable = (outputs: readonly OutputDiff[]): readonly string[] =>
  outputs
    .filter(({ sqnrDb }) => sqnrDb === null)
    .map(({ name }) => `Output "${name}" holds NaN or other sizes.`);

const evidence = (samples: number, dataPath: string | null): string =>
  dataPath === null
    ? `Outputs compared on ${samples} seeded synthetic inputs: they say how far apart the models are, not which is better.`
    : `Outputs compared on ${plural(samples, "sample")} of ${dataPath}.`;

function pooled(meters: readonly OutputMeter[]): Interval & { value: number } {
  const column = (of: (meter: OutputMeter) => readonly number[]): Float64Array => {
    const sums = new Float64Array(Math.max(0, ...meters.map((meter) => of(meter).length)));
    for (const meter of meters) of(meter).forEach((value, i) => (sums[i] = (sums[i] ?? 0) + value));
    return sums;
  };
  const columns = [column((meter) => meter.signals), column((meter) => meter.noises)];
  const total = columns.map((values) => values.reduce((a, b) => a + b, 0));
  const value = ([signal = 0, noise = 0]: readonly number[]): number => decibels(signal, noise);
  return { value: value(total), ...bootstrap(columns, value) };
}
