/** The running job: how far, what now, and a way out. */
import "@vscode-elements/elements/dist/vscode-button/index.js";
import "@vscode-elements/elements/dist/vscode-progress-bar/index.js";
import { css, html, type TemplateResult } from "lit";
import { formatPercent } from "../../src/shared/format.ts";
import { strings } from "../strings.ts";

export interface JobView {
  readonly title: string;
  readonly fraction: number;
  readonly message: string;
}

export function jobBar(job: JobView, cancel: () => void): TemplateResult {
  return html`<div
    class="job"
    role="group"
    aria-label=${strings.job.running(job.title)}
    data-testid="job"
  >
    <div class="job-text">
      <strong>${job.title}</strong>
      <span class="quiet job-message" title=${job.message}>${job.message}</span>
      <span class="num">${formatPercent(job.fraction, 0)}</span>
    </div>
    <vscode-progress-bar
      aria-label=${strings.job.label}
      .value=${Math.round(job.fraction * 100)}
    ></vscode-progress-bar>
    <vscode-button secondary @click=${cancel}>${strings.cancel}</vscode-button>
  </div>`;
}

export const jobBarStyles = css`
  .job {
    display: grid;
    grid-template-columns: minmax(0, 1fr) max-content;
    align-items: center;
    gap: 4px 12px;
  }
  .job vscode-progress-bar {
    grid-column: 1;
    width: 100%;
    background: var(--line);
  }
  .job vscode-button {
    grid-area: 1 / 2 / 3 / 3;
  }
  .job-text {
    display: flex;
    gap: 8px;
    min-width: 0;
    white-space: nowrap;
  }
  .job-message {
    flex: 1;
    overflow: hidden;
    text-overflow: ellipsis;
  }
`;
