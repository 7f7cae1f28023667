/** What is known of one tensor: its row at once, its statistics when they come. */
import "@vscode-elements/elements/dist/vscode-button/index.js";
import { html, nothing, type TemplateResult } from "lit";
import { elementCount } from "../../src/shared/dtype.ts";
import { formatBytes, formatCount, formatShape } from "../../src/shared/format.ts";
import type { TensorRow, TensorStats } from "../../src/shared/protocol.ts";
import { strings } from "../strings.ts";
import { failureView } from "./failureView.ts";
import { breakableName } from "./name.ts";
import type { Question } from "./question.ts";
import { statsView } from "./statsView.ts";

const text = strings.tensors;

export function tensorDetail(
  row: TensorRow,
  stats: Question<TensorStats>,
  close: () => void,
): TemplateResult {
  return html`<aside class="detail" tabindex="-1" aria-label=${text.details} data-testid="detail">
    <header>
      <h2 class="mono">${breakableName(row.name)}</h2>
      <vscode-button secondary @click=${close}>${strings.close}</vscode-button>
    </header>
    ${tensorFacts(row)}
    <h3>${strings.stats.title}</h3>
    ${statsOrState(stats)}
  </aside>`;
}

export function tensorFacts(row: TensorRow): TemplateResult {
  return html`<dl class="facts">
    <dt>${text.dtype}</dt>
    <dd>
      ${row.dtype}
      ${row.change === null ? nothing : html`<span class="tag">${strings.change[row.change]}</span>`}
    </dd>
    <dt>${text.shape}</dt>
    <dd>${formatShape(row.shape)}</dd>
    <dt>${text.elements}</dt>
    <dd>${formatCount(elementCount(row.shape))}</dd>
    <dt>${text.size}</dt>
    <dd>${formatBytes(row.sizeBytes)}</dd>
    <dt>${text.location}</dt>
    <dd title=${row.file}>${location(row)}</dd>
    ${
      row.usedBy.length === 0
        ? nothing
        : html`<dt>${text.usedBy}</dt>
            <dd class="mono">
              ${row.usedBy.map((label) => html`<div>${breakableName(label)}</div>`)}
            </dd>`
    }
  </dl>`;
}

/** What the recipe made lies in scratch, which is nobody's business; small tensors have no bytes of their own. */
function location(row: TensorRow): string {
  if (row.change !== null) return text.unsaved;
  const file = row.file.split(/[/\\]/).at(-1) ?? row.file;
  return row.offset < 0 ? text.inline(file) : text.at(file, formatCount(row.offset));
}

export function statsOrState(stats: Question<TensorStats>): TemplateResult {
  if (stats.failure) return failureView(stats.failure, () => stats.retry());
  if (!stats.value)
    return html`<div class="stack" aria-busy="true">
      <span class="visually-hidden" role="status">${strings.loading}</span>
      <span class="skeleton"></span><span class="skeleton"></span><span class="skeleton"></span>
    </div>`;
  return statsView(stats.value);
}
