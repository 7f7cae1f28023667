/** The first page: what this file is, what it holds, and what was done to it. */
import "@vscode-elements/elements/dist/vscode-button/index.js";
import { css, html, nothing, type TemplateResult } from "lit";
import { formatBytes, formatCompact, formatCount } from "../../src/shared/format.ts";
import type { FindingView, Summary, TensorRow, Validation } from "../../src/shared/protocol.ts";
import { failureView } from "../parts/failureView.ts";
import { fileList, fileListStyles } from "../parts/fileList.ts";
import { findingList, findingStyles } from "../parts/findingList.ts";
import { ioList, ioStyles } from "../parts/ioList.ts";
import { breakableName, nameStyles, nameView } from "../parts/name.ts";
import { operatorBars, operatorStyles } from "../parts/operatorBars.ts";
import { docKey, Page } from "../parts/page.ts";
import { Question } from "../parts/question.ts";
import { recipeView, recipeStyles } from "../parts/recipeView.ts";
import { compareBars, partsBar, sizeBarStyles } from "../parts/sizeBar.ts";
import { strings } from "../strings.ts";
import { base, facts } from "../styles.ts";

const text = strings.summary;
/** Names of a model's own functions that are shown. */
const MAX_FUNCTIONS = 5;
function functionsText({ functions }: Summary): string {
  const first = functions
    .slice(0, MAX_FUNCTIONS)
    .map(({ domain, name, overload }) =>
      [`${domain}.${name}`, overload].filter((part) => part !== "").join(":"),
    );
  return text.functionsOf(formatCount(functions.length), first, functions.length === first.length);
}
/** Sizes after each entry are asked for this many entries at most; each is one question. */
const MAX_STEPS = 12;

/** Whether an input has a dimension that is no number. */
const isSymbolic = ({ inputs }: Summary): boolean =>
  inputs.some(({ shape }) => shape?.some((dim) => typeof dim !== "number"));

class SummaryPage extends Page {
  static override styles = [
    base,
    facts,
    nameStyles,
    sizeBarStyles,
    operatorStyles,
    recipeStyles,
    ioStyles,
    findingStyles,
    fileListStyles,
    css`
      :host {
        display: block;
        height: 100%;
        overflow-y: auto;
      }
      .page {
        max-width: 1240px;
        container-type: inline-size;
      }
      .columns {
        display: grid;
        grid-template-columns: repeat(2, minmax(0, 1fr));
        gap: 16px;
        align-items: start;
      }
      .columns > * {
        margin: 0;
        min-width: 0;
      }
      .wide {
        grid-column: 1 / -1;
      }
      dl.metadata {
        max-height: 240px;
        overflow-y: auto;
      }
      @container (max-width: 700px) {
        .columns {
          grid-template-columns: minmax(0, 1fr);
        }
      }
      td.name-cell {
        max-width: 0;
        width: 100%;
      }
    `,
  ];
  protected override readonly key = "summary";
  readonly #summary = new Question<Summary>(this);
  readonly #validation = new Question<Validation>(this);
  readonly #steps = new Question<readonly (number | null)[]>(this);
  #allOps = false;

  protected override willUpdate(): void {
    const { doc } = this.state;
    const { client } = this.host;
    this.#summary.ask(docKey(doc), (signal) => client.call("summary", { doc }, { signal }));
    // Structure is checked after the facts are there: on a large model it takes longer than they do.
    if (this.#summary.value?.format === "onnx")
      this.#validation.ask(docKey(doc), (signal) => client.call("validate", { doc }, { signal }));
    this.#steps.ask(docKey(doc), async (signal) => {
      if (doc.recipe.length === 0) return [];
      const first = Math.max(0, doc.recipe.length - MAX_STEPS);
      const sizes: (number | null)[] = doc.recipe.slice(0, first).map(() => null);
      for (let i = first; i <= doc.recipe.length; i++) {
        const upTo = { ...doc, recipe: doc.recipe.slice(0, i) };
        // A step whose result has left the cache has no size; the others still do.
        sizes.push(
          await client.call("summary", { doc: upTo }, { signal }).then(
            (summary) => summary.sizeBytes,
            () => null,
          ),
        );
      }
      return sizes;
    });
  }

  protected override updated(): void {
    if (this.#summary.value) this.restoreScroll();
  }

  protected override render(): TemplateResult {
    const { value, failure, loading } = this.#summary;
    if (failure)
      return html`<div class="page">${failureView(failure, () => this.#summary.retry())}</div>`;
    if (!value) return this.#skeleton();
    return html`<div class="page ${loading ? "busy" : ""}" aria-busy=${loading ? "true" : "false"}>
      ${value.warnings.length === 0 ? nothing : this.#warnings(value)} ${this.#findings()}
      <div class="columns">
        <section class="card">
          <h3>${text.facts}</h3>
          ${this.#facts(value)}
        </section>
        <section class="card">
          <h3>${text.recipe}</h3>
          ${this.#recipe()}
        </section>
        <section class="card wide">
          <h3>${text.bytesByDtype}</h3>
          ${this.#bytes(value)}
        </section>
        ${
          value.format === "onnx"
            ? html`<section class="card">
                  <h3>${text.inputs}</h3>
                  ${ioList(value.inputs, text.inputs)}
                </section>
                <section class="card">
                  <h3>${text.outputs}</h3>
                  ${ioList(value.outputs, text.outputs)}
                </section>
                <section class="card">
                  <h3>${text.operators}</h3>
                  ${operatorBars(value.opCounts, this.#allOps, () => {
                    this.#allOps = !this.#allOps;
                    this.requestUpdate();
                  })}
                </section>`
            : nothing
        }
        <section class="card">
          <h3>${text.largest}</h3>
          ${this.#largest(value.largest)}
        </section>
        ${
          value.metadata.length === 0
            ? nothing
            : html`<section class="card wide">
                <h3>${text.metadata}</h3>
                <dl class="facts metadata" tabindex="0">
                  ${value.metadata.map(
                    ({ key, value: content }) =>
                      html`<dt class="mono wrap">${key}</dt>
                        <dd class="mono">${content}</dd>`,
                  )}
                </dl>
              </section>`
        }
      </div>
    </div>`;
  }

  #skeleton(): TemplateResult {
    return html`<div class="page" aria-busy="true">
      <span class="visually-hidden" role="status">${strings.loading}</span>
      <div class="columns">
        ${[1, 2].map(
          () =>
            html`<section class="card stack">
              ${Array.from({ length: 8 }, () => html`<span class="skeleton"></span>`)}
            </section>`,
        )}
      </div>
    </div>`;
  }

  #warnings(value: Summary): TemplateResult {
    return html`<section class="note warning">
      <h3>${text.warnings}</h3>
      <ul>
        ${value.warnings.map((warning) => html`<li class="wrap">${warning}</li>`)}
      </ul>
    </section>`;
  }

  /** A valid model without warnings needs no words. */
  #findings(): TemplateResult | typeof nothing {
    const { value, failure } = this.#validation;
    if (failure)
      return html`<section class="card">
        <h3>${strings.findings.title}</h3>
        ${failureView(failure, () => this.#validation.retry())}
      </section>`;
    if (!value || value.findings.length === 0) return nothing;
    return html`<section class="card">
      <h3>${strings.findings.title}</h3>
      ${findingList(value, (finding) => this.#wayTo(finding))}
    </section>`;
  }

  /** Nodes are shown in the graph; what is inside a function or a graph of training has no picture. */
  #wayTo({ inFunction, inTraining, graph, node }: FindingView): (() => void) | null {
    if (inFunction !== null || inTraining !== null || node === null) return null;
    return () => this.goTo({ page: "graph", node: { graph, key: node } });
  }

  #facts(value: Summary): TemplateResult {
    const row = (term: string, content: unknown): TemplateResult =>
      html`<dt>${term}</dt>
        <dd>${content}</dd>`;
    const opsets = Object.entries(value.opsets)
      .map(([domain, version]) => `${domain === "" ? text.defaultDomain : domain} ${version}`)
      .join(", ");
    return html`<dl class="facts" data-testid="facts">
      ${row(text.file, breakableName(value.path))}
      ${row(text.size, text.sizeOf(formatBytes(value.sizeBytes), formatCount(value.sizeBytes)))}
      ${value.files.length > 1 ? row(text.files, fileList(value)) : nothing}
      ${row(text.format, text.formats[value.format])}
      ${
        value.format === "onnx"
          ? html`${row(text.producer, value.producer === "" ? strings.unknown : value.producer)}
            ${row(text.ir, value.irVersion)} ${row(text.opsets, opsets)}
            ${row(
              text.nodes,
              value.nodesInSubgraphs > 0
                ? text.nodesOf(formatCount(value.nodes), formatCount(value.nodesInSubgraphs))
                : formatCount(value.nodes),
            )}`
          : row(text.nodes, text.noGraph)
      }
      ${value.functions.length > 0 ? row(text.functions, functionsText(value)) : nothing}
      ${row(text.tensors, formatCount(value.tensors))}
      ${row(
        text.parameters,
        html`<span title=${formatCount(value.parameters)}
          >${formatCompact(value.parameters)}</span
        >`,
      )}
      ${
        value.format === "onnx"
          ? row(
              text.macs,
              value.macs === null
                ? html`${strings.unknown} <span class="quiet">(${text.macsUnknown})</span>`
                : html`${formatCompact(value.macs)}
                    <span class="quiet">(${text.macsNote(isSymbolic(value))})</span>`,
            )
          : nothing
      }
    </dl>`;
  }

  #recipe(): TemplateResult {
    const { doc, job, readOnly } = this.state;
    if (doc.recipe.length === 0)
      return html`<p class="quiet">${text.recipeEmpty}</p>
        <vscode-button secondary @click=${() => this.goTo({ page: "optimize" })}
          >${text.recipeStart}</vscode-button
        >`;
    const sizes = this.#steps.value;
    const [first, last] = [sizes?.[0] ?? null, sizes?.at(-1) ?? null];
    return html`${
        first !== null && last !== null
          ? compareBars(
              { label: strings.size.before, value: first },
              { label: strings.size.after, value: last },
            )
          : nothing
      }
      ${recipeView(doc.recipe, sizes)}
      <p class="quiet">${text.undoNote}</p>
      <vscode-button
        secondary
        ?disabled=${job !== null || readOnly !== null}
        @click=${() => void this.host.client.call("removeEntries", { count: 1 })}
        >${text.undoLast}</vscode-button
      >`;
  }

  #bytes(value: Summary): TemplateResult {
    const parts = Object.entries(value.bytesByDtype)
      .map(([label, bytes]) => ({ label, value: bytes }))
      .sort((a, b) => b.value - a.value);
    return parts.length === 0
      ? html`<p class="quiet">${strings.none}</p>`
      : partsBar(parts, text.bytesByDtype);
  }

  #largest(rows: readonly TensorRow[]): TemplateResult {
    if (rows.length === 0) return html`<p class="quiet">${strings.none}</p>`;
    return html`<table aria-label=${text.largest}>
        <tbody>
          ${rows.map(
            (tensor) =>
              html`<tr>
                <td class="name-cell">
                  <button
                    class="link name-button"
                    @click=${() => this.goTo({ page: "tensors", tensor })}
                  >
                    ${nameView(tensor.name)}
                  </button>
                </td>
                <td class="quiet">${tensor.dtype}</td>
                <td class="num">${formatBytes(tensor.sizeBytes)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
      <button class="link all" @click=${() => this.goTo({ page: "tensors" })}>
        ${text.allTensors}
      </button>`;
  }
}
customElements.define("lathe-summary", SummaryPage);
