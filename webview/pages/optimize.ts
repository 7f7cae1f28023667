/** Choose a technique, set it, see what it would do, do it. Knows no technique by name. */
import "@vscode-elements/elements/dist/vscode-button/index.js";
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { Entry, ParamValue, ParamValues } from "../../src/shared/doc.ts";
import type { ApplyResult, CatalogEntry, HostState, PlanView } from "../../src/shared/protocol.ts";
import { groupByReason } from "../../src/shared/format.ts";
import { techniques } from "../catalog.ts";
import { isRecord, isString } from "../host.ts";
import { AdvisorView, advisorStyles } from "../parts/advisorView.ts";
import { debounce } from "../parts/debounce.ts";
import { failureView } from "../parts/failureView.ts";
import { jobBar, jobBarStyles } from "../parts/jobBar.ts";
import { nameStyles } from "../parts/name.ts";
import { docKey, Page, weightsOnly, type GoTo } from "../parts/page.ts";
import { checkParams, paramForm, paramFormStyles } from "../parts/paramForm.ts";
import { paretoStyles } from "../parts/paretoChart.ts";
import { planStyles, planView } from "../parts/planView.ts";
import { Question } from "../parts/question.ts";
import { resultView } from "../parts/resultView.ts";
import { sizeBarStyles } from "../parts/sizeBar.ts";
import { skipListStyles } from "../parts/skipList.ts";
import { techniqueAbout } from "../parts/techniqueAbout.ts";
import { techniqueList, techniqueListStyles } from "../parts/techniqueList.ts";
import { strings } from "../strings.ts";
import { advisor } from "../words/advisor.ts";
import { base, facts } from "../styles.ts";
import { optimizeStyles } from "./optimizeStyles.ts";

const text = strings.optimize;
const PLAN_DELAY_MS = 250;

/** A result counts until the document falls back behind it. */
interface Applied {
  readonly result: ApplyResult;
  readonly recipeBefore: number;
  seen: boolean;
}

/** One reason for all is said at the button; of several the list below tells. */
function nothingToDo({ units, skipped }: PlanView): string {
  if (units.length > 0) return text.nothingToDo;
  const reasons = groupByReason(skipped);
  const [only] = reasons;
  return reasons.length === 1 && only ? text.refusedFor(only.reason) : text.refusedAll;
}

class OptimizePage extends Page {
  static override styles = [
    base,
    facts,
    advisorStyles,
    paretoStyles,
    jobBarStyles,
    nameStyles,
    paramFormStyles,
    planStyles,
    sizeBarStyles,
    skipListStyles,
    techniqueListStyles,
    optimizeStyles,
  ];
  static override properties = { ...Page.properties, goTarget: { attribute: false } };
  declare goTarget: GoTo | null;
  protected override readonly key = "optimize";
  readonly #advisor = new AdvisorView(this);
  readonly #plan = new Question<PlanView>(this);
  readonly #run = new Question<{ readonly applied: ApplyResult | null }>(this);
  #technique: string | null = this.host.recall("optimize.technique", isString);
  /** What was typed, by technique; only values that were touched. */
  #drafts: Record<string, ParamValues> =
    (this.host.recall("optimize.drafts", isRecord) as Record<string, ParamValues> | null) ?? {};
  #excluded: ReadonlySet<string> = new Set();
  /** Units that were asked for by name, until the plan that knows them is there. */
  #only: readonly string[] = [];
  #planned: Entry | null = null;
  #applied: Applied | null = null;
  #dismissed = false;
  #shown: HostState["show"] = null;
  #runs = 0;

  readonly #planSoon = debounce(PLAN_DELAY_MS, (entry: Entry) => {
    this.#planned = entry;
    this.requestUpdate();
  });

  get #offered(): readonly CatalogEntry[] {
    const format = weightsOnly(this.state) ? "safetensors" : "onnx";
    return techniques.filter((entry) => entry.formats.includes(format));
  }

  #choose(id: string | null): void {
    if (id === this.#technique) return;
    this.#technique = id;
    this.#excluded = new Set();
    this.#planned = null;
    this.#applied = null;
    this.#dismissed = false;
    this.#run.clear();
    this.host.remember("optimize.technique", id);
    this.requestUpdate();
  }

  #change(id: string, key: string, value: ParamValue | null): void {
    const others = Object.entries(this.#drafts[id] ?? {}).filter(([name]) => name !== key);
    const draft = Object.fromEntries(value === null ? others : [...others, [key, value]]);
    this.#drafts = { ...this.#drafts, [id]: draft };
    this.host.remember("optimize.drafts", this.#drafts);
    this.requestUpdate();
  }

  /** Leaves out all units but those asked for, once they are known. */
  #limit(plan: PlanView): void {
    const wanted = new Set(this.#only);
    this.#only = [];
    const others = plan.units.map(({ name }) => name).filter((name) => !wanted.has(name));
    if (others.length < plan.units.length) this.#excluded = new Set(others);
  }

  protected override willUpdate(changed: PropertyValues): void {
    const { doc, show } = this.state;
    if (changed.has("state") && JSON.stringify(show) !== JSON.stringify(this.#shown)) {
      this.#shown = show;
      // Without a technique it is the advisor that is asked for.
      if (show?.page === "optimize") {
        this.#choose(show.technique);
        this.#only = show.only ?? [];
      }
    }
    const wanted = changed.has("goTarget") ? this.goTarget?.technique : undefined;
    if (wanted !== undefined) this.#choose(wanted);
    const applied = this.#applied;
    if (applied && doc.recipe.length > applied.recipeBefore) applied.seen = true;
    if (applied?.seen === true && doc.recipe.length <= applied.recipeBefore) this.#applied = null;
    const entry = this.#entry();
    if (!entry) return;
    const plan = this.#plan.value;
    if (this.#only.length > 0 && plan?.transform === entry.transform && !this.#plan.loading)
      this.#limit(plan);
    if (!this.#planned) this.#planned = entry;
    else if (JSON.stringify(entry) !== JSON.stringify(this.#planned)) this.#planSoon(entry);
    const planned = this.#planned;
    const sameTechnique = this.#plan.value?.transform === planned.transform;
    this.#plan.ask(
      JSON.stringify([docKey(doc), planned]),
      (signal) => this.host.client.call("plan", { doc, entry: planned }, { signal }),
      sameTechnique,
    );
  }

  /** What the form says, without a scope: the plan lists every unit, chosen or not. */
  #entry(): Entry | null {
    const technique = this.#current();
    if (!technique) return null;
    const { values } = checkParams(
      technique.id,
      technique.params,
      this.#drafts[technique.id] ?? {},
    );
    return values && { transform: technique.id, params: values };
  }

  #current(): CatalogEntry | null {
    const offered = this.#offered;
    const chosen = offered.find((entry) => entry.id === this.#technique) ?? null;
    // Where nothing can be run the advisor has nothing to judge by, so a technique comes first.
    return chosen ?? (weightsOnly(this.state) ? (offered[0] ?? null) : null);
  }

  #start(entry: Entry, plan: PlanView): void {
    const chosen = plan.units.map((unit) => unit.name).filter((name) => !this.#excluded.has(name));
    const limited: Entry =
      chosen.length === plan.units.length ? entry : { ...entry, scope: chosen };
    const recipeBefore = this.state.doc.recipe.length;
    this.#applied = null;
    this.#dismissed = false;
    this.#run.ask(`run ${++this.#runs}`, async () => {
      const answer = await this.host.client.call("run", { entry: limited });
      this.#applied = answer.applied ? { result: answer.applied, recipeBefore, seen: false } : null;
      this.#dismissed = !answer.applied;
      return answer;
    });
  }

  protected override render(): TemplateResult {
    const technique = this.#current();
    return html`<div class="layout">
      <div class="side">
        ${weightsOnly(this.state) ? nothing : this.#advisorEntry(technique === null)}
        ${techniqueList(this.#offered, technique?.id ?? null, (id) => this.#choose(id))}
        ${
          weightsOnly(this.state)
            ? html`<p class="quiet no-advisor" data-testid="no-advisor">
                <strong>${advisor.entry}</strong> ${advisor.noGraph}
              </p>`
            : nothing
        }
      </div>
      <main class="main" tabindex="-1">
        ${technique ? this.#detail(technique) : this.#advice()}
      </main>
    </div>`;
  }

  #advisorEntry(current: boolean): TemplateResult {
    return html`<button
      class="technique advisor"
      data-testid="advisor"
      aria-current=${String(current)}
      @click=${() => this.#choose(null)}
    >
      ${advisor.entry}
    </button>`;
  }

  #advice(): TemplateResult {
    const { client } = this.host;
    return this.#advisor.view(this.state, {
      optimize: (goal) => client.call("optimize", { goal }),
      apply: (entries) => client.call("runAll", { entries }),
      cancel: () => void client.call("cancel", {}),
      pickData: () => void client.call("pickData", {}),
    });
  }

  #detail(technique: CatalogEntry): TemplateResult {
    const draft = this.#drafts[technique.id] ?? {};
    const { problems } = checkParams(technique.id, technique.params, draft);
    return html`${techniqueAbout(this.#described(technique), (id) => this.#choose(id))}
      ${this.#limits()}
      <section>
        <h3>${text.parameters}</h3>
        ${paramForm(technique.params, draft, problems, (key, value) =>
          this.#change(technique.id, key, value),
        )}
      </section>
      <section>${this.#action(technique, problems.size > 0)}</section>
      ${
        this.#applied
          ? resultView(
              this.#applied.result,
              html`<vscode-button @click=${() => this.goTo({ page: "diff" })}
                >${text.showDiff}</vscode-button
              >`,
            )
          : nothing
      }
      <section aria-busy=${String(this.#plan.loading)}>
        <h3>${text.preview}</h3>
        ${problems.size > 0 ? html`<p class="note warning">${text.stale}</p>` : nothing}
        <div class=${this.#plan.loading ? "busy" : ""}>${this.#preview()}</div>
      </section>`;
  }

  /** What is lost without data is said only where there is none. */
  #described(technique: CatalogEntry): CatalogEntry {
    const { warnings, withoutData } = technique;
    if (withoutData === undefined || this.state.doc.data !== undefined) return technique;
    return { ...technique, warnings: [...warnings, withoutData] };
  }

  /** Units are chosen far below; what is left out is said at the top too. */
  #limits(): TemplateResult | typeof nothing {
    const units = this.#plan.value?.units ?? [];
    const chosen = units.map(({ name }) => name).filter((name) => !this.#excluded.has(name));
    if (chosen.length === 0 || chosen.length === units.length) return nothing;
    return html`<p class="note wrap" data-testid="limited">
      ${text.limited(chosen, units.length - chosen.length)}
    </p>`;
  }

  #action(technique: CatalogEntry, wrong: boolean): TemplateResult {
    const { readOnly, job, doc } = this.state;
    const plan = this.#plan.value;
    const entry = this.#entry();
    const lacksData = technique.data === "required" && doc.data === undefined;
    const chosen = plan?.units.some((unit) => !this.#excluded.has(unit.name)) ?? false;
    const running =
      job ?? (this.#run.loading ? { title: text.running, fraction: 0, message: "" } : null);
    const reason =
      readOnly ?? (lacksData ? text.dataMissing : plan && !chosen ? nothingToDo(plan) : null);
    const ready =
      reason === null && !wrong && !this.#plan.loading && plan !== null && entry !== null;
    return html`<div class="action">
        ${
          running
            ? jobBar(running, () => void this.host.client.call("cancel", {}))
            : html`<div class="row">
                <vscode-button
                  data-testid="run"
                  ?disabled=${!ready}
                  @click=${() => {
                    if (ready) this.#start(entry, plan);
                  }}
                  >${text.run}</vscode-button
                >
                ${
                  reason === null
                    ? nothing
                    : html`<span class="wrap" data-testid="why-not">${reason}</span>`
                }
                ${
                  lacksData
                    ? html`<vscode-button
                        secondary
                        @click=${() => void this.host.client.call("pickData", {})}
                        >${text.chooseData}</vscode-button
                      >`
                    : nothing
                }
                ${
                  this.#dismissed
                    ? html`<span class="quiet" role="status">${text.dismissed}</span>`
                    : nothing
                }
              </div>`
        }
      </div>
      ${this.#run.failure ? failureView(this.#run.failure, () => this.#run.retry()) : nothing}`;
  }

  #preview(): TemplateResult {
    const { value, failure } = this.#plan;
    if (failure) return failureView(failure, () => this.#plan.retry());
    if (!value)
      return html`<div class="stack-tight">
        <span class="visually-hidden" role="status">${text.planning}</span>
        <span class="skeleton"></span><span class="skeleton"></span><span class="skeleton"></span>
      </div>`;
    return planView(value, this.#excluded, (excluded) => {
      this.#excluded = excluded;
      this.requestUpdate();
    });
  }
}
customElements.define("lathe-optimize", OptimizePage);
