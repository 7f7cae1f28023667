/** The model editor: pages over one document. Knows the host's state, no numbers. */
import "@vscode-elements/elements/dist/vscode-tabs/index.js";
import "@vscode-elements/elements/dist/vscode-tab-header/index.js";
import "@vscode-elements/elements/dist/vscode-tab-panel/index.js";
import { LitElement, css, html, nothing, type TemplateResult } from "lit";
import { toFailure, type Failure } from "../src/shared/errors.ts";
import type { DiffStructure, HostState, PageId } from "../src/shared/protocol.ts";
import { getHost } from "./host.ts";
import "./pages/analysis.ts";
import "./pages/data.ts";
import "./pages/diff.ts";
import "./pages/graph.ts";
import "./pages/optimize.ts";
import "./pages/summary.ts";
import "./pages/tensors.ts";
import { counterpartBar } from "./parts/counterpartBar.ts";
import { Question } from "./parts/question.ts";
import { docKey } from "./parts/page.ts";
import { failureView } from "./parts/failureView.ts";
import { jobBar, jobBarStyles } from "./parts/jobBar.ts";
import type { GoTo } from "./parts/page.ts";
import { strings } from "./strings.ts";
import { base } from "./styles.ts";

const PAGES: readonly PageId[] = [
  "summary",
  "graph",
  "tensors",
  "data",
  "analysis",
  "optimize",
  "diff",
];
/** Pages that show a running job in the place where it was started. */
const OWN_JOB_BAR: ReadonlySet<PageId> = new Set(["analysis", "optimize", "diff"]);
const isPage = (value: unknown): value is PageId => PAGES.some((page) => page === value);

class Editor extends LitElement {
  static override styles = [
    base,
    jobBarStyles,
    css`
      :host {
        display: flex;
        flex-direction: column;
        height: 100vh;
      }
      vscode-tabs {
        --vscode-panel-background: var(--vscode-editor-background);
        display: flex;
        flex: 1;
        flex-direction: column;
        min-height: 0;
      }
      vscode-tab-panel {
        flex: 1;
        min-height: 0;
        overflow: hidden;
      }
      /* All seven fit beside an activity bar in a window of 500 px. */
      @media (max-width: 490px) {
        vscode-tab-header {
          margin-inline: -3.5px;
        }
      }
      vscode-tab-panel:focus-visible {
        outline-offset: -2px;
      }
      .banner {
        flex: none;
        border-width: 0 0 1px;
      }
      .alone {
        padding: 16px 20px;
        overflow-y: auto;
      }
      .alone .skeleton + .skeleton {
        margin-top: 12px;
      }
      footer {
        flex: none;
        padding: 6px 12px;
        border-top: 1px solid var(--line);
        background: var(--vscode-editorWidget-background, transparent);
      }
    `,
  ];

  readonly #host = getHost();
  #state: HostState | null = null;
  #failure: Failure | null = null;
  #page: PageId = "summary";
  #visited = new Set<PageId>();
  #shown: HostState["show"] = null;
  #goTo: GoTo | null = null;
  readonly #changes = new Question<DiffStructure>(this);

  override connectedCallback(): void {
    super.connectedCallback();
    this.#page = this.#host.recall("page", isPage) ?? "summary";
    this.#host.client.on("state", (state) => this.#receive(state));
    this.addEventListener("go-to", (event) => this.#open((event as CustomEvent<GoTo>).detail));
    void this.#ready();
  }

  async #ready(): Promise<void> {
    this.#failure = null;
    this.requestUpdate();
    try {
      this.#receive(await this.#host.client.call("ready", {}));
    } catch (error) {
      this.#failure = toFailure(error);
      this.requestUpdate();
    }
  }

  #receive(state: HostState): void {
    // A request to show something counts once, not with every later state that repeats it.
    if (state.show && JSON.stringify(state.show) !== JSON.stringify(this.#shown))
      this.#open({ page: state.show.page });
    this.#shown = state.show;
    this.#state = state;
    this.#askChanges(state);
    this.#failure = null;
    this.requestUpdate();
  }

  #askChanges({ doc, counterpart }: HostState): void {
    if (!counterpart) return this.#changes.clear();
    const other = counterpart.doc;
    const pair = counterpart.isBefore
      ? { before: other, after: doc }
      : { before: doc, after: other };
    this.#changes.ask(docKey(pair.before) + docKey(pair.after), (signal) =>
      this.#host.client.call("diffStructure", pair, { signal }),
    );
  }

  #open(goTo: GoTo): void {
    this.#page = goTo.page;
    this.#goTo = goTo;
    this.#host.remember("page", goTo.page);
    this.requestUpdate();
  }

  protected override render(): TemplateResult {
    const state = this.#state;
    if (!state) {
      return html`<div class="alone">
        ${
          this.#failure
            ? failureView(this.#failure, () => void this.#ready())
            : html`<span class="visually-hidden" role="status">${strings.loading}</span>
                <span class="skeleton"></span><span class="skeleton"></span
                ><span class="skeleton"></span>`
        }
      </div>`;
    }
    this.#visited.add(this.#page);
    return html`
      ${
        state.readOnly === null
          ? nothing
          : html`<div class="note banner" role="status" data-testid="read-only">
              <strong>${strings.readOnly}</strong> ${state.readOnly}
            </div>`
      }
      ${
        state.counterpart
          ? counterpartBar(
              state.counterpart,
              this.#changes,
              () => void this.#host.client.call("openCompare", {}),
            )
          : nothing
      }
      ${
        state.failure
          ? html`<div class="banner">${failureView(state.failure, null)}</div>`
          : nothing
      }
      <vscode-tabs
        panel
        aria-label=${strings.pagesLabel}
        selected-index=${PAGES.indexOf(this.#page)}
        @vsc-tabs-select=${this.#onTab}
      >
        ${PAGES.map(
          (page) =>
            html`<vscode-tab-header slot="header" data-page=${page}
              >${strings.pages[page]}</vscode-tab-header
            >`,
        )}
        ${PAGES.map(
          (page) =>
            html`<vscode-tab-panel data-page=${page}
              >${this.#visited.has(page) ? this.#content(page, state) : nothing}</vscode-tab-panel
            >`,
        )}
      </vscode-tabs>
      ${
        state.job && !OWN_JOB_BAR.has(this.#page)
          ? html`<footer>
              ${jobBar(state.job, () => void this.#host.client.call("cancel", {}))}
            </footer>`
          : nothing
      }
    `;
  }

  #content(page: PageId, state: HostState): TemplateResult {
    const active = page === this.#page;
    switch (page) {
      case "summary":
        return html`<lathe-summary .state=${state} .active=${active}></lathe-summary>`;
      case "graph":
        return html`<lathe-graph
          .state=${state}
          .active=${active}
          .goTarget=${this.#goTo}
        ></lathe-graph>`;
      case "tensors":
        return html`<lathe-tensors
          .state=${state}
          .active=${active}
          .goTarget=${this.#goTo}
        ></lathe-tensors>`;
      case "data":
        return html`<lathe-data .state=${state} .active=${active}></lathe-data>`;
      case "analysis":
        return html`<lathe-analysis .state=${state} .active=${active}></lathe-analysis>`;
      case "optimize":
        return html`<lathe-optimize
          .state=${state}
          .active=${active}
          .goTarget=${this.#goTo}
        ></lathe-optimize>`;
      case "diff":
        return html`<lathe-diff .state=${state} .active=${active}></lathe-diff>`;
    }
  }

  #onTab(event: CustomEvent<{ selectedIndex: number }>): void {
    const page = PAGES[event.detail.selectedIndex];
    if (page !== undefined) this.#open({ page });
  }
}
customElements.define("lathe-editor", Editor);
