import { css } from "lit";

export const tensorsStyles = css`
  :host {
    display: block;
    height: 100%;
    container-type: inline-size;
  }
  .layout {
    display: grid;
    grid-template: minmax(0, 1fr) / minmax(0, 1fr);
    height: 100%;
  }
  .list {
    display: flex;
    flex-direction: column;
    min-width: 0;
    min-height: 0;
  }
  .tools {
    display: flex;
    flex: none;
    flex-wrap: wrap;
    align-items: center;
    gap: 8px 12px;
    padding: 10px 12px;
  }
  .tools vscode-textfield {
    width: min(280px, 100%);
  }
  .views {
    display: inline-flex;
    border: 1px solid var(--line);
  }
  .views button {
    padding: 2px 10px;
    border: 0;
    background: none;
    color: inherit;
    font: inherit;
    cursor: pointer;
  }
  .views button[aria-pressed="true"] {
    background: var(--vscode-inputOption-activeBackground, transparent);
    color: var(--vscode-inputOption-activeForeground, inherit);
    outline: 1px solid var(--vscode-inputOption-activeBorder, var(--line));
    outline-offset: -2px;
  }
  .count {
    font-variant-numeric: tabular-nums;
  }
  lathe-table {
    flex: 1;
  }
  .message {
    padding: 0 12px;
  }
  .detail {
    min-width: 0;
    min-height: 0;
    overflow-y: auto;
    padding: 12px 16px 24px;
    border-inline-start: 1px solid var(--line);
  }
  .detail header {
    display: grid;
    grid-template-columns: minmax(0, 1fr) max-content;
    align-items: center;
    gap: 8px;
    margin-bottom: 8px;
  }
  .detail header h2 {
    overflow-wrap: anywhere;
    font-size: 1em;
  }
  .detail h3 {
    margin-top: 16px;
  }
  .with-detail {
    grid-template-columns: minmax(0, 1fr) minmax(280px, 38%);
  }
  @container (max-width: 760px) {
    .with-detail {
      grid-template: minmax(140px, 1fr) minmax(0, 55%) / minmax(0, 1fr);
    }
    .detail {
      border-inline-start: 0;
      border-block-start: 1px solid var(--line);
    }
  }
`;
