/** The entries of a recipe in order, each with the size before and after it. */
import { css, html, nothing, type TemplateResult } from "lit";
import { formatBytes } from "../../src/shared/format.ts";
import type { Entry } from "../../src/shared/doc.ts";
import { paramsText, techniqueTitle } from "../catalog.ts";
import { strings } from "../strings.ts";
import { sizeVerdict } from "./sizeBar.ts";

/** @param sizes bytes before the first entry and after each one; null where not known, and null as a whole while they are awaited. */
export function recipeView(
  recipe: readonly Entry[],
  sizes: readonly (number | null)[] | "not shown" | null,
): TemplateResult {
  return html`<ol class="recipe" data-testid="recipe">
    ${recipe.map((entry, i) => {
      const known = sizes === "not shown" ? null : sizes;
      const before = known?.[i] ?? null;
      const after = known?.[i + 1] ?? null;
      const params = paramsText(entry.transform, entry.params);
      return html`<li>
        <strong>${techniqueTitle(entry.transform)}</strong>
        ${params === "" ? nothing : html`<span class="quiet">${params}</span>`}
        ${entry.scope ? html`<span class="quiet">${strings.summary.scoped(entry.scope.length)}</span>` : nothing}
        ${
          sizes === "not shown"
            ? nothing
            : html`<div class="num-line">
                ${
                  before !== null && after !== null
                    ? html`${formatBytes(before)} → ${formatBytes(after)}
                        <span class="quiet">(${sizeVerdict(before, after)})</span>`
                    : sizes === null
                      ? html`<span class="quiet">…</span>`
                      : nothing
                }
              </div>`
        }
      </li>`;
    })}
  </ol>`;
}

export const recipeStyles = css`
  ol.recipe {
    margin: 12px 0;
  }
  ol.recipe li + li {
    margin-top: 8px;
  }
  ol.recipe .num-line {
    min-height: 1.45em;
    font-variant-numeric: tabular-nums;
  }
`;
