/** Buttons above the graph: zoom, folding, the way into bodies and out of them. */
import { html, nothing, type TemplateResult } from "lit";
import { MAX_UNFOLDED, type GraphBox } from "../../../src/shared/graphView.ts";
import { strings } from "../../strings.ts";
import type { Scene } from "./scene.ts";

const text = strings.graph;

const button = (label: string, run: () => void, title = label): TemplateResult =>
  html`<button title=${title} aria-label=${title} @click=${run}>${label}</button>`;

export const zoomButtons = (run: {
  readonly zoom: (steps: number) => void;
  readonly fit: () => void;
}): TemplateResult =>
  html`<div class="buttons" role="group" aria-label=${text.zoom}>
    ${button("−", () => run.zoom(-1), text.zoomOut)} ${button("+", () => run.zoom(1), text.zoomIn)}
    ${button(text.fit, run.fit)}
  </div>`;

/** Nothing for a graph that has no groups. */
export function foldButtons(
  scene: Scene | null,
  fold: boolean,
  run: {
    readonly fold: (on: boolean) => void;
    readonly open: (open: "all" | readonly string[]) => void;
  },
): TemplateResult | typeof nothing {
  const { open = [], groups = 0, nodes = 0, constants = 0 } = scene?.info ?? {};
  if (groups === 0 && fold) return nothing;
  const tooMany = nodes - constants > MAX_UNFOLDED;
  return html`<div class="buttons">
    <button
      aria-pressed=${fold ? "true" : "false"}
      ?disabled=${tooMany && fold}
      title=${tooMany ? text.tooMany : text.fold}
      @click=${() => run.fold(!fold)}
    >
      ${text.fold}
    </button>
    <button ?disabled=${!fold || open.length >= groups} @click=${() => run.open("all")}>
      ${text.expandAll}
    </button>
    <button ?disabled=${!fold || open.length === 0} @click=${() => run.open([])}>
      ${text.collapseAll}
    </button>
  </div>`;
}

/** Ways into the bodies of the active node. */
export const bodyButtons = (
  box: GraphBox | undefined,
  enter: (graph: string) => void,
): TemplateResult | typeof nothing =>
  box && box.bodies.length > 0
    ? html`<div class="buttons">
        ${box.bodies.map(({ title, graph }) => button(text.enter(title), () => enter(graph)))}
      </div>`
    : nothing;

/** Graphs around this one; nothing in the main graph. */
export function crumbs(
  scene: Scene | null,
  enter: (graph: string) => void,
): TemplateResult | typeof nothing {
  const path = scene?.info.path ?? [];
  if (path.length < 2) return nothing;
  return html`<nav aria-label=${text.path}>
    <ol>
      ${path.map(
        ({ graph, title }, i) =>
          html`<li>
            ${
              i === path.length - 1
                ? html`<span aria-current="page">${title}</span>`
                : html`<button class="link" @click=${() => enter(graph)}>
                    ${i === 0 ? text.main : title}
                  </button>`
            }
          </li>`,
      )}
    </ol>
  </nav>`;
}
