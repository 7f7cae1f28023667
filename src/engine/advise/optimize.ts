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
  Considered,
  Jobs,
  OptimizeGoal,
  OptimizeResult,
  Params,
  PairedQuality,
} from "../../shared/protocol.ts";
import type { Task } from "../../shared/task.ts";
import { planEntry } from "../compute.ts";
import { dataNotes } from "../dataNotes.ts";
import { recipeBytes, save, type JobTools } from "../jobs.ts";
import { breathe } from "../saveWrite.ts";
import { keptLayers } from "./assemble.ts";
import { candidatesFor, type CandidateScene } from "./candidates.ts";
import { damageOf, measureDamages } from "./damage.ts";
import { alternatives, layersOf, preparations, waysFor, type Layer } from "./menu.ts";
import { DEFAULT_DROP, firstThatHolds, noLabels, point, type Chosen } from "./hold.ts";
import { measureAll, NONE, reachSize } from "./measure.ts";
import { say } from "./optimizeText.ts";
import { inOrder, whyNot, type Measured } from "./order.ts";
import { openTrial, type Trial } from "./trial.ts";

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
  const notes = await dataNotes(
    model,
    data,
    hasCalibration(data) ? ["calibration", "evaluation"] : ["evaluation"],
  );
  const trial = await openTrial(
    { env, doc, data, limit, threads, recipeBytes: (one) => recipeBytes(one, tools.toolVersion) },
    part(task, 0.02, 0.05),
  );
  try {
    if (goal.maxDrop !== null && !(await trial.isJudged())) throw noLabels(trial);
    const scene: Scene = { tools, doc, goal, data, notes, trial };
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
  /** Of the data. */
  readonly notes: readonly string[];
  readonly trial: Trial;
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
  if (!Number.isFinite(damageOf(await trial.driftOf([], task))))
    return { chosen: null, considered: [], layers: [], reasons: [say.notFinite()] };
  const before = await prepare(scene, reasons, part(task, 0.05, 0.1));
  const { model } = await scene.tools.env.open(trial.docOf(before), task);
  const wanted = wantedSize(goal, trial.sizeBefore);
  const ways = waysFor(model, wanted !== null).filter(
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
  const bearable = goal.maxDrop ?? DEFAULT_DROP;
  const parts: CandidateScene = {
    before,
    ways,
    layers,
    damages,
    alternatives: alternatives(model, goal.faster || wanted !== null),
  };
  const { candidates, front } = candidatesFor(
    parts,
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
  const first = await measureAll(trial, candidates, part(task, 0.5, 0.75));
  const last =
    wanted === null
      ? NONE
      : await reachSize(trial, model, parts, first.measured, wanted, part(task, 0.75, 0.8));
  const measured = [...first.measured, ...last.measured];
  const failed = [...first.failed, ...last.failed];
  const points = new Map<string, Considered>();
  const note = (
    one: Measured,
    state: Considered["state"],
    reason: string,
    quality: PairedQuality | null = null,
  ): void => void points.set(JSON.stringify(one.entries), point(one, state, reason, quality));
  for (const one of measured) note(one, "measured", say.outdone.unlooked);
  const order = inOrder(measured, goal, wanted);
  for (const { one, reason } of order.out) note(one, "rejected", reason);
  reasons.push(...order.reasons, ...failed);
  const chosen = await firstThatHolds(
    trial,
    goal,
    order.tries,
    note,
    reasons,
    part(task, 0.8, 0.92),
  );
  if (chosen) {
    reasons.push(...say.kept(keptLayers(layers, chosen.candidate.picks)));
    for (const one of order.tries)
      if (points.get(JSON.stringify(one.entries))?.state === "measured")
        note(one, "measured", whyNot(one, chosen.candidate, goal, wanted));
  }
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

function nothing({ trial, data, doc, notes }: Scene, found: Found): OptimizeResult {
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
    notes,
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
    suggestions: say.suggestions(candidate, quality, latency, trial.sizeBefore),
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
