/** Two models side by side: structure at once, measured figures on request. */
import "@vscode-elements/elements/dist/vscode-button/index.js";
import "@vscode-elements/elements/dist/vscode-checkbox/index.js";
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { Doc } from "../../src/shared/doc.ts";
import { toFailure, type Failure } from "../../src/shared/errors.ts";
import type {
  DiffMeasures,
  DiffStructure,
  HostState,
  TensorDiff,
} from "../../src/shared/protocol.ts";
import { failureView } from "../parts/failureView.ts";
import { activationsStyles, activationsView } from "../parts/activationsView.ts";
import { graphDiffStyles, graphDiffView } from "../parts/graphDiffView.ts";
import { jobBar, jobBarStyles } from "../parts/jobBar.ts";
import {
  accuracyView,
  latencyView,
  measuresStyles,
  notesView,
  outputsView,
} from "../parts/measuresView.ts";
import { nameStyles } from "../parts/name.ts";
import { docKey, Page } from "../parts/page.ts";
import { Question } from "../parts/question.ts";
import { compareBars, sizeBarStyles } from "../parts/sizeBar.ts";
import { sortTensors, tensorDiffTable } from "../parts/tensorDiffTable.ts";
import type { TableSort } from "../parts/virtualTable.ts";
import { strings } from "../strings.ts";
import { base, facts } from "../styles.ts";
import { diffStyles } from "./diffStyles.ts";

const text = strings.diff;

interface Measured {
  readonly tensors: readonly TensorDiff[];
  readonly measures: DiffMeasures;
}

class DiffPage extends Page {
  static override styles = [
    base,
    facts,
    nameStyles,
    sizeBarStyles,
    jobBarStyles,
    graphDiffStyles,
    measuresStyles,
    activationsStyles,
    diffStyles,
  ];
  protected override readonly key = "diff";
  readonly #structure = new Question<DiffStructure>(this);
  readonly #measured = new Question<Measured>(this);
  /** Null for the file as opened. */
  #other: Doc | null = null;
  #swapped = false;
  #latency = true;
  #activations = false;
  #sort: TableSort = { by: "before", descending: true };
  #shown: HostState["show"] = null;
  #failure: Failure | null = null;
  #runs = 0;
  #measuredFor = "";

  #pair(): { before: Doc; after: Doc } {
    const { doc, original } = this.state;
    const other = this.#other ?? original;
    return this.#swapped ? { before: doc, after: other } : { before: other, after: doc };
  }

  #reset(change: () => void): void {
    change();
    this.#failure = null;
    this.requestUpdate();
  }

  protected override willUpdate(changed: PropertyValues): void {
    const { show } = this.state;
    if (changed.has("state") && JSON.stringify(show) !== JSON.stringify(this.#shown)) {
      this.#shown = show;
      if (show?.page === "diff") this.#other = show.compareWith;
    }
    const pair = this.#pair();
    const key = docKey(pair.before) + docKey(pair.after);
    if (this.#isEmpty(pair)) this.#structure.clear();
    else
      this.#structure.ask(
        key,
        (signal) => this.host.client.call("diffStructure", pair, { signal }),
        false,
      );
    // Figures belong to the two states they were measured on.
    if (this.#measuredFor !== "" && this.#measuredFor !== key) {
      this.#measuredFor = "";
      this.#measured.clear();
    }
  }

  #isEmpty(pair: { before: Doc; after: Doc }): boolean {
    return (
      pair.before.base.path === pair.after.base.path &&
      JSON.stringify(pair.before.recipe) === JSON.stringify(pair.after.recipe) &&
      JSON.stringify(pair.before.base.fingerprint) === JSON.stringify(pair.after.base.fingerprint)
    );
  }

  protected override updated(): void {
    if (this.#structure.value) this.restoreScroll();
  }

  async #pickCompare(): Promise<void> {
    try {
      const picked = await this.host.client.call("pickCompare", {});
      if (picked) this.#reset(() => (this.#other = picked.doc));
    } catch (error) {
      this.#failure = toFailure(error);
      this.requestUpdate();
    }
  }

  async #pickData(): Promise<void> {
    try {
      await this.host.client.call("pickData", {});
    } catch (error) {
      this.#failure = toFailure(error);
      this.requestUpdate();
    }
  }

  #measure(): void {
    const pair = this.#pair();
    const asked = { ...pair, latency: this.#latency, activations: this.#activations };
    this.#measuredFor = docKey(pair.before) + docKey(pair.after);
    this.#measured.ask(`measure ${++this.#runs}`, (signal, onProgress) =>
      this.host.client.call("measureDiff", asked, { signal, onProgress }),
    );
  }

  protected override render(): TemplateResult {
    const pair = this.#pair();
    const pick = html`<vscode-button secondary @click=${() => void this.#pickCompare()}
      >${text.compareWith}</vscode-button
    >`;
    const failed = this.#failure ? failureView(this.#failure, null) : nothing;
    if (this.#isEmpty(pair))
      return html`<div class="page">
        ${failed}
        <div class="empty" data-testid="empty">
          <h2>${text.emptyTitle}</h2>
          <p>${text.empty}</p>
          <div class="row">
            <vscode-button @click=${() => this.goTo({ page: "optimize" })}
              >${text.toOptimize}</vscode-button
            >
            ${pick}
          </div>
          ${this.state.job ? jobBar(this.state.job, () => this.#cancel()) : nothing}
        </div>
      </div>`;
    return html`<div class="page">
      ${failed}
      <div class="row sides">
        <span class="wrap" data-testid="sides"
          >${text.comparing(this.#label(pair.before), this.#label(pair.after))}</span
        >
        ${pick}
        ${
          this.#other === null
            ? nothing
            : html`<vscode-button secondary @click=${() => this.#reset(() => (this.#other = null))}
                >${text.withOriginal}</vscode-button
              >`
        }
        <vscode-button secondary @click=${() => this.#reset(() => (this.#swapped = !this.#swapped))}
          >${text.swap}</vscode-button
        >
      </div>
      ${this.#structureView()}
    </div>`;
  }

  #label(doc: Doc): string {
    if (docKey(doc) === docKey(this.state.doc)) return text.now;
    const isOriginal = this.#other === null;
    return isOriginal ? text.original : (doc.base.path.split(/[/\\]/).at(-1) ?? doc.base.path);
  }

  #structureView(): TemplateResult {
    const { value, failure } = this.#structure;
    if (failure) return failureView(failure, () => this.#structure.retry());
    if (!value)
      return html`<section class="card stack" aria-busy="true">
        <span class="visually-hidden" role="status">${strings.loading}</span>
        ${Array.from({ length: 6 }, () => html`<span class="skeleton"></span>`)}
      </section>`;
    const measured = this.#measured.value;
    const tensors = sortTensors(measured?.tensors ?? value.tensors, this.#sort);
    return html`<div class="columns">
        <section class="card">
          <h3>${text.size}</h3>
          ${compareBars(
            { label: strings.size.before, value: value.size.before },
            { label: strings.size.after, value: value.size.after },
          )}
          <p class="quiet">${text.sizeNote}</p>
        </section>
        <section class="card">
          <h3>${text.graph}</h3>
          ${graphDiffView(value.graph)}
        </section>
      </div>
      <section class="card">${this.#measureView()}</section>
      <section>
        <h3>${text.tensors}</h3>
        ${
          tensors.length === 0
            ? html`<p>${text.tensorsSame}</p>`
            : tensorDiffTable(tensors, measured !== null, this.#sort, (sort) =>
                this.#reset(() => (this.#sort = sort)),
              )
        }
      </section>`;
  }

  #measureView(): TemplateResult {
    const { doc, readOnly, job } = this.state;
    const { value, failure, loading, progress } = this.#measured;
    const running =
      job ?? (loading ? { title: text.measuring, fraction: 0, message: "", ...progress } : null);
    return html`<h3>${text.measures}</h3>
      <dl class="facts">
        <dt>${text.data}</dt>
        <dd class="row">
          <span class="wrap" data-testid="data">${doc.data ?? text.noData}</span>
          <vscode-button secondary @click=${() => void this.#pickData()}
            >${text.chooseData}</vscode-button
          >
        </dd>
      </dl>
      <div class="action">
        ${
          running
            ? jobBar(running, () => this.#cancel())
            : html`<div class="row">
                <vscode-button
                  data-testid="measure"
                  ?disabled=${readOnly !== null}
                  @click=${() => this.#measure()}
                  >${value ? text.measureAgain : text.measure}</vscode-button
                >
                <vscode-checkbox
                  label=${text.latencyToo}
                  .checked=${this.#latency}
                  @change=${(event: Event) => {
                    this.#latency = (event.currentTarget as HTMLInputElement).checked;
                  }}
                ></vscode-checkbox>
                <vscode-checkbox
                  label=${text.activationsToo}
                  .checked=${this.#activations}
                  @change=${(event: Event) => {
                    this.#activations = (event.currentTarget as HTMLInputElement).checked;
                  }}
                ></vscode-checkbox>
                ${readOnly === null ? nothing : html`<span class="wrap">${readOnly}</span>`}
              </div>`
        }
      </div>
      ${failure ? failureView(failure, () => this.#measured.retry()) : nothing}
      ${
        value
          ? html`<div class="measures ${loading ? "busy" : ""}">
              ${value.measures.accuracy ? accuracyView(value.measures.accuracy) : nothing}
              ${value.measures.latency ? latencyView(value.measures.latency) : nothing}
              ${value.measures.outputs ? outputsView(value.measures.outputs) : nothing}
              ${value.measures.activations ? activationsView(value.measures.activations) : nothing}
              ${notesView(value.measures.notes)}
            </div>`
          : html`<p class="quiet">${text.measureNote}</p>`
      }`;
  }

  #cancel(): void {
    this.#measured.cancel();
    void this.host.client.call("cancel", {});
  }
}
customElements.define("lathe-diff", DiffPage);
