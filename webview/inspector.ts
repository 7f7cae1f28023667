/** The panel beside the editor: all that is known of the selected tensor or node. */
import { LitElement, css, html, nothing, type TemplateResult } from "lit";
import { toFailure, type Failure } from "../src/shared/errors.ts";
import { formatBytes, formatShape } from "../src/shared/format.ts";
import type {
  HostState,
  NodeView,
  Selection,
  TargetFigures,
  TensorRow,
  TensorStats,
} from "../src/shared/protocol.ts";
import { getHost } from "./host.ts";
import { failureView } from "./parts/failureView.ts";
import { chartStyles } from "./parts/histogram.ts";
import { ioList, ioStyles } from "./parts/ioList.ts";
import { breakableName, nameStyles, nameView } from "./parts/name.ts";
import { docKey } from "./parts/page.ts";
import { Question } from "./parts/question.ts";
import { recipeStyles, recipeView } from "./parts/recipeView.ts";
import { seriesStyles } from "./parts/seriesChart.ts";
import {
  actionList,
  targetFigures,
  targetFiguresStyles,
  techniquesFor,
} from "./parts/targetFigures.ts";
import { statsOrState, tensorFacts } from "./parts/tensorDetail.ts";
import { operatorDoc } from "./operatorDocs.ts";
import { strings } from "./strings.ts";
import { base, facts } from "./styles.ts";

const text = strings.inspector;
/** A tensor's row is looked up by name; this many rows may share the name as a part of theirs. */
const MAX_MATCHES = 200;

class Inspector extends LitElement {
  static override styles = [
    base,
    facts,
    nameStyles,
    chartStyles,
    recipeStyles,
    ioStyles,
    seriesStyles,
    targetFiguresStyles,
    css`
      :host {
        display: block;
        height: 100vh;
        overflow-y: auto;
        background: var(--vscode-panel-background, transparent);
      }
      .page {
        padding: 12px 14px 24px;
      }
      /* In the panel below the editor there is much width and little height. */
      @media (min-width: 720px) {
        main.page {
          columns: 320px;
          column-gap: 36px;
        }
        main.page > * {
          break-inside: avoid;
        }
        main.page > h3 {
          break-after: avoid;
        }
      }
      h2 {
        font-size: 1em;
        overflow-wrap: anywhere;
      }
      .page > * + * {
        margin-block-start: 8px;
      }
      .page > h2 {
        margin-block: 8px;
      }
      .page > h3 {
        margin-block: 16px 4px;
      }
      .empty {
        margin: 24px 16px;
        text-align: start;
      }
    `,
  ];
  readonly #host = getHost();
  readonly #row = new Question<TensorRow | null>(this);
  readonly #stats = new Question<TensorStats>(this);
  readonly #node = new Question<NodeView>(this);
  readonly #figures = new Question<{ readonly figures: readonly TargetFigures[] }>(this);
  #state: HostState | null = null;
  #failure: Failure | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#host.client.on("state", (state) => this.#receive(state));
    void this.#ready();
  }

  async #ready(): Promise<void> {
    try {
      this.#receive(await this.#host.client.call("ready", {}));
    } catch (error) {
      this.#failure = toFailure(error);
      this.requestUpdate();
    }
  }

  #receive(state: HostState): void {
    this.#state = state;
    this.#failure = null;
    this.requestUpdate();
  }

  protected override willUpdate(): void {
    const selection = this.#state?.selection ?? null;
    if (!this.#state || !selection) return;
    const { doc } = this.#state;
    const { client } = this.#host;
    const key = docKey(doc) + JSON.stringify(selection);
    this.#askFigures(key, selection);
    if (selection.kind === "node") {
      const { graph, key: node } = selection;
      this.#node.ask(
        key,
        (signal) => client.call("node", { doc, graph, key: node }, { signal }),
        false,
      );
      return;
    }
    const { graph, name } = selection;
    this.#stats.ask(
      key,
      (signal) => client.call("tensorStats", { doc, graph, name }, { signal }),
      false,
    );
    this.#row.ask(
      key,
      async (signal) => {
        const range = { from: 0, to: MAX_MATCHES, sort: "order", descending: false } as const;
        const found = await client.call("tensors", { doc, ...range, filter: name }, { signal });
        return found.rows.find((row) => row.name === name && row.graph === graph) ?? null;
      },
      false,
    );
  }

  /** Reports are about nodes or about tensors: the selected one, what it uses and what uses it. */
  #askFigures(key: string, selection: Selection): void {
    const targets = this.#targets(selection);
    this.#figures.ask(
      JSON.stringify([key, targets, this.#state?.reports]),
      (signal) => this.#host.client.call("figures", { targets }, { signal }),
      false,
    );
  }

  #targets(selection: Selection): readonly string[] {
    if (selection.kind === "tensor") return [selection.name, ...(this.#row.value?.usedBy ?? [])];
    const node = this.#node.value;
    return [node?.label ?? selection.key, ...(node?.tensors.map(({ name }) => name) ?? [])];
  }

  #reported(selection: Selection, op: string | null): TemplateResult {
    const format = /\.onnx$/i.test(this.#state?.title ?? "") ? "onnx" : "safetensors";
    const only = this.#targets(selection);
    return html`<h3>${text.figures}</h3>
      ${targetFigures(this.#figures.value?.figures ?? [])}
      ${
        op === null
          ? nothing
          : actionList(techniquesFor(op, format), (technique) => {
              void this.#host.client.call("openTechnique", { technique, only });
            })
      }`;
  }

  protected override render(): TemplateResult {
    const state = this.#state;
    if (this.#failure)
      return html`<div class="page">${failureView(this.#failure, () => void this.#ready())}</div>`;
    if (!state) return html`<div class="page"><span class="skeleton"></span></div>`;
    if (state.failure) return html`<div class="page">${failureView(state.failure, null)}</div>`;
    const { selection } = state;
    if (!selection) return html`<p class="empty quiet" data-testid="empty">${text.empty}</p>`;
    return html`<main class="page">
      ${selection.kind === "tensor" ? this.#tensor(selection.name, state) : this.#nodeView(state)}
    </main>`;
  }

  #tensor(name: string, state: HostState): TemplateResult {
    const row = this.#row.value;
    return html`<p class="quiet">${text.tensor}, ${state.title}</p>
      <h2 class="mono">${breakableName(name)}</h2>
      ${
        this.#row.failure
          ? failureView(this.#row.failure, () => this.#row.retry())
          : row
            ? html`${tensorFacts(row)}${this.#made(row.change, state)}`
            : this.#row.loading
              ? html`<span class="skeleton"></span>`
              : html`<p class="note">${text.gone}</p>`
      }
      ${
        !row && !this.#row.loading && !this.#stats.value
          ? nothing
          : html`<h3>${strings.stats.title}</h3>
              ${statsOrState(this.#stats)}`
      }
      ${state.selection ? this.#reported(state.selection, null) : nothing}`;
  }

  #nodeView(state: HostState): TemplateResult {
    const { value, failure } = this.#node;
    if (failure) return failureView(failure, () => this.#node.retry());
    if (!value) return html`<span class="skeleton"></span>`;
    return html`<p class="quiet">${text.node}, ${state.title}</p>
      <h2 class="mono">${breakableName(value.label)}</h2>
      <dl class="facts">
        <dt>${text.operator}</dt>
        <dd class="mono">${value.op}</dd>
        <dt>${text.domain}</dt>
        <dd class="mono">${value.domain === "" ? strings.summary.defaultDomain : value.domain}</dd>
      </dl>
      ${operatorDoc(value.op) === null ? nothing : html`<p>${operatorDoc(value.op)}</p>`}
      ${this.#made(value.change, state)}
      <h3>${text.attributes}</h3>
      ${
        value.attributes.length === 0
          ? html`<p class="quiet">${text.noAttributes}</p>`
          : html`<dl class="facts">
              ${value.attributes.map(
                ({ name, value: content }) =>
                  html`<dt class="mono">${name}</dt>
                    <dd class="mono">${content}</dd>`,
              )}
            </dl>`
      }
      <h3>${text.inputs}</h3>
      ${ioList(value.inputs, text.inputs)}
      <h3>${text.outputs}</h3>
      ${ioList(value.outputs, text.outputs)}
      ${
        value.tensors.length === 0
          ? nothing
          : html`<h3>${text.weights}</h3>
              <ul class="io">
                ${value.tensors.map((tensor) => this.#weight(tensor))}
              </ul>`
      }
      ${state.selection ? this.#reported(state.selection, value.op) : nothing}`;
  }

  #weight(tensor: TensorRow): TemplateResult {
    const selection: Selection = { kind: "tensor", graph: tensor.graph, name: tensor.name };
    return html`<li>
      <button class="link" @click=${() => void this.#host.client.call("select", { selection })}>
        ${nameView(tensor.name)}
      </button>
      <span class="quiet"
        >${tensor.dtype} ${formatShape(tensor.shape)}, ${formatBytes(tensor.sizeBytes)}</span
      >
    </li>`;
  }

  /** A change is told with the entries that could have made it. */
  #made(change: TensorRow["change"], state: HostState): TemplateResult {
    if (change === null) return html`<p class="quiet">${text.unchanged}</p>`;
    return html`<p>${text.made[change]}</p>
      ${recipeView(state.doc.recipe, "not shown")}`;
  }
}
customElements.define("lathe-inspector", Inspector);
