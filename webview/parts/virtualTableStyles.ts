import { css } from "lit";

export const tableStyles = css`
  :host {
    display: block;
    height: 100%;
    min-height: 0;
  }
  :host([fit]) {
    height: auto;
  }
  .scroller {
    position: relative;
    height: 100%;
    overflow: auto;
    contain: content;
    border: 1px solid var(--line);
  }
  :host([fit]) .scroller {
    max-height: var(--table-max, 420px);
  }
  .header {
    position: sticky;
    top: 0;
    z-index: 1;
    background: var(--vscode-keybindingTable-headerBackground, transparent);
    background-color: var(--vscode-editor-background);
    border-bottom: 1px solid var(--vscode-contrastBorder, var(--vscode-widget-border, var(--line)));
  }
  .body {
    position: relative;
  }
  .cells {
    display: grid;
    grid-template-columns: var(--tracks);
    column-gap: 12px;
    height: 24px;
    padding: 0 8px;
    line-height: 24px;
    white-space: nowrap;
  }
  .cells > * {
    min-width: 0;
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .cells > .end {
    text-align: end;
    font-variant-numeric: tabular-nums;
  }
  .cells > [role="gridcell"].end {
    position: relative;
  }
  /* Behind a figure, from the right: the wider, the worse. */
  .heat {
    position: absolute;
    inset: 2px 0;
    width: 100%;
    height: calc(100% - 4px);
    fill: var(--vscode-charts-orange, var(--vscode-focusBorder));
    opacity: 0.35;
  }
  .tree-name {
    display: inline-flex;
    max-width: 100%;
    box-sizing: border-box;
  }
  .twistie {
    flex: none;
    width: 14px;
  }
  .figure {
    position: relative;
  }
  .header .cells {
    font-weight: 600;
  }
  .header button {
    max-width: 100%;
    padding: 0;
    border: 0;
    background: none;
    color: inherit;
    font: inherit;
    line-height: 22px;
    cursor: pointer;
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .header .arrow {
    display: inline-block;
    padding-inline: 2px;
  }
  .data {
    position: absolute;
    left: 0;
    right: 0;
    cursor: default;
  }
  .data.odd {
    background: var(--vscode-keybindingTable-rowsBackground, transparent);
  }
  .data:hover {
    background: var(--vscode-list-hoverBackground);
    color: var(--vscode-list-hoverForeground, inherit);
    outline: 1px dashed var(--vscode-contrastActiveBorder, transparent);
    outline-offset: -1px;
  }
  .data.selected {
    background: var(--vscode-list-inactiveSelectionBackground);
    color: var(--vscode-list-inactiveSelectionForeground, inherit);
    outline: 1px solid var(--vscode-contrastActiveBorder, transparent);
    outline-offset: -1px;
  }
  .data:focus {
    outline: 1px solid var(--vscode-list-focusOutline, var(--vscode-focusBorder));
    outline-offset: -1px;
  }
  .data.selected:focus {
    background: var(--vscode-list-activeSelectionBackground);
    color: var(--vscode-list-activeSelectionForeground, inherit);
  }
  .data.selected:focus .quiet,
  .data.selected:focus .name {
    color: inherit;
  }
  .pending {
    display: inline-block;
    width: 60%;
    height: 8px;
    border-radius: 4px;
    background: var(--vscode-editorWidget-border, var(--vscode-descriptionForeground));
    opacity: 0.35;
  }
  input[type="checkbox"] {
    margin: 0;
    vertical-align: middle;
    accent-color: var(--vscode-charts-blue);
  }
  .meter {
    display: inline-block;
    width: 72px;
    height: 8px;
    margin-inline-end: 8px;
    vertical-align: baseline;
  }
  .meter .track {
    fill: color-mix(in srgb, var(--vscode-descriptionForeground) 20%, transparent);
    stroke: var(--vscode-contrastBorder, transparent);
  }
  .meter .fill {
    fill: var(--vscode-charts-blue);
  }
`;
