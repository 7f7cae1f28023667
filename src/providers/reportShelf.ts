/** The reports that analyzers made on a document, for whoever asks about one layer or tensor. */
import type { TargetFigures } from "../shared/protocol.ts";
import type { Report } from "../shared/report.ts";

/** Reports kept, the latest ones. */
const MAX_REPORTS = 24;
/** Figures of one answer stay far below the 1 MB of a message. */
const MAX_POINTS = 4096;

export class ReportShelf {
  #reports: readonly { readonly of: string; readonly report: Report }[] = [];
  #version = 0;

  get version(): number {
    return this.#version;
  }

  /** @param of what identifies the state of the document that they are about */
  add(of: string, reports: readonly Report[]): void {
    this.#reports = [...this.#reports, ...reports.map((report) => ({ of, report }))].slice(
      -MAX_REPORTS,
    );
    this.#version++;
  }

  /** Of each analyzer the latest report that has a row for one of the targets. */
  figures(of: string, targets: readonly string[]): readonly TargetFigures[] {
    const wanted = new Set(targets);
    const found = new Map<string, TargetFigures>();
    for (const held of this.#reports) {
      if (held.of !== of) continue;
      const { analyzer, metrics, rows, series } = held.report;
      const row = rows.find(({ target }) => wanted.has(target));
      if (!row) continue;
      let points = 0;
      found.set(analyzer, {
        analyzer,
        metrics,
        values: row.values,
        series: series.filter(({ target, x }) => {
          if (!wanted.has(target) || points + x.length > MAX_POINTS) return false;
          points += x.length;
          return true;
        }),
      });
    }
    return [...found.values()];
  }
}
