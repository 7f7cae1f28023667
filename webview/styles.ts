/** The look all parts share: theme tokens only, so every VS Code theme fits, high contrast included. */
import { css } from "lit";

/** For the document itself, adopted by `main.ts`. */
export const documentStyles = css`
  html,
  body {
    height: 100%;
    margin: 0;
    padding: 0;
    overflow: hidden;
    background: var(--vscode-editor-background);
    color: var(--vscode-foreground);
    font-family: var(--vscode-font-family);
    font-size: var(--vscode-font-size);
  }
`;

export const base = css`
  :host {
    box-sizing: border-box;
    color: var(--vscode-foreground);
    font-family: var(--vscode-font-family);
    font-size: var(--vscode-font-size);
    --line: var(--vscode-contrastBorder, var(--vscode-panel-border, transparent));
    --quiet: var(--vscode-descriptionForeground);
    --mono: var(--vscode-editor-font-family, monospace);
  }
  /* Not inherited: what stands in a slot of a tab panel would inherit the panel's own. */
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  [hidden] {
    display: none !important;
  }
  h2 {
    margin: 0;
    font-size: 1.25em;
    font-weight: 600;
  }
  h3 {
    margin: 0 0 8px;
    font-size: 1em;
    font-weight: 600;
  }
  p {
    margin: 0 0 8px;
    line-height: 1.45;
  }
  ul,
  ol {
    margin: 0;
    padding-inline-start: 20px;
    line-height: 1.45;
  }
  .quiet {
    color: var(--quiet);
  }
  .mono {
    font-family: var(--mono);
    font-size: 0.95em;
  }
  .num {
    text-align: end;
    font-variant-numeric: tabular-nums;
    white-space: nowrap;
  }
  .wrap {
    overflow-wrap: anywhere;
  }
  .row {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 8px;
  }
  .page {
    padding: 16px 20px 32px;
  }
  .page > * + *,
  .stack > * + * {
    margin-block-start: 20px;
  }
  section.card {
    border: 1px solid var(--line);
    border-radius: 4px;
    padding: 12px;
  }
  table {
    border-collapse: collapse;
    width: 100%;
    font-size: inherit;
  }
  th {
    text-align: start;
    font-weight: 600;
    color: var(--quiet);
    white-space: nowrap;
  }
  th.num {
    text-align: end;
  }
  th,
  td {
    padding: 3px 12px 3px 0;
    vertical-align: baseline;
  }
  th:last-child,
  td:last-child {
    padding-inline-end: 0;
  }
  tbody tr + tr > * {
    border-top: 1px solid var(--vscode-contrastBorder, var(--vscode-widget-border, transparent));
  }
  .scroll-x {
    overflow-x: auto;
  }
  details > summary {
    cursor: pointer;
    padding: 2px 0;
    border-radius: 2px;
  }
  button.link {
    max-width: 100%;
    border: 0;
    padding: 0;
    background: none;
    color: var(--vscode-textLink-foreground);
    font: inherit;
    text-align: start;
    cursor: pointer;
  }
  /* Below a list, to the rest of it. */
  button.link.all {
    display: block;
    margin-top: 8px;
  }
  /* Amid a sentence: breaks with its words. */
  button.link.inline {
    display: inline;
    white-space: normal;
  }
  button.link:hover {
    text-decoration: underline;
  }
  :focus-visible {
    outline: 1px solid var(--vscode-focusBorder);
    outline-offset: 1px;
  }
  .tag {
    display: inline-block;
    padding: 0 6px;
    border: 1px solid var(--vscode-contrastBorder, transparent);
    border-radius: 9px;
    background: var(--vscode-badge-background);
    color: var(--vscode-badge-foreground);
    font-size: 0.85em;
    line-height: 1.6;
    white-space: nowrap;
  }
  .tag.plain {
    border-color: var(--line);
    background: none;
    color: var(--quiet);
  }
  .note {
    padding: 8px 12px;
    border: 1px solid var(--vscode-inputValidation-infoBorder, var(--line));
    border-inline-start-width: 3px;
    background: var(--vscode-inputValidation-infoBackground, transparent);
    color: var(--vscode-inputValidation-infoForeground, inherit);
    line-height: 1.45;
  }
  .note .quiet {
    color: inherit;
  }
  .note.warning {
    border-color: var(--vscode-inputValidation-warningBorder, var(--line));
    background: var(--vscode-inputValidation-warningBackground, transparent);
    color: var(--vscode-inputValidation-warningForeground, inherit);
  }
  .note.error {
    border-color: var(--vscode-inputValidation-errorBorder, var(--line));
    background: var(--vscode-inputValidation-errorBackground, transparent);
    color: var(--vscode-inputValidation-errorForeground, inherit);
  }
  .empty {
    max-width: 60ch;
    margin: 48px auto;
    text-align: center;
    line-height: 1.5;
  }
  .empty h2 {
    margin-bottom: 8px;
  }
  .empty .row {
    justify-content: center;
    margin-top: 16px;
  }
  /* Text stays readable on every theme: less opacity would fall below its contrast. */
  .busy {
    opacity: 0.85;
  }
  .skeleton {
    display: block;
    min-height: 1.2em;
    border-radius: 3px;
    background: color-mix(in srgb, var(--vscode-descriptionForeground) 16%, transparent);
  }
  @media (prefers-reduced-motion: no-preference) {
    .skeleton {
      animation: breathe 1.6s ease-in-out infinite;
    }
    @keyframes breathe {
      50% {
        opacity: 0.45;
      }
    }
  }
  .visually-hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
`;

/** Columns of facts: term and value. */
export const facts = css`
  dl.facts {
    display: grid;
    grid-template-columns: minmax(7em, max-content) minmax(0, 1fr);
    gap: 4px 16px;
    margin: 0;
  }
  dl.facts dt {
    color: var(--quiet);
  }
  dl.facts dd {
    margin: 0;
    overflow-wrap: anywhere;
    font-variant-numeric: tabular-nums;
  }
`;
