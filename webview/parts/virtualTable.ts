/**
 * A grid of any number of rows of which only those in view are in the page.
 *
 * Rows have one height and absolute positions; the active row stays in the page even when scrolled
 * away, else the focus would fall to the body and the next key press would be lost.
 */
import { LitElement, html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { base } from "../styles.ts";
import { nameStyles } from "./name.ts";
import { tableStyles } from "./virtualTableStyles.ts";

export interface Column<Row> {
  readonly id: string;
  readonly title: string;
  /** A CSS grid track. */
  readonly width: string;
  readonly align?: "end";
  readonly sortable?: boolean;
  /** Left out where the table is narrower than this, in pixels. */
  readonly from?: number;
  readonly cell: (row: Row, index: number) => unknown;
}

export interface TableSort {
  readonly by: string;
  readonly descending: boolean;
}

/** Place of a row in a tree. */
export interface RowLevel {
  /** 1 for the top. */
  readonly level: number;
  /** Null for a row that has nothing below. */
  readonly expanded: boolean | null;
}

export const ROW_HEIGHT = 24;
const OVERSCAN = 10;

/** Fires `rows-needed` {from, to}, `row-select` {index}, `row-toggle` {index}, `row-open` {index, open}, `sort-by` TableSort, `scrolled` {top}. */
export class VirtualTable<Row> extends LitElement {
  static override styles = [base, nameStyles, tableStyles];
  static override properties = {
    columns: { attribute: false },
    total: { attribute: false },
    rowAt: { attribute: false },
    levelOf: { attribute: false },
    label: { attribute: false },
    sort: { attribute: false },
    selected: { attribute: false },
    fit: { type: Boolean, reflect: true },
  };
  declare columns: readonly Column<Row>[];
  declare total: number;
  /** Undefined for a row that is still on its way. */
  declare rowAt: (index: number) => Row | undefined;
  /** Makes the table a tree; null for a plain one. */
  declare levelOf: ((row: Row) => RowLevel) | null;
  declare label: string;
  declare sort: TableSort | null;
  declare selected: number | null;
  /** As high as its rows, up to `--table-max`; otherwise it fills its container. */
  declare fit: boolean;

  #top = 0;
  #height = 400;
  #width = 0;
  #active = 0;
  #shown = "";
  readonly #resize = new ResizeObserver(() => this.#measure());

  constructor() {
    super();
    this.columns = [];
    this.total = 0;
    this.rowAt = () => undefined;
    this.levelOf = null;
    this.label = "";
    this.sort = null;
    this.selected = null;
    this.fit = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#resize.observe(this);
  }
  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resize.disconnect();
  }

  /** Puts a row in view, without focus. */
  scrollToRow(index: number): void {
    this.#reveal(index);
  }
  scrollToTop(top: number): void {
    const scroller = this.#scroller;
    if (scroller) scroller.scrollTop = top;
  }

  get #scroller(): HTMLElement | null {
    return this.renderRoot.querySelector<HTMLElement>(".scroller");
  }

  #measure(): void {
    const { clientHeight, clientWidth } = this;
    if (clientHeight === this.#height && clientWidth === this.#width) return;
    this.#height = clientHeight;
    this.#width = clientWidth;
    this.requestUpdate();
  }

  protected override willUpdate(): void {
    this.#active = Math.max(0, Math.min(this.#active, this.total - 1));
  }

  protected override updated(): void {
    const [from, to] = this.#window();
    const shown = `${from}:${to}:${this.total}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#emit("rows-needed", { from, to });
  }

  #emit(type: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #window(): readonly [number, number] {
    const first = Math.max(0, Math.floor(this.#top / ROW_HEIGHT) - OVERSCAN);
    const count = Math.ceil(this.#height / ROW_HEIGHT) + 2 * OVERSCAN;
    return [first, Math.min(this.total, first + count)];
  }

  protected override render(): TemplateResult {
    const columns = this.columns.filter((column) => (column.from ?? 0) <= this.#width);
    const [from, to] = this.#window();
    const indices: number[] = [];
    for (let i = from; i < to; i++) indices.push(i);
    if (this.total > 0 && (this.#active < from || this.#active >= to)) indices.push(this.#active);
    const tracks = columns.map((column) => column.width).join(" ");
    return html`<div
      class="scroller"
      role=${this.levelOf ? "treegrid" : "grid"}
      aria-label=${this.label}
      aria-rowcount=${this.total + 1}
      aria-colcount=${columns.length}
      @scroll=${this.#onScroll}
      @keydown=${this.#onKey}
      .style=${`--tracks: ${tracks}`}
    >
      <div class="header" role="rowgroup">
        <div class="cells" role="row" aria-rowindex="1">
          ${columns.map((column) => this.#headerCell(column))}
        </div>
      </div>
      <div
        class="body"
        role="rowgroup"
        .style=${`height: ${this.total * ROW_HEIGHT}px`}
        @click=${this.#onClick}
      >
        ${repeat(
          indices,
          (index) => index,
          (index) => this.#row(index, columns),
        )}
      </div>
    </div>`;
  }

  #headerCell(column: Column<Row>): TemplateResult {
    const sorted = this.sort?.by === column.id ? this.sort : null;
    const direction = sorted ? (sorted.descending ? "descending" : "ascending") : "none";
    const kind = column.align === "end" ? "end" : "";
    if (column.sortable !== true)
      return html`<span role="columnheader" class=${kind}>${column.title}</span>`;
    const arrow = html`<span class="arrow" aria-hidden="true"
      >${sorted ? (sorted.descending ? "↓" : "↑") : nothing}</span
    >`;
    return html`<span role="columnheader" class=${kind} aria-sort=${direction}>
      <button @click=${() => this.#sortBy(column.id, sorted)}>
        ${column.align === "end" ? [arrow, column.title] : [column.title, arrow]}
      </button>
    </span>`;
  }

  #row(index: number, columns: readonly Column<Row>[]): TemplateResult {
    const row = this.rowAt(index);
    const selected = this.selected === index;
    const level = row === undefined ? undefined : this.levelOf?.(row);
    return html`<div
      class="cells data ${selected ? "selected" : ""} ${index % 2 === 1 ? "odd" : ""}"
      role="row"
      data-index=${index}
      aria-rowindex=${index + 2}
      aria-selected=${selected ? "true" : "false"}
      aria-level=${level?.level ?? nothing}
      aria-expanded=${level && level.expanded !== null ? String(level.expanded) : nothing}
      tabindex=${index === this.#active ? 0 : -1}
      .style=${`top: ${index * ROW_HEIGHT}px`}
    >
      ${columns.map(
        (column) =>
          html`<span role="gridcell" class=${column.align === "end" ? "end" : ""}
            >${row === undefined ? html`<i class="pending"></i>` : column.cell(row, index)}</span
          >`,
      )}
    </div>`;
  }

  #sortBy(id: string, sorted: TableSort | null): void {
    this.#emit("sort-by", { by: id, descending: sorted ? !sorted.descending : false });
  }

  #onScroll(event: Event): void {
    const top = (event.currentTarget as HTMLElement).scrollTop;
    const moved = Math.floor(top / ROW_HEIGHT) !== Math.floor(this.#top / ROW_HEIGHT);
    this.#top = top;
    if (!moved) return;
    this.requestUpdate();
    this.#emit("scrolled", { top });
  }

  #onClick(event: MouseEvent): void {
    if (event.composedPath().some((node) => node instanceof HTMLInputElement)) return;
    const index = this.#indexOf(event);
    if (index === null) return;
    this.#activate(index);
    this.#emit("row-open", { index, open: null });
  }

  #indexOf(event: Event): number | null {
    for (const node of event.composedPath())
      if (node instanceof HTMLElement && node.dataset["index"] !== undefined)
        return Number(node.dataset["index"]);
    return null;
  }

  #onKey(event: KeyboardEvent): void {
    if (this.#indexOf(event) === null || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.#height / ROW_HEIGHT) - 2);
    const moves: Readonly<Record<string, number>> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -this.total,
      End: this.total,
    };
    const move = moves[event.key];
    if (move !== undefined)
      this.#activate(Math.max(0, Math.min(this.total - 1, this.#active + move)));
    else if (event.key === "Enter") {
      this.#activate(this.#active);
      this.#emit("row-open", { index: this.#active, open: null });
    } else if (this.levelOf && (event.key === "ArrowRight" || event.key === "ArrowLeft"))
      this.#emit("row-open", { index: this.#active, open: event.key === "ArrowRight" });
    else if (event.key === " ") this.#emit("row-toggle", { index: this.#active });
    else return;
    event.preventDefault();
  }

  #activate(index: number): void {
    this.#active = index;
    this.#reveal(index);
    this.requestUpdate();
    this.#emit("row-select", { index });
    void this.updateComplete.then(() =>
      this.renderRoot
        .querySelector<HTMLElement>(`[data-index="${index}"]`)
        ?.focus({ preventScroll: true }),
    );
  }

  #reveal(index: number): void {
    const scroller = this.#scroller;
    if (!scroller) return;
    const y = index * ROW_HEIGHT;
    const visible = scroller.clientHeight - ROW_HEIGHT;
    if (y < scroller.scrollTop) scroller.scrollTop = y;
    else if (y + ROW_HEIGHT > scroller.scrollTop + visible)
      scroller.scrollTop = y + ROW_HEIGHT - visible;
  }
}
customElements.define("lathe-table", VirtualTable);
