/** Looks at candidates on the search split: divergence, size and time of each. */
import type { Model } from "../../core/model.ts";
import { LatheError } from "../../shared/errors.ts";
import type { Task } from "../../shared/task.ts";
import { breathe } from "../saveWrite.ts";
import { after, type Candidate, type CandidateScene } from "./candidates.ts";
import { damageOf } from "./damage.ts";
import { lastResorts } from "./menu.ts";
import { maySlow, type Measured } from "./order.ts";
import type { Trial } from "./trial.ts";

const QUICK_RUNS = 21;
/** For those that a first look calls a little slower. */
const LONGER_RUNS = 60;

export interface Looked {
  readonly measured: readonly Measured[];
  readonly failed: readonly string[];
}
export const NONE: Looked = { measured: [], failed: [] };

/**
 * While the wanted size is not reached: the smallest so far, with more and more channels removed
 * before its layers are stored in another way.
 */
export async function reachSize(
  trial: Trial,
  model: Model,
  parts: CandidateScene,
  known: readonly Measured[],
  wanted: number,
  task: Task,
): Promise<Looked> {
  if (known.some(({ sizeBytes }) => sizeBytes <= wanted)) return NONE;
  // Those with channels removed already have no prediction.
  const [smallest] = known
    .filter(({ predicted }) => Number.isFinite(predicted))
    .sort((a, b) => a.sizeBytes - b.sizeBytes);
  if (!smallest) return NONE;
  let all = NONE;
  for (const resort of lastResorts(model)) {
    const { measured, failed } = await measureAll(trial, [after(parts, resort, smallest)], task);
    all = { measured: [...all.measured, ...measured], failed: [...all.failed, ...failed] };
    if (measured.some(({ sizeBytes }) => sizeBytes <= wanted)) break;
  }
  return all;
}

export async function measureAll(
  trial: Trial,
  candidates: readonly Candidate[],
  task: Task,
): Promise<Looked> {
  const measured: Measured[] = [];
  const failed: string[] = [];
  for (const [i, candidate] of candidates.entries()) {
    await breathe(task);
    task.progress(i / candidates.length, candidate.label);
    try {
      const drift = await trial.driftOf(candidate.entries, task);
      const damage = damageOf(drift);
      if (!Number.isFinite(damage)) {
        failed.push(`${candidate.label} gives outputs that are NaN, infinite or of another size.`);
        continue;
      }
      const sizeBytes = await trial.sizeOf(candidate.entries, task);
      const quick = await trial.latencyOf(candidate.entries, QUICK_RUNS, task);
      const latency = maySlow(quick)
        ? await trial.latencyOf(candidate.entries, LONGER_RUNS, task)
        : quick;
      measured.push({
        ...candidate,
        damage,
        kl: drift.kl,
        sqnrDb: drift.sqnrDb,
        sizeBytes,
        latency,
      });
    } catch (error) {
      const isOurs =
        error instanceof LatheError && ["engine", "result", "param"].includes(error.failure.code);
      if (!isOurs) throw error;
      failed.push(`${candidate.label} does not run: ${error.failure.message}`);
    }
  }
  return { measured, failed };
}
