/** What an analyzer answered: findings in words, the table, charts, what was left out; runs side by side. */
import "@vscode-elements/elements/dist/vscode-button/index.js";
import "@vscode-elements/elements/dist/vscode-option/index.js";
import "@vscode-elements/elements/dist/vscode-single-select/index.js";
import { css, html, nothing, type ReactiveControllerHost, type TemplateResult } from "lit";
import { heatMapOf } from "./heatMap.ts";
import { capital } from "./name.ts";
import type { HeldReport } from "./reportStore.ts";
import { reportTable, sortRows } from "./reportTable.ts";
import { seriesChart } from "./seriesChart.ts";
import { withTechniques } from "./techniqueWords.ts";
import { skipList } from "./skipList.ts";
import type { TableSort } from "./virtualTable.ts";
import { strings } from "../strings.ts";

const text = strings.analysis;
/** Charts shown before a row is chosen. */
const FIRST_CHARTS = 4;

export interface ReportActions {
  readonly select: (target: string) => void;
  readonly openTechnique: (id: string) => void;
  readonly showInGraph: (title: string, metric: number) => void;
}

export class ReportView {
  readonly #host: ReactiveControllerHost;
  #shown: string | null = null;
  #sort: TableSort | null = null;
  #heatSort: TableSort | null = null;
  #metric = 0;
  #target: string | null = null;

  constructor(host: ReactiveControllerHost) {
    this.#host = host;
  }

  reset(): void {
    this.#shown = null;
    this.#sort = null;
    this.#heatSort = null;
    this.#metric = 0;
    this.#target = null;
  }

  #set(change: () => void): void {
    change();
    this.#host.requestUpdate();
  }

  render(runs: readonly HeldReport[], actions: ReportActions): TemplateResult | typeof nothing {
    const run = runs.find(({ title }) => title === this.#shown) ?? runs.at(-1);
    if (!run) return nothing;
    const { report } = run;
    const sorted = sortRows(report.rows, report.metrics, this.#sort);
    const charts = report.series.filter(
      ({ target }) => this.#target === null || target === this.#target || target === "",
    );
    return html`<section data-testid="report">
      ${
        runs.length > 1
          ? html`<div class="row runs">
              ${this.#choice(
                text.runOf,
                runs.map(({ title }) => title),
                run.title,
                (title) => {
                  this.#shown = title;
                },
              )}
            </div>`
          : nothing
      }
      <h3>${text.findings}</h3>
      ${
        report.findings.length === 0
          ? html`<p class="quiet">${text.noFindings}</p>`
          : html`<ul class="findings">
              ${report.findings.map((finding) => html`<li class="wrap">${withTechniques(finding, actions.openTechnique)}</li>`)}
            </ul>`
      }
      <p class="quiet">${report.data === null ? text.noData : text.measuredOn(report.data)}</p>
      ${
        report.rows.length === 0
          ? nothing
          : html`<div class="row colour">
                ${this.#choice(
                  text.colourBy,
                  report.metrics.map(({ title }) => capital(title)),
                  capital(report.metrics[this.#metric]?.title ?? ""),
                  (title) => {
                    this.#metric = report.metrics.findIndex(
                      (metric) => capital(metric.title) === title,
                    );
                  },
                )}
                <vscode-button
                  secondary
                  data-testid="show-in-graph"
                  @click=${() => actions.showInGraph(run.title, this.#metric)}
                  >${text.showInGraph}</vscode-button
                >
              </div>
              ${reportTable({
                metrics: report.metrics,
                rows: report.rows,
                sorted,
                sort: this.#sort,
                setSort: (sort) => this.#set(() => (this.#sort = sort)),
                select: (target) => {
                  this.#set(() => (this.#target = target));
                  actions.select(target);
                },
              })}`
      }
      ${this.#heat(runs, report.metrics[this.#metric]?.id ?? "", actions)}
      ${
        charts.length === 0
          ? nothing
          : html`<h3>${text.charts}</h3>
              <div class="charts">
                ${charts.slice(0, FIRST_CHARTS).map((series) => seriesChart(series))}
              </div>
              ${
                charts.length > FIRST_CHARTS
                  ? html`<p class="quiet">${text.moreCharts(charts.length - FIRST_CHARTS)}</p>`
                  : nothing
              }`
      }
      ${skipList(report.skipped)}
    </section>`;
  }

  #heat(
    runs: readonly HeldReport[],
    metric: string,
    actions: ReportActions,
  ): TemplateResult | typeof nothing {
    const heat = heatMapOf(runs, metric);
    if (!heat) return nothing;
    return html`<h3>${text.heatMap(heat.metrics.length)}</h3>
      <div data-testid="heat-map">
        ${reportTable({
          ...heat,
          sorted: sortRows(heat.rows, heat.metrics, this.#heatSort),
          sort: this.#heatSort,
          setSort: (sort) => this.#set(() => (this.#heatSort = sort)),
          select: actions.select,
        })}
      </div>`;
  }

  #choice(
    label: string,
    options: readonly string[],
    value: string,
    choose: (option: string) => void,
  ): TemplateResult {
    return html`<span aria-hidden="true">${label}</span>
      <vscode-single-select
        label=${label}
        .value=${value}
        @change=${(event: Event) =>
          this.#set(() => choose((event.currentTarget as HTMLInputElement).value))}
      >
        ${options.map(
          (option) =>
            html`<vscode-option value=${option} ?selected=${option === value}
              >${option}</vscode-option
            >`,
        )}
      </vscode-single-select>`;
  }
}

export const reportViewStyles = css`
  ul.findings li + li {
    margin-top: 4px;
  }
  ul.findings + p {
    margin-top: 6px;
  }
  section[data-testid="overview-report"] vscode-button {
    margin-top: 8px;
  }
  .row.colour,
  .row.runs {
    margin-block: 8px;
  }
  .row.runs vscode-single-select {
    width: min(100%, 480px);
  }
  .charts {
    display: grid;
    grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr));
    gap: 16px 24px;
  }
  section[data-testid="report"] h3 {
    margin-top: 20px;
  }
  section[data-testid="overview-report"] {
    margin-top: 16px;
  }
`;
