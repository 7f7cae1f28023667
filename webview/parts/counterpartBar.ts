/** Beside another version of the same file: what changed between them, and the way to all of it. */
import "@vscode-elements/elements/dist/vscode-button/index.js";
import { html, type TemplateResult } from "lit";
import { formatBytes, formatRatio, plural, ratioOf } from "../../src/shared/format.ts";
import type { DiffStructure, HostState } from "../../src/shared/protocol.ts";
import { strings } from "../strings.ts";
import type { Question } from "./question.ts";

const text = strings.counterpart;

export function counterpartBar(
  counterpart: NonNullable<HostState["counterpart"]>,
  changes: Question<DiffStructure>,
  compare: () => void,
): TemplateResult {
  const { title, isBefore } = counterpart;
  return html`<div class="note banner row" role="status" data-testid="counterpart">
    <span class="wrap">
      <strong>${isBefore ? text.since(title) : text.until(title)}</strong>
      ${changes.value ? summaryOf(changes.value) : (changes.failure?.message ?? strings.loading)}
    </span>
    <vscode-button data-testid="open-compare" @click=${compare}>${text.compare}</vscode-button>
  </div>`;
}

function summaryOf({ graph, tensors, size }: DiffStructure): string {
  const nodes = graph.added.length + graph.removed.length + graph.changed.length;
  if (nodes + tensors.length === 0) return text.same;
  const sizes =
    size.before === size.after
      ? formatBytes(size.after)
      : `${formatBytes(size.before)} → ${formatBytes(size.after)} (${formatRatio(ratioOf(size.after, size.before))})`;
  return `${plural(tensors.length, "tensor")} and ${plural(nodes, "node")} differ, ${sizes}.`;
}
