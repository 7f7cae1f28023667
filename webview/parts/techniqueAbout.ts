/** What a technique is, what it costs, and what it does not give. */
import { html, nothing, type TemplateResult } from "lit";
import type { CatalogEntry } from "../../src/shared/protocol.ts";
import { strings } from "../strings.ts";
import { withTechniques } from "./techniqueWords.ts";

const text = strings.optimize;

/** Styled by `base`. */
export function techniqueAbout(
  entry: Pick<
    CatalogEntry,
    "title" | "summary" | "cost" | "data" | "exact" | "warnings" | "papers"
  >,
  open: (technique: string) => void,
): TemplateResult {
  return html`<header class="stack-tight">
    <h2>${entry.title}</h2>
    <p>${entry.summary}</p>
    <div class="row">
      <span class="tag plain">${text.cost[entry.cost]}</span>
      <span class="tag plain">${text.data[entry.data]}</span>
      ${entry.exact ? html`<span class="tag plain">${text.exact}</span>` : nothing}
    </div>
    ${
      entry.warnings.length === 0
        ? nothing
        : html`<div class="note warning">
            <strong>${text.notGiven}</strong>
            <ul>
              ${entry.warnings.map((warning) => html`<li>${withTechniques(warning, open)}</li>`)}
            </ul>
          </div>`
    }
    ${
      entry.papers.length === 0
        ? nothing
        : html`<details>
            <summary class="quiet">${text.papers}</summary>
            <ul>
              ${entry.papers.map((paper) => html`<li class="wrap">${paper}</li>`)}
            </ul>
          </details>`
    }
  </header>`;
}
