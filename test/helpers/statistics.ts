/** Statistics of a model over arrays, as a technique would ask for them. */
import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { TestContext } from "node:test";
import type { Model } from "../../src/core/model.ts";
import type { Need, StatKind, State, StatTypes } from "../../src/core/statistics.ts";
import { createBlas } from "../../src/engine/blas.ts";
import { openModel } from "../../src/engine/files.ts";
import {
  openStatistics,
  STATISTICS_BUDGET_BYTES,
  type Statistics,
} from "../../src/engine/statistics/statistics.ts";
import { openScratch } from "../../src/engine/scratch.ts";
import { openStore } from "../../src/engine/statistics/store.ts";
import { npyBytes, type NpyValues } from "./npy.ts";
import { modelFile, task, tempFolder } from "./temp.ts";

export interface Scene {
  /** Shape with the sample axis first, and values, by input name. */
  readonly inputs: Readonly<Record<string, readonly [readonly number[], NpyValues]>>;
  /** By state; a state that is not given is that of `before`. */
  readonly models: Partial<Record<State, string>> & { readonly before: string };
  readonly seed?: number;
  readonly holdOut?: boolean;
  readonly budgetBytes?: number;
  /** Identities of base and before; by default both have none, so that nothing is stored. */
  readonly keys?: { readonly base: string; readonly before: string };
}

export interface Measuring {
  readonly statistics: Statistics;
  readonly models: Record<State, Model>;
  /** Stored statistics, as file names. */
  stored(): string[];
  /** How often a model was run over the data. */
  runs(): number;
  stat<K extends StatKind>(need: Need<K>): Promise<StatTypes[K]>;
}

/** A dataset.json whose calibration section holds the arrays. */
export function calibrationData(folder: string, inputs: Scene["inputs"]): string {
  const specs: Record<string, { file: string }> = {};
  for (const [name, [shape, values]] of Object.entries(inputs)) {
    writeFileSync(path.join(folder, `${name}.npy`), npyBytes(shape, values));
    specs[name] = { file: `${name}.npy` };
  }
  const data = path.join(folder, "dataset.json");
  writeFileSync(data, JSON.stringify({ inputs: specs, calibration: { inputs: specs } }));
  return data;
}

/** @param folder to share stored statistics between two; its own by default */
export function measuring(t: TestContext, scene: Scene, folder: string = tempFolder(t)): Measuring {
  const data = calibrationData(folder, scene.inputs);
  const open = (state: State): Model =>
    openModel(modelFile(folder, scene.models[state] ?? "", `${state}.onnx`));
  const before = open("before");
  const models: Record<State, Model> = {
    before,
    base: scene.models.base === undefined ? before : open("base"),
    current: scene.models.current === undefined ? before : open("current"),
  };
  const scratch = openScratch(path.join(folder, "scratch"));
  let runs = 0;
  const statistics = openStatistics(
    {
      who: "a test",
      data,
      seed: scene.seed ?? 0,
      holdOut: scene.holdOut ?? false,
      models: {
        base: () => models.base,
        before: () => models.before,
        current: () => models.current,
      },
      keys: { base: null, before: null, ...scene.keys, current: null },
      store: openStore(scratch, "test", () => new Date()),
      withScratchFolder: (use) => {
        runs++;
        return use(mkdtempSync(path.join(folder, "scratch-")));
      },
    },
    {
      threads: 1,
      budgetBytes: scene.budgetBytes ?? STATISTICS_BUDGET_BYTES,
      blas: createBlas(1),
    },
  );
  return {
    statistics,
    models,
    stored: () => readdirSync(scratch.statistics),
    runs: () => runs,
    stat: (need) => statistics.stat(need, task),
  };
}
