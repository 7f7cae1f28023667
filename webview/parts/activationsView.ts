/** Values inside two models, layer by layer, in the order of the graph: where a difference starts. */
import { css, html, nothing, type TemplateResult } from "lit";
import { EXACT_DB, formatDb, formatNumber, isNews } from "../../src/shared/format.ts";
import type { ActivationDiff, ActivationsDiff } from "../../src/shared/protocol.ts";
import { strings } from "../strings.ts";
import { nameView } from "./name.ts";
import { sqnrBar } from "./tensorDiffTable.ts";

const text = strings.diff;
/** Rows shown; a model of thousands of layers is read from its start. */
const MAX_ROWS = 300;
/** A layer that takes so much off an SQNR is where an error starts, or grows. */
const STARTS_DB = 3;

export function activationsView(activations: ActivationsDiff): TemplateResult {
  const rows = activations.rows.filter(isNews);
  const equal = activations.rows.length - rows.length;
  const table = rows.length === 0 ? nothing : tableOf(rows);
  return html`<section class="full" data-testid="activations">
    <h3>${text.activations}</h3>
    <p class="quiet">
      ${text.activationsNote(activations.samples, activations.data)}
      ${equal === 0 ? nothing : text.activationsEqual(equal)}
      ${activations.inSubgraphs === 0 ? nothing : text.inSubgraphs(activations.inSubgraphs)}
    </p>
    ${table}
    ${
      rows.length > MAX_ROWS
        ? html`<p class="quiet">${strings.more(rows.length - MAX_ROWS)}</p>`
        : nothing
    }
  </section>`;
}

const tableOf = (rows: readonly ActivationDiff[]): TemplateResult =>
  html`<div class="scroll-x activations" tabindex="0" role="region" aria-label=${text.activations}>
    <table>
      <thead>
        <tr>
          <th>${text.name}</th>
          <th>${text.madeBy}</th>
          <th class="num" title=${text.sqnrInHint}>${text.sqnrIn}</th>
          <th class="num">${text.sqnrOut}</th>
          <th class="num">${text.cosine}</th>
          <th class="num">${text.maxAbs}</th>
        </tr>
      </thead>
      <tbody>
        ${rows.slice(0, MAX_ROWS).map(
          (row) =>
            html`<tr title=${row.node}>
              <td class="name-cell">${nameView(row.name)}</td>
              <td>
                <span class="mono">${row.op}</span>
                ${
                  row.sqnrDb !== null && row.inputDb === EXACT_DB
                    ? html`<span class="tag plain">${text.startsHere}</span>`
                    : row.sqnrDb !== null && row.inputDb - row.sqnrDb > STARTS_DB
                      ? html`<span class="tag plain">${text.growsHere}</span>`
                      : nothing
                }
              </td>
              <td class="num">${formatDb(row.inputDb)}</td>
              <td class="num nowrap">${sqnrBar(row.sqnrDb)}</td>
              <td class="num">${row.cosine === null ? "–" : row.cosine.toFixed(6)}</td>
              <td class="num">${formatNumber(row.maxAbs, 3)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;

export const activationsStyles = css`
  .activations {
    max-height: 480px;
    overflow-y: auto;
  }
  .activations .nowrap {
    white-space: nowrap;
  }
`;
