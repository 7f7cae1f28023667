/** Layers × runs: one metric of several reports of the same analyzer, side by side. */
import type { Report, ReportRow, Metric } from "../../src/shared/report.ts";
import { strings } from "../strings.ts";
import type { HeldReport } from "./reportStore.ts";

export interface HeatMap {
  /** One column for each run. */
  readonly metrics: readonly Metric[];
  /** One row for each layer that any run knows, in the order of the first. */
  readonly rows: readonly ReportRow[];
}

/** Null when fewer than two runs share the metric. */
export function heatMapOf(runs: readonly HeldReport[], metric: string): HeatMap | null {
  const shared = runs.flatMap((run) => {
    const index = run.report.metrics.findIndex(({ id }) => id === metric);
    const found = run.report.metrics[index];
    return found ? [{ run, index, found }] : [];
  });
  if (shared.length < 2) return null;
  const targets = [...new Set(shared.flatMap(({ run }) => run.report.rows.map((r) => r.target)))];
  const titles = tellApart(shared.map(({ run }) => shortTitle(run.title)));
  const columns = shared.map(({ run, index }) => valuesOf(run.report, index));
  return {
    metrics: shared.map(({ run, found }, i) => ({
      ...found,
      id: `run${i}`,
      title: titles[i] ?? run.title,
    })),
    rows: targets.map((target) => ({
      target,
      values: columns.map((column) => column.get(target) ?? null),
    })),
  };
}

const valuesOf = (report: Report, index: number): ReadonlyMap<string, number | null> =>
  new Map(report.rows.map(({ target, values }) => [target, values[index] ?? null]));

/** Without the words that all begin with: a heading has no room for what it does not need. */
function tellApart(titles: readonly string[]): readonly string[] {
  const words = titles.map((title) => title.split(" "));
  const [first = []] = words;
  let same = 0;
  while (words.every((own) => own.length > same + 1 && own[same] === first[same])) same++;
  return words.map((own) => own.slice(same).join(" "));
}

/** What tells runs apart is in the brackets, where parameters are not the defaults. */
const shortTitle = (title: string): string =>
  /\((.*)\)$/.exec(title)?.[1] ?? strings.analysis.defaults;
