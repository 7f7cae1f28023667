/**
 * The job `optimize`: searches for a recipe that meets a goal, measures it, and writes it.
 *
 * Three splits: statistics are collected on calibration samples, candidates are compared by their
 * divergence on search samples, and what is offered is measured on the report samples, once each.
 * Per layer every way of storing it is tried alone; combinations are predicted as sums, the promising
 * ones measured, and only those that hold on the report split with the upper end of the paired
 * interval are offered.
 */
import { hasCalibration } from "../../data/splits.ts";
import type { Doc, Entry } from "../../shared/doc.ts";
import { engineErrors, LatheError, usageErrors } from "../../shared/errors.ts";
import type {
  Answer,
  BenchResult,
  Considered,
  Jobs,
  OptimizeGoal,
  OptimizeResult,
  Params,
  PairedQuality,
} from "../../shared/protocol.ts";
import type { Task } from "../../shared/task.ts";
import { planEntry } from "../compute.ts";
import { save, type JobTools } from "../jobs.ts";
import { breathe } from "../saveWrite.ts";
import { candidatesFor, type Candidate } from "./candidates.ts";
import { damageOf, measureDamages } from "./damage.ts";
import { layersOf, preparations, waysFor, type Layer } from "./menu.ts";
import { say } from "./optimizeText.ts";
import { openTrial, type Trial } from "./trial.ts";

/** What is hoped for when only a size or speed is asked. */
const DEFAULT_DROP = 0.01;
/** Divergence on the search split up to which a candidate is tried on the report split, per unit of drop. */
const HOPE = { points: 3, relative: 1.5 } as const;
/** Results measured on the report split; each look at it costs a little of its honesty. */
const MAX_REPORTED = 6;
const QUICK_RUNS = 20;
const FINAL_RUNS = 60;
/** A candidate whose time is above this is called slower: below it is noise. */
const SLOWER = 1.05;
/** A preparation that moves outputs more than this did not keep them. */
const ROUNDING = 1e-4;

const part = (task: Task, from: number, to: number): Task => ({
  signal: task.signal,
  progress: (fraction, message) => task.progress(from + fraction * (to - from), message),
});

export async function optimize(
  tools: JobTools,
  { doc, goal, to, overwrite, limit }: Params<Jobs, "optimize">,
  task: Task,
): Promise<Answer<Jobs, "optimize">> {
  checkGoal(goal);
  const { data } = doc;
  if (data === undefined) throw engineErrors.needsData("optimize");
  const { env, threads } = tools;
  const { model } = await env.open(doc, part(task, 0, 0.02));
  if (model.format !== "onnx") throw engineErrors.noGraph(doc.base.path, "optimized");
  const trial = await openTrial({ env, doc, data, limit, threads }, part(task, 0.02, 0.05));
  try {
    const scene: Scene = { tools, doc, goal, data, trial };
    const found = await search(scene, task);
    if (!found.chosen) return nothing(scene, found);
    const done = await write(scene, found.chosen, { to, overwrite }, part(task, 0.92, 1));
    return { ...nothing(scene, found), ...done };
  } finally {
    await trial.release();
  }
}

function checkGoal({ maxDrop, targetSize, faster }: OptimizeGoal): void {
  if (maxDrop === null && targetSize === null && !faster)
    throw usageErrors.usage(
      "Optimizing needs a goal.",
      "Give --max-drop 1%, --target-size 25% (or 10MB), or --faster.",
    );
}

interface Scene {
  readonly tools: JobTools;
  readonly doc: Doc;
  readonly goal: OptimizeGoal;
  readonly data: string;
  readonly trial: Trial;
}

/** A candidate with what the search split and a few runs say of it. */
interface Measured extends Candidate {
  readonly sizeBytes: number;
  readonly kl: number | null;
  readonly sqnrDb: number;
  readonly damage: number;
  readonly latency: BenchResult;
}

interface Chosen {
  readonly candidate: Measured;
  readonly quality: PairedQuality | null;
  readonly latency: BenchResult;
}

interface Found {
  readonly chosen: Chosen | null;
  readonly considered: readonly Considered[];
  readonly layers: readonly Layer[];
  readonly reasons: readonly string[];
}

async function search(scene: Scene, task: Task): Promise<Found> {
  const { goal, trial } = scene;
  const reasons: string[] = [];
  const before = await prepare(scene, reasons, part(task, 0.05, 0.1));
  const { model } = await scene.tools.env.open(trial.docOf(before), task);
  const ways = waysFor(model).filter(
    ({ way }) => hasCalibration(scene.data) || !needsCalibration(model, way.entry),
  );
  const layers = layersOf(ways);
  if (layers.length === 0)
    return { chosen: null, considered: [], layers, reasons: [...reasons, say.noLayers()] };
  const damages = await measureDamages(
    layers,
    (entry) => trial.driftOf([...before, entry], task),
    part(task, 0.1, 0.5),
  );
  reasons.push(...damages.skipped.map(({ name, reason }) => `${name} is left out: ${reason}.`));
  const wanted = wantedSize(goal, trial.sizeBefore);
  const bearable = goal.maxDrop ?? DEFAULT_DROP;
  const { candidates, front } = candidatesFor(
    { before, ways, layers, damages },
    bearable,
    wanted === null ? null : trial.sizeBefore - wanted,
  );
  reasons.push(
    say.searched(
      layers,
      ways.map(({ way }) => way.label),
      front.exact,
      trial.meter,
    ),
  );
  const { measured, failed } = await measureAll(scene, candidates, part(task, 0.5, 0.8));
  const points = new Map<Candidate, Considered>();
  const note = (
    one: Measured,
    state: Considered["state"],
    reason: string,
    quality: PairedQuality | null = null,
  ): void => void points.set(one, point(one, state, reason, quality));
  for (const one of measured)
    note(one, "not tried", "a better one was found first, or it is further from the goal");
  const order = inOrder(measured, goal, wanted);
  for (const { one, reason } of order.out) note(one, "rejected", reason);
  reasons.push(...order.reasons, ...failed);
  const chosen = await firstThatHolds(scene, order.tries, note, reasons, part(task, 0.8, 0.92));
  return { chosen, considered: [...points.values()], layers, reasons };
}

const needsCalibration = (model: Parameters<typeof planEntry>[0], entry: Entry): boolean =>
  planEntry(model, entry).transform.meta.data === "required";

/** Preparations that have something to do, keep the outputs and load. */
async function prepare(scene: Scene, reasons: string[], task: Task): Promise<readonly Entry[]> {
  const { trial, tools } = scene;
  let entries: readonly Entry[] = [];
  for (const entry of preparations()) {
    await breathe(task);
    const { model } = await tools.env.open(trial.docOf(entries), task);
    if (planEntry(model, entry).plan.units.length === 0) continue;
    try {
      const drift = await trial.driftOf([...entries, entry], task);
      if (damageOf(drift) > ROUNDING) reasons.push(say.notExact(entry.transform, drift));
      else entries = [...entries, entry];
    } catch (error) {
      if (!(error instanceof LatheError) || error.failure.code !== "engine") throw error;
      reasons.push(`${entry.transform} is left out: ${error.failure.message}`);
    }
  }
  return entries;
}

const wantedSize = ({ targetSize }: OptimizeGoal, before: number): number | null =>
  targetSize === null
    ? null
    : "bytes" in targetSize
      ? targetSize.bytes
      : Math.floor(targetSize.share * before);

async function measureAll(
  { trial }: Scene,
  candidates: readonly Candidate[],
  task: Task,
): Promise<{ readonly measured: readonly Measured[]; readonly failed: readonly string[] }> {
  const measured: Measured[] = [];
  const failed: string[] = [];
  for (const [i, candidate] of candidates.entries()) {
    await breathe(task);
    task.progress(i / candidates.length, candidate.label);
    try {
      const drift = await trial.driftOf(candidate.entries, task);
      const damage = damageOf(drift);
      if (!Number.isFinite(damage)) {
        failed.push(`${candidate.label} gives NaN or infinite outputs.`);
        continue;
      }
      const sizeBytes = await trial.sizeOf(candidate.entries, task);
      const latency = await trial.latencyOf(candidate.entries, QUICK_RUNS, task);
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

const isSlower = ({ ratio, ratioLow }: BenchResult): boolean =>
  (ratio ?? 1) > SLOWER && (ratioLow ?? 1) > 1;
const isFaster = ({ ratioHigh }: BenchResult): boolean => ratioHigh !== null && ratioHigh < 1;

/** Sizes within 5 % count as equal, and times within 20 %: no one gives quality away for them. */
const classOf = (value: number, width: number): number =>
  Math.round(Math.log(value) / Math.log(width));
const sizeClass = ({ sizeBytes }: Measured): number => classOf(sizeBytes, 1.05);
const timeClass = ({ latency }: Measured): number => classOf(latency.ratio ?? 1, 1.2);

/** Which to try on the report split, best first; and why the others are out. */
function inOrder(
  measured: readonly Measured[],
  goal: OptimizeGoal,
  wanted: number | null,
): {
  readonly tries: readonly Measured[];
  readonly out: readonly { readonly one: Measured; readonly reason: string }[];
  readonly reasons: readonly string[];
} {
  const out: { one: Measured; reason: string }[] = [];
  const fits = measured.filter((one) => {
    const reason =
      wanted !== null && one.sizeBytes > wanted
        ? say.tooLarge(one.sizeBytes, wanted)
        : goal.faster && !isFaster(one.latency)
          ? say.notFaster(one.latency)
          : null;
    if (reason !== null) out.push({ one, reason });
    return reason === null;
  });
  const smallest = Math.min(...measured.map(({ sizeBytes }) => sizeBytes));
  const reasons = wanted !== null && smallest > wanted ? [say.unreachable(wanted, smallest)] : [];
  const byDamage = (a: Measured, b: Measured): number => a.damage - b.damage;
  const bySize = (a: Measured, b: Measured): number =>
    sizeClass(a) - sizeClass(b) || timeClass(a) - timeClass(b) || byDamage(a, b);
  const byTime = (a: Measured, b: Measured): number =>
    (a.latency.ratio ?? 1) - (b.latency.ratio ?? 1);
  const order = goal.faster ? byTime : wanted === null ? bySize : byDamage;
  // Slower ones last: they are offered only when nothing else is, and it is said.
  const tries = fits.sort(
    (a, b) => Number(isSlower(a.latency)) - Number(isSlower(b.latency)) || order(a, b),
  );
  return { tries, out, reasons };
}

/** After a failure a candidate must be this much gentler to be worth another look. */
const GENTLER = 0.7;

async function firstThatHolds(
  { trial, goal }: Scene,
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
    if (quality === null && limit !== null && goal.maxDrop !== null) throw noLabels(trial);
    if (quality) unit = quality.dropUnit;
    if (quality && limit !== null && !(quality.dropHigh <= limit)) {
      gentlest = Math.min(gentlest, one.damage);
      const reason = say.notShown(quality, limit);
      note(one, "rejected", reason, quality);
      reasons.push(`${one.label}: ${reason}`);
      continue;
    }
    const latency = await trial.latencyOf(one.entries, FINAL_RUNS, task);
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
    note(one, "chosen", say.chosen(chosen, quality, trial.sizeBefore, limit), quality);
    reasons.push(say.chosen(chosen, quality, trial.sizeBefore, limit), ...say.speed(latency));
    return { candidate: chosen, quality, latency };
  }
  if (slower !== null) {
    const { candidate, quality, latency } = slower;
    note(candidate, "chosen", say.chosen(candidate, quality, trial.sizeBefore, limit), quality);
    reasons.push(say.chosen(candidate, quality, trial.sizeBefore, limit), ...say.speed(latency));
    return slower;
  }
  reasons.push(say.nothingHolds(limit, looks));
  return null;
}

const noLabels = (trial: Trial): LatheError =>
  usageErrors.usage(
    `A drop cannot be measured: ${trial.meter.data} has no labels or expected outputs.`,
    'Add "labels" or "outputs" to the data, or ask for --target-size only.',
  );

const point = (
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

function nothing({ trial, data, doc }: Scene, found: Found): OptimizeResult {
  return {
    found: false,
    applied: [],
    entries: [],
    output: null,
    sourceSha256: "",
    verified: { skipped: "nothing was written" },
    sizeBefore: trial.sizeBefore,
    sizeAfter: trial.sizeBefore,
    quality: null,
    latency: null,
    considered: found.considered,
    suggestions: [],
    reasons: found.chosen ? found.reasons : [...found.reasons, say.unchanged(doc.base.path)],
    data: say.splits(data, trial),
  };
}

async function write(
  { tools, trial, doc }: Scene,
  { candidate, quality, latency }: Chosen,
  { to, overwrite }: { readonly to: string | null; readonly overwrite: boolean },
  task: Task,
): Promise<Partial<OptimizeResult>> {
  const result = {
    found: true,
    entries: candidate.entries,
    quality,
    latency,
    sizeAfter: candidate.sizeBytes,
    suggestions: say.suggestions(candidate, quality, latency),
  };
  if (to === null) return { ...result, verified: { skipped: "nothing was written" } };
  const saved = await save(
    tools,
    {
      doc: { ...trial.docOf(candidate.entries), base: doc.base },
      to,
      options: { externalData: "auto", overwrite, verify: true, recipeFile: true },
    },
    task,
  );
  return {
    ...result,
    applied: saved.applied,
    output: saved.path,
    sourceSha256: saved.sourceSha256,
    verified: saved.verified,
    sizeAfter: saved.sizeBytes,
  };
}
