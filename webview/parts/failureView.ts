/** A failure in the place of what it prevented: what is wrong, what would be right, and a retry. */
import "@vscode-elements/elements/dist/vscode-button/index.js";
import { html, nothing, type TemplateResult } from "lit";
import type { Failure } from "../../src/shared/errors.ts";
import { strings } from "../strings.ts";

/** Styled by `base`. `retry` null leaves the button out. */
export function failureView(failure: Failure, retry: (() => void) | null): TemplateResult {
  const isDefect = failure.code === "internal";
  return html`<div class="note error" role="alert" data-testid="failure">
    <strong class="wrap">${failure.message}</strong>
    ${failure.hint === undefined ? nothing : html`<p class="wrap">${failure.hint}</p>`}
    ${isDefect ? html`<p>${strings.failure.defect}</p>` : nothing}
    ${
      isDefect && failure.where !== undefined && failure.where !== ""
        ? html`<details>
            <summary>${strings.failure.details}</summary>
            <pre class="mono wrap">${failure.where}</pre>
          </details>`
        : nothing
    }
    ${
      retry === null
        ? nothing
        : html`<div class="row">
            <vscode-button secondary @click=${retry}>${strings.failure.retry}</vscode-button>
          </div>`
    }
  </div>`;
}
