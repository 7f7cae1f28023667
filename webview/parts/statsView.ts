/** The statistics of one tensor; the same in the tensors page and in the inspector. */
import { html, nothing, type TemplateResult } from "lit";
import { formatCount, formatNumber, formatPercent } from "../../src/shared/format.ts";
import type { TensorStats } from "../../src/shared/protocol.ts";
import { strings } from "../strings.ts";
import { histogram, rangeStrip } from "./histogram.ts";

/** Styled by `base`, `facts` and `chartStyles`. */
export function statsView(stats: TensorStats): TemplateResult {
  const share = (count: number): string =>
    stats.count === 0
      ? formatCount(count)
      : `${formatCount(count)} (${formatPercent(count / stats.count)})`;
  const { min, max } = stats;
  return html`<div data-testid="stats">
    ${stats.note === null ? nothing : html`<p class="note">${stats.note}</p>`}
    <dl class="facts">
      <dt>${strings.stats.values}</dt>
      <dd>${formatCount(stats.count)}</dd>
      ${
        min === null || max === null
          ? nothing
          : html`<dt>${strings.stats.range}</dt>
              <dd>${formatNumber(min)} … ${formatNumber(max)}</dd>
              <dt>${strings.stats.mean}</dt>
              <dd>${formatNumber(stats.mean)}</dd>
              <dt>${strings.stats.std}</dt>
              <dd>${formatNumber(stats.std)}</dd>
              <dt>${strings.stats.zeros}</dt>
              <dd>${share(stats.zeros)}</dd>
              <dt>${strings.stats.notFinite}</dt>
              <dd>
                ${strings.stats.nanInf(share(stats.nan), share(stats.inf))}
                ${
                  stats.nan + stats.inf > 0
                    ? html`<span class="tag">${strings.stats.suspicious}</span>`
                    : nothing
                }
              </dd>`
      }
    </dl>
    ${
      min !== null && max !== null && stats.histogram.length > 0
        ? histogram(stats.histogram, min, max)
        : nothing
    }
    ${stats.channels.length > 1 ? rangeStrip(stats.channels) : nothing}
    ${
      stats.head.length === 0
        ? nothing
        : html`<details>
            <summary class="quiet">${strings.stats.head(stats.head.length)}</summary>
            <p class="mono wrap">${stats.head.map((value) => formatNumber(value)).join(", ")}</p>
          </details>`
    }
  </div>`;
}
