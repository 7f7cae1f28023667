/** Statistics of activations over the calibration data, as techniques and analyzers ask for them. */
import type { Model } from "../../core/model.ts";
import type { Need, StatKind, StatTypes, State } from "../../core/statistics.ts";
import { engineErrors } from "../../shared/errors.ts";
import type { Task } from "../../shared/task.ts";

export interface StatisticsScene {
  /** Technique or analyzer that asks, for error texts. */
  readonly who: string;
  readonly data: string | null;
  readonly seed: number;
  readonly models: Readonly<Record<State, () => Model>>;
  readonly withScratchFolder: <T>(use: (folder: string) => Promise<T>) => Promise<T>;
}

export interface StatisticsOptions {
  /** 0 is all cores. */
  readonly threads: number;
}

export interface Statistics {
  /** Collects all needs of `base` and `before` models together; those of `current` when asked for. */
  collect(needs: readonly Need[], task: Task): Promise<void>;
  stat<K extends StatKind>(need: Need<K>, task: Task): Promise<StatTypes[K]>;
}

export function openStatistics(scene: StatisticsScene, { threads }: StatisticsOptions): Statistics {
  const refuse = (): never => {
    throw threads < 0 ? new Error("threads") : engineErrors.needsData(scene.who);
  };
  return { collect: async () => refuse(), stat: async () => refuse() };
}
