/** Changed tensors: what happened to each, its bytes, and how near the new values are. */
import { html, svg, type TemplateResult } from "lit";
import { formatBytes, formatDb } from "../../src/shared/format.ts";
import type { TensorDiff } from "../../src/shared/protocol.ts";
import { strings } from "../strings.ts";
import { nameView } from "./name.ts";
import "./virtualTable.ts";
import type { Column, TableSort } from "./virtualTable.ts";

const text = strings.diff;

/** The bar is full at 60 dB: an error of a thousandth of the signal. */
const FULL_DB = 60;

export function sqnrBar(sqnrDb: number | null): TemplateResult {
  if (sqnrDb === null) return html`<span class="quiet">–</span>`;
  const width = (Math.max(0, Math.min(FULL_DB, sqnrDb)) / FULL_DB) * 72;
  return html`<svg class="meter" viewBox="0 0 72 8" aria-hidden="true">
      <rect class="track" width="72" height="8"></rect>
      ${svg`<rect class="fill" width=${width} height="8"></rect>`}</svg
    >${formatDb(sqnrDb)}`;
}

const COLUMNS: readonly Column<TensorDiff>[] = [
  {
    id: "name",
    title: text.name,
    width: "minmax(120px, 3fr)",
    sortable: true,
    cell: (row) => nameView(row.name),
  },
  {
    id: "status",
    title: text.status,
    width: "68px",
    sortable: true,
    cell: (row) => text.statuses[row.status] ?? row.status,
  },
  {
    id: "before",
    title: text.bytesBefore,
    width: "80px",
    align: "end",
    sortable: true,
    from: 620,
    cell: (row) => formatBytes(row.bytesBefore),
  },
  {
    id: "after",
    title: text.bytesAfter,
    width: "80px",
    align: "end",
    sortable: true,
    cell: (row) => formatBytes(row.bytesAfter),
  },
];
const SQNR: Column<TensorDiff> = {
  id: "sqnr",
  title: text.sqnr,
  width: "148px",
  align: "end",
  sortable: true,
  cell: (row) => sqnrBar(row.sqnrDb),
};
const DETAIL: Column<TensorDiff> = {
  id: "detail",
  title: text.detail,
  width: "minmax(100px, 3fr)",
  from: 620,
  cell: (row) => html`<span class="quiet" title=${row.detail}>${row.detail}</span>`,
};

const VALUES: Readonly<Record<string, (row: TensorDiff) => string | number>> = {
  name: (row) => row.name,
  status: (row) => row.status,
  before: (row) => row.bytesBefore,
  after: (row) => row.bytesAfter,
  // What could not be compared goes last when the worst come first.
  sqnr: (row) => row.sqnrDb ?? Number.POSITIVE_INFINITY,
};

export function sortTensors(
  tensors: readonly TensorDiff[],
  sort: TableSort,
): readonly TensorDiff[] {
  const value = VALUES[sort.by];
  if (!value) return tensors;
  const sign = sort.descending ? -1 : 1;
  return [...tensors].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    return x < y ? -sign : x > y ? sign : 0;
  });
}

/** @param sorted rows in the order of `sort`; `measured` adds the column of SQNR. */
export function tensorDiffTable(
  sorted: readonly TensorDiff[],
  measured: boolean,
  sort: TableSort,
  setSort: (sort: TableSort) => void,
): TemplateResult {
  return html`<lathe-table
    fit
    data-testid="tensor-diff"
    .columns=${measured ? [...COLUMNS, SQNR, DETAIL] : [...COLUMNS, DETAIL]}
    .total=${sorted.length}
    .rowAt=${(index: number) => sorted[index]}
    .label=${text.tensors}
    .sort=${sort}
    @sort-by=${(event: CustomEvent<TableSort>) => setSort(event.detail)}
  ></lathe-table>`;
}
