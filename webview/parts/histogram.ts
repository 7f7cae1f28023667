/** A tensor's values as bars, and the range of each slice along its first axis as a strip. */
import { css, html, svg, type TemplateResult } from "lit";
import { formatCount, formatNumber, formatPercent } from "../../src/shared/format.ts";
import { strings } from "../strings.ts";

const WIDTH = 640;
const HEIGHT = 120;

/** Equal-width bins from `min` to `max`. */
export function histogram(bins: readonly number[], min: number, max: number): TemplateResult {
  const highest = Math.max(1, ...bins);
  const total = bins.reduce((a, b) => a + b, 0);
  const step = WIDTH / bins.length;
  const binStart = (i: number): number => min + ((max - min) * i) / bins.length;
  const mode = bins.indexOf(Math.max(...bins));
  const label = strings.stats.histogramLabel(
    bins.length,
    formatNumber(min),
    formatNumber(max),
    formatNumber(binStart(mode)),
    formatNumber(binStart(mode + 1)),
    formatPercent((bins[mode] ?? 0) / Math.max(1, total)),
  );
  const zero = min < 0 && max > 0 ? ((0 - min) / (max - min)) * WIDTH : null;
  return html`<figure class="chart" data-testid="histogram">
    <figcaption class="quiet">${strings.stats.histogram}</figcaption>
    <svg role="img" aria-label=${label} viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none">
      ${
        zero === null
          ? ""
          : svg`<line class="axis" x1=${zero} x2=${zero} y1="0" y2=${HEIGHT}></line>`
      }
      ${bins.map((count, i) => {
        // A bin that is not empty stays visible.
        const height = count === 0 ? 0 : Math.max(1.5, (count / highest) * (HEIGHT - 2));
        return svg`<rect class="bar" x=${i * step} y=${HEIGHT - height} width=${Math.max(0.5, step - 1)} height=${height}><title>${formatNumber(binStart(i))} … ${formatNumber(binStart(i + 1))}: ${formatCount(count)}</title></rect>`;
      })}
    </svg>
    <div class="scale"><span>${formatNumber(min)}</span><span>${formatNumber(max)}</span></div>
    <details>
      <summary class="quiet">${strings.stats.asTable}</summary>
      <div class="values" tabindex="0" role="region" aria-label=${strings.stats.histogram}>
        <table>
          <thead>
            <tr>
              <th class="num">${strings.stats.from}</th>
              <th class="num">${strings.stats.to}</th>
              <th class="num">${strings.stats.count}</th>
            </tr>
          </thead>
          <tbody>
            ${bins.map(
              (count, i) =>
                html`<tr>
                  <td class="num">${formatNumber(binStart(i))}</td>
                  <td class="num">${formatNumber(binStart(i + 1))}</td>
                  <td class="num">${formatCount(count)}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </details>
  </figure>`;
}

/** One vertical line per slice, from its least to its greatest value, all on one scale. */
export function rangeStrip(
  channels: readonly { readonly min: number; readonly max: number }[],
): TemplateResult {
  const low = Math.min(0, ...channels.map((c) => c.min));
  const high = Math.max(0, ...channels.map((c) => c.max));
  const y = (value: number): number =>
    high === low ? HEIGHT / 2 : ((high - value) / (high - low)) * HEIGHT;
  const step = WIDTH / channels.length;
  const widths = channels.map((c) => c.max - c.min);
  const widest = widths.indexOf(Math.max(...widths));
  const narrowest = widths.indexOf(Math.min(...widths));
  const label = strings.stats.rangesLabel(
    channels.length,
    widest,
    formatNumber(widths[widest] ?? 0),
    narrowest,
    formatNumber(widths[narrowest] ?? 0),
  );
  return html`<figure class="chart" data-testid="ranges">
    <figcaption class="quiet">${strings.stats.ranges(channels.length)}</figcaption>
    <svg role="img" aria-label=${label} viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none">
      <line class="axis" x1="0" x2=${WIDTH} y1=${y(0)} y2=${y(0)}></line>
      ${channels.map(
        (c, i) =>
          svg`<rect class="bar" x=${i * step} y=${y(c.max)} width=${Math.max(0.6, step - (step > 3 ? 1 : 0))} height=${Math.max(1, y(c.min) - y(c.max))}><title>${i}: ${formatNumber(c.min)} … ${formatNumber(c.max)}</title></rect>`,
      )}
    </svg>
    <div class="scale"><span>${formatNumber(low)}</span><span>${formatNumber(high)}</span></div>
  </figure>`;
}

export const chartStyles = css`
  figure.chart {
    margin: 12px 0 0;
  }
  figure.chart > svg {
    display: block;
    width: 100%;
    height: 96px;
    margin-top: 4px;
    border: 1px solid var(--line);
  }
  figure.chart .bar {
    fill: var(--vscode-charts-blue);
  }
  figure.chart .axis {
    stroke: var(--vscode-charts-lines, var(--vscode-descriptionForeground));
    vector-effect: non-scaling-stroke;
  }
  figure.chart .scale {
    display: flex;
    justify-content: space-between;
    color: var(--quiet);
    font-variant-numeric: tabular-nums;
  }
  figure.chart .values {
    max-height: 200px;
    overflow-y: auto;
  }
`;
