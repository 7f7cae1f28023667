/** The HTML report: the figures of one result, read from the page itself. No host, no network. */
import { LitElement, html, nothing, type TemplateResult } from "lit";
import { REPORT_ELEMENT_ID, type HtmlReport } from "../src/shared/htmlReport.ts";
import type { ApplyResult, TensorDiff } from "../src/shared/protocol.ts";
import { formatBytes, formatVerified } from "../src/shared/format.ts";
import { activationsStyles, activationsView } from "./parts/activationsView.ts";
import { advisorStyles, searchView } from "./parts/advisorView.ts";
import { paretoStyles } from "./parts/paretoChart.ts";
import { graphDiffStyles, graphDiffView } from "./parts/graphDiffView.ts";
import {
  accuracyView,
  latencyView,
  measuresStyles,
  notesView,
  outputsView,
} from "./parts/measuresView.ts";
import { nameStyles, nameView } from "./parts/name.ts";
import { compareBars, sizeBarStyles } from "./parts/sizeBar.ts";
import { skipList, skipListStyles } from "./parts/skipList.ts";
import { sortTensors, sqnrBar } from "./parts/tensorDiffTable.ts";
import { reportStyles, reportTheme } from "./reportStyles.ts";
import { strings } from "./strings.ts";
import { base, facts } from "./styles.ts";

const text = strings.report;
/** Rows of a table that are in the page at first, and more with each request. */
const ROWS = 200;

class Report extends LitElement {
  static override styles = [
    base,
    facts,
    nameStyles,
    sizeBarStyles,
    skipListStyles,
    graphDiffStyles,
    measuresStyles,
    activationsStyles,
    advisorStyles,
    paretoStyles,
    reportTheme,
    reportStyles,
  ];
  readonly #report = readReport();
  #rows = ROWS;

  protected override render(): TemplateResult {
    const report = this.#report;
    if (!report) return html`<p class="page">${text.missing}</p>`;
    const { before, after, entries, structure, measures } = report;
    return html`<main class="page">
      <h1>${report.title}</h1>
      <section class="card">
        <h2>${text.size}</h2>
        ${compareBars(
          { label: strings.size.before, value: before.sizeBytes },
          { label: strings.size.after, value: after.sizeBytes },
        )}
        <dl class="facts files">
          <dt>${strings.size.before}</dt>
          <dd class="mono">${before.path}</dd>
          <dt>${strings.size.after}</dt>
          <dd class="mono">${after.path}</dd>
        </dl>
      </section>
      <section class="card" data-testid="measures">
        ${
          measures
            ? html`<div class="measures">
                ${measures.accuracy ? accuracyView(measures.accuracy) : nothing}
                ${measures.latency ? latencyView(measures.latency) : nothing}
                ${measures.outputs ? outputsView(measures.outputs) : nothing}
                ${measures.activations ? activationsView(measures.activations) : nothing}
                ${notesView(measures.notes)}
              </div>`
            : html`<p class="quiet">${text.notMeasured}</p>`
        }
      </section>
      <section class="card">
        <h2>${text.steps}</h2>
        ${
          report.verified === undefined
            ? nothing
            : html`<p data-testid="verified">${text.verified(formatVerified(report.verified))}</p>`
        }
        ${
          entries.length === 0
            ? html`<p>${text.compared}</p>`
            : entries.map((entry) => this.#entry(entry, report))
        }
      </section>
      ${
        report.search
          ? html`<section class="card" data-testid="search">
              <h2>${text.search}</h2>
              ${searchView(report.search)}
            </section>`
          : nothing
      }
      ${
        structure
          ? html`<section class="card">
              <h2>${strings.diff.graph}</h2>
              ${graphDiffView(structure.graph)}
            </section>`
          : nothing
      }
      ${this.#tensors(report.tensors)}
      <p class="quiet">${text.made(report.tool)}</p>
    </main>`;
  }

  #entry(result: ApplyResult, report: HtmlReport): TemplateResult {
    const { entry } = result;
    const params = Object.entries(entry.params)
      .map(([key, value]) => `${key} ${String(value)}`)
      .join(", ");
    return html`<article data-testid="entry">
      <h3>${report.techniqueTitles[entry.transform] ?? entry.transform}</h3>
      <p class="quiet mono wrap">${entry.transform}${params === "" ? "" : ` (${params})`}</p>
      <p>
        ${formatBytes(result.bytesBefore)} → ${formatBytes(result.bytesAfter)} ${text.tensorBytes}
      </p>
      <details>
        <summary>${text.units(result.units.length)}</summary>
        <ul class="units">
          ${result.units.map(
            (unit) =>
              html`<li>
                ${nameView(unit.name)} <span class="quiet">${unit.op}</span>
                <span class="quiet wrap">${unit.detail}</span>
              </li>`,
          )}
        </ul>
      </details>
      ${result.notes.map((note) => html`<p class="note warning">${note}</p>`)}
      ${skipList(result.skipped)}
    </article>`;
  }

  #tensors(tensors: readonly TensorDiff[]): TemplateResult | typeof nothing {
    if (tensors.length === 0) return nothing;
    // The worst come first: they are what a reader looks for.
    const sorted = sortTensors(tensors, { by: "sqnr", descending: false });
    const { name, status, bytesBefore, bytesAfter, sqnr, statuses } = strings.diff;
    return html`<section class="card" data-testid="tensors">
      <h2>${text.tensors}</h2>
      <div class="scroll-x" tabindex="0" role="region" aria-label=${text.tensors}>
        <table>
          <thead>
            <tr>
              <th>${name}</th>
              <th>${status}</th>
              <th class="num">${bytesBefore}</th>
              <th class="num">${bytesAfter}</th>
              <th class="num" title=${strings.diff.sqnrLabel}>${sqnr}</th>
            </tr>
          </thead>
          <tbody>
            ${sorted.slice(0, this.#rows).map(
              (row) =>
                html`<tr title=${row.detail}>
                  <td class="name-cell">${nameView(row.name)}</td>
                  <td>${statuses[row.status] ?? row.status}</td>
                  <td class="num">${formatBytes(row.bytesBefore)}</td>
                  <td class="num">${formatBytes(row.bytesAfter)}</td>
                  <td class="num">${sqnrBar(row.sqnrDb)}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
      ${
        sorted.length > this.#rows
          ? html`<button
              class="link"
              @click=${() => {
                this.#rows += ROWS;
                this.requestUpdate();
              }}
            >
              ${text.showMore(Math.min(ROWS, sorted.length - this.#rows))}
            </button>`
          : nothing
      }
    </section>`;
  }
}

function readReport(): HtmlReport | null {
  const content = document.getElementById(REPORT_ELEMENT_ID)?.textContent;
  return content === null || content === undefined ? null : (JSON.parse(content) as HtmlReport);
}
customElements.define("lathe-report", Report);
