/** Statistics of activations over the calibration data, as techniques and analyzers ask for them. */
import type { Model } from "../../core/model.ts";
import {
  needKey,
  type Need,
  type StatKind,
  type StatTypes,
  type State,
} from "../../core/statistics.ts";
import { engineErrors } from "../../shared/errors.ts";
import type { Blas } from "../../shared/kernels.ts";
import type { Task } from "../../shared/task.ts";
import type { Answer } from "./answering.ts";
import { collectNeeds } from "./collect.ts";

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
  readonly blas: Blas;
  /** For the sums and captured values of one pass. */
  readonly budgetBytes: number;
}

export interface Statistics {
  /**
   * Collects all needs of `base` and `before` models together; those of `current` when asked for.
   * Gives the reason for each need that cannot be measured, by `needKey`.
   */
  collect(needs: readonly Need[], task: Task): Promise<ReadonlyMap<string, string>>;
  /** Needs asked for in one turn of the event loop are collected together. */
  stat<K extends StatKind>(need: Need<K>, task: Task): Promise<StatTypes[K]>;
}

export const STATISTICS_BUDGET_BYTES = 2 ** 31;

interface Asked {
  readonly need: Need;
  readonly settle: (answer: Answer) => void;
  readonly fail: (error: unknown) => void;
}

export function openStatistics(scene: StatisticsScene, options: StatisticsOptions): Statistics {
  const { data } = scene;
  const fixed = new Map<string, Answer>();
  /** Those that involve the current model, for as long as it is the same. */
  let moving: { readonly model: Model; readonly answers: Map<string, Answer> } | null = null;
  let asked: Asked[] = [];
  let working: Promise<unknown> = Promise.resolve();

  const isMoving = (need: Need): boolean => need.of === "current" || need.against?.of === "current";
  const answersFor = (need: Need): Map<string, Answer> => {
    if (!isMoving(need)) return fixed;
    const model = scene.models.current();
    if (moving?.model !== model) moving = { model, answers: new Map() };
    return moving.answers;
  };

  /** One after the other: two collections at once would take twice the memory. */
  async function collectNow(needs: readonly Need[], task: Task): Promise<void> {
    if (data === null) throw engineErrors.needsData(scene.who);
    const missing = needs.filter((need) => !answersFor(need).has(needKey(need)));
    if (missing.length === 0) return;
    const { models, seed } = scene;
    const homes = new Map(missing.map((need) => [needKey(need), answersFor(need)]));
    await scene.withScratchFolder((folder) =>
      collectNeeds(
        missing,
        { ...options, data, seed, models, folder },
        (key, answer) => homes.get(key)?.set(key, answer),
        task,
      ),
    );
  }
  function inTurn(work: () => Promise<void>): Promise<void> {
    const done = working.then(work, work);
    working = done.catch(() => {});
    return done;
  }

  async function answerAsked(task: Task): Promise<void> {
    const now = asked;
    asked = [];
    try {
      await collectNow(
        now.map(({ need }) => need),
        task,
      );
      for (const { need, settle } of now) {
        const answer = answersFor(need).get(needKey(need));
        if (!answer) throw new Error(`no answer for ${needKey(need)}`);
        settle(answer);
      }
    } catch (error) {
      for (const { fail } of now) fail(error);
    }
  }

  return {
    async collect(needs, task) {
      const steady = needs.filter((need) => !isMoving(need));
      await inTurn(() => collectNow(steady, task));
      const reasons = new Map<string, string>();
      for (const need of steady) {
        const answer = fixed.get(needKey(need));
        if (answer instanceof Error) reasons.set(needKey(need), answer.message);
      }
      return reasons;
    },
    async stat<K extends StatKind>(need: Need<K>, task: Task): Promise<StatTypes[K]> {
      const answer = await new Promise<Answer>((settle, fail) => {
        asked.push({ need, settle, fail });
        if (asked.length === 1) setImmediate(() => void inTurn(() => answerAsked(task)));
      });
      if (answer instanceof Error) throw answer;
      // The need's own kind decides what was collected for it.
      return answer as StatTypes[K];
    },
  };
}
