import { css } from "lit";

export const optimizeStyles = css`
  :host {
    display: block;
    height: 100%;
    container-type: inline-size;
  }
  .layout {
    display: grid;
    grid-template: minmax(0, 1fr) / 236px minmax(0, 1fr);
    height: 100%;
  }
  .side {
    overflow: hidden auto;
    overflow-wrap: anywhere;
    padding-bottom: 16px;
    border-inline-end: 1px solid var(--line);
    background: var(--vscode-sideBar-background, transparent);
  }
  .no-advisor {
    margin: 16px 12px 0;
    border-top: 1px solid var(--line);
    padding-top: 12px;
  }
  .no-advisor strong {
    display: block;
    font-weight: 600;
  }
  .main {
    overflow-y: auto;
    padding: 16px 20px 32px;
  }
  .main:focus {
    outline: none;
  }
  .main > section {
    margin-top: 20px;
  }
  .main > p.note {
    margin-top: 12px;
  }
  .stack-tight > * + * {
    margin-top: 10px;
  }
  /* The bar of a running job takes the place of the button without moving what follows. */
  .action {
    min-height: 40px;
  }
  .action .row {
    min-height: 40px;
  }
  .result .skips {
    margin-top: 12px;
  }
  @container (max-width: 640px) {
    .layout {
      display: block;
      overflow-y: auto;
    }
    .side {
      border-inline-end: 0;
      border-block-end: 1px solid var(--line);
      max-height: 190px;
    }
    .main {
      overflow: visible;
      padding: 16px 14px 32px;
    }
  }
`;
