/** Boxes in words on the page: the tree that a screen reader hears, and the tooltip. */
import { html, nothing, type TemplateResult } from "lit";
import { strings } from "../../strings.ts";
import type { Colouring } from "./colours.ts";
import type { Scene } from "./scene.ts";
import { describe, factsOf } from "./words.ts";

const text = strings.graph;
/** Boxes told to a screen reader at once; of more, those around the active one. */
const MAX_TOLD = 300;
const AROUND = 50;

/** One `treeitem` for each box, in reading order; `activate` when one is chosen there. */
export function treeItems(
  scene: Scene,
  active: number,
  colouring: Colouring | null,
  activate: (box: number) => void,
): readonly TemplateResult[] {
  const { order } = scene;
  const at = Math.max(0, order.indexOf(active));
  const told =
    order.length <= MAX_TOLD ? order : order.slice(Math.max(0, at - AROUND), at + AROUND + 1);
  return told.map((index) => {
    const box = scene.boxes[index];
    const siblings = scene.childrenOf(box?.parent ?? -1);
    return html`<div
      class="visually-hidden"
      role="treeitem"
      id="box-${index}"
      aria-level=${scene.depthOf(index) + 1}
      aria-setsize=${siblings.length}
      aria-posinset=${siblings.indexOf(index) + 1}
      aria-selected=${index === active ? "true" : "false"}
      aria-expanded=${box?.kind === "group" ? (box.open ? "true" : "false") : nothing}
      @click=${() => activate(index)}
    >
      ${describe(scene, index, colouring)}
    </div>`;
  });
}

/** Facts of a node or closed group; an open group has its title in view. */
export function tooltip(
  scene: Scene,
  index: number,
  colouring: Colouring | null,
): TemplateResult | typeof nothing {
  const box = scene.boxes[index];
  if (!box || box.open) return nothing;
  const hint = box.kind === "group" ? text.openHint : box.bodies.length > 0 ? text.enterHint : null;
  return html`<div class="tip" aria-hidden="true">
    <strong>${box.title}</strong>
    <dl>
      ${factsOf(scene, index, colouring).map(
        ({ term, value }) =>
          html`<dt>${term}</dt>
            <dd>${value}</dd>`,
      )}
    </dl>
    ${hint === null ? nothing : html`<p>${hint}</p>`}
  </div>`;
}
