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
/** Shorter inferences are timed several at a time: a turn of the event loop costs about 10 µs. */
const MIN_TIMED_MS = 1;

interface Runner {
  readonly path: string;
  readonly session: Session;
  readonly feeds: ReadonlyMap<string, HostTensor>;
  readonly timesMs: Float64Array;
}

/**
 * Runs each model `runs` times on seeded synthetic inputs. With two models or more, `ratio` is the
 * second's time over the first's: the median over pairs of neighbouring runs.
 * @throws EngineError when a model does not run; Cancelled.
 */
export async function bench(
  paths: readonly string[],
  options: BenchOptions,
  task: Task,
): Promise<BenchResult> {
  const runners: Runner[] = [];
  try {
    for (const file of paths) {
      await breathe(task);
      task.progress(0, `loading ${path.basename(file)}`);
      runners.push(await load(file, runners[0]?.session ?? null, options));
    }
    const inner = await warmUp(runners, task);
    for (let run = 0; run < options.runs; run++) {
      // Every other round goes the other way: no model always runs on the other's heels.
      const round = run % 2 === 0 ? runners : [...runners].reverse();
      for (const runner of round) {
        await breathe(task);
        runner.timesMs[run] = (await timed(runner, inner)) / inner;
      }
      task.progress((run + 1) / options.runs, `run ${run + 1} of ${options.runs}`);
    }
    return result(runners, options);
  } finally {
    for (const { session } of runners) await session.release();
  }
}

async function load(file: string, first: Session | null, options: BenchOptions): Promise<Runner> {
  const session = await createSession(file, { threads: options.threads, optimization: "all" });
  try {
    // A changed model is timed at the sizes that the original one runs at.
    const sizes = await runnableSizes(first ?? session, options.seed);
    const feeds = syntheticFeeds(session.inputs, options.seed, sizes);
    return { path: file, session, feeds, timesMs: new Float64Array(options.runs) };
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

function result(runners: readonly Runner[], options: BenchOptions): BenchResult {
  const models = runners.map(({ path: file, timesMs }): BenchModel => {
    const sorted = timesMs.slice().sort();
    return {
      path: file,
      p50Ms: quantile(sorted, 0.5),
      p90Ms: quantile(sorted, 0.9),
      runs: options.runs,
    };
  });
  const [first, second] = runners;
  const base = {
    models,
    threads: options.threads === 0 ? availableParallelism() : options.threads,
  };
  if (!first || !second) return { ...base, ratio: null, ratioLow: null, ratioHigh: null };
  const ratios = second.timesMs.map((time, run) => time / (first.timesMs[run] ?? 1));
  const { low, high } = bootstrapMedian(ratios);
  return { ...base, ratio: quantile(ratios.sort(), 0.5), ratioLow: low, ratioHigh: high };
}
