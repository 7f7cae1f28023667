/** Finds nodes by name or operator in all graphs of a model; the list below it is a listbox. */
import { LitElement, css, html, nothing, type TemplateResult } from "lit";
import type { Doc } from "../../../src/shared/doc.ts";
import type { Answer, Queries } from "../../../src/shared/protocol.ts";
import { getHost } from "../../host.ts";
import { strings } from "../../strings.ts";
import { base } from "../../styles.ts";
import { debounce } from "../debounce.ts";
import { docKey } from "../page.ts";
import { Question } from "../question.ts";

const text = strings.graph;
type Hits = Answer<Queries, "nodes">;
export type Hit = Hits["rows"][number];
const MAX_HITS = 100;

/** Sends `jump` with a `Hit`; `leave` when the user goes back to the graph. */
export class GraphSearch extends LitElement {
  static override properties = { doc: { attribute: false } };
  declare doc: Doc;
  static override styles = [
    base,
    css`
      :host {
        display: block;
        position: relative;
        width: min(260px, 100%);
      }
      input {
        box-sizing: border-box;
        width: 100%;
        padding: 3px 6px;
        border: 1px solid
          var(--vscode-settings-textInputBorder, var(--vscode-contrastBorder, var(--line)));
        border-radius: 2px;
        background: var(--vscode-settings-textInputBackground, var(--vscode-input-background));
        color: var(--vscode-input-foreground);
        font: inherit;
        line-height: 18px;
      }
      input::placeholder {
        color: var(--vscode-input-placeholderForeground);
        opacity: 1;
      }
      [role="listbox"] {
        position: absolute;
        z-index: 2;
        top: calc(100% + 2px);
        left: 0;
        width: max(100%, 380px);
        max-width: calc(100vw - 32px);
        max-height: 320px;
        overflow-y: auto;
        border: 1px solid var(--vscode-editorWidget-border, var(--line));
        background: var(--vscode-editorWidget-background);
      }
      [role="option"] {
        display: grid;
        grid-template-columns: minmax(0, max-content) minmax(0, 1fr);
        gap: 10px;
        padding: 3px 8px;
        cursor: pointer;
      }
      [role="option"] span {
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      [role="option"] .quiet {
        text-align: end;
        direction: rtl;
      }
      [role="option"]:hover {
        background: var(--vscode-list-hoverBackground);
      }
      [role="option"][aria-selected="true"] {
        background: var(--vscode-list-activeSelectionBackground, transparent);
        color: var(--vscode-list-activeSelectionForeground, inherit);
        outline: 1px solid var(--vscode-contrastActiveBorder, transparent);
        outline-offset: -1px;
      }
      [role="option"][aria-selected="true"] .quiet {
        color: inherit;
      }
      .status {
        margin: 0;
        padding: 3px 8px;
      }
    `,
  ];
  readonly #host = getHost();
  readonly #question = new Question<Hits>(this);
  #filter = "";
  #open = false;
  #at = 0;

  readonly #soon = debounce(120, (filter: string) => {
    this.#filter = filter.trim();
    this.#at = 0;
    if (this.#filter === "") this.#question.clear();
    else this.#ask();
    this.requestUpdate();
  });

  #ask(): void {
    const { doc } = this;
    const filter = this.#filter;
    this.#question.ask(JSON.stringify([docKey(doc), filter]), (signal) =>
      this.#host.client.call("nodes", { doc, from: 0, to: MAX_HITS, filter }, { signal }),
    );
  }

  override focus(): void {
    this.renderRoot.querySelector("input")?.select();
  }

  /** Jumps to the next or previous hit. */
  step(by: 1 | -1): void {
    const count = this.#hits.length;
    if (count > 0) this.#jump((this.#at + by + count) % count, false);
  }

  get #hits(): readonly Hit[] {
    return this.#filter === "" ? [] : (this.#question.value?.rows ?? []);
  }

  protected override willUpdate(): void {
    if (this.#filter !== "") this.#ask();
  }

  protected override render(): TemplateResult {
    const hits = this.#hits;
    const shown = this.#open && this.#filter !== "";
    const total = this.#question.value?.total ?? null;
    return html`<input
        type="text"
        role="combobox"
        spellcheck="false"
        autocomplete="off"
        aria-label=${text.search}
        aria-autocomplete="list"
        aria-expanded=${shown && hits.length > 0 ? "true" : "false"}
        aria-controls="hits"
        aria-activedescendant=${shown && hits.length > 0 ? `hit-${this.#at}` : nothing}
        placeholder="${text.search}: ${text.searchHint.toLowerCase()}"
        @input=${(event: Event) => {
          this.#open = true;
          this.#soon((event.currentTarget as HTMLInputElement).value);
        }}
        @keydown=${this.#onKey}
        @blur=${() => this.#close()}
      />
      <div id="hits" role="listbox" aria-label=${text.hits} ?hidden=${!shown || hits.length === 0}>
        ${shown ? hits.map((hit, i) => this.#option(hit, i)) : nothing}
      </div>
      <span role="status" class="visually-hidden"
        >${shown && total !== null && !this.#question.loading ? text.found(total) : ""}</span
      >
      ${
        shown && hits.length === 0 && total === 0
          ? html`<p class="status quiet" aria-hidden="true">${text.found(0)}</p>`
          : nothing
      }`;
  }

  #option(hit: Hit, index: number): TemplateResult {
    return html`<div
      role="option"
      id="hit-${index}"
      aria-selected=${index === this.#at ? "true" : "false"}
      title=${hit.label}
      @pointerdown=${(event: Event) => {
        event.preventDefault();
        this.#jump(index, true);
      }}
    >
      <span>${hit.op}</span><span class="quiet">&lrm;${hit.label}</span>
    </div>`;
  }

  #close(): void {
    this.#open = false;
    this.requestUpdate();
  }

  #jump(index: number, leave: boolean): void {
    const hit = this.#hits[index];
    if (!hit) return;
    this.#at = index;
    if (leave) this.#close();
    this.requestUpdate();
    this.dispatchEvent(new CustomEvent<Hit>("jump", { detail: hit }));
    if (leave) this.dispatchEvent(new CustomEvent("leave"));
  }

  readonly #onKey = (event: KeyboardEvent): void => {
    const count = this.#hits.length;
    if (event.key === "Enter") this.#jump(this.#at, true);
    else if (event.key === "Escape") {
      if (this.#open && count > 0) this.#close();
      else this.dispatchEvent(new CustomEvent("leave"));
    } else if (count > 0 && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      this.#open = true;
      this.#at = (this.#at + (event.key === "ArrowDown" ? 1 : -1) + count) % count;
      this.requestUpdate();
      void this.updateComplete.then(() =>
        this.renderRoot.querySelector(`#hit-${this.#at}`)?.scrollIntoView({ block: "nearest" }),
      );
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
}
customElements.define("lathe-graph-search", GraphSearch);
