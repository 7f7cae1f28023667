/** Outside VS Code there is no theme: the tokens that the parts use, light and dark. */
import { css } from "lit";

export const reportTheme = css`
  :host {
    --vscode-font-family: system-ui, -apple-system, "Segoe UI", sans-serif;
    --vscode-font-size: 14px;
    --vscode-editor-font-family: ui-monospace, "SF Mono", Consolas, "DejaVu Sans Mono", monospace;
    --vscode-editor-background: #ffffff;
    --vscode-foreground: #24292f;
    --vscode-descriptionForeground: #57606a;
    --vscode-panel-border: #d0d7de;
    --vscode-widget-border: #e4e8ec;
    --vscode-editorWidget-background: #f0f2f4;
    --vscode-textLink-foreground: #0550ae;
    --vscode-focusBorder: #0969da;
    --vscode-badge-background: #e4e8ec;
    --vscode-badge-foreground: #24292f;
    --vscode-charts-blue: #1a6fc4;
    --vscode-charts-lines: #8c959f;
  }
  @media (prefers-color-scheme: dark) {
    :host {
      --vscode-editor-background: #1c1f24;
      --vscode-foreground: #d7dae0;
      --vscode-descriptionForeground: #9aa4b2;
      --vscode-panel-border: #3a404a;
      --vscode-widget-border: #2d323a;
      --vscode-editorWidget-background: #2a2e36;
      --vscode-textLink-foreground: #79b8ff;
      --vscode-focusBorder: #58a6ff;
      --vscode-badge-background: #3a404a;
      --vscode-badge-foreground: #e6e9ee;
      --vscode-charts-blue: #5aa2ec;
      --vscode-charts-lines: #6b7480;
    }
  }
`;

export const reportStyles = css`
  :host {
    display: block;
    height: 100%;
    overflow-y: auto;
    background: var(--vscode-editor-background);
  }
  .page {
    max-width: 960px;
    margin: 0 auto;
    padding: 32px 24px 48px;
  }
  h1 {
    margin: 0 0 16px;
    font-size: 1.5em;
    overflow-wrap: anywhere;
  }
  h2 {
    margin-bottom: 12px;
    font-size: 1.1em;
  }
  section.card + section.card,
  .page > section {
    margin-top: 16px;
  }
  .page > p {
    margin-top: 16px;
  }
  .files {
    margin-top: 16px !important;
  }
  article + article {
    margin-top: 20px;
    padding-top: 16px;
    border-top: 1px solid var(--line);
  }
  article .skips {
    margin-top: 12px;
  }
  .units li {
    padding: 1px 0;
  }
  .measures {
    display: grid;
    grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr));
    gap: 20px 32px;
  }
  td.name-cell {
    max-width: 0;
    width: 100%;
    min-width: 120px;
  }
  .meter {
    width: 72px;
    height: 8px;
    margin-inline-end: 8px;
  }
  .meter .track {
    fill: color-mix(in srgb, var(--vscode-descriptionForeground) 20%, transparent);
  }
  .meter .fill {
    fill: var(--vscode-charts-blue);
  }
  @media print {
    :host {
      height: auto;
      overflow: visible;
    }
  }
`;
