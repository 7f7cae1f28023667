/** The measuring half of a comparison: weights number by number, outputs, quality, latency. */
import { diffModels, type TensorChange } from "../core/diff.ts";
import { Cancelled, DataError, LatheError } from "../shared/errors.ts";
import type {
  ActivationsDiff,
  Answer,
  BenchResult,
  DiffMeasures,
  Jobs,
  Params,
  TensorDiff,
} from "../shared/protocol.ts";
import type { Task } from "../shared/task.ts";
import { bench } from "./bench.ts";
import type { Doc } from "../shared/doc.ts";
import { compareOutputs } from "./compareOutputs.ts";
import { comparePaired } from "./comparePaired.ts";
import { diffActivations } from "./diffActivations.ts";
import { sameContent } from "./diffContent.ts";
import { sqnrDb } from "./diffValues.ts";
import type { EngineEnv } from "./env.ts";
import { fitting } from "./questions/answer.ts";
import { tensorDiff, tensorDiffs } from "./questions/diffStructure.ts";

/** SQNR of each changed or replaced tensor; tensors with equal bytes are left out. */
export async function diffTensors(
  { before, after }: Params<Jobs, "diffTensors">,
  env: EngineEnv,
  task: Task,
): Promise<Answer<Jobs, "diffTensors">> {
  const old = await env.open(before, part(task, 0, 0.1));
  const fresh = await env.open(after, part(task, 0.1, 0.2));
  const changes = diffModels(old.model, fresh.model).tensors;
  const total = changes.reduce((sum, change) => sum + weightOf(change), 0);
  const rows: TensorDiff[] = [];
  let done = 0;
  for (const change of changes) {
    const share = 0.2 + (0.8 * done) / total;
    done += weightOf(change);
    const own = part(task, share, 0.2 + (0.8 * done) / total);
    own.progress(0, change.name);
    if (isUnchanged(env, change)) continue;
    rows.push(await measured(env, change, own));
  }
  return { tensors: tensorDiffs(rows) };
}

const weightOf = (change: TensorChange): number => 1 + (change.before?.sizeBytes ?? 0);

/** Equal bytes under an equal or a new name. */
function isUnchanged(env: EngineEnv, { before, form, factor }: TensorChange): boolean {
  if (!before || form?.kind !== "plain" || form.transposed || factor !== 1) return false;
  return sameContent(env, before, form.values, { bytes: Infinity }) === true;
}

async function measured(env: EngineEnv, change: TensorChange, task: Task): Promise<TensorDiff> {
  const { before, form } = change;
  if (!before || !form) return tensorDiff(change, null);
  const result = await sqnrDb(env, before, form, change, task);
  return typeof result === "number"
    ? tensorDiff(change, result)
    : { ...tensorDiff(change, null), detail: `${change.detail}; ${result}` };
}

/** Part of a task's progress, from `from` to `to`. */
const part = (task: Task, from: number, to: number): Task => ({
  signal: task.signal,
  progress: (fraction, message) => task.progress(from + fraction * (to - from), message),
});

/** Samples on which outputs are compared without data: each costs a run of both models. */
const SYNTHETIC_SAMPLES = 8;
/** On data, where one of the models cannot be judged. */
const UNJUDGED_SAMPLES = 64;
/** Values inside are many times larger than outputs, and as few samples tell where an error starts. */
const ACTIVATION_SAMPLES = 32;
/** About 2,000 values, so that the answer stays below 1 MB. */
const MAX_ACTIVATION_CHARS = 400_000;
const LATENCY_RUNS = 30;

/**
 * Outputs, quality and latency of two documents. What cannot be measured is null, with the reason
 * in `notes`.
 * @throws DataError when the data itself is wrong; Cancelled
 */
export async function diffMeasures(
  { before, after, data, latency, activations }: Params<Jobs, "diffMeasures">,
  env: EngineEnv,
  { threads }: { readonly threads: number },
  task: Task,
): Promise<DiffMeasures> {
  const notes: string[] = [];
  for (const doc of [before, after]) {
    const { model } = await env.open(doc, task);
    if (model.format === "safetensors")
      return {
        outputs: null,
        accuracy: null,
        activations: null,
        latency: null,
        notes: [`${doc.base.path} holds weights without a graph: nothing can be run.`],
      };
  }
  const files = [
    await env.fileFor(before, part(task, 0, 0.1)),
    await env.fileFor(after, part(task, 0.1, 0.2)),
  ] as const;
  const attempt = async <T>(what: string, measure: () => Promise<T>): Promise<T | null> => {
    try {
      return await measure();
    } catch (error) {
      if (error instanceof Cancelled || error instanceof DataError) throw error;
      if (!(error instanceof LatheError)) throw error;
      notes.push(`${what} not measured: ${error.failure.message}`);
      return null;
    }
  };
  const running = part(task, 0.2, activations ? 0.5 : latency ? 0.8 : 1);
  const compared = await attempt("Outputs", () =>
    data === null ? onSynthetic(files, threads, running) : onData(files, data, threads, running),
  );
  notes.push(...(compared?.notes ?? []));
  if (data === null) notes.push("Quality not measured: it needs evaluation data.");
  const inside = activations
    ? await attempt("Activations", () =>
        insides(before, after, data, env, threads, part(task, 0.5, latency ? 0.8 : 1)),
      )
    : null;
  const speed = latency
    ? await attempt("Latency", (): Promise<BenchResult> =>
        bench(files, { runs: LATENCY_RUNS, threads, seed: 0 }, part(task, 0.8, 1)),
      )
    : null;
  return {
    outputs: compared?.outputs ?? null,
    accuracy: compared?.accuracy ?? null,
    activations: inside,
    latency: speed,
    notes,
  };
}

async function insides(
  before: Doc,
  after: Doc,
  data: string | null,
  env: EngineEnv,
  threads: number,
  task: Task,
): Promise<ActivationsDiff> {
  const models = [(await env.open(before)).model, (await env.open(after)).model] as const;
  return env.withScratchFolder(async (folder) => {
    const samples = data === null ? SYNTHETIC_SAMPLES : ACTIVATION_SAMPLES;
    const found = await diffActivations(...models, { data, samples, threads, folder }, task);
    return { ...found, rows: fitting(found.rows, MAX_ACTIVATION_CHARS) };
  });
}

type Compared = Pick<DiffMeasures, "outputs" | "accuracy" | "notes">;
type Files = readonly [before: string, after: string];

async function onSynthetic(files: Files, threads: number, task: Task): Promise<Compared> {
  const options = { samples: SYNTHETIC_SAMPLES, threads };
  const { outputs, notes } = await compareOutputs(...files, null, options, task);
  return { outputs, accuracy: null, notes };
}

/** All of the data in one pass: the outputs' figures then stand on what the quality stands on. */
async function onData(files: Files, data: string, threads: number, task: Task): Promise<Compared> {
  const options = { range: null, threads };
  try {
    const { outputs, quality, notes } = await comparePaired(...files, data, options, task);
    const unjudged =
      quality === null ? ["Quality not measured: the data has no labels or expected outputs."] : [];
    return { outputs, accuracy: quality, notes: [...notes, ...unjudged] };
  } catch (error) {
    if (!(error instanceof LatheError) || error instanceof Cancelled || error instanceof DataError)
      throw error;
    // A quality cannot be had of NaN; how far apart the outputs are may still be.
    const few = { samples: UNJUDGED_SAMPLES, threads };
    const { outputs, notes } = await compareOutputs(...files, data, few, task);
    const reason = `Quality not measured: ${error.failure.message}`;
    return { outputs, accuracy: null, notes: [...notes, reason] };
  }
}
