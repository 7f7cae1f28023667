import { css } from "lit";

export const graphStyles = css`
  :host {
    display: flex;
    flex-direction: column;
    height: 100%;
  }
  .tools {
    display: flex;
    flex: none;
    flex-wrap: wrap;
    align-items: center;
    gap: 6px 12px;
    padding: 8px 12px;
  }
  .buttons {
    display: flex;
    flex-wrap: wrap;
    gap: 4px;
  }
  .buttons button {
    min-width: 26px;
    padding: 2px 8px;
    border: 1px solid var(--vscode-contrastBorder, var(--vscode-button-border, transparent));
    border-radius: 2px;
    background: var(--vscode-button-secondaryBackground);
    color: var(--vscode-button-secondaryForeground);
    font: inherit;
    line-height: 18px;
    cursor: pointer;
  }
  .buttons button:hover {
    background: var(--vscode-button-secondaryHoverBackground);
  }
  .buttons button:disabled {
    opacity: 0.5;
    cursor: default;
  }
  .buttons button[aria-pressed="true"] {
    border-color: var(--vscode-focusBorder);
  }
  .buttons button[aria-pressed="true"]::before {
    content: "✓ ";
  }
  nav ol {
    display: flex;
    flex-wrap: wrap;
    margin: 0;
    padding: 0;
    list-style: none;
  }
  nav li + li::before {
    content: "›";
    margin: 0 6px;
    color: var(--quiet);
  }
  .count {
    margin-inline-start: auto;
  }
  .stage {
    position: relative;
    flex: 1;
    min-height: 0;
    border-top: 1px solid var(--line);
  }
  lathe-graph-canvas {
    position: absolute;
    inset: 0;
  }
  .stage.busy::after {
    content: "";
    position: absolute;
    inset: 0 0 auto;
    height: 2px;
    background: var(--vscode-progressBar-background);
  }
  .stage .skeleton {
    margin: 16px;
  }
  .message {
    padding: 12px;
  }
`;
