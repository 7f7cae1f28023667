/** What *Optimize…* considered: size against loss, one mark each; the same figures as a table. */
import { css, html, nothing, svg, type TemplateResult } from "lit";
import { formatBytes, formatNumber, formatPercent, formatRatio } from "../../src/shared/format.ts";
import type { Considered } from "../../src/shared/protocol.ts";
import { advisor as text } from "../words/advisor.ts";

const WIDTH = 640;
const HEIGHT = 260;
const LEFT = 62;
const BOTTOM = 28;
/** Below this a KL is 0 to anybody; a logarithm needs a floor. */
const LEAST_KL = 1e-7;

interface Mark {
  readonly point: Considered;
  readonly x: number;
  readonly y: number;
}

/** Loss on the vertical axis: KL where outputs have one (it ranks small differences), else the drop. */
const usesKl = (points: readonly Considered[]): boolean => points.some(({ kl }) => kl !== null);
const lossOf = (point: Considered, kl: boolean): number | null =>
  kl ? (point.kl ?? point.predictedKl) : point.drop;

function marksOf(points: readonly Considered[], kl: boolean): readonly Mark[] {
  const known = points.flatMap((point) => {
    const loss = lossOf(point, kl);
    return loss === null || !Number.isFinite(loss) ? [] : [{ point, loss }];
  });
  const height = (loss: number): number => (kl ? Math.log10(Math.max(LEAST_KL, loss)) : loss);
  const sizes = known.map(({ point }) => point.sizeBytes);
  const losses = known.map(({ loss }) => height(loss));
  const place = (value: number, all: readonly number[]): number => {
    const [low, high] = [Math.min(...all), Math.max(...all)];
    return high === low ? 0.5 : (value - low) / (high - low);
  };
  return known.map(({ point, loss }) => ({
    point,
    x: LEFT + 12 + place(point.sizeBytes, sizes) * (WIDTH - LEFT - 24),
    y: HEIGHT - BOTTOM - 12 - place(height(loss), losses) * (HEIGHT - BOTTOM - 24),
  }));
}

const describe = (point: Considered): string =>
  `${point.label}: ${formatBytes(point.sizeBytes)}, KL ${formatNumber(point.kl ?? point.predictedKl)}${
    point.drop === null ? "" : `, ${text.drop} ${formatPercent(point.drop, 2)}`
  }, ${text.states[point.state] ?? point.state}`;

export function paretoChart(points: readonly Considered[]): TemplateResult | typeof nothing {
  if (points.length === 0) return nothing;
  const kl = usesKl(points);
  const marks = marksOf(points, kl);
  const chosen = points.find(({ state }) => state === "chosen");
  const label = text.scatterLabel(
    marks.length,
    chosen ? text.chosenLabel(describe(chosen)) : text.noneChosen,
  );
  const sizes = marks.map(({ point }) => point.sizeBytes);
  const losses = marks.map(({ point }) => lossOf(point, kl) ?? 0);
  const loss = (value: number): string => (kl ? formatNumber(value, 2) : formatPercent(value, 2));
  return html`<figure class="pareto" data-testid="pareto">
    <h3>${text.scatter}</h3>
    <p class="quiet">${text.scatterNote}</p>
    ${
      marks.length === 0
        ? nothing
        : html`<svg role="img" aria-label=${label} viewBox="0 0 ${WIDTH} ${HEIGHT}">
            <line class="axis" x1=${LEFT} x2=${LEFT} y1="6" y2=${HEIGHT - BOTTOM}></line>
            <line
              class="axis"
              x1=${LEFT}
              x2=${WIDTH}
              y1=${HEIGHT - BOTTOM}
              y2=${HEIGHT - BOTTOM}
            ></line>
            <text x=${LEFT - 6} y="16" text-anchor="end">${loss(Math.max(...losses))}</text>
            <text x=${LEFT - 6} y=${HEIGHT - BOTTOM - 6} text-anchor="end">
              ${loss(Math.min(...losses))}
            </text>
            <text x=${LEFT - 6} y=${(HEIGHT - BOTTOM) / 2} text-anchor="end">
              ${kl ? text.axisKl : text.axisDrop}
            </text>
            <text x=${LEFT} y=${HEIGHT - 8}>${formatBytes(Math.min(...sizes))}</text>
            <text x=${WIDTH} y=${HEIGHT - 8} text-anchor="end">
              ${formatBytes(Math.max(...sizes))}
            </text>
            <text x=${(WIDTH + LEFT) / 2} y=${HEIGHT - 8} text-anchor="middle">
              ${text.axisSize}
            </text>
            ${[...marks].sort((a, b) => order(a.point) - order(b.point)).map(mark)}
          </svg>`
    }
    <ul class="key">
      ${(["chosen", "rejected", "measured"] as const).map(
        (state) =>
          html`<li>
            <svg viewBox="-8 -8 16 16" aria-hidden="true">${shape(state, 0, 0)}</svg>
            ${text.states[state]}
          </li>`,
      )}
    </ul>
    <details>
      <summary>${text.table(points.length)}</summary>
      <div class="scroll-x" tabindex="0" role="region" aria-label=${text.scatter}>
        ${table(points)}
      </div>
    </details>
  </figure>`;
}

/** The chosen one is drawn last, on top. */
const order = ({ state }: Considered): number =>
  state === "chosen" ? 2 : state === "rejected" ? 1 : 0;

const mark = ({ point, x, y }: Mark): TemplateResult =>
  svg`<g>${shape(point.state, x, y)}<title>${describe(point)}</title></g>`;

/** States differ in shape, not in colour alone. */
function shape(state: Considered["state"], x: number, y: number): TemplateResult {
  switch (state) {
    case "chosen":
      return svg`<path class="chosen" d="M${x} ${y - 7}L${x + 7} ${y}L${x} ${y + 7}L${x - 7} ${y}Z"></path>`;
    case "rejected":
      return svg`<path class="rejected" d="M${x - 4} ${y - 4}L${x + 4} ${y + 4}M${x + 4} ${y - 4}L${x - 4} ${y + 4}"></path>`;
    case "measured":
      return svg`<circle class="measured" cx=${x} cy=${y} r="4"></circle>`;
  }
}

function table(points: readonly Considered[]): TemplateResult {
  return html`<table>
    <thead>
      <tr>
        <th>${text.configuration}</th>
        <th>${text.state}</th>
        <th class="num">${text.sizeColumn}</th>
        <th class="num">${text.predicted}</th>
        <th class="num">${text.kl}</th>
        <th class="num">${text.drop}</th>
        <th class="num">${text.time}</th>
        <th>${text.reason}</th>
      </tr>
    </thead>
    <tbody>
      ${points.map(
        (point) =>
          html`<tr>
            <td>${point.label}</td>
            <td>${text.states[point.state] ?? point.state}</td>
            <td class="num">${formatBytes(point.sizeBytes)}</td>
            <td class="num">${formatNumber(point.predictedKl, 2)}</td>
            <td class="num">${formatNumber(point.kl, 2)}</td>
            <td class="num">${formatPercent(point.drop, 2)}</td>
            <td class="num">${formatRatio(point.latencyRatio)}</td>
            <td>${point.reason}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

export const paretoStyles = css`
  figure.pareto {
    margin: 20px 0 0;
  }
  figure.pareto > svg {
    display: block;
    width: 100%;
    max-width: 760px;
    height: auto;
  }
  figure.pareto text {
    fill: var(--quiet);
    font-size: 12px;
  }
  figure.pareto .axis {
    stroke: var(--vscode-charts-lines, var(--vscode-descriptionForeground));
  }
  figure.pareto .chosen {
    fill: var(--vscode-charts-green, var(--vscode-foreground));
    stroke: var(--vscode-foreground);
  }
  figure.pareto .rejected {
    fill: none;
    stroke: var(--vscode-charts-red, var(--vscode-foreground));
    stroke-width: 2;
  }
  figure.pareto .measured {
    fill: none;
    stroke: var(--quiet);
    stroke-width: 1.5;
  }
  figure.pareto ul.key {
    display: flex;
    flex-wrap: wrap;
    gap: 4px 16px;
    margin: 4px 0 8px;
    padding: 0;
    list-style: none;
  }
  figure.pareto ul.key svg {
    width: 14px;
    height: 14px;
    vertical-align: -2px;
  }
  figure.pareto td:first-child,
  figure.pareto td:last-child {
    min-width: 16ch;
  }
`;
