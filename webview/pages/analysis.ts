/** Choose an analyzer, run it, read what it found. Knows no analyzer by name. */
import "@vscode-elements/elements/dist/vscode-button/index.js";
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { ParamValue, ParamValues } from "../../src/shared/doc.ts";
import type { AnalyzerEntry } from "../../src/shared/protocol.ts";
import type { Report } from "../../src/shared/report.ts";
import { analyzers, reportTitle } from "../analyzers.ts";
import { isRecord, isString } from "../host.ts";
import { failureView } from "../parts/failureView.ts";
import { jobBar, jobBarStyles } from "../parts/jobBar.ts";
import { nameStyles } from "../parts/name.ts";
import { docKey, Page } from "../parts/page.ts";
import { checkParams, paramForm, paramFormStyles } from "../parts/paramForm.ts";
import { Question } from "../parts/question.ts";
import { reportStore } from "../parts/reportStore.ts";
import { ReportView, reportViewStyles } from "../parts/reportView.ts";
import { seriesStyles } from "../parts/seriesChart.ts";
import { skipListStyles } from "../parts/skipList.ts";
import { techniqueAbout } from "../parts/techniqueAbout.ts";
import { withTechniques } from "../parts/techniqueWords.ts";
import { techniqueList, techniqueListStyles } from "../parts/techniqueList.ts";
import { strings } from "../strings.ts";
import { base } from "../styles.ts";
import { optimizeStyles } from "./optimizeStyles.ts";

const text = strings.analysis;

class AnalysisPage extends Page {
  static override styles = [
    base,
    jobBarStyles,
    nameStyles,
    paramFormStyles,
    skipListStyles,
    techniqueListStyles,
    optimizeStyles,
    seriesStyles,
    reportViewStyles,
  ];
  protected override readonly key = "analysis";
  readonly #run = new Question<{ readonly reports: readonly Report[] }>(this);
  readonly #view = new ReportView(this);
  #analyzer: string | null = this.host.recall("analysis.analyzer", isString);
  #drafts: Record<string, ParamValues> =
    (this.host.recall("analysis.drafts", isRecord) as Record<string, ParamValues> | null) ?? {};
  #runs = 0;
  #of: string | null = null;
  #unwatch: (() => void) | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#unwatch = reportStore.watch(() => this.requestUpdate());
  }
  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#unwatch?.();
  }

  protected override willUpdate(changed: PropertyValues): void {
    if (!changed.has("state")) return;
    const of = docKey(this.state.doc);
    // Reports are about one state of the model: an edit, an undo or other data make them old.
    if (this.#of !== null && this.#of !== of && reportStore.reports.length > 0) reportStore.clear();
    this.#of = of;
  }

  get #offered(): readonly AnalyzerEntry[] {
    const format = /\.onnx$/i.test(this.state.title) ? "onnx" : "safetensors";
    return analyzers.filter((entry) => entry.formats.includes(format));
  }

  #current(): AnalyzerEntry | null {
    return this.#offered.find(({ id }) => id === this.#analyzer) ?? null;
  }

  #choose(id: string): void {
    if (id === this.#analyzer) return;
    this.#analyzer = id;
    this.#run.clear();
    this.#view.reset();
    this.host.remember("analysis.analyzer", id);
    this.requestUpdate();
  }

  #change(id: string, key: string, value: ParamValue | null): void {
    const others = Object.entries(this.#drafts[id] ?? {}).filter(([name]) => name !== key);
    const draft = Object.fromEntries(value === null ? others : [...others, [key, value]]);
    this.#drafts = { ...this.#drafts, [id]: draft };
    this.host.remember("analysis.drafts", this.#drafts);
    this.requestUpdate();
  }

  #start(entries: readonly (readonly [AnalyzerEntry, ParamValues])[]): void {
    const of = docKey(this.state.doc);
    this.#run.ask(`run ${++this.#runs}`, async () => {
      const calls = entries.map(([{ id }, params]) => ({ id, params }));
      const answer = await this.host.client.call("analyze", { calls });
      if (docKey(this.state.doc) === of)
        answer.reports.forEach((report, i) => {
          const [entry, params] = entries[i] ?? [];
          if (entry && params) reportStore.put({ report, title: reportTitle(entry, params), of });
        });
      return answer;
    });
  }

  readonly #open = (technique: string): void => this.goTo({ page: "optimize", technique });

  /** Everything that needs no data and no patience. */
  #overview(): void {
    const quick = this.#offered.filter(
      ({ data, cost }) => data !== "required" && cost !== "minutes",
    );
    this.#start(
      quick.map((entry) => [entry, checkParams(entry.id, entry.params, {}).values ?? {}] as const),
    );
  }

  protected override render(): TemplateResult {
    const current = this.#current();
    return html`<div class="layout">
      <div class="side">
        ${techniqueList(this.#offered, current?.id ?? null, (id) => this.#choose(id), {
          label: text.analyzers,
          families: text.families,
          none: text.none,
        })}
      </div>
      <main class="main" tabindex="-1">
        ${current ? this.#detail(current) : this.#nothingChosen()}
      </main>
    </div>`;
  }

  #nothingChosen(): TemplateResult {
    return html`<div class="empty">
        <p>${text.choose}</p>
        <div class="row">
          ${this.#busyOr(
            html`<vscode-button data-testid="overview" @click=${() => this.#overview()}
              >${text.overview}</vscode-button
            >`,
          )}
        </div>
        ${this.#reason() === null ? nothing : html`<p class="quiet">${this.#reason()}</p>`}
      </div>
      ${this.#run.failure ? failureView(this.#run.failure, () => this.#run.retry()) : nothing}
      ${reportStore.reports.map(
        (held) =>
          html`<section class="card" data-testid="overview-report">
            <h3>${held.title}</h3>
            <ul>
              ${held.report.findings.map((finding) => html`<li class="wrap">${withTechniques(finding, this.#open)}</li>`)}
            </ul>
            <vscode-button secondary @click=${() => this.#choose(held.report.analyzer)}
              >${text.details}</vscode-button
            >
          </section>`,
      )}`;
  }

  /** Why nothing can be run. */
  #reason(): string | null {
    return this.state.readOnly;
  }

  #busyOr(otherwise: TemplateResult): TemplateResult {
    const running =
      this.state.job ??
      (this.#run.loading ? { title: text.running, fraction: 0, message: "" } : null);
    return running ? jobBar(running, () => void this.host.client.call("cancel", {})) : otherwise;
  }

  #detail(entry: AnalyzerEntry): TemplateResult {
    const draft = this.#drafts[entry.id] ?? {};
    const { values, problems } = checkParams(entry.id, entry.params, draft);
    const runs = reportStore.reports.filter(({ report }) => report.analyzer === entry.id);
    return html`${techniqueAbout({ ...entry, exact: false, warnings: [] }, this.#open)}
      ${
        Object.keys(entry.params).length === 0
          ? nothing
          : html`<section>
              <h3>${strings.optimize.parameters}</h3>
              ${paramForm(entry.params, draft, problems, (key, value) =>
                this.#change(entry.id, key, value),
              )}
            </section>`
      }
      <section>${this.#action(entry, values)}</section>
      ${this.#run.failure ? failureView(this.#run.failure, () => this.#run.retry()) : nothing}
      ${this.#view.render(runs, {
        select: (target) => void this.#select(target),
        openTechnique: this.#open,
        showInGraph: (title, metric) => {
          reportStore.choose({ title, metric });
          this.goTo({ page: "graph" });
        },
      })}`;
  }

  #action(entry: AnalyzerEntry, values: ParamValues | null): TemplateResult {
    const lacksData = entry.data === "required" && this.state.doc.data === undefined;
    const reason = this.#reason() ?? (lacksData ? text.dataMissing : null);
    return html`<div class="action">
      ${this.#busyOr(
        html`<div class="row">
          <vscode-button
            data-testid="analyze"
            ?disabled=${reason !== null || values === null}
            @click=${() => {
              if (reason === null && values !== null) this.#start([[entry, values]]);
            }}
            >${text.run}</vscode-button
          >
          ${
            reason === null
              ? html`<span class="quiet wrap"
                  >${text.usedData(this.state.doc.data ?? null, entry.data)}</span
                >`
              : html`<span class="wrap" data-testid="why-not">${reason}</span>`
          }
          ${
            lacksData
              ? html`<vscode-button
                  secondary
                  @click=${() => void this.host.client.call("pickData", {})}
                  >${strings.optimize.chooseData}</vscode-button
                >`
              : nothing
          }
        </div>`,
      )}
    </div>`;
  }

  /** Rows are about nodes, tensors or groups: shows the node or tensor of that name, if there is one. */
  async #select(target: string): Promise<void> {
    const { doc } = this.state;
    const { client } = this.host;
    const { rows } = await client.call("nodes", { doc, from: 0, to: 50, filter: target });
    const node = rows.find(({ label }) => label === target);
    if (node) {
      const { graph, key } = node;
      await client.call("select", { selection: { kind: "node", graph, key } });
      return;
    }
    const range = { from: 0, to: 50, sort: "order", descending: false } as const;
    const found = await client.call("tensors", { doc, ...range, filter: target });
    const tensor = found.rows.find(({ name }) => name === target);
    if (!tensor) return;
    const { graph, name } = tensor;
    await client.call("select", { selection: { kind: "tensor", graph, name } });
  }
}
customElements.define("lathe-analysis", AnalysisPage);
