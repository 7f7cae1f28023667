import { css } from "lit";

export const dataStyles = css`
  :host {
    display: block;
    height: 100%;
    overflow-y: auto;
  }
  .page {
    max-width: 1240px;
  }
  .page .card + .card {
    margin-block-start: 16px;
  }
  ul.pictures {
    display: grid;
    grid-template-columns: repeat(auto-fill, minmax(112px, max-content));
    gap: 16px;
    margin: 0;
    padding: 0;
    list-style: none;
    line-height: 1.5;
    font-variant-numeric: tabular-nums;
  }
  ul.pictures canvas {
    display: block;
    width: 96px;
    margin-bottom: 4px;
    border: 1px solid var(--line);
    image-rendering: pixelated;
  }
  .nowrap {
    white-space: nowrap;
    font-variant-numeric: tabular-nums;
  }
  td.values {
    overflow-wrap: anywhere;
    min-width: 24ch;
  }
  details.form-details > summary {
    font-weight: 600;
    margin-bottom: 8px;
  }
`;
