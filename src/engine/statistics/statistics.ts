/** Statistics of activations over the calibration data, as techniques and analyzers ask for them. */
import type { Model } from "../../core/model.ts";
import {
  needKey,
  type Need,
  type Sampled,
  type StatKind,
  type State,
  type StatTypes,
} from "../../core/statistics.ts";
import { asReason, engineErrors } from "../../shared/errors.ts";
import type { Blas } from "../../shared/kernels.ts";
import type { Task } from "../../shared/task.ts";
import { dataIdentity } from "../dataIdentity.ts";
import type { Answer } from "./answering.ts";
import { collectNeeds } from "./collect.ts";
import { sizeOf, storeKey, type StateKeys, type StatisticsStore } from "./store.ts";

export interface StatisticsScene {
  /** Technique or analyzer that asks, for error texts. */
  readonly who: string;
  readonly data: string | null;
  readonly seed: number;
  /** As in `Entry`. */
  readonly holdOut: boolean;
  readonly models: Readonly<Record<State, () => Model>>;
  readonly keys: StateKeys;
  readonly store: StatisticsStore;
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
/** Larger statistics stay on disk until they are asked for: Grams of a whole model fill any memory. */
const KEPT_BYTES = 2 ** 16;

interface Asked {
  readonly need: Need;
  readonly settle: (answer: Answer) => void;
  readonly fail: (error: unknown) => void;
}

/** An answer, or the key it is stored under. */
type Held = { readonly answer: Answer } | { readonly stored: string };

export function openStatistics(scene: StatisticsScene, options: StatisticsOptions): Statistics {
  const { data, seed, holdOut, store } = scene;
  const steady = new Map<string, Held>();
  /** Those that involve the current model, for as long as it is the same. */
  let moving: { readonly model: Model; readonly answers: Map<string, Held> } | null = null;
  let asked: Asked[] = [];
  let working: Promise<unknown> = Promise.resolve();

  const isMoving = (need: Need): boolean => need.of === "current" || need.against?.of === "current";
  const answersFor = (need: Need): Map<string, Held> => {
    if (!isMoving(need)) return steady;
    const model = scene.models.current();
    if (moving?.model !== model) moving = { model, answers: new Map() };
    return moving.answers;
  };
  function hold(answer: Answer, stored: string | null): Held {
    if (stored === null || answer instanceof Error || sizeOf(answer) <= KEPT_BYTES)
      return { answer };
    return { stored };
  }
  function held(need: Need): Answer | null {
    const found = answersFor(need).get(needKey(need));
    if (!found) return null;
    return "stored" in found ? store.load(found.stored) : found.answer;
  }

  /** Collects what is neither here nor stored. */
  async function collectNow(needs: readonly Need[], task: Task): Promise<void> {
    if (data === null) throw engineErrors.needsData(scene.who);
    const identity = `${dataIdentity(data)}${holdOut ? " held out" : ""}`;
    const homes = new Map<
      string,
      { readonly home: Map<string, Held>; readonly stored: string | null }
    >();
    const missing: Need[] = [];
    for (const need of needs) {
      const key = needKey(need);
      const home = answersFor(need);
      const stored = storeKey(need, scene.keys, identity, seed);
      if (homes.has(key)) continue;
      const known: Sampled | null = home.has(key) || stored === null ? null : store.load(stored);
      if (known) home.set(key, hold(known, stored));
      if (home.has(key)) continue;
      homes.set(key, { home, stored });
      missing.push(need);
    }
    if (missing.length === 0) return;
    const { models } = scene;
    await scene.withScratchFolder((folder) =>
      collectNeeds(
        missing,
        { ...options, data, seed, holdOut, models, folder },
        (key, answer) => {
          const { home, stored = null } = homes.get(key) ?? {};
          if (stored !== null && !(answer instanceof Error)) store.save(stored, answer);
          home?.set(key, hold(answer, stored));
        },
        task,
      ),
    );
  }
  /** One after the other: two collections at once would take twice the memory. */
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
      for (const { need, settle } of now) settle(held(need) ?? (await again(need, task)));
    } catch (error) {
      for (const { fail } of now) fail(error);
    }
  }
  /** What was swept from the disk meanwhile. */
  async function again(need: Need, task: Task): Promise<Answer> {
    answersFor(need).delete(needKey(need));
    await collectNow([need], task);
    const answer = held(need);
    if (!answer) throw new Error(`no answer for ${needKey(need)}`);
    return answer;
  }

  return {
    async collect(needs, task) {
      const wanted = needs.filter((need) => !isMoving(need));
      await inTurn(() => collectNow(wanted, task));
      const reasons = new Map<string, string>();
      for (const need of wanted) {
        const found = steady.get(needKey(need));
        if (found && "answer" in found && found.answer instanceof Error)
          reasons.set(needKey(need), asReason(found.answer));
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
