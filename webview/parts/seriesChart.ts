/** Series of a report as lines over one pair of axes, with the figures as a table for those who cannot see them. */
import { css, html, svg, type TemplateResult } from "lit";
import { formatNumber } from "../../src/shared/format.ts";
import type { Series } from "../../src/shared/report.ts";
import { strings } from "../strings.ts";

const text = strings.analysis;
const WIDTH = 640;
const HEIGHT = 180;
/** Rows of the table under a chart; more are not read. */
const MAX_TABLE = 200;

export function seriesChart(series: Series): TemplateResult {
  const points = series.x
    .map((x, i): readonly [number, number] => [x, series.y[i] ?? NaN])
    .filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [low, high] = [Math.min(0, ...ys), Math.max(...ys)];
  const at = (value: number, from: number, to: number): number =>
    to === from ? 0.5 : (value - from) / (to - from);
  const path = points
    .map(([x, y], i) => {
      const px = (at(x, left, right) * WIDTH).toFixed(2);
      const py = ((1 - at(y, low, high)) * (HEIGHT - 4) + 2).toFixed(2);
      return `${i === 0 ? "M" : "L"}${px} ${py}`;
    })
    .join("");
  const label = text.chartLabel(
    series.title,
    series.target,
    formatNumber(low),
    formatNumber(high),
    points.length,
  );
  return html`<figure class="series" data-testid="series">
    <figcaption>${series.title} <span class="quiet wrap">${series.target}</span></figcaption>
    <svg role="img" aria-label=${label} viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none">
      ${svg`<path d=${path}></path>`}
    </svg>
    <div class="scale quiet">
      <span>${formatNumber(left)}</span
      ><span>${text.vertical(formatNumber(low), formatNumber(high))}</span
      ><span>${formatNumber(right)}</span>
    </div>
    <details>
      <summary class="quiet">${strings.stats.asTable}</summary>
      <div class="points" tabindex="0" role="region" aria-label=${series.title}>
        <table>
          <tbody>
            ${points.slice(0, MAX_TABLE).map(
              ([x, y]) =>
                html`<tr>
                  <td class="num">${formatNumber(x)}</td>
                  <td class="num">${formatNumber(y)}</td>
                </tr>`,
            )}
          </tbody>
        </table>
        ${
          points.length > MAX_TABLE
            ? html`<p class="quiet">${strings.more(points.length - MAX_TABLE)}</p>`
            : ""
        }
      </div>
    </details>
  </figure>`;
}

export const seriesStyles = css`
  figure.series {
    margin: 0;
    min-width: 0;
  }
  figure.series > svg {
    display: block;
    width: 100%;
    height: 120px;
    margin-top: 4px;
    border: 1px solid var(--line);
  }
  figure.series path {
    fill: none;
    stroke: var(--vscode-charts-blue);
    stroke-width: 2;
    vector-effect: non-scaling-stroke;
  }
  figure.series .scale {
    display: flex;
    justify-content: space-between;
    gap: 12px;
    font-variant-numeric: tabular-nums;
  }
  figure.series .points {
    max-height: 200px;
    overflow-y: auto;
  }
`;
