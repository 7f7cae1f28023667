/** A report's rows as a table in which each figure is shaded by its place in its column: also the heat map of layers × candidates. */
import { html, svg, type TemplateResult } from "lit";
import { formatMetricValue } from "../../src/shared/format.ts";
import type { Metric, ReportRow } from "../../src/shared/report.ts";
import { strings } from "../strings.ts";
import { capital, nameView } from "./name.ts";
import "./virtualTable.ts";
import type { Column, TableSort } from "./virtualTable.ts";

const text = strings.analysis;

/** Rows in the wanted order; the report's own order without one. Figures that are missing go last. */
export function sortRows(
  rows: readonly ReportRow[],
  metrics: readonly Metric[],
  sort: TableSort | null,
): readonly ReportRow[] {
  if (sort === null) return rows;
  const sign = sort.descending ? -1 : 1;
  if (sort.by === "target")
    return [...rows].sort((a, b) => (a.target < b.target ? -sign : a.target > b.target ? sign : 0));
  const column = metrics.findIndex(({ id }) => id === sort.by);
  return [...rows].sort((a, b) => {
    const [x, y] = [a.values[column] ?? null, b.values[column] ?? null];
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    return sign * (x - y);
  });
}

/**
 * Where a value stands between the best (0) and the worst (1) of its column. Columns that span more
 * than three decades are read on a logarithmic scale: KL of layers differs by factors, not by amounts.
 */
export function shading(
  values: readonly (number | null)[],
  metric: Metric,
): (value: number) => number {
  const known = values.filter((value): value is number => value !== null && Number.isFinite(value));
  const low = Math.min(...known);
  const high = Math.max(...known);
  if (known.length === 0 || low === high) return () => 0;
  const positive = known.filter((value) => value > 0);
  const least = Math.min(...positive);
  const decades = low >= 0 && positive.length > 0 && high / least > 1000;
  const place = decades
    ? (value: number): number =>
        value <= 0 ? 0 : (Math.log(value) - Math.log(least)) / (Math.log(high) - Math.log(least))
    : (value: number): number => (value - low) / (high - low);
  return (value) => {
    const at = Math.max(0, Math.min(1, place(value)));
    return metric.better === "higher" ? 1 - at : at;
  };
}

/** Most headings whole, and no column so wide that it drives the others out. */
const widthOf = (title: string): number => Math.min(180, Math.max(84, 32 + 7.5 * title.length));

export interface ReportTableOptions {
  readonly metrics: readonly Metric[];
  readonly rows: readonly ReportRow[];
  /** In the order shown. */
  readonly sorted: readonly ReportRow[];
  readonly sort: TableSort | null;
  readonly setSort: (sort: TableSort) => void;
  readonly select: (target: string) => void;
}

export function reportTable(options: ReportTableOptions): TemplateResult {
  const { metrics, rows, sorted, sort } = options;
  const columns: readonly Column<ReportRow>[] = [
    {
      id: "target",
      title: text.target,
      width: "minmax(200px, 3fr)",
      sortable: true,
      cell: (row) => nameView(row.target),
    },
    ...metrics.map((metric, index): Column<ReportRow> => {
      const shade = shading(
        rows.map(({ values }) => values[index] ?? null),
        metric,
      );
      return {
        id: metric.id,
        title: capital(metric.title),
        width: `minmax(${widthOf(metric.title)}px, 1fr)`,
        align: "end",
        sortable: true,
        cell: (row) => figure(row.values[index] ?? null, metric, shade),
      };
    }),
  ];
  return html`<lathe-table
    fit
    data-testid="report-table"
    .columns=${columns}
    .total=${sorted.length}
    .rowAt=${(index: number) => sorted[index]}
    .label=${text.table}
    .sort=${sort}
    @sort-by=${(event: CustomEvent<TableSort>) => options.setSort(event.detail)}
    @row-select=${(event: CustomEvent<{ index: number }>) => {
      const row = sorted[event.detail.index];
      if (row) options.select(row.target);
    }}
  ></lathe-table>`;
}

function figure(
  value: number | null,
  metric: Metric,
  shade: (value: number) => number,
): TemplateResult {
  if (value === null) return html`<span class="quiet">–</span>`;
  // "neither" has no good or bad end, so nothing is stressed.
  const width = metric.better === "neither" ? 0 : shade(value) * 100;
  return html`<svg class="heat" aria-hidden="true" preserveAspectRatio="none" viewBox="0 0 100 1">
      ${svg`<rect x=${100 - width} width=${width} height="1"></rect>`}</svg
    ><span class="figure">${formatMetricValue(value, metric.unit)}</span>`;
}
