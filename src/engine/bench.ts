/** Latency on this machine: paired runs of the models in turn, so that whatever else the machine does hits them alike. */
import { availableParallelism } from "node:os";
import path from "node:path";
import type { HostTensor } from "../shared/hostTensor.ts";
import type { BenchModel, BenchResult } from "../shared/protocol.ts";
import type { Task } from "../shared/task.ts";
import { bootstrapMedian, quantile } from "./metrics/interval.ts";
import { createSession, type Session } from "./ort.ts";
import { breathe } from "./saveWrite.ts";
import { runnableSizes, syntheticFeeds } from "./synthetic.ts";

export interface BenchOptions {
  /** Timed runs of each model. */
  readonly runs: number;
  /** 0 is all cores. */
  readonly threads: number;
  /** Of the synthetic inputs. */
  readonly seed: number;
}

const WARM_UP_RUNS = 3;
/**
 * Where models lie in memory differs between loads and moves their times by several percent, the
 * same way for all runs of one load: compared models are loaded anew so many times.
 */
const LOADS = 6;
/** A load needs this many runs to be worth anything. */
const LEAST_RUNS = 7;
/** Loading anew is for models that load quickly; others are loaded once. */
const QUICK_LOAD_MS = 400;
/** Shorter inferences are timed several at a time: a turn of the event loop costs about 10 µs. */
const MIN_TIMED_MS = 1;

interface Runner {
  readonly session: Session;
  readonly feeds: ReadonlyMap<string, HostTensor>;
}

/** Times of one load of the models, [models][runs]. */
type Block = readonly Float64Array[];

/**
 * Runs each model `runs` times on seeded synthetic inputs. With two models or more, `ratio` is the
 * second's time over the first's: the median over pairs of neighbouring runs. Its interval holds what
 * differs between runs and what differs between loads.
 * @throws EngineError when a model does not run; Cancelled.
 */
export async function bench(
  paths: readonly string[],
  options: BenchOptions,
  task: Task,
): Promise<BenchResult> {
  const blocks: Block[] = [];
  const most = paths.length > 1 ? Math.floor(options.runs / LEAST_RUNS) : 1;
  for (let done = 0; done < options.runs;) {
    const runners = await loadAll(paths, options, task);
    try {
      const loads = runners.loadMs > QUICK_LOAD_MS ? 1 : Math.min(LOADS, most) - blocks.length;
      const runs = Math.ceil((options.runs - done) / Math.max(1, loads));
      const share: Task = {
        signal: task.signal,
        progress: (run, message) => task.progress((done + run * runs) / options.runs, message),
      };
      blocks.push(await timedBlock(runners.all, runs, share));
      done += runs;
    } finally {
      await releaseAll(runners.all);
    }
  }
  return result(paths, blocks, options);
}

async function loadAll(
  paths: readonly string[],
  options: BenchOptions,
  task: Task,
): Promise<{ readonly all: readonly Runner[]; readonly loadMs: number }> {
  const all: Runner[] = [];
  const start = performance.now();
  try {
    for (const file of paths) {
      await breathe(task);
      task.progress(0, `loading ${path.basename(file)}`);
      all.push(await load(file, all[0]?.session ?? null, options));
    }
  } catch (error) {
    await releaseAll(all);
    throw error;
  }
  return { all, loadMs: performance.now() - start };
}

async function releaseAll(runners: readonly Runner[]): Promise<void> {
  for (const { session } of runners) await session.release();
}

async function timedBlock(runners: readonly Runner[], runs: number, task: Task): Promise<Block> {
  const all = runners.map((runner) => ({ runner, timesMs: new Float64Array(runs) }));
  const inner = await warmUp(runners, task);
  for (let run = 0; run < runs; run++) {
    // Every other round goes the other way: no model always runs on the other's heels.
    const round = run % 2 === 0 ? all : [...all].reverse();
    for (const { runner, timesMs } of round) {
      await breathe(task);
      timesMs[run] = (await timed(runner, inner)) / inner;
    }
    task.progress((run + 1) / runs, "running in turn");
  }
  return all.map(({ timesMs }) => timesMs);
}

async function load(file: string, first: Session | null, options: BenchOptions): Promise<Runner> {
  const session = await createSession(file, { threads: options.threads, optimization: "all" });
  try {
    // A changed model is timed at the sizes that the original one runs at.
    const sizes = await runnableSizes(first ?? session, options.seed);
    const feeds = syntheticFeeds(session.inputs, options.seed, sizes);
    return { session, feeds };
  } catch (error) {
    await session.release();
    throw error;
  }
}

/** Runs until caches and arenas are as they stay; gives the inferences that one timing spans. */
async function warmUp(runners: readonly Runner[], task: Task): Promise<number> {
  let fastest = Infinity;
  for (const runner of runners)
    for (let run = 0; run < WARM_UP_RUNS; run++) {
      await breathe(task);
      fastest = Math.min(fastest, await timed(runner, 1));
    }
  return Math.max(1, Math.min(1000, Math.ceil(MIN_TIMED_MS / fastest)));
}

async function timed(runner: Runner, inferences: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < inferences; i++) await runner.session.run(runner.feeds);
  return performance.now() - start;
}

function result(
  paths: readonly string[],
  blocks: readonly Block[],
  options: BenchOptions,
): BenchResult {
  const models = paths.map((file, i): BenchModel => {
    const sorted = joined(blocks.map((block) => block[i] ?? new Float64Array(0))).sort();
    return {
      path: file,
      p50Ms: quantile(sorted, 0.5),
      p90Ms: quantile(sorted, 0.9),
      runs: options.runs,
    };
  });
  const base = {
    models,
    threads: options.threads === 0 ? availableParallelism() : options.threads,
  };
  if (paths.length < 2) return { ...base, ratio: null, ratioLow: null, ratioHigh: null };
  const ratios = blocks.map(([first, second]) =>
    Float64Array.from(second ?? [], (time, run) => time / (first?.[run] ?? 1)),
  );
  const { low, high } = bootstrapMedian(ratios);
  return { ...base, ratio: quantile(joined(ratios).sort(), 0.5), ratioLow: low, ratioHigh: high };
}

function joined(parts: readonly Float64Array[]): Float64Array {
  return Float64Array.from(parts.flatMap((part) => [...part]));
}
