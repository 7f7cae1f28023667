/** Which report colours the graph, and what the colours mean. */
import { css, html, nothing, type TemplateResult } from "lit";
import { strings } from "../../strings.ts";
import { capital } from "../name.ts";
import { reportStore, type HeldReport } from "../reportStore.ts";
import { formatValue, RAMP, type Colouring } from "./colours.ts";

const text = strings.graph;

export const legendStyles = css`
  .legend {
    display: flex;
    flex: none;
    flex-wrap: wrap;
    align-items: center;
    gap: 4px 12px;
    padding: 0 12px 8px;
  }
  .legend label {
    display: flex;
    align-items: center;
    gap: 8px;
  }
  .legend select {
    max-width: 260px;
    padding: 2px 4px;
    border: 1px solid
      var(--vscode-settings-dropdownBorder, var(--vscode-contrastBorder, var(--line)));
    border-radius: 2px;
    background: var(--vscode-settings-dropdownBackground, var(--vscode-input-background));
    color: var(--vscode-settings-dropdownForeground, inherit);
    font: inherit;
  }
  .ramp {
    display: flex;
    width: 128px;
    height: 12px;
    border: 1px solid var(--line);
  }
  .ramp span {
    flex: 1;
  }
  .scale {
    display: flex;
    align-items: center;
    gap: 6px;
    font-variant-numeric: tabular-nums;
  }
`;

const optionKey = (title: string, metric: number): string => JSON.stringify([title, metric]);

export function legend(
  colouring: Colouring | null,
  docKey: string,
): TemplateResult | typeof nothing {
  const { reports, chosen } = reportStore;
  if (reports.length === 0) return nothing;
  const held = reports.find(({ title }) => title === chosen?.title);
  return html`<div class="legend" data-testid="legend">
    <label
      >${text.colourBy}
      <select title=${held?.title ?? ""} @change=${choose}>
        <option value="" ?selected=${!held}>${text.noColour}</option>
        ${reports.map(
          ({ title, report }) =>
            html`<optgroup label=${title}>
              ${report.metrics.map(
                (metric, index) =>
                  html`<option
                    value=${optionKey(title, index)}
                    ?selected=${chosen?.title === title && chosen.metric === index}
                  >
                    ${capital(metric.title)}
                  </option>`,
              )}
            </optgroup>`,
        )}
      </select>
    </label>
    ${held && colouring ? scale(held, colouring, docKey) : nothing}
  </div>`;
}

function choose(event: Event): void {
  const { value } = event.currentTarget as HTMLSelectElement;
  if (value === "") reportStore.choose(null);
  else {
    const [title, metric] = JSON.parse(value) as [string, number];
    reportStore.choose({ title, metric });
  }
}

function scale(held: HeldReport, colouring: Colouring, docKey: string): TemplateResult {
  if (colouring.values.size === 0) return html`<span class="quiet">${text.nothingColoured}</span>`;
  const { metric, min, max, logarithmic, elsewhere, shows } = colouring;
  const notes = [
    logarithmic ? text.logarithmic : "",
    shows === null ? "" : text.blocksShow[shows],
    elsewhere > 0 ? text.elsewhere(elsewhere) : "",
    held.report.data ?? "",
  ].filter((note) => note !== "");
  return html`<span class="scale">
      ${formatValue(metric, min)}
      <span
        class="ramp"
        role="img"
        aria-label=${text.legend(formatValue(metric, min), formatValue(metric, max))}
        >${RAMP.map(({ fill }) => html`<span .style=${`background: ${fill}`}></span>`)}</span
      >
      ${formatValue(metric, max)}
    </span>
    <span class="quiet">${notes.join(" · ")}</span>
    ${held.of === docKey ? nothing : html`<span class="tag plain">${text.stale}</span>`}`;
}
