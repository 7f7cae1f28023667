/** What reports say about the selected layer or tensor, and what can be done to it. */
import "@vscode-elements/elements/dist/vscode-button/index.js";
import { css, html, nothing, type TemplateResult } from "lit";
import { formatMetricValue } from "../../src/shared/format.ts";
import type { CatalogEntry, TargetFigures } from "../../src/shared/protocol.ts";
import { analyzers } from "../analyzers.ts";
import { techniques } from "../catalog.ts";
import { strings } from "../strings.ts";
import { capital } from "./name.ts";
import { seriesChart } from "./seriesChart.ts";

const text = strings.inspector;

/** Styled by `facts` and `seriesStyles`. */
export function targetFigures(figures: readonly TargetFigures[]): TemplateResult {
  if (figures.length === 0) return html`<p class="quiet">${text.noFigures}</p>`;
  return html`<div data-testid="figures">
    ${figures.map(
      (own) =>
        html`<h4>${analyzers.find(({ id }) => id === own.analyzer)?.title ?? own.analyzer}</h4>
          <dl class="facts">
            ${own.metrics.map(
              (metric, i) =>
                html`<dt>${capital(metric.title)}</dt>
                  <dd>${formatMetricValue(own.values[i] ?? null, metric.unit)}</dd>`,
            )}
          </dl>
          ${own.series.map((series) => seriesChart(series))}`,
    )}
  </div>`;
}

/** Techniques that name this operator, in the order of the menus. */
export const techniquesFor = (
  op: string,
  format: "onnx" | "safetensors",
): readonly CatalogEntry[] =>
  techniques.filter(
    ({ ops, formats }) => formats.includes(format) && ops !== "any" && ops.includes(op),
  );

export function actionList(
  entries: readonly CatalogEntry[],
  open: (technique: string) => void,
): TemplateResult | typeof nothing {
  if (entries.length === 0) return nothing;
  return html`<h3>${text.actions}</h3>
    <ul class="actions" data-testid="actions">
      ${entries.map(
        (entry) =>
          html`<li>
            <button class="link" title=${entry.summary} @click=${() => open(entry.id)}>
              ${entry.title}…
            </button>
          </li>`,
      )}
    </ul>`;
}

export const targetFiguresStyles = css`
  h4 {
    margin: 10px 0 4px;
    font-size: 1em;
    font-weight: 600;
  }
  ul.actions {
    padding: 0;
    list-style: none;
  }
  ul.actions li {
    padding: 2px 0;
  }
`;
