/** Passes over the data: which jobs share one, so that the memory of each stays within the budget. */
import type { Task } from "../../shared/task.ts";
import type { Answering } from "./answering.ts";
import { withNumbers, type Job } from "./jobs.ts";
import { pass, type Opened } from "./running.ts";

/** Captured values of a batch: bigger batches are no faster and only take memory. */
const BATCH_BYTES = 2 ** 25;

/** Part of a task's progress, from `from` to `to`. */
export const part = (task: Task, from: number, to: number): Task => ({
  signal: task.signal,
  progress: (fraction, message) => task.progress(from + fraction * (to - from), message),
});

export interface Wave {
  readonly jobs: Job[];
  readonly values: Map<Opened, Set<string>>;
  /** Sums, and captured values per row fed. */
  sums: number;
  perRow: number;
}

/** In the given order, as many jobs per pass as fit the budget with a batch of one. */
export function planWaves(jobs: readonly Job[], budgetBytes: number): Wave[] {
  const waves: Wave[] = [];
  for (const job of jobs) {
    let wave = waves.at(-1);
    const extra = wave ? newBytes(wave, job) : 0;
    if (!wave || wave.sums + job.bytes + wave.perRow + extra > budgetBytes)
      waves.push((wave = { jobs: [], values: new Map(), sums: 0, perRow: 0 }));
    wave.perRow += newBytes(wave, job);
    wave.sums += job.bytes;
    wave.jobs.push(job);
    for (const { opened, source } of job.sides) {
      const names = wave.values.get(opened) ?? new Set();
      wave.values.set(opened, names.add(source.value));
    }
  }
  return waves;
}

function newBytes(wave: Wave, job: Job): number {
  let bytes = 0;
  for (const { opened, source } of job.sides)
    if (wave.values.get(opened)?.has(source.value) !== true)
      bytes += opened.probed.get(source.value)?.bytes ?? 0;
  return bytes;
}

export async function runWaves(
  waves: readonly Wave[],
  answering: Pick<Answering, "add" | "complete">,
  task: Task,
): Promise<void> {
  for (const [i, wave] of waves.entries()) {
    const values = new Map([...wave.values].map(([opened, names]) => [opened, [...names]]));
    const most = Math.min(...[...values.keys()].map(({ feeder }) => feeder.openBatch));
    const fits = Math.floor(BATCH_BYTES / Math.max(1, wave.perRow));
    await pass(
      values,
      Math.max(1, Math.min(most, fits)),
      async (batch) => {
        const shared = withNumbers(batch);
        for (const job of wave.jobs) await answering.add(job, shared);
      },
      part(task, i / waves.length, (i + 1) / waves.length),
    );
    for (const job of wave.jobs) await answering.complete(job);
  }
}
