/** How far changed models are from the one they were made from, on the search split. */
import type { Drift } from "../core/analyzer.ts";
import type { Model } from "../core/model.ts";
import type { Split } from "../data/dataset.ts";
import { openData } from "../data/open.ts";
import {
  afterFirstQuarter,
  firstQuarter,
  hasCalibration,
  isSplit,
  searchSpan,
  type SampleSpan,
} from "../data/splits.ts";
import { plural } from "../shared/format.ts";
import type { Doc, Entry } from "../shared/doc.ts";
import type { Task } from "../shared/task.ts";
import {
  comparePaired,
  floatOutputs,
  openReference,
  type PairedComparison,
  type Reference,
} from "./comparePaired.ts";
import type { EngineEnv } from "./env.ts";
import { createSession } from "./ort.ts";
import { modelFile } from "./advise/modelFile.ts";
import { variantOf } from "./variants.ts";

export interface DriftScene {
  readonly env: EngineEnv;
  readonly doc: Doc;
  readonly data: string;
  /** At most so many samples; all of the search split when null. */
  readonly limit: number | null;
  /** 0 is all cores. */
  readonly threads: number;
}

export interface DriftMeter {
  readonly data: string;
  /** In words, the samples. */
  readonly evidence: string;
  /** Evaluation samples that are not searched on, at most so many; null is all. */
  reportSpan(most: number | null): SampleSpan | null;
  of(entries: readonly Entry[], task: Task): Promise<Drift>;
  ofModel(model: Model, task: Task): Promise<Drift>;
  release(): Promise<void>;
}

/**
 * The document for techniques to work on: data without calibration samples serves comparisons only,
 * and techniques that can do without are given none.
 */
export function forTechniques(doc: Doc): Doc {
  const { data, ...bare } = doc;
  return data === undefined || hasCalibration(data) ? doc : bare;
}

/** Runs the document's model over the search split once and keeps its answers. */
export async function openDrift(scene: DriftScene, task: Task): Promise<DriftMeter> {
  const { env, doc, data, limit, threads } = scene;
  const file = await env.fileFor(doc, task);
  const split = hasCalibration(data) ? "calibration" : "evaluation";
  const count = await countOf(file, data, split);
  const range = split === "calibration" ? searchSpan(count, limit) : firstQuarter(count, limit);
  const options = { range, threads, split } as const;
  const reference: Reference = await openReference(file, data, options, task);
  const floats = floatOutputs(reference.session).length;
  const by =
    reference.judged() === null && floats > 1 ? `, by the worst of its ${floats} outputs` : "";
  const samples =
    split === "calibration"
      ? `${plural(reference.samples, "sample")} of ${data} that calibration ${isSplit(count) ? "does not use" : "uses too, as there are so few"}`
      : `the first ${plural(reference.samples, "sample")} of ${data}, which sets none aside for calibration`;
  const evidence = `${samples}${by}`;
  const ofModel = (model: Model, share: Task): Promise<Drift> =>
    modelFile(
      env,
      model,
      async (variant) =>
        driftOf(await comparePaired(reference, variant, data, options, share), evidence),
      share,
    );
  return {
    data,
    evidence,
    reportSpan: (most) =>
      split === "calibration"
        ? most === null
          ? null
          : { from: 0, to: most }
        : afterFirstQuarter(count, most),
    ofModel,
    of: async (entries, share) =>
      ofModel(await variantOf(env, forTechniques(doc), entries, share), share),
    release: () => reference.release(),
  };
}

async function countOf(file: string, data: string, split: Split): Promise<number> {
  const session = await createSession(file, { threads: 1, optimization: "disabled" });
  try {
    return (await openData(data, session, split)).count;
  } finally {
    await session.release();
  }
}

/** Figures that are NaN or infinite mean outputs that are. */
function driftOf({ decisive, quality, samples }: PairedComparison, evidence: string): Drift {
  return {
    kl: decisive?.kl ?? null,
    mse: decisive?.mse ?? NaN,
    cosine: decisive?.cosine ?? NaN,
    sqnrDb: decisive?.sqnrDb ?? NaN,
    agreement: decisive?.agreement ?? null,
    metric:
      quality === null
        ? null
        : {
            name: quality.before.metric,
            before: quality.before.value,
            after: quality.after.value,
            better: quality.after.better,
          },
    samples,
    evidence,
  };
}
