/**
 * Collects statistics in as few passes over the data as the memory budget allows. Every pass serves
 * ranges, moments, Grams and samples of many places at once; histograms wait for their ranges.
 */
import path from "node:path";
import type { Model } from "../../core/model.ts";
import { needKey, type Need, type Place, type State } from "../../core/statistics.ts";
import { EngineError, engineErrors } from "../../shared/errors.ts";
import type { Blas } from "../../shared/kernels.ts";
import type { Task } from "../../shared/task.ts";
import { dataIdentity } from "../dataIdentity.ts";
import { Answering, labelOf, type Answer, type Item } from "./answering.ts";
import type { Side } from "./jobs.ts";
import { openForMeasuring, type Opened } from "./running.ts";
import { sourceOf, type Source } from "./source.ts";
import { part, planWaves, runWaves } from "./waves.ts";

export interface CollectOptions {
  readonly data: string;
  readonly holdOut: boolean;
  readonly seed: number;
  readonly models: Readonly<Record<State, () => Model>>;
  readonly threads: number;
  readonly blas: Blas;
  /** Sums and captured values of one pass stay within this. */
  readonly budgetBytes: number;
  /** An empty folder, removed by who gave it. */
  readonly folder: string;
}

export interface Collected {
  readonly passes: number;
  readonly samples: number;
}

interface Wanted {
  readonly need: Need;
  readonly sides: readonly { readonly model: Model; readonly source: Source }[];
}

/**
 * Every need is answered once, by its `needKey`; what a single place lacks is its answer.
 * @throws DataError, EngineError when a model does not run; Cancelled.
 */
export async function collectNeeds(
  needs: readonly Need[],
  options: CollectOptions,
  onAnswer: (key: string, answer: Answer) => void,
  task: Task,
): Promise<Collected> {
  const wanted = resolve(needs, options, onAnswer);
  if (wanted.length === 0) return { passes: 0, samples: 0 };
  const opened = await openModels(wanted, options, task);
  try {
    const [first] = opened.values();
    const samples = first?.feeder.samples ?? 0;
    const { budgetBytes, data, seed, blas } = options;
    // How many samples were used is part of every key, so held-out statistics have keys of their own.
    const answering = new Answering(
      { samples, identity: dataIdentity(data), seed, blas },
      onAnswer,
    );
    const items = wanted.map(({ need, sides }): Item => ({ need, sides: sidesOf(sides, opened) }));
    const waves = planWaves(answering.jobs(items), budgetBytes);
    const later = planWaves(answering.waiting, budgetBytes).length;
    const share = waves.length / Math.max(1, waves.length + later);
    await runWaves(waves, answering, part(task, 0, share));
    const second = planWaves(answering.histogramJobs(), budgetBytes);
    await runWaves(second, answering, part(task, share, 1));
    return { passes: waves.length + second.length, samples };
  } finally {
    for (const model of opened.values()) await model.exposer.remove();
  }
}

function resolve(
  needs: readonly Need[],
  { models }: CollectOptions,
  onAnswer: (key: string, answer: Answer) => void,
): Wanted[] {
  const wanted: Wanted[] = [];
  const side = (at: Place, of: State): Wanted["sides"][number] => {
    const model = models[of]();
    return { model, source: sourceOf(model, at) };
  };
  const distinct = new Map(needs.map((need) => [needKey(need), need]));
  for (const [key, need] of distinct)
    try {
      const sides = [side(need.at, need.of)];
      if (need.stat === "crossGram") {
        if (!need.against)
          throw engineErrors.unmeasured(labelOf(need.at), "nothing is named to cross it with");
        sides.push(side(need.against.at, need.against.of));
      }
      wanted.push({ need, sides });
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      onAnswer(key, error);
    }
  return wanted;
}

async function openModels(
  wanted: readonly Wanted[],
  { data, holdOut, threads, folder }: CollectOptions,
  task: Task,
): Promise<ReadonlyMap<Model, Opened>> {
  const values = new Map<Model, Set<string>>();
  for (const { model, source } of wanted.flatMap(({ sides }) => sides)) {
    const names = values.get(model) ?? new Set();
    values.set(model, names.add(source.value));
  }
  const opened = new Map<Model, Opened>();
  try {
    for (const [model, names] of values) {
      const own = path.join(folder, String(opened.size));
      const one = { data, holdOut, threads, folder: own };
      opened.set(model, await openForMeasuring(model, [...names], one, part(task, 0, 0)));
    }
  } catch (error) {
    for (const { exposer } of opened.values()) await exposer.remove();
    throw error;
  }
  return opened;
}

const sidesOf = (sides: Wanted["sides"], opened: ReadonlyMap<Model, Opened>): Side[] =>
  sides.map(({ model, source }) => {
    const found = opened.get(model);
    if (!found) throw new Error("every model wanted is opened");
    return { opened: found, source };
  });
