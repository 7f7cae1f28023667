/** Sentences of the engine name techniques as the command line does: here by their titles, which lead to their forms. */
import { html, type TemplateResult } from "lit";
import { techniques } from "../catalog.ts";

/** @param open null where there is no form to go to: only the title is shown then */
export function withTechniques(
  sentence: string,
  open: ((id: string) => void) | null,
): readonly (string | TemplateResult)[] {
  return sentence.split(/\b([a-z]+\.[a-zA-Z]+)\b/).map((piece) => {
    const technique = techniques.find(({ id }) => id === piece);
    if (!technique) return piece;
    const { id, title } = technique;
    return open === null
      ? html`<em>${title}</em>`
      : html`<button class="link inline" title=${id} @click=${() => open(id)}>${title}</button>`;
  });
}
