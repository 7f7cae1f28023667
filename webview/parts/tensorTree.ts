/** The tree of modules as a table: modules with counts and bytes, opened one by one; tensors at the ends. */
import { html, nothing, type TemplateResult } from "lit";
import { formatBytes, formatCount, formatShape } from "../../src/shared/format.ts";
import type { TreeRow } from "../../src/shared/protocol.ts";
import { strings } from "../strings.ts";
import { nameView } from "./name.ts";
import type { RowPages } from "./rowPages.ts";
import "./virtualTable.ts";
import type { Column, RowLevel, TableSort } from "./virtualTable.ts";

const text = strings.tensors;

/** Pixels per level. */
const INDENT = 14;

const COLUMNS: readonly Column<TreeRow>[] = [
  {
    id: "name",
    title: text.name,
    width: "minmax(150px, 4fr)",
    sortable: true,
    cell: (row) =>
      html`<span class="tree-name" .style=${`padding-inline-start: ${row.depth * INDENT}px`}
        ><span class="twistie" aria-hidden="true"
          >${row.kind === "module" ? (row.open ? "▾" : "▸") : nothing}</span
        >${nameView(row.label)}</span
      >`,
  },
  {
    id: "tensors",
    title: text.below,
    width: "80px",
    align: "end",
    cell: (row) => (row.kind === "module" ? formatCount(row.count) : ""),
  },
  {
    id: "dtype",
    title: text.dtype,
    width: "72px",
    from: 560,
    cell: (row) => (row.kind === "tensor" ? row.tensor.dtype : ""),
  },
  {
    id: "shape",
    title: text.shape,
    width: "minmax(96px, 1fr)",
    from: 480,
    cell: (row) => (row.kind === "tensor" ? formatShape(row.tensor.shape) : ""),
  },
  {
    id: "size",
    title: text.size,
    width: "88px",
    align: "end",
    sortable: true,
    cell: (row) => formatBytes(row.kind === "module" ? row.sizeBytes : row.tensor.sizeBytes),
  },
];

export interface TensorTreeOptions {
  readonly rows: RowPages<TreeRow>;
  readonly sort: TableSort;
  /** Index of the selected tensor, where it is loaded. */
  readonly selected: number | null;
  readonly select: (index: number) => void;
  /** Opens or closes a module; null for what it is not. */
  readonly open: (index: number, open: boolean | null) => void;
  readonly scrolled: (top: number) => void;
  readonly sortBy: (sort: TableSort) => void;
}

export const tensorTree = (options: TensorTreeOptions): TemplateResult =>
  html`<lathe-table
    data-testid="tree"
    .columns=${COLUMNS}
    .total=${options.rows.total ?? 40}
    .rowAt=${(index: number) => options.rows.rowAt(index)}
    .levelOf=${levelOf}
    .label=${text.treeLabel}
    .sort=${options.sort}
    .selected=${options.selected}
    @rows-needed=${(event: CustomEvent<{ from: number; to: number }>) =>
      options.rows.need(event.detail.from, event.detail.to)}
    @row-select=${(event: CustomEvent<{ index: number }>) => options.select(event.detail.index)}
    @row-open=${(event: CustomEvent<{ index: number; open: boolean | null }>) =>
      options.open(event.detail.index, event.detail.open)}
    @scrolled=${(event: CustomEvent<{ top: number }>) => options.scrolled(event.detail.top)}
    @sort-by=${(event: CustomEvent<TableSort>) => options.sortBy(event.detail)}
  ></lathe-table>`;

const levelOf = (row: TreeRow): RowLevel => ({
  level: row.depth + 1,
  expanded: row.kind === "module" ? row.open : null,
});
