/** What was left out and why: reasons with counts, the names behind each one fold. */
import { css, html, nothing, type TemplateResult } from "lit";
import { formatCount, groupByReason } from "../../src/shared/format.ts";
import type { Skip } from "../../src/shared/report.ts";
import { strings } from "../strings.ts";
import { nameView } from "./name.ts";

/** Names shown under one reason; the rest are counted. */
const MAX_NAMES = 200;

export function skipList(skipped: readonly Skip[]): TemplateResult | typeof nothing {
  if (skipped.length === 0) return nothing;
  return html`<div class="skips" data-testid="skips">
    <h3>${strings.skips.title(skipped.length)}</h3>
    ${groupByReason(skipped).map(
      ({ reason, names }) =>
        html`<details>
          <summary><span class="count num">${formatCount(names.length)}</span> ${reason}</summary>
          <ul>
            ${names.slice(0, MAX_NAMES).map((name) => html`<li>${nameView(name)}</li>`)}
            ${
              names.length > MAX_NAMES
                ? html`<li class="quiet">${strings.more(names.length - MAX_NAMES)}</li>`
                : nothing
            }
          </ul>
        </details>`,
    )}
  </div>`;
}

export const skipListStyles = css`
  .skips details {
    border-top: 1px solid var(--vscode-contrastBorder, var(--vscode-widget-border, transparent));
    padding: 4px 0;
  }
  .skips summary {
    padding-inline-start: 4em;
    text-indent: -4em;
    overflow-wrap: anywhere;
  }
  .skips .count {
    display: inline-block;
    min-width: 2.4em;
    text-indent: 0;
    font-weight: 600;
  }
  .skips ul {
    margin: 4px 0 4px 3em;
    padding: 0;
    list-style: none;
    max-height: 240px;
    overflow-y: auto;
  }
`;
