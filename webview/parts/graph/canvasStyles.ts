import { css } from "lit";

export const canvasStyles = css`
  :host {
    display: block;
    position: relative;
    overflow: hidden;
    touch-action: none;
  }
  canvas.drawing {
    position: absolute;
    inset: 0;
    width: 100%;
    height: 100%;
  }
  .keys {
    position: absolute;
    inset: 0;
    cursor: grab;
    outline: none;
  }
  .keys:focus-visible {
    outline: 1px solid var(--vscode-focusBorder);
    outline-offset: -1px;
  }
  :host(.dragging) .keys {
    cursor: grabbing;
  }
  canvas.map {
    position: absolute;
    inset-block: 8px;
    inset-inline-end: 8px;
    width: 64px;
    height: calc(100% - 16px);
    border: 1px solid var(--vscode-contrastBorder, var(--vscode-widget-border, transparent));
    border-radius: 3px;
    background: var(--vscode-editorWidget-background, var(--vscode-editor-background));
    cursor: pointer;
  }
  .tip {
    position: absolute;
    left: 0;
    top: 0;
    max-width: min(420px, calc(100% - 8px));
    padding: 6px 10px;
    border: 1px solid var(--vscode-editorHoverWidget-border, var(--vscode-editorWidget-border));
    border-radius: 3px;
    background: var(--vscode-editorHoverWidget-background, var(--vscode-editorWidget-background));
    color: var(--vscode-editorHoverWidget-foreground, var(--vscode-foreground));
    pointer-events: none;
    overflow-wrap: anywhere;
  }
  .tip dl {
    display: grid;
    grid-template-columns: max-content minmax(0, 1fr);
    gap: 1px 12px;
    margin: 4px 0 0;
  }
  .tip dt {
    color: var(--quiet);
  }
  .tip dd {
    margin: 0;
  }
  .tip p {
    margin: 6px 0 0;
    color: var(--quiet);
  }
`;
