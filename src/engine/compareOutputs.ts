/** Two models on the same inputs, side by side in bounded memory: how far their outputs are apart. */
import type { Batch, BoundData } from "../data/bind.ts";
import { openData } from "../data/open.ts";
import { Cancelled, dataErrors } from "../shared/errors.ts";
import { toNumbers, type HostTensor } from "../shared/hostTensor.ts";
import type { OutputDiff } from "../shared/protocol.ts";
import type { Task } from "../shared/task.ts";
import { decibels } from "./metrics/error.ts";
import { bootstrap, type Interval } from "./metrics/interval.ts";
import { createSession, type Session } from "./ort.ts";
import { runnableSizes, syntheticFeeds } from "./synthetic.ts";

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

interface Pair {
  readonly count: number;
  readonly before: ReadonlyMap<string, HostTensor>;
  readonly after: ReadonlyMap<string, HostTensor>;
  /** Rows that each was fed; the first `count` of them are samples, the rest fills a fixed batch. */
  readonly rows: readonly [before: number, after: number];
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
      const pairs =
        dataPath === null
          ? onSynthetic(before, after, options.samples)
          : onData(before, after, dataPath, options.samples);
      return await compare(before, after, pairs, dataPath, options.samples, task);
    } finally {
      await after.release();
    }
  } finally {
    await before.release();
  }
}

async function* onSynthetic(
  before: Session,
  after: Session,
  samples: number,
): AsyncGenerator<Pair> {
  const sizes = await runnableSizes(before, 0);
  for (let seed = 0; seed < samples; seed++)
    yield {
      count: 1,
      rows: [1, 1],
      before: await before.run(syntheticFeeds(before.inputs, seed, sizes)),
      after: await after.run(syntheticFeeds(after.inputs, seed, sizes)),
    };
}

async function* onData(
  before: Session,
  after: Session,
  dataPath: string,
  samples: number,
): AsyncGenerator<Pair> {
  const first = await openData(dataPath, before);
  const second = await openData(dataPath, after);
  const step = commonBatch(dataPath, first, second);
  const others = second.batches(samples, step)[Symbol.asyncIterator]();
  for await (const batch of first.batches(samples, step)) {
    const other = (await others.next()) as IteratorResult<Batch, undefined>;
    if (other.done === true) return;
    yield {
      count: batch.count,
      rows: [batch.rows, other.value.rows],
      before: await before.run(batch.feeds),
      after: await after.run(other.value.feeds),
    };
  }
}

function commonBatch(dataPath: string, first: BoundData, second: BoundData): number {
  const [a, b] = [first.fixedBatch, second.fixedBatch];
  if (a === null || b === null || a === b)
    return a ?? b ?? Math.min(first.openBatch, second.openBatch);
  throw dataErrors.bad(
    dataPath,
    "batch",
    `one model takes batches of ${a}, the other of ${b}`,
    "Export both with the same batch size, or with an open one.",
  );
}

/** Running sums of one output. */
interface Sums {
  signal: number;
  noise: number;
  dot: number;
  other: number;
  maxAbs: number;
  agreed: number;
  decisions: number;
}

async function compare(
  before: Session,
  after: Session,
  pairs: AsyncGenerator<Pair>,
  dataPath: string | null,
  limit: number,
  task: Task,
): Promise<OutputComparison> {
  const notes: string[] = [];
  const shared = before.outputs.filter(({ name, dtype }) => {
    const other = after.outputs.find((output) => output.name === name);
    const fits = dtype !== null && dtype !== "string" && (other?.dtype ?? null) !== null;
    if (!fits)
      notes.push(
        `Output "${name}" is not compared: ${other ? "it holds no numbers" : "the second model does not have it"}.`,
      );
    return fits;
  });
  const sums = new Map<string, Sums>();
  const units: { signal: number; noise: number }[] = [];
  let samples = 0;
  for await (const pair of pairs) {
    if (task.signal.aborted) throw new Cancelled();
    const perRow = Array.from({ length: pair.count }, () => ({ signal: 0, noise: 0 }));
    for (const { name } of shared) {
      const a = pair.before.get(name);
      const b = pair.after.get(name);
      if (!a || !b) continue;
      const known: Sums = sums.get(name) ?? {
        signal: 0,
        noise: 0,
        dot: 0,
        other: 0,
        maxAbs: 0,
        agreed: 0,
        decisions: 0,
      };
      sums.set(name, known);
      addPair(known, a, b, pair, perRow);
    }
    units.push(...perRow);
    samples += pair.count;
    task.progress(samples / limit, "comparing outputs");
  }
  notes.push(
    dataPath === null
      ? `Outputs compared on ${samples} seeded synthetic inputs: they say how far apart the models are, not which is better.`
      : `Outputs compared on ${samples} samples of ${dataPath}.`,
  );
  const outputs = shared.map(({ name }) => {
    const known = sums.get(name);
    if (known && Number.isNaN(known.noise))
      notes.push(`Output "${name}" holds NaN or other sizes.`);
    return outputDiff(name, known);
  });
  return { outputs, sqnr: pooled(units), samples, notes };
}

function addPair(
  sums: Sums,
  before: HostTensor,
  after: HostTensor,
  pair: Pair,
  perRow: readonly { signal: number; noise: number }[],
): void {
  const a = toNumbers(before);
  const b = toNumbers(after);
  const size = a.length / pair.rows[0];
  if (b.length / pair.rows[1] !== size) {
    sums.noise = NaN;
    return;
  }
  perRow.forEach((row, index) => {
    for (let i = index * size; i < (index + 1) * size; i++) {
      const x = a[i] ?? 0;
      const y = b[i] ?? 0;
      const d = y - x;
      row.signal += x * x;
      row.noise += d * d;
      sums.signal += x * x;
      sums.noise += d * d;
      sums.dot += x * y;
      sums.other += y * y;
      if (Math.abs(d) > sums.maxAbs) sums.maxAbs = Math.abs(d);
    }
  });
  const classes = classAxis(before.shape);
  if (classes === null) return;
  for (let at = 0; at + classes <= size * pair.count; at += classes) {
    sums.decisions++;
    if (argMax(a, at, classes) === argMax(b, at, classes)) sums.agreed++;
  }
}

/** Length of the axis that scores classes: [N, C], [N, C, 1, 1] and [N, positions, C]; else null. */
function classAxis(shape: readonly number[]): number | null {
  const own = shape.slice(1);
  const wide = own.filter((dim) => dim > 1);
  const last = own.at(-1) ?? 1;
  if (wide.length === 1) return wide[0] ?? null;
  return own.length === 2 && last > 1 ? last : null;
}

function argMax(values: ArrayLike<number>, start: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++)
    if ((values[start + i] ?? 0) > (values[start + best] ?? 0)) best = i;
  return best;
}

function outputDiff(name: string, sums: Sums | undefined): OutputDiff {
  if (!sums || Number.isNaN(sums.noise))
    return { name, sqnrDb: null, maxAbs: null, cosine: null, agreement: null };
  const norm = Math.sqrt(sums.signal * sums.other);
  return {
    name,
    sqnrDb: decibels(sums.signal, sums.noise),
    maxAbs: sums.maxAbs,
    cosine: norm === 0 ? null : Math.min(1, sums.dot / norm),
    agreement: sums.decisions === 0 ? null : sums.agreed / sums.decisions,
  };
}

function pooled(units: readonly { signal: number; noise: number }[]): Interval & { value: number } {
  const signal = Float64Array.from(units, (unit) => unit.signal);
  const noise = Float64Array.from(units, (unit) => unit.noise);
  const total = (column: Float64Array): number => column.reduce((a, b) => a + b, 0);
  return {
    value: decibels(total(signal), total(noise)),
    ...bootstrap([signal, noise], ([s = 0, n = 0]) => decibels(s, n)),
  };
}
