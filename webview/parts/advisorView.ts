/** "Let Lathe choose": a goal, a search that can be cancelled, and its answer with every reason. */
import "@vscode-elements/elements/dist/vscode-button/index.js";
import "@vscode-elements/elements/dist/vscode-checkbox/index.js";
import "@vscode-elements/elements/dist/vscode-option/index.js";
import "@vscode-elements/elements/dist/vscode-single-select/index.js";
import "@vscode-elements/elements/dist/vscode-textfield/index.js";
import { css, html, nothing, type ReactiveControllerHost, type TemplateResult } from "lit";
import {
  formatDrop,
  formatDropInterval,
  formatMetric,
  formatRatioInterval,
  metricTitle,
} from "../../src/shared/format.ts";
import type { Entry } from "../../src/shared/doc.ts";
import type { HostState, OptimizeGoal, OptimizeResult } from "../../src/shared/protocol.ts";
import type { HtmlReport } from "../../src/shared/htmlReport.ts";
import { strings } from "../strings.ts";
import { advisor as text } from "../words/advisor.ts";
import { DEFAULT_GOAL, readGoal, type GoalDraft, type ReadGoal } from "./advisorGoal.ts";
import { failureView } from "./failureView.ts";
import { jobBar } from "./jobBar.ts";
import { paretoChart } from "./paretoChart.ts";
import { Question } from "./question.ts";
import { compareBars } from "./sizeBar.ts";

export interface AdvisorActions {
  readonly optimize: (goal: OptimizeGoal) => Promise<{ readonly result: OptimizeResult }>;
  readonly apply: (entries: readonly Entry[]) => Promise<unknown>;
  readonly cancel: () => void;
  readonly pickData: () => void;
}

export class AdvisorView {
  readonly #host: ReactiveControllerHost;
  readonly #search: Question<{ readonly result: OptimizeResult }>;
  readonly #apply: Question<unknown>;
  #draft: GoalDraft = DEFAULT_GOAL;
  #runs = 0;
  #appliedAt: number | null = null;

  constructor(host: ReactiveControllerHost) {
    this.#host = host;
    this.#search = new Question<{ readonly result: OptimizeResult }>(host);
    this.#apply = new Question<unknown>(host);
  }

  #set(change: Partial<GoalDraft>): void {
    this.#draft = { ...this.#draft, ...change };
    this.#host.requestUpdate();
  }

  view(state: HostState, actions: AdvisorActions): TemplateResult {
    const read = readGoal(this.#draft);
    return html`<header class="stack-tight">
        <h2>${text.title}</h2>
        <p>${text.intro}</p>
      </header>
      <section>${this.#form(read)}</section>
      <section>${this.#action(state, read, actions)}</section>
      ${this.#search.failure ? failureView(this.#search.failure, () => this.#search.retry()) : nothing}
      ${this.#search.value ? this.#answer(this.#search.value.result, state, actions) : nothing}`;
  }

  #form({ problems }: ReadGoal): TemplateResult {
    const problem = (message: string | undefined): TemplateResult | typeof nothing =>
      message === undefined ? nothing : html`<div class="problem" role="alert">${message}</div>`;
    return html`<div class="form" data-testid="goal">
      <div class="field">
        <div class="field-title" aria-hidden="true">${text.maxDrop}</div>
        <div class="row">
          <vscode-textfield
            .label=${text.maxDrop}
            inputmode="decimal"
            .value=${this.#draft.maxDrop}
            ?invalid=${problems.maxDrop !== undefined}
            @input=${(event: Event) => this.#set({ maxDrop: valueOf(event) })}
          ></vscode-textfield>
          <span>${text.unitPercent}</span>
        </div>
        ${problem(problems.maxDrop)}
        <div class="help quiet">${text.maxDropHint}</div>
      </div>
      <div class="field">
        <div class="field-title" aria-hidden="true">${text.size}</div>
        <div class="row">
          <vscode-textfield
            .label=${text.size}
            inputmode="decimal"
            .value=${this.#draft.size}
            ?invalid=${problems.size !== undefined}
            @input=${(event: Event) => this.#set({ size: valueOf(event) })}
          ></vscode-textfield>
          <vscode-single-select
            class="unit"
            label=${`${text.size}: ${text.unitPercent} / ${text.unitMb}`}
            .value=${this.#draft.sizeUnit}
            @change=${(event: Event) =>
              this.#set({ sizeUnit: valueOf(event) === "MB" ? "MB" : "%" })}
          >
            <vscode-option value="%" ?selected=${this.#draft.sizeUnit === "%"}>%</vscode-option>
            <vscode-option value="MB" ?selected=${this.#draft.sizeUnit === "MB"}>MB</vscode-option>
          </vscode-single-select>
        </div>
        ${problem(problems.size)}
        <div class="help quiet">${text.sizeHint}</div>
      </div>
      <div class="field">
        <vscode-checkbox
          label=${text.faster}
          .checked=${this.#draft.faster}
          @change=${(event: Event) =>
            this.#set({ faster: (event.currentTarget as HTMLInputElement).checked })}
        ></vscode-checkbox>
      </div>
    </div>`;
  }

  #action(state: HostState, { goal, problems }: ReadGoal, actions: AdvisorActions): TemplateResult {
    const running =
      state.job ??
      (this.#search.loading ? { title: text.running, fraction: 0, message: "" } : null);
    if (running) return html`<div class="action">${jobBar(running, actions.cancel)}</div>`;
    const lacksData = state.doc.data === undefined;
    const reason = state.readOnly ?? (lacksData ? text.needsData : (problems.all ?? null));
    return html`<div class="action">
      <div class="row">
        <vscode-button
          data-testid="optimize"
          ?disabled=${reason !== null || goal === null}
          @click=${() => {
            if (goal === null || reason !== null) return;
            this.#apply.clear();
            this.#appliedAt = null;
            this.#search.ask(`search ${++this.#runs}`, () => actions.optimize(goal), false);
          }}
          >${text.run}</vscode-button
        >
        ${reason === null ? nothing : html`<span class="wrap" data-testid="why-not">${reason}</span>`}
        ${
          lacksData && state.readOnly === null
            ? html`<vscode-button secondary @click=${actions.pickData}
                >${strings.optimize.chooseData}</vscode-button
              >`
            : nothing
        }
      </div>
    </div>`;
  }

  #answer(result: OptimizeResult, state: HostState, actions: AdvisorActions): TemplateResult {
    return html`<section data-testid="advice">
      ${
        result.found
          ? this.#found(result, state, actions)
          : html`<p class="note warning" role="status">${text.notFound}</p>`
      }
      ${searchView(result)}
    </section>`;
  }

  #found(result: OptimizeResult, state: HostState, actions: AdvisorActions): TemplateResult {
    const { quality, latency } = result;
    // Undo takes the document back before what was applied.
    const applied = this.#appliedAt !== null && state.doc.recipe.length > this.#appliedAt;
    return html`<section class="card" role="status">
        <p><strong>${text.found}</strong></p>
        ${compareBars(
          { label: text.before, value: result.sizeBefore },
          { label: text.after, value: result.sizeAfter },
        )}
        <dl class="facts">
          ${
            quality === null
              ? nothing
              : html`<dt>${metricTitle(quality.before.metric)}</dt>
                  <dd>
                    ${formatMetric(quality.before.metric, quality.before.value)} →
                    ${formatMetric(quality.after.metric, quality.after.value)},
                    ${text.drop.toLowerCase()} ${formatDrop(quality.drop, quality.dropUnit)}
                    (${formatDropInterval(quality)})
                  </dd>`
          }
          ${
            latency === null
              ? nothing
              : html`<dt>${text.speed}</dt>
                  <dd>
                    ${formatRatioInterval(latency.ratio, latency.ratioLow, latency.ratioHigh)}
                  </dd>`
          }
        </dl>
      </section>
      <div class="row">
        ${
          applied
            ? html`<span role="status">${text.applied}</span>`
            : html`<vscode-button
                data-testid="apply-advice"
                ?disabled=${state.readOnly !== null || this.#apply.loading || state.job !== null}
                @click=${() => {
                  this.#appliedAt = state.doc.recipe.length;
                  this.#apply.ask(`apply ${this.#runs}`, () => actions.apply(result.entries));
                }}
                >${this.#apply.loading ? text.applying : text.apply}</vscode-button
              >`
        }
      </div>
      ${this.#apply.failure ? failureView(this.#apply.failure, () => this.#apply.retry()) : nothing}`;
  }
}

/** Reasons, suggestions and the scatter; also in the HTML report. */
export function searchView(result: NonNullable<HtmlReport["search"]>): TemplateResult {
  return html`${result.data === null ? nothing : html`<p class="quiet">${text.on(result.data)}</p>`}
    ${result.notes.map((note) => html`<p data-testid="advisor-note">${note}</p>`)}
    <h3>${text.why}</h3>
    <ol>
      ${result.reasons.map((reason) => html`<li class="wrap">${reason}</li>`)}
    </ol>
    ${
      result.suggestions.length === 0
        ? nothing
        : html`<h3>${text.suggestions}</h3>
            <ul class="suggestions">
              ${result.suggestions.map(
                (suggestion) =>
                  html`<li>
                    <strong>${suggestion.title}</strong>
                    <div>${text.gain}: ${suggestion.predictedGain}</div>
                    <div>${text.risk}: ${suggestion.measuredRisk}</div>
                    <div class="quiet">${suggestion.reason}</div>
                  </li>`,
              )}
            </ul>`
    }
    ${paretoChart(result.considered)}`;
}

const valueOf = (event: Event): string => (event.currentTarget as HTMLInputElement).value;

export const advisorStyles = css`
  ul.suggestions li + li {
    margin-top: 8px;
  }
  .field vscode-single-select.unit {
    width: 72px;
  }
  section[data-testid="advice"] > * + * {
    margin-top: 12px;
  }
  section[data-testid="advice"] dl.facts {
    margin-top: 8px;
  }
`;
