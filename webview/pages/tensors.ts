/** All tensors in a table of any length, with the statistics of the one selected. */
import "@vscode-elements/elements/dist/vscode-button/index.js";
import "@vscode-elements/elements/dist/vscode-textfield/index.js";
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { elementCount } from "../../src/shared/dtype.ts";
import { formatBytes, formatCount, formatShape } from "../../src/shared/format.ts";
import type { TensorRow, TensorSort, TensorStats, TreeRow } from "../../src/shared/protocol.ts";
import { isRecord } from "../host.ts";
import { debounce } from "../parts/debounce.ts";
import { failureView } from "../parts/failureView.ts";
import { nameStyles, nameView } from "../parts/name.ts";
import { docKey, Page, type GoTo } from "../parts/page.ts";
import { Question } from "../parts/question.ts";
import { RowPages } from "../parts/rowPages.ts";
import { chartStyles } from "../parts/histogram.ts";
import { tensorDetail } from "../parts/tensorDetail.ts";
import { tensorTree } from "../parts/tensorTree.ts";
import { VirtualTable, type Column, type TableSort } from "../parts/virtualTable.ts";
import { strings } from "../strings.ts";
import { base, facts } from "../styles.ts";
import { tensorsStyles } from "./tensorsStyles.ts";

const text = strings.tensors;

const COLUMNS: readonly Column<TensorRow>[] = [
  {
    id: "name",
    title: text.name,
    width: "minmax(140px, 4fr)",
    sortable: true,
    cell: (row) => nameView(row.name),
  },
  { id: "dtype", title: text.dtype, width: "72px", sortable: true, cell: (row) => row.dtype },
  {
    id: "shape",
    title: text.shape,
    width: "minmax(136px, 1fr)",
    from: 480,
    cell: (row) => formatShape(row.shape),
  },
  {
    id: "elements",
    title: text.elements,
    width: "96px",
    align: "end",
    sortable: true,
    from: 760,
    cell: (row) => formatCount(elementCount(row.shape)),
  },
  {
    id: "size",
    title: text.size,
    width: "88px",
    align: "end",
    sortable: true,
    cell: (row) => formatBytes(row.sizeBytes),
  },
  {
    id: "change",
    title: text.change,
    width: "64px",
    from: 760,
    cell: (row) => (row.change === null ? "" : strings.change[row.change]),
  },
];

interface View {
  readonly filter: string;
  readonly sort: TensorSort;
  readonly descending: boolean;
  readonly top: number;
  /** By module, or all in one list. */
  readonly tree: boolean;
  /** Ids of the modules that are opened. */
  readonly open: readonly string[];
}
const START: View = {
  filter: "",
  sort: "order",
  descending: false,
  top: 0,
  tree: false,
  open: [],
};
const SORTS: readonly string[] = ["order", "name", "dtype", "size", "elements"];
const isView = (value: unknown): value is View =>
  isRecord(value) &&
  typeof value["filter"] === "string" &&
  SORTS.includes(String(value["sort"])) &&
  typeof value["descending"] === "boolean" &&
  typeof value["top"] === "number" &&
  typeof value["tree"] === "boolean" &&
  Array.isArray(value["open"]);
const isRow = (value: unknown): value is TensorRow =>
  isRecord(value) && typeof value["name"] === "string" && Array.isArray(value["shape"]);

class TensorsPage extends Page {
  static override styles = [base, facts, nameStyles, chartStyles, tensorsStyles];
  static override properties = { ...Page.properties, goTarget: { attribute: false } };
  declare goTarget: GoTo | null;
  protected override readonly key = "tensors";
  readonly #rows = new RowPages<TensorRow>(this);
  readonly #lines = new RowPages<TreeRow>(this);
  #treeTensors: number | null = null;
  readonly #stats = new Question<TensorStats>(this);
  #view: View = this.host.recall("tensors", isView) ?? START;
  #selected: TensorRow | null = this.host.recall("tensors.selected", isRow);
  /** Where to scroll once rows are there. */
  #restoreTop: number | null = this.#view.top;

  readonly #filterSoon = debounce(200, (filter: string) => {
    this.#setView({ filter, top: 0 });
    this.#table?.scrollToTop(0);
  });
  readonly #rememberSoon = debounce(200, () => this.host.remember("tensors", this.#view));
  /** Arrow keys pass over rows; only where they rest are values read. */
  readonly #selectSoon = debounce(120, (index: number) => {
    this.#wanted = index;
    this.#selectWanted();
  });
  /** The row to select as soon as it is there: End goes further than what is loaded. */
  #wanted: number | null = null;

  get #table(): VirtualTable<TensorRow> | null {
    return this.renderRoot.querySelector<VirtualTable<TensorRow>>("lathe-table");
  }

  get #shown(): RowPages<TensorRow> | RowPages<TreeRow> {
    return this.#view.tree ? this.#lines : this.#rows;
  }

  #setView(change: Partial<View>): void {
    this.#view = { ...this.#view, ...change };
    this.#rememberSoon();
    this.requestUpdate();
  }

  #selectWanted(): void {
    if (this.#wanted === null) return;
    const line = this.#view.tree ? this.#lines.rowAt(this.#wanted) : undefined;
    const row = this.#view.tree
      ? line?.kind === "tensor"
        ? line.tensor
        : undefined
      : this.#rows.rowAt(this.#wanted);
    if (row) this.#select(row);
    else if (line) this.#wanted = null;
  }

  #select(row: TensorRow | null): void {
    this.#wanted = null;
    this.#selected = row;
    this.host.remember("tensors.selected", row);
    this.requestUpdate();
    const selection = row ? ({ kind: "tensor", graph: row.graph, name: row.name } as const) : null;
    // The inspector is a second place for the same facts: its absence is no failure of this page.
    this.host.client.call("select", { selection }).catch(() => undefined);
  }

  protected override willUpdate(changed: PropertyValues): void {
    if (changed.has("goTarget") && this.goTarget?.tensor) {
      this.#view = { ...START, tree: this.#view.tree, filter: this.goTarget.tensor.name };
      this.#select(this.goTarget.tensor);
    }
    this.#selectWanted();
    const { doc } = this.state;
    const { client } = this.host;
    const { filter, sort, descending, tree, open } = this.#view;
    const treeKey = JSON.stringify([doc, filter, sort, descending, open]);
    if (tree)
      this.#lines.source(treeKey, async (from, to, signal) => {
        const call = { doc, open, from, to, sort, descending, filter };
        const slice = await client.call("tensorTree", call, { signal });
        this.#treeTensors = slice.tensors;
        return slice;
      });
    else
      this.#rows.source(JSON.stringify([doc, filter, sort, descending]), (from, to, signal) =>
        client.call("tensors", { doc, from, to, sort, descending, filter }, { signal }),
      );
    const row = this.#selected;
    if (!row) this.#stats.clear();
    else
      this.#stats.ask(
        JSON.stringify([docKey(doc), row.graph, row.name]),
        (signal) =>
          client.call("tensorStats", { doc, graph: row.graph, name: row.name }, { signal }),
        false,
      );
  }

  protected override updated(): void {
    const top = this.#restoreTop;
    if (top === null || this.#shown.total === null) return;
    this.#restoreTop = null;
    const table = this.#table;
    if (top > 0 && table) void table.updateComplete.then(() => table.scrollToTop(top));
  }

  protected override render(): TemplateResult {
    return html`<div class="layout ${this.#selected ? "with-detail" : ""}">
      <div class="list">
        <div class="tools">
          <vscode-textfield
            type="search"
            .label=${text.filter}
            placeholder=${text.filter}
            .value=${this.#view.filter}
            @input=${(event: Event) =>
              this.#filterSoon((event.currentTarget as HTMLInputElement).value)}
          ></vscode-textfield>
          <span role="status" class="quiet count" data-testid="count">${this.#count()}</span>
          <span class="views" role="group" aria-label=${text.view}>
            ${[false, true].map(
              (tree) =>
                html`<button
                  aria-pressed=${this.#view.tree === tree ? "true" : "false"}
                  @click=${() => this.#setView({ tree, top: 0 })}
                >
                  ${tree ? text.tree : text.list}
                </button>`,
            )}
          </span>
          ${
            this.#view.sort === "order"
              ? nothing
              : html`<button
                  class="link"
                  @click=${() => this.#setView({ sort: "order", descending: false })}
                >
                  ${text.order}
                </button>`
          }
        </div>
        ${this.#body()}
      </div>
      ${
        this.#selected
          ? tensorDetail(this.#selected, this.#stats, () => this.#select(null))
          : nothing
      }
    </div>`;
  }

  #count(): string {
    const { failure } = this.#shown;
    const total = this.#view.tree ? this.#treeTensors : this.#rows.total;
    if (total === null) return failure ? "" : strings.loading;
    return this.#view.filter === "" ? text.count(total) : text.filtered(total);
  }

  #body(): TemplateResult {
    const { failure, total } = this.#shown;
    if (failure)
      return html`<div class="message">${failureView(failure, () => this.#shown.retry())}</div>`;
    if (total === 0)
      return html`<p class="empty quiet">
        ${this.#view.filter === "" ? text.empty : text.nothing}
      </p>`;
    const sort: TableSort = { by: this.#view.sort, descending: this.#view.descending };
    const selected = this.#selected;
    const isSelected = (row: TensorRow): boolean =>
      row.name === selected?.name && row.graph === selected.graph;
    const scrolled = (top: number): void => {
      this.#view = { ...this.#view, top };
      this.#rememberSoon();
    };
    if (this.#view.tree)
      return tensorTree({
        rows: this.#lines,
        sort,
        selected: this.#lines.find((row) => row.kind === "tensor" && isSelected(row.tensor)),
        select: (index) => this.#selectSoon(index),
        open: (index, open) => this.#open(index, open),
        scrolled,
        sortBy: (by) => this.#sortBy(by),
      });
    return html`<lathe-table
      .columns=${COLUMNS}
      .total=${total ?? 40}
      .rowAt=${(index: number) => this.#rows.rowAt(index)}
      .label=${text.label}
      .sort=${sort}
      .selected=${selected && this.#rows.find(isSelected)}
      @rows-needed=${(event: CustomEvent<{ from: number; to: number }>) =>
        this.#rows.need(event.detail.from, event.detail.to)}
      @row-select=${(event: CustomEvent<{ index: number }>) => this.#selectSoon(event.detail.index)}
      @scrolled=${(event: CustomEvent<{ top: number }>) => scrolled(event.detail.top)}
      @sort-by=${(event: CustomEvent<TableSort>) => this.#sortBy(event.detail)}
    ></lathe-table>`;
  }

  /** @param open null for the other way round */
  #open(index: number, open: boolean | null): void {
    const row = this.#lines.rowAt(index);
    // With a filter everything is open, so that what was looked for is seen.
    if (row?.kind !== "module" || this.#view.filter !== "" || row.open === open) return;
    const others = this.#view.open.filter((id) => id !== row.id);
    this.#setView({ open: row.open ? others : [...others, row.id] });
  }

  #sortBy(sort: TableSort): void {
    // Sizes are looked at from the largest down.
    const first = this.#view.sort !== sort.by && (sort.by === "size" || sort.by === "elements");
    this.#setView({ sort: sort.by as TensorSort, descending: first || sort.descending, top: 0 });
    this.#table?.scrollToTop(0);
  }
}
customElements.define("lathe-tensors", TensorsPage);
