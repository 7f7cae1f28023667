/**
 * The reports this editor holds and the one that colours the graph. Whoever has a report puts it here
 * (the Analysis page); whoever shows reports watches it (the Graph page).
 */
import type { Report } from "../../src/shared/report.ts";

export interface HeldReport {
  readonly report: Report;
  /** What is shown for it; unique among the reports held. */
  readonly title: string;
  /** `docKey` of the document it was made for. */
  readonly of: string;
}
export interface ChosenMetric {
  readonly title: string;
  /** Index into the report's metrics. */
  readonly metric: number;
}

let held: readonly HeldReport[] = [];
let chosen: ChosenMetric | null = null;
const watchers = new Set<() => void>();
const changed = (): void => {
  for (const watcher of watchers) watcher();
};

export const reportStore = {
  get reports(): readonly HeldReport[] {
    return held;
  },
  get chosen(): ChosenMetric | null {
    return chosen;
  },
  /** Adds a report, in place of the one with the same title. */
  put(report: HeldReport): void {
    held = [...held.filter(({ title }) => title !== report.title), report];
    changed();
  },
  clear(): void {
    held = [];
    chosen = null;
    changed();
  },
  /** Colours by a metric of a report; null for no colouring. */
  choose(choice: ChosenMetric | null): void {
    chosen = choice;
    changed();
  },
  /** Calls `watcher` after each change, until the returned function is called. */
  watch(watcher: () => void): () => void {
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  },
};
