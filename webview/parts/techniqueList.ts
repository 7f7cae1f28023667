/** The catalogue by family; one technique is current. */
import { css, html, type TemplateResult } from "lit";
import type { CatalogEntry } from "../../src/shared/protocol.ts";
import { strings } from "../strings.ts";

const text = strings.optimize;

export interface ListWords {
  readonly label: string;
  readonly families: Readonly<Record<string, string>>;
  readonly none: string;
}
const TECHNIQUES: ListWords = {
  label: text.techniques,
  families: text.families,
  none: text.none,
};

export function techniqueList(
  entries: readonly Pick<CatalogEntry, "id" | "family" | "title">[],
  current: string | null,
  choose: (id: string) => void,
  words: ListWords = TECHNIQUES,
): TemplateResult {
  const known = Object.keys(words.families);
  const families = [...new Set(entries.map((entry) => entry.family))].sort(
    (a, b) => known.indexOf(a) - known.indexOf(b),
  );
  return html`<nav class="techniques" aria-label=${words.label}>
    ${families.length === 0 ? html`<p class="quiet">${words.none}</p>` : ""}
    ${families.map(
      (family) =>
        html`<h3 id=${`family-${family}`}>${words.families[family] ?? family}</h3>
          <ul aria-labelledby=${`family-${family}`}>
            ${entries
              .filter((entry) => entry.family === family)
              .map(
                (entry) =>
                  html`<li>
                    <button
                      class="technique"
                      data-technique=${entry.id}
                      aria-current=${entry.id === current ? "true" : "false"}
                      @click=${() => choose(entry.id)}
                    >
                      ${entry.title}
                    </button>
                  </li>`,
              )}
          </ul>`,
    )}
  </nav>`;
}

export const techniqueListStyles = css`
  .techniques h3 {
    margin: 12px 12px 4px;
    color: var(--quiet);
  }
  .techniques ul {
    padding: 0;
    list-style: none;
  }
  .techniques p {
    padding: 12px;
  }
  .technique {
    width: 100%;
    padding: 4px 12px 4px 20px;
    border: 0;
    background: none;
    color: inherit;
    font: inherit;
    line-height: 1.4;
    text-align: start;
    cursor: pointer;
  }
  .technique.advisor {
    margin-top: 8px;
    padding-inline-start: 12px;
    font-weight: 600;
  }
  .technique:hover {
    background: var(--vscode-list-hoverBackground);
    outline: 1px dashed var(--vscode-contrastActiveBorder, transparent);
    outline-offset: -1px;
  }
  .technique[aria-current="true"] {
    background: var(--vscode-list-activeSelectionBackground);
    color: var(--vscode-list-activeSelectionForeground, inherit);
    outline: 1px solid var(--vscode-contrastActiveBorder, transparent);
    outline-offset: -1px;
  }
  .technique:focus-visible {
    outline: 1px solid var(--vscode-focusBorder);
    outline-offset: -1px;
  }
`;
