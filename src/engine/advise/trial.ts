/** Measures configurations: on the search split as often as needed, on the report split once each. */
import { statSync } from "node:fs";
import path from "node:path";
import type { Drift } from "../../core/analyzer.ts";
import { openData } from "../../data/open.ts";
import type { Doc, Entry } from "../../shared/doc.ts";
import type { BenchResult, PairedQuality } from "../../shared/protocol.ts";
import type { Task } from "../../shared/task.ts";
import { bench } from "../bench.ts";
import { comparePaired, openReference, type Reference } from "../comparePaired.ts";
import { forTechniques, openDrift, type DriftMeter } from "../drift.ts";
import type { EngineEnv } from "../env.ts";
import { isJudged } from "../evaluate.ts";
import { openModel } from "../files.ts";
import { createSession } from "../ort.ts";

export interface TrialScene {
  readonly env: EngineEnv;
  /** The model as it is, with its data. */
  readonly doc: Doc;
  readonly data: string;
  readonly limit: number | null;
  /** 0 is all cores. */
  readonly threads: number;
  /** Bytes that the recipe of a document takes in the file that is saved. */
  readonly recipeBytes: (doc: Doc) => number;
}

export interface Trial {
  readonly meter: DriftMeter;
  readonly sizeBefore: number;
  /** The document with a configuration's entries. */
  docOf(entries: readonly Entry[]): Doc;
  /** Bytes of the file that is saved of a configuration, with external data and its recipe. */
  sizeOf(entries: readonly Entry[], task: Task): Promise<number>;
  driftOf(entries: readonly Entry[], task: Task): Promise<Drift>;
  latencyOf(entries: readonly Entry[], runs: number, task: Task): Promise<BenchResult>;
  /** On the report split; null where the data has nothing to be right about. */
  qualityOf(entries: readonly Entry[], task: Task): Promise<PairedQuality | null>;
  /** The report split says what is right. */
  isJudged(): Promise<boolean>;
  /** Samples of the report split that were used; 0 before the first. */
  readonly reported: number;
  release(): Promise<void>;
}

const quiet = (task: Task): Task => ({ signal: task.signal, progress: () => {} });

export async function openTrial(scene: TrialScene, task: Task): Promise<Trial> {
  const { env, doc, data, limit, threads, recipeBytes } = scene;
  const meter = await openDrift({ env, doc, data, limit, threads }, task);
  const original = await env.fileFor(doc, task);
  let reference: Reference | null = null;
  const kept = forTechniques(doc);
  const docOf = (entries: readonly Entry[]): Doc => ({
    ...kept,
    recipe: [...doc.recipe, ...entries],
  });
  const fileOf = (entries: readonly Entry[], share: Task): Promise<string> =>
    env.fileFor(docOf(entries), quiet(share));
  const options = {
    range: meter.reportSpan(limit),
    threads,
    split: "evaluation",
    metricOutputsOnly: true,
  } as const;
  return {
    meter,
    sizeBefore: sizeOnDisk(original),
    docOf,
    sizeOf: async (entries, share) =>
      sizeOnDisk(await fileOf(entries, share)) + recipeBytes(docOf(entries)),
    driftOf: (entries, share) => meter.of(entries, quiet(share)),
    latencyOf: async (entries, runs, share) =>
      bench([original, await fileOf(entries, share)], { runs, threads, seed: 0 }, quiet(share)),
    async qualityOf(entries, share) {
      reference ??= await openReference(original, data, options, quiet(share));
      const file = await fileOf(entries, share);
      return (await comparePaired(reference, file, data, options, share)).quality;
    },
    async isJudged() {
      const session = await createSession(original, { threads: 1, optimization: "disabled" });
      try {
        return isJudged(await openData(data, session, "evaluation"));
      } finally {
        await session.release();
      }
    },
    get reported() {
      return reference?.samples ?? 0;
    },
    async release() {
      await meter.release();
      await reference?.release();
    },
  };
}

function sizeOnDisk(file: string): number {
  const { files } = openModel(file);
  const external = files.filter(({ path: other }) => path.resolve(other) !== path.resolve(file));
  return statSync(file).size + external.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
