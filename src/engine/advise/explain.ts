/**
 * The job `explain`: which layers cause what a changed model loses. Every changed layer is tried
 * alone, the worst are also put back, and errors are followed along the graph.
 */
import type { Drift } from "../../core/analyzer.ts";
import type { Model } from "../../core/model.ts";
import { hasCalibration } from "../../data/splits.ts";
import { RECIPE_METADATA_KEY, type Doc, type Entry, type RecipeFile } from "../../shared/doc.ts";
import { LatheError } from "../../shared/errors.ts";
import type {
  Answer,
  EvalResult,
  Explanation,
  Jobs,
  LayerCause,
  Params,
} from "../../shared/protocol.ts";
import type { Skip } from "../../shared/report.ts";
import type { Task } from "../../shared/task.ts";
import { hashInBackground } from "../backgroundHash.ts";
import { openDrift, type DriftMeter } from "../drift.ts";
import type { EngineEnv } from "../env.ts";
import { evaluate } from "../evaluate.ts";
import type { JobTools } from "../jobs.ts";
import { breathe } from "../saveWrite.ts";
import { cascade } from "./cascade.ts";
import { causesOfFiles, causesOfRecipe, type Causes } from "./causes.ts";
import { describeCauses } from "./explainText.ts";
import { modelFile } from "./modelFile.ts";

/** Layers tried alone; of more, those with the most weights, the rest by name. */
const MAX_LAYERS = 96;
/** Of the worst layers, how many are also put back. */
const RESTORED = 6;
/** At most so many layers are proposed to be kept. */
const MAX_KEPT = 4;
/** Keeping layers is worth it once so much of the divergence is gone. */
const ENOUGH = 0.75;

const part = (task: Task, from: number, to: number): Task => ({
  signal: task.signal,
  progress: (fraction, message) => task.progress(from + fraction * (to - from), message),
});

export async function explain(
  { env, threads }: JobTools,
  { before, after, data, limit }: Params<Jobs, "explain">,
  task: Task,
): Promise<Answer<Jobs, "explain">> {
  const source: Doc = { ...before, data };
  const old = await env.open(source, part(task, 0, 0.02));
  const fresh = await env.open({ ...after, data }, part(task, 0.02, 0.1));
  const added = await entriesBetween(before, after, fresh.model);
  const causes =
    added === null
      ? await causesOfFiles(env, old.model, fresh.model, task)
      : await causesOfRecipe(env, source, added, task);
  const meter = await openDrift({ env, doc: source, data, limit, threads }, part(task, 0.1, 0.15));
  try {
    const scene = { env, causes, meter, after: fresh.model };
    const total = await meter.ofModel(fresh.model, quiet(task));
    const { layers, skipped } = await tryLayers(scene, part(task, 0.15, 0.7));
    const cascaded = await cascade(
      {
        env,
        before: old.model,
        after: fresh.model,
        data,
        split: hasCalibration(data) ? "calibration" : "evaluation",
        threads,
      },
      causes.layers.flatMap(({ nodes }) => nodes),
      quiet(task),
    );
    const rows = layers.map((layer): LayerCause => ({
      ...layer,
      cascadedDb: cascaded.get(layer.name) ?? null,
    }));
    const kept = await keepWorst(scene, rows, total, part(task, 0.7, 0.8));
    const quality = (model: Model | null, doc: Doc, share: Task): Promise<EvalResult | null> =>
      judged(env, model, doc, { data, limit, threads }, share);
    const facts = {
      before: await quality(null, source, part(task, 0.8, 0.87)),
      after: await quality(null, { ...after, data }, part(task, 0.87, 0.94)),
      kl: total.kl,
      sqnrDb: total.sqnrDb,
      layers: rows,
      keep:
        kept === null
          ? null
          : { ...kept.facts, metric: await quality(kept.model, source, part(task, 0.94, 1)) },
      skipped: [...causes.skipped, ...skipped],
      data: total.evidence,
    };
    return { ...facts, findings: describeCauses(facts) };
  } finally {
    await meter.release();
  }
}

/** The recipe from one to the other: by their documents, or as the second file's metadata tells. */
async function entriesBetween(
  before: Doc,
  after: Doc,
  model: Model,
): Promise<readonly Entry[] | null> {
  const isPrefix =
    after.base.path === before.base.path &&
    JSON.stringify(after.recipe.slice(0, before.recipe.length)) === JSON.stringify(before.recipe);
  if (isPrefix) return after.recipe.slice(before.recipe.length);
  const text = model.meta.get(RECIPE_METADATA_KEY);
  if (text === undefined || before.recipe.length > 0 || after.recipe.length > 0) return null;
  let recipe: RecipeFile;
  try {
    recipe = JSON.parse(text) as RecipeFile;
    if (recipe.source.sizeBytes !== before.base.fingerprint.sizeBytes) return null;
  } catch {
    return null; // Someone else's metadata under our key: the files themselves are compared.
  }
  const hash = hashInBackground(before.base.path);
  try {
    return (await hash.hash).sha256 === recipe.source.sha256 ? recipe.entries : null;
  } finally {
    hash.stop();
  }
}

interface Scene {
  readonly env: EngineEnv;
  readonly causes: Causes;
  readonly meter: DriftMeter;
  readonly after: Model;
}

const quiet = (task: Task): Task => ({ signal: task.signal, progress: () => {} });
/** Larger is worse. */
const badness = ({ kl, sqnrDb }: { readonly kl: number | null; readonly sqnrDb: number }): number =>
  kl ?? 10 ** (-sqnrDb / 10);
const figures = (drift: Drift): LayerCause["alone"] => ({
  kl: drift.kl,
  sqnrDb: drift.sqnrDb,
  metric: drift.metric?.after ?? null,
});

async function tryLayers(
  { causes, meter }: Scene,
  task: Task,
): Promise<{
  readonly layers: readonly Omit<LayerCause, "cascadedDb">[];
  readonly skipped: readonly Skip[];
}> {
  const skipped: Skip[] = [];
  const bySize = [...causes.layers].sort((a, b) => b.savedBytes - a.savedBytes);
  for (const { name } of bySize.slice(MAX_LAYERS))
    skipped.push({ name, reason: `only the ${MAX_LAYERS} layers that save most are tried alone` });
  const tried = new Set(bySize.slice(0, MAX_LAYERS));
  const layers = causes.layers.filter((layer) => tried.has(layer));
  const measure = async (names: ReadonlySet<string>): Promise<Drift | string> => {
    try {
      const drift = await meter.ofModel(await causes.variant(names, quiet(task)), quiet(task));
      return Number.isFinite(badness(drift)) ? drift : "the outputs are NaN or infinite";
    } catch (error) {
      if (error instanceof LatheError && error.failure.code === "engine")
        return error.failure.message;
      throw error;
    }
  };
  const alone: { name: string; savedBytes: number; drift: Drift }[] = [];
  for (const [i, { name, savedBytes }] of layers.entries()) {
    await breathe(task);
    task.progress(i / (layers.length + RESTORED), `only ${name}`);
    const drift = await measure(new Set([name]));
    if (typeof drift === "string") skipped.push({ name, reason: `alone: ${drift}` });
    else alone.push({ name, savedBytes, drift });
  }
  alone.sort((a, b) => badness(b.drift) - badness(a.drift));
  const sum = alone.reduce((total, { drift }) => total + badness(drift), 0);
  const out: Omit<LayerCause, "cascadedDb">[] = [];
  for (const [i, { name, savedBytes, drift }] of alone.entries()) {
    await breathe(task);
    task.progress(
      (layers.length + Math.min(i, RESTORED)) / (layers.length + RESTORED),
      `all but ${name}`,
    );
    const others = new Set(causes.layers.map((layer) => layer.name).filter((one) => one !== name));
    const restored = i < RESTORED && others.size > 0 ? await measure(others) : null;
    out.push({
      name,
      alone: figures(drift),
      restored: restored === null || typeof restored === "string" ? null : figures(restored),
      share: sum > 0 ? badness(drift) / sum : 0,
      savedBytes,
    });
  }
  return { layers: out, skipped };
}

/** The fewest of the worst layers whose keeping takes most of the divergence away. */
async function keepWorst(
  { causes, meter }: Scene,
  layers: readonly LayerCause[],
  total: Drift,
  task: Task,
): Promise<{
  readonly facts: Omit<NonNullable<Explanation["keep"]>, "metric">;
  readonly model: Model;
} | null> {
  if (!(badness(total) > 0) || layers.length < 2) return null;
  for (let count = 1; count <= Math.min(MAX_KEPT, layers.length - 1); count++) {
    await breathe(task);
    task.progress(count / MAX_KEPT, "keeping the worst layers");
    const names = layers.slice(0, count).map(({ name }) => name);
    const others = new Set(causes.layers.map(({ name }) => name).filter((n) => !names.includes(n)));
    const model = await causes.variant(others, quiet(task));
    const drift = await meter.ofModel(model, quiet(task));
    if (badness(drift) > (1 - ENOUGH) * badness(total)) continue;
    const costBytes = layers.slice(0, count).reduce((sum, { savedBytes }) => sum + savedBytes, 0);
    const entries = causes.entries(others);
    return { facts: { names, kl: drift.kl, costBytes, entries }, model };
  }
  return null;
}

/** The data's metric on the evaluation samples; null where there is nothing to be right about. */
async function judged(
  env: EngineEnv,
  model: Model | null,
  doc: Doc,
  options: { readonly data: string; readonly limit: number | null; readonly threads: number },
  task: Task,
): Promise<EvalResult | null> {
  const { data, limit, threads } = options;
  const run = async (file: string): Promise<EvalResult | null> => {
    try {
      return await evaluate(file, data, { limit, threads }, task);
    } catch (error) {
      if (error instanceof LatheError && error.failure.code === "data") return null;
      throw error;
    }
  };
  if (model === null) return run(await env.fileFor(doc, quiet(task)));
  return modelFile(env, model, run, task);
}
