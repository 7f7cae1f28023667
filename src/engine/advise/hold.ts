/** Which candidate holds on the report split: the first whose drop is within the limit with its whole interval. */
import { usageErrors, type LatheError } from "../../shared/errors.ts";
import type {
  BenchResult,
  Considered,
  OptimizeGoal,
  PairedQuality,
} from "../../shared/protocol.ts";
import type { Task } from "../../shared/task.ts";
import { breathe } from "../saveWrite.ts";
import { say } from "./optimizeText.ts";
import { isFaster, isSlower, isVague, maySlow, type Measured } from "./order.ts";
import type { Trial } from "./trial.ts";

/** What is hoped for when only a size or speed is asked. */
export const DEFAULT_DROP = 0.01;
/** Divergence on the search split up to which a candidate is tried on the report split, per unit of drop. */
const HOPE = { points: 3, relative: 1.5 } as const;
/** Results measured on the report split; each look at it costs a little of its honesty. */
const MAX_REPORTED = 6;
const FINAL_RUNS = 60;
/** Of one that seems a little slower, or of unclear speed: a busy moment must not cost a good result. */
const CONFIRMING_RUNS = 180;

const part = (task: Task, from: number, to: number): Task => ({
  signal: task.signal,
  progress: (fraction, message) => task.progress(from + fraction * (to - from), message),
});

export interface Chosen {
  readonly candidate: Measured;
  readonly quality: PairedQuality | null;
  readonly latency: BenchResult;
}

/** After a failure a candidate must be this much gentler to be worth another look. */
const GENTLER = 0.7;

export async function firstThatHolds(
  trial: Trial,
  goal: OptimizeGoal,
  tries: readonly Measured[],
  note: (
    one: Measured,
    state: Considered["state"],
    reason: string,
    quality?: PairedQuality | null,
  ) => void,
  reasons: string[],
  task: Task,
): Promise<Chosen | null> {
  const limit = goal.maxDrop ?? (goal.faster ? DEFAULT_DROP : null);
  let gentlest = Infinity;
  let looks = 0;
  let slower: Chosen | null = null;
  let unit: "points" | "relative" = "points";
  for (const [i, one] of tries.entries()) {
    if (looks >= MAX_REPORTED) break;
    await breathe(task);
    if (limit !== null && one.damage > limit * HOPE[unit]) {
      note(one, "rejected", say.tooFar(one));
      continue;
    }
    if (one.damage > gentlest * GENTLER) {
      note(one, "rejected", "it moves the outputs as far as one that did not hold");
      continue;
    }
    task.progress(i / tries.length, `measuring ${one.label}`);
    looks++;
    const quality = await trial.qualityOf(
      one.entries,
      part(task, i / tries.length, (i + 1) / tries.length),
    );
    if (quality) unit = quality.dropUnit;
    if (quality && limit !== null && !(quality.dropHigh <= limit)) {
      gentlest = Math.min(gentlest, one.damage);
      const reason = say.notShown(quality, limit);
      note(one, "rejected", reason, quality);
      reasons.push(`${one.label}: ${reason}${say.causes(one)}.`);
      continue;
    }
    const once = await trial.latencyOf(one.entries, FINAL_RUNS, task);
    const latency =
      maySlow(once) || isVague(once)
        ? await trial.latencyOf(one.entries, CONFIRMING_RUNS, task)
        : once;
    if (goal.faster && !isFaster(latency)) {
      note({ ...one, latency }, "rejected", say.notFaster(latency), quality);
      reasons.push(`${one.label}: ${say.notFaster(latency)}`);
      continue;
    }
    const chosen: Measured = { ...one, latency };
    if (isSlower(latency) && slower === null) {
      // Offered only when nothing else holds, and then as what it is.
      note(chosen, "rejected", say.slower(latency), quality);
      slower = { candidate: chosen, quality, latency };
      continue;
    }
    note(chosen, "chosen", say.chosen(chosen, quality, trial.sizeBefore, limit), quality);
    reasons.push(
      say.chosen(chosen, quality, trial.sizeBefore, limit),
      say.speed(latency, isVague(latency)),
    );
    return { candidate: chosen, quality, latency };
  }
  if (slower !== null) {
    const { candidate, quality, latency } = slower;
    note(candidate, "chosen", say.chosen(candidate, quality, trial.sizeBefore, limit), quality);
    reasons.push(
      say.chosen(candidate, quality, trial.sizeBefore, limit),
      say.speed(latency, isVague(latency)),
    );
    return slower;
  }
  reasons.push(say.nothingHolds(limit, looks));
  return null;
}

export const noLabels = (trial: Trial): LatheError =>
  usageErrors.usage(
    `A drop cannot be measured: ${trial.meter.data} has no labels or expected outputs.`,
    'Add "labels" or "outputs" to the data, or ask for --target-size only.',
  );

export const point = (
  one: Measured,
  state: Considered["state"],
  reason: string,
  quality: PairedQuality | null,
): Considered => ({
  label: one.label,
  entries: one.entries,
  sizeBytes: one.sizeBytes,
  kl: one.kl,
  sqnrDb: one.sqnrDb,
  predictedKl: one.kl === null || !Number.isFinite(one.predicted) ? null : one.predicted,
  latencyRatio: one.latency.ratio,
  drop: quality?.drop ?? null,
  dropLow: quality?.dropLow ?? null,
  dropHigh: quality?.dropHigh ?? null,
  state,
  reason,
});
