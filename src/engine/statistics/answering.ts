/** Which jobs answer which needs, and what their statistics stand on. */
import { createHash } from "node:crypto";
import { needKey, type Need, type Place, type Sampled } from "../../core/statistics.ts";
import { engineErrors, type EngineError } from "../../shared/errors.ts";
import type { Blas } from "../../shared/kernels.ts";
import { ChannelRangeSum, HistogramSum, NotMeasurable, RangeSum } from "./elements.ts";
import { ElementJob, RowJob, type Batch, type Job, type Side } from "./jobs.ts";
import { matrixOf } from "./matrix.ts";
import { choosePositions, defaultRows, type Positions } from "./rows.ts";
import type { Opened } from "./running.ts";
import { bytesOf, rowSum, type RowStat } from "./sums.ts";

/** A statistic, or why there is none. */
export type Answer = Sampled | EngineError;

/** A need with its places found. */
export interface Item {
  readonly need: Need;
  readonly sides: readonly Side[];
}

export interface Basis {
  readonly samples: number;
  /** Of the data on disk. */
  readonly identity: string;
  readonly seed: number;
  readonly blas: Blas;
}

export const labelOf = (place: Place): string => (place.kind === "use" ? place.node : place.name);

const ALL_ROWS = "all";

function sampledKey({ samples, identity, seed }: Basis, positions: Positions | null): string {
  const which =
    positions === null || positions.chosen === null
      ? ALL_ROWS
      : [positions.total, positions.rows, seed];
  const text = JSON.stringify([identity, "calibration", samples, which]);
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

/** Makes the jobs for needs, and hands on the answer to each need when its job is complete. */
export class Answering {
  readonly #basis: Basis;
  readonly #onAnswer: (key: string, answer: Answer) => void;
  readonly #readers = new Map<Job, (() => void)[]>();
  readonly #failures = new Map<Job, NotMeasurable>();
  /** Ranges that histograms wait for. */
  readonly #waiting: { readonly item: Item; readonly job: ElementJob; readonly range: RangeSum }[] =
    [];

  constructor(basis: Basis, onAnswer: (key: string, answer: Answer) => void) {
    this.#basis = basis;
    this.#onAnswer = onAnswer;
  }

  /** Jobs of the first passes: everything but histograms, which need their ranges first. */
  jobs(items: readonly Item[]): Job[] {
    const ranges = new Map<string, { readonly job: ElementJob; readonly range: RangeSum }>();
    const rowGroups = new Map<string, Item[]>();
    const jobs: Job[] = [];
    const idOf = identities();
    for (const item of items) {
      const { need, sides } = item;
      const [side] = sides;
      if (!side) continue;
      if (need.stat === "range" || need.stat === "histogram") {
        let known = ranges.get(idOf(side));
        if (!known) {
          const range = new RangeSum();
          ranges.set(idOf(side), (known = { job: new ElementJob(side, range), range }));
          jobs.push(known.job);
        }
        const { job, range } = known;
        if (need.stat === "histogram") this.#waiting.push({ item, job, range });
        else this.#read(item, job, () => this.#full(range.finish(), range.count));
      } else if (need.stat === "channelRange") {
        const sum = new ChannelRangeSum(side.source.channelAxis);
        const job = new ElementJob(side, sum);
        jobs.push(job);
        this.#read(item, job, () => this.#full(sum.finish(), sum.count));
      } else {
        const places = sides.map((each) => [idOf(each), each.source.view]);
        const rows = need.rows ?? [need.stat === "samples", need.at.kind];
        const group = JSON.stringify([places, rows]);
        const list = rowGroups.get(group);
        if (list) list.push(item);
        else rowGroups.set(group, [item]);
      }
    }
    for (const group of rowGroups.values()) jobs.push(...this.#rowJob(group));
    return jobs;
  }

  /** How many values will be passed over again for histograms. */
  get waiting(): readonly ElementJob[] {
    return [...new Set(this.#waiting.map(({ job }) => job))];
  }

  /** Jobs of the passes after the first, whose ranges are known by then. */
  histogramJobs(): Job[] {
    const jobs = new Map<RangeSum, { readonly job: ElementJob; readonly sum: HistogramSum }>();
    for (const { item, job: rangeJob, range } of this.#waiting) {
      const failure = this.#failures.get(rangeJob);
      if (failure || range.count === 0) {
        this.#answer(item, () => {
          if (failure) throw failure;
          return this.#full(range.finish(), range.count);
        });
        continue;
      }
      const { min, max } = range.finish();
      let known = jobs.get(range);
      if (!known) {
        const sum = new HistogramSum(min, max);
        jobs.set(range, (known = { job: new ElementJob(rangeJob.sides[0], sum), sum }));
      }
      const { job, sum } = known;
      this.#read(item, job, () =>
        this.#full({ min, max, counts: sum.counts, zeros: sum.zeros }, range.count),
      );
    }
    return [...jobs.values()].map(({ job }) => job);
  }

  /** Needs of the same rows of the same places share one job, so that rows are cut out once. */
  #rowJob(items: readonly Item[]): Job[] {
    const [first] = items;
    if (!first) return [];
    const { need, sides } = first;
    const refuse = (reason: string): Job[] => {
      for (const item of items)
        this.#answer(item, () => {
          throw new NotMeasurable(reason);
        });
      return [];
    };
    const [a, b = null] = sides.map(({ opened, source }) =>
      matrixOf(source.view, opened.probed.get(source.value)?.shape ?? []),
    );
    const [side] = sides;
    if (!a || !side || (sides.length > 1 && !b))
      return refuse("its shape does not fit the operator");
    if (b && (b.rows !== a.rows || b.groups !== a.groups))
      return refuse(`the two places have ${a.rows} and ${b.rows} rows per sample`);
    const { feeder } = side.opened;
    const total = Math.floor((a.rows * feeder.samples) / (feeder.fixedBatch ?? 1));
    const wanted = need.rows ?? defaultRows(need.stat, need.at.kind, a.k);
    const positions = choosePositions(total, wanted, this.#basis.seed);
    const stats = items.map((item) => item.need.stat as RowStat);
    const { blas, samples } = this.#basis;
    const job = new RowJob({
      sides,
      columns: b ? [a.columns, b.columns] : [a.columns],
      positions,
      bytes: stats.reduce((sum, stat) => sum + bytesOf(stat, a, b, positions.rows), 0),
      makeSums: () => stats.map((stat) => rowSum(stat, a, b, positions.rows, blas)),
    });
    const key = sampledKey(this.#basis, positions);
    items.forEach((item, i) =>
      this.#read(item, job, () => ({ ...job.answer(i), samples, rows: job.rows, key })),
    );
    return [job];
  }

  #full<T extends object>(answer: T, rows: number): T & Sampled {
    const { samples } = this.#basis;
    return { ...answer, samples, rows, key: sampledKey(this.#basis, null) };
  }

  #read(item: Item, job: Job, answer: () => Sampled): void {
    const list = this.#readers.get(job) ?? [];
    this.#readers.set(job, list);
    list.push(() =>
      this.#answer(item, () => {
        const failure = this.#failures.get(job);
        if (failure) throw failure;
        return answer();
      }),
    );
  }

  #answer({ need }: Item, answer: () => Sampled): void {
    const key = needKey(need);
    try {
      this.#onAnswer(key, answer());
    } catch (error) {
      if (!(error instanceof NotMeasurable)) throw error;
      this.#onAnswer(key, engineErrors.unmeasured(labelOf(need.at), error.message));
    }
  }

  /** A job that cannot go on is left out from here on; its needs are answered with the reason. */
  async add(job: Job, batch: Batch): Promise<void> {
    if (!this.#failures.has(job)) await this.#trying(job, () => job.add(batch));
  }

  async complete(job: Job): Promise<void> {
    if (!this.#failures.has(job)) await this.#trying(job, () => job.complete());
    for (const read of this.#readers.get(job) ?? []) read();
    job.free();
  }

  async #trying(job: Job, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof NotMeasurable)) throw error;
      this.#failures.set(job, error);
      job.free();
    }
  }
}

/** A text for each value of each model. */
function identities(): (side: Side) => string {
  const models = new Map<Opened, number>();
  return ({ opened, source }) => {
    if (!models.has(opened)) models.set(opened, models.size);
    return JSON.stringify([models.get(opened), source.value]);
  };
}
