/** Models opened for measuring, and passes of them over the same batches of the same data. */
import { mkdirSync } from "node:fs";
import { mainGraph, type Model } from "../../core/model.ts";
import { dtype } from "../../shared/dtype.ts";
import { engineErrors } from "../../shared/errors.ts";
import type { HostTensor } from "../../shared/hostTensor.ts";
import type { Task } from "../../shared/task.ts";
import { exposing, feederOf, type Exposer, type Feeder } from "../capture.ts";
import type { Session } from "../ort.ts";
import { breathe } from "../saveWrite.ts";

/** Values measured in one go; each loads the model anew, which costs less than a wide run. */
const PROBE_VALUES = 32;

/** What one run at the smallest batch shows of a value. */
export interface Probed {
  readonly shape: readonly number[];
  /** Per row fed. */
  readonly bytes: number;
}

export interface Opened {
  readonly model: Model;
  readonly exposer: Exposer;
  readonly feeder: Feeder;
  /** Equal for models that take the same feeds. */
  readonly io: string;
  readonly inputs: ReadonlySet<string>;
  readonly probed: ReadonlyMap<string, Probed>;
}

export interface OpenOptions {
  readonly data: string;
  readonly holdOut: boolean;
  readonly threads: number;
  readonly folder: string;
}

/** @param values of the main graph, whose shapes will be known. @throws DataError, EngineError, Cancelled */
export async function openForMeasuring(
  model: Model,
  values: readonly string[],
  { data, holdOut, threads, folder }: OpenOptions,
  task: Task,
): Promise<Opened> {
  mkdirSync(folder, { recursive: true });
  const inputs = new Set(mainGraph(model).inputs);
  const computed = values.filter((name) => !inputs.has(name));
  const exposer = exposing(model, computed, { folder, threads }, task);
  const probed = new Map<string, Probed>();
  const probe = (name: string, tensor: HostTensor, rows: number): void => {
    const bytes = (tensor.data.length * dtype(tensor.dtype).bits) / 8 / rows;
    probed.set(name, { shape: tensor.shape, bytes });
  };
  let opened: { readonly feeder: Feeder; readonly io: string } | null = null;
  try {
    for (let from = 0; from === 0 || from < computed.length; from += PROBE_VALUES) {
      const some = computed.slice(from, from + PROBE_VALUES);
      opened = await exposer.use(some, async (session, fetch) => {
        const feeder =
          opened?.feeder ??
          (await feederOf(session, { data, split: "calibration", holdOut, limit: null }));
        await breathe(task);
        for await (const { feeds } of feeder.batches(1, 1)) {
          const rows = feeder.fixedBatch ?? 1;
          for (const [name, tensor] of feeds) probe(name, tensor, rows);
          if (fetch.length > 0)
            for (const [name, tensor] of await session.run(feeds, fetch)) probe(name, tensor, rows);
        }
        return { feeder, io: opened?.io ?? JSON.stringify(session.inputs) };
      });
    }
  } catch (error) {
    await exposer.remove();
    throw error;
  }
  if (!opened) throw new Error("a model is opened by its first probe");
  return { model, exposer, inputs, probed, ...opened };
}

/** Values of one model for one batch, by name. */
export type Results = ReadonlyMap<string, HostTensor>;

export interface PassBatch {
  /** Index of the first sample, and how many. */
  readonly first: number;
  readonly count: number;
  /** Rows fed; more than `count` where the model fixes them and samples run out. */
  readonly rows: number;
  readonly results: ReadonlyMap<Opened, Results>;
}

/** Runs all models over the data once, batch by batch in step. */
export async function pass(
  wanted: ReadonlyMap<Opened, readonly string[]>,
  openBatch: number,
  onBatch: (batch: PassBatch) => Promise<void>,
  task: Task,
): Promise<void> {
  const models = [...wanted.keys()];
  const run = async (at: number, sessions: readonly Session[]): Promise<void> => {
    const next = models[at];
    if (next) {
      const { inputs } = next;
      const computed = (wanted.get(next) ?? []).filter((name) => !inputs.has(name));
      await next.exposer.use(computed, (session) => run(at + 1, [...sessions, session]));
      return;
    }
    for await (const { first, count, rows, feeds } of inStep(models, openBatch)) {
      await breathe(task);
      const results = new Map<Opened, Results>();
      for (const [i, model] of models.entries()) {
        const session = sessions[i];
        const fed = feeds[i];
        if (!session || !fed) throw new Error("every model has a session and feeds");
        const names = wanted.get(model) ?? [];
        const fetch = names.filter((name) => !model.inputs.has(name));
        const got = fetch.length === 0 ? new Map() : await session.run(fed, fetch);
        for (const name of names) {
          const input = fed.get(name);
          if (input && model.inputs.has(name)) got.set(name, input);
        }
        results.set(model, got);
      }
      await onBatch({ first, count, rows, results });
      const samples = models[0]?.feeder.samples ?? 1;
      task.progress((first + count) / samples, "collecting activations");
    }
  };
  await run(0, []);
}

interface Step {
  readonly first: number;
  readonly count: number;
  readonly rows: number;
  /** One per model, in order. */
  readonly feeds: readonly ReadonlyMap<string, HostTensor>[];
}

/** Batches of every model's feeds with the same samples. Models that take the same feeds share them. */
async function* inStep(models: readonly Opened[], openBatch: number): AsyncIterable<Step> {
  const kinds = [...new Set(models.map(({ io }) => io))];
  const fixed = models.map(({ feeder }) => feeder.fixedBatch).filter((rows) => rows !== null);
  const rows = fixed[0] ?? openBatch;
  if (fixed.some((other) => other !== rows))
    throw engineErrors.unmeasured(
      "inputs",
      `one model fixes the batch at ${rows}, the other does not`,
    );
  const iterators = kinds.map((kind) => {
    const feeder = models.find(({ io }) => io === kind)?.feeder;
    if (!feeder) throw new Error("every kind of feeds has a model");
    return feeder.batches(feeder.samples, rows)[Symbol.asyncIterator]();
  });
  for (;;) {
    const steps = await Promise.all(iterators.map((iterator) => iterator.next()));
    const batches = steps.map((step) => (step.done === true ? null : step.value));
    const [lead] = batches;
    if (!lead) return;
    yield {
      first: lead.first,
      count: lead.count,
      rows: fixed[0] ?? lead.count,
      feeds: models.map(({ io }) => {
        const batch = batches[kinds.indexOf(io)];
        if (batch?.first !== lead.first || batch.count !== lead.count)
          throw engineErrors.unmeasured("inputs", "the models take different samples");
        return batch.feeds;
      }),
    };
  }
}
