/** What validation found: verdict, then one row per finding with its place, a way to it, and what would be right. */
import { css, html, nothing, type TemplateResult } from "lit";
import { formatCount } from "../../src/shared/format.ts";
import type { FindingView, Validation } from "../../src/shared/protocol.ts";
import { strings } from "../strings.ts";
import { breakableName } from "./name.ts";

const text = strings.findings;
/** Findings of one kind shown at once; the rest fold. */
const MAX_OPEN = 3;

/** @param reveal null where there is nothing to go to */
export function findingList(
  { counts, findings, leftOut }: Validation,
  reveal: (finding: FindingView) => (() => void) | null,
): TemplateResult {
  const codes = [...new Set(findings.map(({ code }) => code))];
  return html`<div data-testid="findings">
    <p>${text.counts(counts)}</p>
    <ul class="findings">
      ${codes.map((code) => {
        const all = findings.filter((finding) => finding.code === code);
        const rest = all.slice(MAX_OPEN);
        return html`${all.slice(0, MAX_OPEN).map((finding) => row(finding, reveal(finding)))}
        ${
          rest.length === 0
            ? nothing
            : html`<li>
                <details>
                  <summary>${strings.more(rest.length)}</summary>
                  <ul class="findings">
                    ${rest.map((finding) => row(finding, reveal(finding)))}
                  </ul>
                </details>
              </li>`
        }`;
      })}
    </ul>
    ${leftOut > 0 ? html`<p class="quiet">${text.leftOut(formatCount(leftOut))}</p>` : nothing}
  </div>`;
}

function row(finding: FindingView, go: (() => void) | null): TemplateResult {
  const { severity, message, fix, op, label, value } = finding;
  const name = label ?? value;
  return html`<li class="finding">
    <span class="tag plain ${severity === "warning" ? "warns" : "wrong"}"
      >${text.severities[severity]}</span
    >
    <div class="what">
      ${
        name === null
          ? nothing
          : html`<div>
              ${op === null || label === null ? nothing : html`<span>${op}</span>`}
              ${
                go === null
                  ? html`<span class="mono">${breakableName(name)}</span>`
                  : html`<button class="link mono place" @click=${go}>
                      ${breakableName(name)}
                    </button>`
              }
              ${
                finding.inFunction === null
                  ? nothing
                  : html`<span class="quiet">${text.inFunction(finding.inFunction)}</span>`
              }
              ${
                finding.inTraining === null
                  ? nothing
                  : html`<span class="quiet">${text.inTraining(finding.inTraining)}</span>`
              }
            </div>`
      }
      <div class="wrap">${message}</div>
      ${fix === "" ? nothing : html`<div class="wrap quiet">${fix}</div>`}
    </div>
  </li>`;
}

export const findingStyles = css`
  .findings {
    list-style: none;
    padding: 0;
  }
  .finding {
    display: flex;
    gap: 10px;
    padding: 6px 0;
    border-top: 1px solid var(--line);
  }
  .finding .what {
    min-width: 0;
    overflow-wrap: anywhere;
  }
  .finding .tag {
    flex: none;
    align-self: start;
    min-width: 5.5em;
    text-align: center;
  }
  .finding .wrong {
    border-color: var(--vscode-inputValidation-errorBorder, var(--line));
    background: var(--vscode-inputValidation-errorBackground, transparent);
    color: var(--vscode-inputValidation-errorForeground, var(--vscode-foreground));
  }
  .finding .warns {
    border-color: var(--vscode-inputValidation-warningBorder, var(--line));
    background: var(--vscode-inputValidation-warningBackground, transparent);
    color: var(--vscode-inputValidation-warningForeground, var(--vscode-foreground));
  }
  .finding .place {
    text-align: start;
    white-space: normal;
  }
`;
