/** Nodes added, removed and changed between two models. */
import { css, html, nothing, type TemplateResult } from "lit";
import type { GraphDiff } from "../../src/shared/protocol.ts";
import { GROUP_TITLES } from "../../src/shared/format.ts";
import { strings } from "../strings.ts";
import { nameView } from "./name.ts";

const text = strings.diff;
/** Nodes listed per group; the rest are counted. */
const MAX_NODES = 300;

interface Item {
  readonly name: string;
  readonly op: string;
  readonly what?: string;
}

export function graphDiffView(graph: GraphDiff): TemplateResult {
  const { added, removed, changed, matched, groups, constants } = graph;
  if (added.length + removed.length + changed.length + groups.length === 0)
    return html`<p>${text.graphSame(matched)}</p>`;
  return html`<div class="graph-diff" data-testid="graph-diff">
    <p class="quiet">${text.unchanged(matched - changed.length)}</p>
    ${groupTable(groups)} ${group("+", text.added(added.length), added)}
    ${group("−", text.removed(removed.length), removed)}
    ${group("~", text.changed(changed.length), changed)}
    ${
      constants.added + constants.removed === 0
        ? nothing
        : html`<p class="quiet">${text.constants(constants.added, constants.removed)}</p>`
    }
  </div>`;
}

/** "20 × MatMul → MatMulNBits": nodes of both models that belong together. */
function groupTable(groups: GraphDiff["groups"]): TemplateResult | typeof nothing {
  if (groups.length === 0) return nothing;
  return html`<ul class="groups" data-testid="groups">
    ${groups.map(
      ({ count, kind, before, after, names }) =>
        html`<li title=${names.join("\n")}>
          <span class="times num">${count} ×</span>
          <span class="mono wrap">${before} → ${after}</span>
          <span class="tag plain">${GROUP_TITLES[kind]}</span>
        </li>`,
    )}
  </ul>`;
}

function group(
  sign: string,
  title: string,
  items: readonly Item[],
): TemplateResult | typeof nothing {
  if (items.length === 0) return nothing;
  return html`<details>
    <summary><span class="sign mono" aria-hidden="true">${sign}</span> ${title}</summary>
    <ul>
      ${items
        .slice(0, MAX_NODES)
        .map(
          (item) =>
            html`<li>
              <span class="op mono">${item.op}</span> ${nameView(item.name)}
              ${item.what === undefined ? nothing : html`<div class="quiet wrap">${item.what}</div>`}
            </li>`,
        )}
      ${
        items.length > MAX_NODES
          ? html`<li class="quiet">${strings.more(items.length - MAX_NODES)}</li>`
          : nothing
      }
    </ul>
  </details>`;
}

export const graphDiffStyles = css`
  .graph-diff .sign {
    display: inline-block;
    width: 1.2em;
    font-weight: 600;
  }
  .graph-diff ul {
    margin: 4px 0 8px 2.2em;
    padding: 0;
    list-style: none;
    max-height: 260px;
    overflow-y: auto;
  }
  .graph-diff ul.groups {
    margin: 0 0 10px;
  }
  .graph-diff .groups li {
    display: flex;
    align-items: baseline;
    gap: 8px;
    padding: 2px 0;
  }
  .graph-diff .times {
    flex: none;
    min-width: 3.6em;
    text-align: end;
  }
  .graph-diff .op {
    display: inline-block;
    min-width: 11em;
    color: var(--quiet);
  }
`;
