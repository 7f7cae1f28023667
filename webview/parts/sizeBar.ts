/** Bytes as bars: one bar of parts with a legend, or two bars to compare. Text carries every figure. */
import { css, html, svg, type TemplateResult } from "lit";
import { formatBytes, formatPercent, formatRatio, ratioOf } from "../../src/shared/format.ts";
import { strings } from "../strings.ts";

export interface Part {
  readonly label: string;
  readonly value: number;
}

/** Hues of the theme's charts; more parts than hues start again, the legend tells them apart. */
const HUES = 6;

export function partsBar(parts: readonly Part[], title: string): TemplateResult {
  const total = parts.reduce((sum, part) => sum + part.value, 0);
  const share = (part: Part): number => (total === 0 ? 0 : part.value / total);
  const sentence = parts
    .map((part) => `${part.label} ${formatBytes(part.value)} (${formatPercent(share(part))})`)
    .join(", ");
  let at = 0;
  return html`<figure class="parts">
    <svg
      role="img"
      aria-label=${`${title}: ${sentence}`}
      viewBox="0 0 1000 10"
      preserveAspectRatio="none"
    >
      ${parts.map((part, i) => {
        const width = share(part) * 1000;
        const bar = svg`<rect class=${`hue${i % HUES}`} x=${at} y="0" width=${Math.max(0, width - (i < parts.length - 1 ? 2 : 0))} height="10"></rect>`;
        at += width;
        return bar;
      })}
    </svg>
    <ul class="legend" aria-hidden="true">
      ${parts.map(
        (part, i) =>
          html`<li>
            <svg class="swatch" viewBox="0 0 10 10">
              <rect class=${`hue${i % HUES}`} width="10" height="10"></rect>
            </svg>
            <span class="mono">${part.label}</span>
            <span class="num">${formatBytes(part.value)}</span>
            <span class="num quiet">${formatPercent(share(part))}</span>
          </li>`,
      )}
    </ul>
  </figure>`;
}

/** Before and after on one scale, with the quotient. `afterText` says more than the number, e.g. a range. */
export function compareBars(
  before: Part,
  after: Part,
  afterText = formatBytes(after.value),
): TemplateResult {
  const scale = Math.max(before.value, after.value, 1);
  const row = (part: Part, text: string, hue: string): TemplateResult =>
    html`<span class="label">${part.label}</span>
      <svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">
        <rect class="track" width="1000" height="10"></rect>
        <rect class=${hue} width=${(part.value / scale) * 1000} height="10"></rect>
      </svg>
      <span class="num">${text}</span>`;
  const ratio = ratioOf(after.value, before.value);
  return html`<div class="compare">
    ${row(before, formatBytes(before.value), "hue-quiet")} ${row(after, afterText, "hue0")}
    <span class="label">${strings.size.ratio}</span>
    <span class="verdict">${sizeVerdict(before.value, after.value)}</span>
    <span class="num" data-testid="ratio">${formatRatio(ratio)}</span>
  </div>`;
}

/** "71.7 % smaller", "2.0 % larger", "same size". */
export function sizeVerdict(before: number, after: number): string {
  const ratio = ratioOf(after, before);
  if (ratio === null || before === after) return strings.size.same;
  return ratio < 1
    ? strings.size.smaller(formatPercent(1 - ratio))
    : strings.size.larger(formatPercent(ratio - 1));
}

export const sizeBarStyles = css`
  figure.parts {
    margin: 0;
  }
  figure.parts > svg {
    display: block;
    width: 100%;
    height: 12px;
    border: 1px solid var(--vscode-contrastBorder, transparent);
  }
  .legend {
    display: flex;
    flex-wrap: wrap;
    gap: 4px 20px;
    margin-top: 8px;
    padding: 0;
    list-style: none;
  }
  .legend li {
    display: flex;
    align-items: baseline;
    gap: 6px;
  }
  .swatch {
    width: 10px;
    height: 10px;
  }
  .compare {
    display: grid;
    grid-template-columns: max-content minmax(40px, 1fr) max-content;
    align-items: center;
    gap: 6px 12px;
  }
  .compare svg {
    display: block;
    width: 100%;
    height: 10px;
  }
  .compare .label {
    color: var(--quiet);
  }
  .track {
    fill: color-mix(in srgb, var(--vscode-descriptionForeground) 20%, transparent);
    stroke: var(--vscode-contrastBorder, transparent);
    vector-effect: non-scaling-stroke;
  }
  .hue0 {
    fill: var(--vscode-charts-blue);
  }
  .hue1 {
    fill: var(--vscode-charts-green);
  }
  .hue2 {
    fill: var(--vscode-charts-orange);
  }
  .hue3 {
    fill: var(--vscode-charts-purple);
  }
  .hue4 {
    fill: var(--vscode-charts-yellow);
  }
  .hue5 {
    fill: var(--vscode-charts-red);
  }
  .hue-quiet {
    fill: color-mix(in srgb, var(--vscode-descriptionForeground) 65%, transparent);
  }
`;
