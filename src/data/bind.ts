/** A data set matched to a model: which array feeds which input, in what batches. */
import { dtype } from "../shared/dtype.ts";
import { dataErrors } from "../shared/errors.ts";
import { toNumbers, type HostData, type HostTensor, type IoInfo } from "../shared/hostTensor.ts";
import type { MetricName } from "../shared/protocol.ts";
import { METRICS, type DataTask, type Dataset, type ModelIo } from "./dataset.ts";
import type { Prepared } from "./preprocess.ts";
import { product, regrouped, showShape, type Samples } from "./samples.ts";

/** Samples per run where the model leaves the batch open; bigger ones are no faster on a CPU. */
const MAX_BATCH = 64;
/** Inputs and declared outputs of one batch together stay under this. */
const BATCH_BUDGET_BYTES = 2 ** 28;

export interface Batch {
  /** Index of the first sample. */
  readonly first: number;
  /** Samples in this batch; a fixed batch may hold repeats of the last one behind them. */
  readonly count: number;
  /** Rows the model is fed, `count` or the fixed batch. */
  readonly rows: number;
  readonly feeds: ReadonlyMap<string, HostTensor>;
  /** `count` labels, or next tokens for each position of a language model. */
  readonly labels: HostData | null;
  /** By output name, `count` samples' values times their scale. */
  readonly expected: ReadonlyMap<string, Float64Array>;
}

export interface BoundData {
  readonly path: string;
  readonly task: DataTask | null;
  readonly metric: MetricName | null;
  readonly count: number;
  /** There are labels for every sample. */
  readonly labelled: boolean;
  /** The outputs with expected values. */
  readonly expected: readonly string[];
  /** What should be known of what the model is fed, in sentences. */
  readonly notes: readonly string[];
  /** Rows per run where the model fixes them; null when it leaves them open. */
  readonly fixedBatch: number | null;
  /** Rows per run where the model leaves them open: inputs and outputs within the budget. */
  readonly openBatch: number;
  /** Samples [start, limit), in order, a batch in memory at a time. */
  batches(limit?: number | null, openBatch?: number, start?: number): AsyncIterable<Batch>;
}

interface Feed {
  readonly io: IoInfo;
  readonly type: NonNullable<IoInfo["dtype"]>;
  readonly prepared: Prepared;
  /** Shape of one sample as the model takes it. */
  readonly shape: readonly number[];
  /** The model's own first dimension, when it is a number. */
  readonly fixedBatch: number | null;
  /** The input has no batch dimension. */
  readonly bare: boolean;
  readonly count: number;
  /** The whole array is the one sample. */
  readonly whole: boolean;
}

/** @throws DataError naming the input that is missing or does not fit. */
export function bind(dataset: Dataset, io: ModelIo): BoundData {
  const feeds = io.inputs.map((input) => feedOf(dataset, input));
  const [first] = feeds;
  const count = first?.count ?? 0;
  if (count === 0) throw dataErrors.empty(dataset.path);
  for (const feed of feeds)
    if (feed.count !== count)
      throw counts(feed.prepared.samples.path, feed.io.name, feed.count, count);
  const { labels } = dataset;
  if (labels && labels.count !== count) throw counts(labels.path, "labels", labels.count, count);
  const expected = expectedStreams(dataset, io, count);
  const fixed = feeds.find((feed) => feed.fixedBatch !== null && feed.fixedBatch > 1) ?? null;
  const single = feeds.some((feed) => feed.fixedBatch === 1 || feed.bare);
  const rows = single ? 1 : (fixed?.fixedBatch ?? null);
  const open = openBatch(feeds, io.outputs);
  return {
    path: dataset.path,
    task: dataset.task,
    metric: dataset.metric ?? (dataset.task === null ? null : (METRICS[dataset.task][0] ?? null)),
    count,
    labelled: labels !== null,
    expected: [...expected.keys()],
    notes: unstatedNotes(feeds),
    fixedBatch: rows,
    openBatch: open,
    async *batches(limit = null, batch = open, start = 0) {
      const end = Math.min(count, limit ?? count);
      const step = rows ?? batch;
      for (let from = start; from < end; from += step) {
        const to = Math.min(end, from + step);
        yield {
          first: from,
          count: to - from,
          rows: rows ?? to - from,
          feeds: new Map(
            await Promise.all(
              feeds.map(
                async (feed) => [feed.io.name, await tensorOf(feed, from, to, rows)] as const,
              ),
            ),
          ),
          labels: labels ? await labels.read(from, to) : null,
          expected: new Map(
            await Promise.all(
              [...expected].map(async ([name, stream]) => [name, await stream(from, to)] as const),
            ),
          ),
        };
      }
    },
  };
}

/** A model that expects other values runs all the same, and is as good as guessing. */
const unstatedNotes = (feeds: readonly Feed[]): readonly string[] =>
  feeds
    .filter(({ prepared, type }) => prepared.isUnstated && dtype(type).kind === "float")
    .map(
      ({ io, prepared }) =>
        `The pictures of "${io.name}" are fed as 0 to 255, because ${prepared.samples.path} states no steps; if the model expects other values, state "scale", or "mean" and "std", in a dataset.json ("scale": 1 says that 0 to 255 is right).`,
    );

function feedOf(dataset: Dataset, io: IoInfo): Feed {
  const prepared = dataset.inputs.get(io.name) ?? dataset.inputs.get("*");
  if (!prepared) throw dataErrors.inputMissing(dataset.path, io.name, [...dataset.inputs.keys()]);
  if (io.dtype === null)
    throw dataErrors.bad(
      dataset.path,
      io.name,
      `the model's input "${io.name}" is not a tensor`,
      "Only models that take tensors can be run on data.",
    );
  const base = { io, type: io.dtype, prepared, whole: false, bare: false };
  const { count } = prepared.samples;
  const [head, ...own] = io.shape;
  const fixedBatch = typeof head === "number" ? head : null;
  const sample = fitted(prepared.shape, own);
  if (io.shape.length > 0 && sample) return { ...base, shape: sample, fixedBatch, count };
  // An array without a sample axis: one picture for a model that takes a batch of pictures.
  const all = fitted([count, ...prepared.shape], own);
  if (io.shape.length > 0 && all && own.every((dim) => typeof dim === "number"))
    return { ...base, shape: all, fixedBatch, count: 1, whole: true };
  const bare = fitted(prepared.shape, io.shape);
  if (bare) return { ...base, shape: bare, fixedBatch: null, bare: true, count };
  throw dataErrors.wrongShape(
    prepared.samples.path,
    io.name,
    showShape(prepared.shape),
    `${showShape(own)} (its input is ${showShape(io.shape)})`,
  );
}

/** The model's shape for values of `shape` when they differ at most in dimensions of 1; else null. */
function fitted(
  shape: readonly number[],
  model: readonly (number | string | null)[],
): readonly number[] | null {
  if (shape.length === model.length)
    return shape.every((dim, i) => typeof model[i] !== "number" || model[i] === dim) ? shape : null;
  const fixed = model.filter((dim) => typeof dim === "number");
  if (fixed.length !== model.length) return null;
  const squeezed = (dims: readonly number[]): string => dims.filter((dim) => dim !== 1).join();
  return squeezed(shape) === squeezed(fixed) ? fixed : null;
}

async function tensorOf(
  feed: Feed,
  from: number,
  to: number,
  rows: number | null,
): Promise<HostTensor> {
  const { prepared, shape, type } = feed;
  const data = await (feed.whole
    ? prepared.readAs(0, prepared.samples.count, type)
    : prepared.readAs(from, to, type));
  const batch = rows ?? to - from;
  return {
    dtype: type,
    shape: feed.bare ? shape : [batch, ...shape],
    data: batch === to - from ? data : padded(data, to - from, batch),
  };
}

/** The last sample repeated until `rows` are full; what the model says of them is not counted. */
function padded(data: HostData, count: number, rows: number): HostData {
  const size = data.length / count;
  const out = Array.isArray(data)
    ? new Array<string>(size * rows)
    : new (data.constructor as new (length: number) => HostData)(size * rows);
  for (let row = 0; row < rows; row++) {
    const source = Math.min(row, count - 1) * size;
    for (let i = 0; i < size; i++) (out as unknown[])[row * size + i] = data[source + i];
  }
  return out;
}

/** Rows for an open batch, so that inputs and outputs of declared size stay within the budget. */
function openBatch(feeds: readonly Feed[], outputs: readonly IoInfo[]): number {
  const symbols = new Map<string, number>();
  for (const { io, shape } of feeds)
    io.shape.slice(1).forEach((dim, i) => {
      if (typeof dim === "string") symbols.set(dim, shape[i] ?? 1);
    });
  const bytesOf = (type: IoInfo["dtype"], dims: readonly (number | string | null)[]): number =>
    ((type === null ? 0 : dtype(type).bits) / 8) *
    product(dims.map((dim) => (typeof dim === "number" ? dim : (symbols.get(dim ?? "") ?? 1))));
  const bytes =
    feeds.reduce((sum, feed) => sum + bytesOf(feed.type, feed.shape), 0) +
    outputs.reduce((sum, output) => sum + bytesOf(output.dtype, output.shape.slice(1)), 0);
  return Math.max(1, Math.min(MAX_BATCH, Math.floor(BATCH_BUDGET_BYTES / Math.max(1, bytes))));
}

type Stream = (from: number, to: number) => Promise<Float64Array>;

function expectedStreams(dataset: Dataset, io: ModelIo, count: number): Map<string, Stream> {
  const out = new Map<string, Stream>();
  const names = io.outputs.map(({ name }) => name);
  for (const [name, { samples, scale }] of dataset.expected) {
    const output = name === "*" ? names[0] : names.find((own) => own === name);
    if (output === undefined)
      throw dataErrors.bad(
        dataset.path,
        `outputs.${name}`,
        `the model has no output "${name}"`,
        `It has ${names.join(", ")}. Rename one, or use "*" for the first.`,
      );
    if (samples.dtype === "string")
      throw dataErrors.bad(
        samples.path,
        `outputs.${name}`,
        "expected outputs are text",
        "Save the expected numbers.",
      );
    const stream = perSample(samples, count);
    out.set(output, async (from, to) => {
      const data = await stream.read(from, to);
      const values = toNumbers({ dtype: samples.dtype, shape: [data.length], data });
      return Float64Array.from(values, (value) => value * scale);
    });
  }
  return out;
}

/** Expected values split over the samples: row by row, or all of an array without a sample axis. */
function perSample(samples: Samples, count: number): Samples {
  if (samples.count === count) return samples;
  if (samples.count % count === 0)
    return regrouped(samples, count, [samples.count / count, ...samples.shape]);
  throw counts(samples.path, "expected outputs", samples.count, count);
}

const counts = (path: string, what: string, got: number, expected: number): Error =>
  dataErrors.bad(
    path,
    what,
    `it has ${got} samples for ${what}, other inputs have ${expected}`,
    "Every input, label and expected output needs the same number of samples.",
  );
