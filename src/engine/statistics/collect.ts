/**
 * Collects statistics in as few passes over the data as the memory budget allows. Every pass serves
 * ranges, moments, Grams and samples of many places at once; histograms wait for their ranges.
 */
import { createHash } from "node:crypto";
import path from "node:path";
import type { Model } from "../../core/model.ts";
import { needKey, type Need, type Place, type Sampled, type State } from "../../core/statistics.ts";
import { EngineError, engineErrors } from "../../shared/errors.ts";
import type { Task } from "../../shared/task.ts";
import { dataIdentity } from "../dataIdentity.ts";
import { ChannelRangeSum, HistogramSum, NotMeasurable, RangeSum } from "./elements.ts";
import { ElementJob, RowJob, type Batch, type Job, type Side } from "./jobs.ts";
import { matrixOf } from "./matrix.ts";
import { choosePositions, defaultRows, type Positions } from "./rows.ts";
import { openForMeasuring, type Opened } from "./running.ts";
import { sourceOf, type Source } from "./source.ts";
import { bytesOf, rowSum, type RowStat, type RowSum } from "./sums.ts";
import { part, planWaves, runWaves } from "./waves.ts";

export interface CollectOptions {
  readonly data: string;
  readonly seed: number;
  readonly models: Readonly<Record<State, () => Model>>;
  readonly threads: number;
  /** Sums and captured values of one pass stay within this. */
  readonly budgetBytes: number;
  /** An empty folder, removed by who gave it. */
  readonly folder: string;
}

/** A statistic, or why there is none. */
export type Answer = Sampled | EngineError;

export interface Collected {
  /** By `needKey`; every need has one. */
  readonly answers: ReadonlyMap<string, Answer>;
  readonly passes: number;
  readonly samples: number;
}

interface Wanted {
  readonly need: Need;
  readonly key: string;
  readonly sides: readonly { readonly model: Model; readonly source: Source }[];
}
interface Item {
  readonly wanted: Wanted;
  readonly sides: readonly Side[];
}

/** @throws DataError, EngineError when a model does not run; Cancelled. What one place lacks is its answer. */
export async function collectNeeds(
  needs: readonly Need[],
  options: CollectOptions,
  task: Task,
): Promise<Collected> {
  const answers = new Map<string, Answer>();
  const wanted = resolve(needs, options, answers);
  if (wanted.length === 0) return { answers, passes: 0, samples: 0 };
  const opened = await openModels(wanted, options, task);
  try {
    const [first] = opened.values();
    const samples = first?.feeder.samples ?? 0;
    const basis: Basis = { samples, identity: dataIdentity(options.data), seed: options.seed };
    const items = wanted.map((one): Item => ({ wanted: one, sides: sidesOf(one, opened) }));
    const collecting = new Collecting(answers, basis);
    const [jobs, histograms] = collecting.jobs(items);
    const waves = planWaves(jobs, options.budgetBytes);
    const later = planWaves([...histograms.keys()], options.budgetBytes).length;
    await runWaves(waves, collecting.add, part(task, 0, waves.length / (waves.length + later)));
    const second = planWaves(collecting.histogramJobs(histograms), options.budgetBytes);
    await runWaves(second, collecting.add, part(task, waves.length / (waves.length + later), 1));
    collecting.finish();
    return { answers, passes: waves.length + second.length, samples };
  } finally {
    for (const model of opened.values()) model.exposer.remove();
  }
}

function resolve(
  needs: readonly Need[],
  options: CollectOptions,
  answers: Map<string, Answer>,
): Wanted[] {
  const wanted = new Map<string, Wanted>();
  for (const need of needs) {
    const key = needKey(need);
    if (wanted.has(key) || answers.has(key)) continue;
    try {
      const side = (at: Place, of: State): Wanted["sides"][number] => {
        const model = options.models[of]();
        return { model, source: sourceOf(model, at) };
      };
      const sides = [side(need.at, need.of)];
      if (need.stat === "crossGram") {
        if (!need.against)
          throw engineErrors.unmeasured(labelOf(need.at), "nothing is named to cross it with");
        sides.push(side(need.against.at, need.against.of));
      }
      wanted.set(key, { need, key, sides });
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      answers.set(key, error);
    }
  }
  return [...wanted.values()];
}

const labelOf = (place: Place): string => (place.kind === "use" ? place.node : place.name);

async function openModels(
  wanted: readonly Wanted[],
  { data, threads, folder }: CollectOptions,
  task: Task,
): Promise<ReadonlyMap<Model, Opened>> {
  const values = new Map<Model, Set<string>>();
  for (const { model, source } of wanted.flatMap(({ sides }) => sides)) {
    const names = values.get(model) ?? new Set();
    values.set(model, names.add(source.value));
  }
  const opened = new Map<Model, Opened>();
  for (const [model, names] of values) {
    const own = path.join(folder, String(opened.size));
    const quiet = part(task, 0, 0);
    opened.set(
      model,
      await openForMeasuring(model, [...names], { data, threads, folder: own }, quiet),
    );
  }
  return opened;
}

const sidesOf = ({ sides }: Wanted, opened: ReadonlyMap<Model, Opened>): Side[] =>
  sides.map(({ model, source }) => {
    const found = opened.get(model);
    if (!found) throw new Error("every model wanted is opened");
    return { opened: found, source };
  });

interface Basis {
  readonly samples: number;
  readonly identity: string;
  readonly seed: number;
}

const ALL_ROWS = "all";

function sampledKey({ samples, identity, seed }: Basis, positions: Positions | null): string {
  const which =
    positions === null || positions.chosen === null
      ? ALL_ROWS
      : [positions.total, positions.rows, seed];
  const text = JSON.stringify([identity, "calibration", samples, which]);
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

/** Jobs and what becomes of each: a job that fails answers its needs with the reason. */
class Collecting {
  readonly #answers: Map<string, Answer>;
  readonly #basis: Basis;
  readonly #finishes: (() => void)[] = [];
  readonly #failures = new Map<Job, NotMeasurable>();

  constructor(answers: Map<string, Answer>, basis: Basis) {
    this.#answers = answers;
    this.#basis = basis;
  }

  /** The first pass's jobs; and histograms' ranges, which are among them. */
  jobs(items: readonly Item[]): [Job[], Map<ElementJob, { items: Item[]; range: RangeSum }>] {
    const jobs: Job[] = [];
    const ranges = new Map<string, { job: ElementJob; range: RangeSum }>();
    const histograms = new Map<ElementJob, { items: Item[]; range: RangeSum }>();
    const rowGroups = new Map<string, Item[]>();
    const ids = new Map<Opened, number>();
    const idOf = ({ opened, source }: Side): string => {
      if (!ids.has(opened)) ids.set(opened, ids.size);
      return JSON.stringify([ids.get(opened), source.value]);
    };
    for (const item of items) {
      const { need } = item.wanted;
      const [side] = item.sides;
      if (!side) continue;
      if (need.stat === "range" || need.stat === "histogram") {
        let known = ranges.get(idOf(side));
        if (!known) {
          const range = new RangeSum();
          ranges.set(idOf(side), (known = { job: new ElementJob(side, range), range }));
          jobs.push(known.job);
        }
        const { job, range } = known;
        if (need.stat === "range")
          this.#onFinish(item, job, () => this.#full(range.finish(), range.count));
        else {
          const list = histograms.get(job) ?? { items: [], range };
          list.items.push(item);
          histograms.set(job, list);
        }
      } else if (need.stat === "channelRange") {
        const sum = new ChannelRangeSum(side.source.channelAxis);
        const job = new ElementJob(side, sum);
        jobs.push(job);
        this.#onFinish(item, job, () => this.#full(sum.finish(), sum.count));
      } else {
        const sides = item.sides.map((s) => [idOf(s), s.source.view]);
        const group = JSON.stringify([
          sides,
          need.rows ?? null,
          need.stat === "samples",
          need.at.kind,
        ]);
        const list = rowGroups.get(group);
        if (list) list.push(item);
        else rowGroups.set(group, [item]);
      }
    }
    for (const group of rowGroups.values()) jobs.push(...this.#rowJob(group));
    return [jobs, histograms];
  }

  histogramJobs(
    histograms: ReadonlyMap<
      ElementJob,
      { readonly items: readonly Item[]; readonly range: RangeSum }
    >,
  ): Job[] {
    const jobs: Job[] = [];
    for (const [rangeJob, { items, range }] of histograms) {
      const [item] = items;
      const [side] = rangeJob.sides;
      if (!item) continue;
      if (this.#failures.has(rangeJob) || range.count === 0) {
        for (const each of items)
          this.#onFinish(each, rangeJob, () => this.#full(range.finish(), 0));
        continue;
      }
      const { min, max } = range.finish();
      const sum = new HistogramSum(min, max);
      const job = new ElementJob(side, sum);
      jobs.push(job);
      for (const each of items)
        this.#onFinish(each, job, () =>
          this.#full({ min, max, counts: sum.counts, zeros: sum.zeros }, range.count),
        );
    }
    return jobs;
  }

  /** Needs of the same rows of the same places share one job, so that rows are cut out once. */
  #rowJob(items: readonly Item[]): Job[] {
    const [first] = items;
    if (!first) return [];
    const { need } = first.wanted;
    const fail = (reason: string): Job[] => {
      for (const { wanted } of items)
        this.#answers.set(wanted.key, engineErrors.unmeasured(labelOf(need.at), reason));
      return [];
    };
    const layouts = first.sides.map(({ opened, source }) => {
      const shape = opened.probed.get(source.value)?.shape ?? [];
      const matrix = matrixOf(source.view, shape);
      return matrix ? { ...matrix, shape } : null;
    });
    const [a, b = null] = layouts;
    const [side] = first.sides;
    if (!a || !side || (first.sides.length > 1 && !b))
      return fail("its shape does not fit the operator");
    if (b && (b.rows !== a.rows || b.groups !== a.groups))
      return fail(`the two places have ${a.rows} and ${b.rows} rows per sample`);
    const { feeder } = side.opened;
    const total = Math.floor((a.rows * feeder.samples) / (feeder.fixedBatch ?? 1));
    const rows = need.rows ?? defaultRows(need.stat, need.at.kind, a.k);
    const positions = choosePositions(total, rows, this.#basis.seed);
    const sums = items.map(({ wanted }): readonly [Wanted, RowSum, RowStat] => {
      const stat = wanted.need.stat as RowStat;
      return [wanted, rowSum(stat, a, b, positions.rows), stat];
    });
    const bytes = sums.reduce((sum, [, , stat]) => sum + bytesOf(stat, a, b, positions.rows), 0);
    const job = new RowJob(
      first.sides,
      sums.map(([, sum]) => sum),
      positions,
      bytes,
    );
    items.forEach((item, i) => {
      this.#onFinish(item, job, () => {
        if (job.rows === 0) throw new NotMeasurable("it has no rows");
        const answer = sums[i]?.[1].finish(job.rows) ?? {};
        const { samples } = this.#basis;
        return { ...answer, samples, rows: job.rows, key: sampledKey(this.#basis, positions) };
      });
    });
    return [job];
  }

  #full<T extends object>(answer: T, rows: number): T & Sampled {
    const { samples } = this.#basis;
    return { ...answer, samples, rows, key: sampledKey(this.#basis, null) };
  }

  #onFinish({ wanted }: Item, job: Job, answer: () => Sampled): void {
    this.#finishes.push(() => {
      const { key, need } = wanted;
      const failed = (error: NotMeasurable): void => {
        this.#answers.set(key, engineErrors.unmeasured(labelOf(need.at), error.message));
      };
      const failure = this.#failures.get(job);
      if (failure) return failed(failure);
      try {
        this.#answers.set(key, answer());
      } catch (error) {
        if (!(error instanceof NotMeasurable)) throw error;
        failed(error);
      }
    });
  }

  readonly add = async (job: Job, batch: Batch): Promise<void> => {
    if (this.#failures.has(job)) return;
    try {
      await job.add(batch);
    } catch (error) {
      if (!(error instanceof NotMeasurable)) throw error;
      this.#failures.set(job, error);
    }
  };

  finish(): void {
    for (const finish of this.#finishes) finish();
  }
}
