/**
 * Activations: the values inside a graph while it runs over data. They are made outputs of a
 * temporary model, so many at a time as fit the memory budget, and handed on batch by batch.
 */
import { rmSync } from "node:fs";
import path from "node:path";
import { graphKey, MAIN, mainGraph, type Graph, type Model } from "../core/model.ts";
import { scopeOf } from "../core/scope.ts";
import { inferShapes } from "../core/shapeInference.ts";
import { upTo } from "../core/topology.ts";
import type { BoundData } from "../data/bind.ts";
import type { ModelIo, Split } from "../data/dataset.ts";
import { openData } from "../data/open.ts";
import { calibrationSpan } from "../data/splits.ts";
import { encodeModel } from "../formats/index.ts";
import { dtype } from "../shared/dtype.ts";
import { hostData, type HostTensor } from "../shared/hostTensor.ts";
import type { Skip } from "../shared/report.ts";
import type { Task } from "../shared/task.ts";
import { createSession, type Session } from "./ort.ts";
import { breathe, writePieces } from "./saveWrite.ts";
import { runnableSizes, syntheticFeeds } from "./synthetic.ts";

export interface CaptureOptions {
  /** Null for seeded synthetic inputs, `limit` of them (16 when null). */
  readonly data: string | null;
  readonly split: Split;
  /** Leave out the calibration samples that are kept for searching. */
  readonly holdOut?: boolean;
  /** First so many samples; all when null. */
  readonly limit: number | null;
  /** 0 is all cores. */
  readonly threads: number;
  /** Captured values of one batch stay within this. */
  readonly budgetBytes: number;
  /** An empty folder for the temporary model; removed by who gave it. */
  readonly folder: string;
}

export const CAPTURE_BUDGET_BYTES = 2 ** 28;

/** `count` samples from `first` on of one value. The tensor is the receiver's for this call only. */
export type OnBatch = (
  value: string,
  tensor: HostTensor,
  at: { readonly first: number; readonly count: number },
) => void | Promise<void>;

export interface Captured {
  readonly samples: number;
  /** Passes over the data. */
  readonly waves: number;
  readonly skipped: readonly Skip[];
}

/** Values measured in one go; each wave's model is loaded anew, which costs less than a wide run. */
const PROBE_VALUES = 32;
const SYNTHETIC_SAMPLES = 16;

/** Feeds of the whole capture, the same for every wave. */
export interface Feeder {
  readonly samples: number;
  readonly fixedBatch: number | null;
  readonly openBatch: number;
  batches(
    limit: number,
    openBatch: number,
  ): AsyncIterable<{
    readonly first: number;
    readonly count: number;
    readonly feeds: ReadonlyMap<string, HostTensor>;
  }>;
}

/**
 * Runs the model over the data once per wave and gives every batch of every value to `onBatch`, in
 * the order of the data; values of one batch in the order of `values`. Nothing is fused across a
 * captured value, and weights stay exact.
 * @throws DataError, EngineError when the model does not run; Cancelled.
 */
export async function capture(
  model: Model,
  values: readonly string[],
  options: CaptureOptions,
  onBatch: OnBatch,
  task: Task,
): Promise<Captured> {
  const { taken, skipped } = choose(model, values);
  const inputs = new Set(mainGraph(model).inputs);
  const computed = taken.filter((name) => !inputs.has(name));
  const exposer = exposing(model, computed, options, task);
  try {
    const feeder = await exposer.use(computed.slice(0, 1), (session) => feederOf(session, options));
    const sizes = await measure(computed, feeder, exposer, task);
    const waves = planWaves(taken, inputs, sizes, feeder, options.budgetBytes);
    for (const [index, wave] of waves.entries())
      await exposer.use(
        wave.values.filter((name) => !inputs.has(name)),
        async (session, fetch) => {
          for await (const batch of feeder.batches(feeder.samples, wave.batch)) {
            await breathe(task);
            const results = fetch.length === 0 ? NOTHING : await session.run(batch.feeds, fetch);
            for (const name of wave.values) {
              const tensor = inputs.has(name) ? batch.feeds.get(name) : results.get(name);
              if (tensor) await onBatch(name, tensor, batch);
            }
            const done = (batch.first + batch.count) / feeder.samples;
            task.progress((index + done) / waves.length, "collecting activations");
          }
        },
      );
    return { samples: feeder.samples, waves: waves.length, skipped };
  } finally {
    await exposer.remove();
  }
}

function choose(
  model: Model,
  values: readonly string[],
): { readonly taken: readonly string[]; readonly skipped: readonly Skip[] } {
  const scope = scopeOf(model);
  const shapes = inferShapes(model);
  const taken: string[] = [];
  const skipped: Skip[] = [];
  for (const name of new Set(values)) {
    const definition = scope.define(MAIN, name);
    const type = definition === null ? null : shapes.dtypeOf(MAIN, name);
    const reason =
      definition === null
        ? "the main graph has no such value"
        : definition.kind === "tensor" || scope.constant(MAIN, name) !== null
          ? "it is a constant"
          : type !== null && (type.kind === "string" || hostData(type.name, 0) === null)
            ? `values of type ${type.name} cannot be taken out of onnxruntime`
            : null;
    if (reason === null) taken.push(name);
    else skipped.push({ name, reason });
  }
  return { taken, skipped };
}

export interface Exposer {
  /**
   * Loads the model with these values as its only outputs. It is kept until other values are asked
   * for: a technique that goes layer by layer would load every layer's model twice.
   */
  use<T>(
    values: readonly string[],
    work: (session: Session, fetch: readonly string[]) => Promise<T>,
  ): Promise<T>;
  /** Frees the model and removes its files. */
  remove(): Promise<void>;
}

/**
 * Only what `all` values need is written and run (none named: everything): a layer near the inputs costs little of a large model.
 * Weights are written once as external data, which the runtime maps; each wave only adds a graph.
 */
export function exposing(
  whole: Model,
  all: readonly string[],
  options: Pick<CaptureOptions, "folder" | "threads">,
  task: Task,
): Exposer {
  const model = all.length === 0 ? whole : upTo(whole, all);
  const dataName = "capture.data";
  const at = (name: string): string => path.join(options.folder, name);
  const written = new Set<string>();
  const write = async (name: string, pieces: Parameters<typeof writePieces>[1]): Promise<void> => {
    written.add(name);
    await writePieces(at(name), pieces, () => {}, task);
  };
  let loaded: { readonly key: string; readonly session: Session } | null = null;
  const load = async (values: readonly string[]): Promise<Session> => {
    const key = JSON.stringify(values);
    if (loaded?.key === key) return loaded.session;
    await loaded?.session.release();
    loaded = null;
    const main = mainGraph(model);
    // A graph without outputs is invalid; one that only gives inputs on makes anything.
    const outputs = values.length > 0 ? values : all.length > 0 ? all : main.outputs;
    const graph: Graph = { ...main, outputs };
    const exposed = { ...model, graphs: new Map([...model.graphs, [graphKey(MAIN), graph]]) };
    const file = `capture-${written.size}.onnx`;
    for (const part of encodeModel(exposed, { externalData: "always", dataName }))
      if (part.name === null) await write(file, part.pieces);
      else if (!written.has(part.name)) await write(part.name, part.pieces);
    const session = await createSession(at(file), {
      threads: options.threads,
      optimization: "basic",
      exactWeights: true,
    });
    loaded = { key, session };
    return session;
  };
  return {
    use: async (values, work) => work(await load(values), values),
    async remove() {
      await loaded?.session.release();
      loaded = null;
      for (const name of written) rmSync(at(name), { force: true });
    },
  };
}

/** @throws DataError when the data does not fit the model */
export async function feederOf(
  session: ModelIo & Session,
  options: Pick<CaptureOptions, "data" | "split" | "limit" | "holdOut">,
): Promise<Feeder> {
  if (options.data === null) return syntheticFeeder(session, options.limit ?? SYNTHETIC_SAMPLES);
  const data: BoundData = await openData(options.data, session, options.split);
  return {
    samples: Math.min(
      options.split === "calibration" && options.holdOut === true
        ? calibrationSpan(data.count).to
        : data.count,
      options.limit ?? data.count,
    ),
    fixedBatch: data.fixedBatch,
    openBatch: data.openBatch,
    batches: (limit, openBatch) => data.batches(limit, openBatch),
  };
}

async function syntheticFeeder(session: Session, samples: number): Promise<Feeder> {
  const sizes = await runnableSizes(session, 0);
  const { inputs } = session;
  return {
    samples,
    fixedBatch: 1,
    openBatch: 1,
    async *batches(limit) {
      for (let seed = 0; seed < limit; seed++)
        yield { first: seed, count: 1, feeds: syntheticFeeds(inputs, seed, sizes) };
    },
  };
}

/** Bytes of each value per run row, from one run at the smallest batch. */
async function measure(
  values: readonly string[],
  feeder: Feeder,
  exposer: Exposer,
  task: Task,
): Promise<ReadonlyMap<string, number>> {
  const bytes = new Map<string, number>();
  for (let from = 0; from < values.length; from += PROBE_VALUES)
    await exposer.use(values.slice(from, from + PROBE_VALUES), async (session, fetch) => {
      await breathe(task);
      for await (const { feeds } of feeder.batches(1, 1))
        for (const [name, tensor] of await session.run(feeds, fetch))
          bytes.set(name, (tensor.data.length * dtype(tensor.dtype).bits) / 8);
    });
  return bytes;
}

const NOTHING: ReadonlyMap<string, HostTensor> = new Map();

interface Wave {
  readonly values: readonly string[];
  /** Rows per run where the model leaves them open. */
  readonly batch: number;
}

/** In the given order, as many values per wave as fit; a value too large for whole batches gets smaller ones. */
function planWaves(
  values: readonly string[],
  inputs: ReadonlySet<string>,
  sizes: ReadonlyMap<string, number>,
  feeder: Feeder,
  budgetBytes: number,
): readonly Wave[] {
  const waves: { values: string[]; bytes: number; batch: number }[] = [];
  for (const name of values) {
    // Inputs are in memory anyway.
    const perRow = inputs.has(name) ? 0 : (sizes.get(name) ?? 0);
    const fits = Math.max(1, Math.floor(budgetBytes / Math.max(1, perRow)));
    const batch = feeder.fixedBatch === null ? Math.min(feeder.openBatch, fits) : 1;
    const last = waves.at(-1);
    if (last && batch === last.batch && (last.bytes + perRow) * batch <= budgetBytes) {
      last.values.push(name);
      last.bytes += perRow;
    } else waves.push({ values: [name], bytes: perRow, batch });
  }
  return waves;
}
