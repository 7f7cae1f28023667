/** Inputs or outputs: name, element type and shape; what does not fit beside the name goes below it. */
import { css, html, type TemplateResult } from "lit";
import { formatShape } from "../../src/shared/format.ts";
import type { IoView } from "../../src/shared/protocol.ts";
import { strings } from "../strings.ts";
import { nameView } from "./name.ts";

export function ioList(values: readonly IoView[], label: string): TemplateResult {
  if (values.length === 0) return html`<p class="quiet">${strings.none}</p>`;
  return html`<ul class="io" aria-label=${label}>
    ${values.map((value) =>
      value.name === ""
        ? html`<li class="quiet">${strings.inspector.omitted}</li>`
        : html`<li>
            ${nameView(value.name)}
            <span class="quiet">${value.dtype} ${formatShape(value.shape)}</span>
          </li>`,
    )}
  </ul>`;
}

export const ioStyles = css`
  ul.io {
    padding: 0;
    list-style: none;
  }
  ul.io li {
    display: flex;
    flex-wrap: wrap;
    justify-content: space-between;
    gap: 0 12px;
    padding: 2px 0;
  }
`;
