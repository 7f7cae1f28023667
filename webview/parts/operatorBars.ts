/** How often each operator occurs, most frequent first. */
import { css, html, nothing, type TemplateResult } from "lit";
import { formatCount } from "../../src/shared/format.ts";
import { strings } from "../strings.ts";

const SHOWN = 12;

export function operatorBars(
  counts: readonly { readonly op: string; readonly count: number }[],
  all: boolean,
  toggle: () => void,
): TemplateResult {
  if (counts.length === 0) return html`<p class="quiet">${strings.none}</p>`;
  const highest = Math.max(1, ...counts.map(({ count }) => count));
  return html`<table class="ops" aria-label=${strings.summary.operators}>
      <tbody>
        ${counts.slice(0, all ? counts.length : SHOWN).map(
          ({ op, count }) =>
            html`<tr>
              <th scope="row" class="mono">${op}</th>
              <td class="bar">
                <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
                  <rect class="hue0" width=${(count / highest) * 100} height="8"></rect>
                </svg>
              </td>
              <td class="num">${formatCount(count)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
    ${
      counts.length > SHOWN
        ? html`<button class="link all" aria-expanded=${all ? "true" : "false"} @click=${toggle}>
            ${all ? strings.showFewer : strings.showAll(counts.length)}
          </button>`
        : nothing
    }`;
}

export const operatorStyles = css`
  table.ops th {
    color: inherit;
    font-weight: normal;
  }
  table.ops tbody tr > * {
    border: 0;
  }
  table.ops .bar {
    width: 60%;
    vertical-align: middle;
  }
  table.ops svg {
    display: block;
    width: 100%;
    height: 8px;
  }
`;
