/** Measured differences: outputs, accuracy, speed. Every figure says what it was measured on. */
import { css, html, nothing, type TemplateResult } from "lit";
import {
  dropVerdict,
  formatCount,
  formatDb,
  formatDrop,
  formatDropInterval,
  formatDuration,
  formatKl,
  formatMcNemar,
  formatMetric,
  formatNumber,
  formatPercent,
  formatRatio,
  metricTitle,
} from "../../src/shared/format.ts";
import type {
  BenchResult,
  EvalResult,
  OutputDiff,
  PairedQuality,
} from "../../src/shared/protocol.ts";
import { strings } from "../strings.ts";
import { nameView } from "./name.ts";

const text = strings.diff;

export function outputsView(outputs: readonly OutputDiff[]): TemplateResult {
  return html`<section class="full" data-testid="outputs">
    <h3>${text.outputs}</h3>
    <div class="scroll-x" tabindex="0" role="region" aria-label=${text.outputs}>
      <table>
        <thead>
          <tr>
            <th>${text.name}</th>
            <th class="num">${text.sqnr}</th>
            <th class="num">${text.maxAbs}</th>
            <th class="num">${text.mse}</th>
            <th class="num">${text.cosine}</th>
            <th class="num">${text.agreement}</th>
            <th class="num" title=${text.klHint}>${text.kl}</th>
          </tr>
        </thead>
        <tbody>
          ${outputs.map(
            (output) =>
              html`<tr>
                <td>${nameView(output.name)}</td>
                <td class="num">${formatDb(output.sqnrDb)}</td>
                <td class="num">${formatNumber(output.maxAbs)}</td>
                <td class="num">${formatNumber(output.mse, 3)}</td>
                <td class="num">${output.cosine === null ? "–" : output.cosine.toFixed(6)}</td>
                <td class="num">${formatPercent(output.agreement)}</td>
                <td class="num">${formatKl(output.kl)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </section>`;
}

export function accuracyView(quality: PairedQuality): TemplateResult {
  const { before, after } = quality;
  const row = (label: string, result: EvalResult): TemplateResult =>
    html`<tr>
      <th scope="row">${label}</th>
      <td class="num">${formatMetric(result.metric, result.value)}</td>
      <td class="num">
        ${formatMetric(result.metric, result.low)} … ${formatMetric(result.metric, result.high)}
      </td>
    </tr>`;
  return html`<section data-testid="accuracy">
    <h3>
      ${metricTitle(after.metric)}
      <span class="quiet">(${after.better === "lower" ? text.lower : text.higher})</span>
    </h3>
    <table class="narrow">
      <thead>
        <tr>
          <td></td>
          <th class="num">${text.value}</th>
          <th class="num">${text.interval}</th>
        </tr>
      </thead>
      <tbody>
        ${row(strings.size.before, before)} ${row(strings.size.after, after)}
      </tbody>
    </table>
    ${intervalStrip(before, after)} ${pairedView(quality)}
    <p class="quiet wrap">
      ${text.evidence}: ${after.synthetic ? text.synthetic : (after.data ?? strings.unknown)},
      ${text.samples(formatCount(after.n))}
    </p>
  </section>`;
}

/** What the two intervals above cannot tell: how much worse the second is on the same samples. */
function pairedView(quality: PairedQuality): TemplateResult {
  const { drop, dropUnit, mcnemar, kl, agreement } = quality;
  const verdict = dropVerdict(quality);
  return html`<dl class="facts paired" data-testid="paired">
    <dt title=${text.dropHint}>${text.drop}</dt>
    <dd>
      <strong class="num">${formatDrop(drop, dropUnit)}</strong>
      <span class="num">(${text.interval}: ${formatDropInterval(quality)})</span>
      <span class="tag plain">${verdict === null ? text.noDrop : text.verdicts[verdict]}</span>
      ${mcnemar ? html`<div class="quiet">${formatMcNemar(mcnemar)}</div>` : nothing}
    </dd>
    ${
      kl === null
        ? nothing
        : html`<dt title=${text.klHint}>${text.moved}</dt>
            <dd class="num">${text.movedBy(formatKl(kl), formatPercent(agreement, 2))}</dd>`
    }
  </dl>`;
}

/** Both values with their intervals on one scale; the table above has the figures. */
function intervalStrip(before: EvalResult, after: EvalResult): TemplateResult {
  const low = Math.min(before.low, after.low);
  const high = Math.max(before.high, after.high);
  const span = high - low || 1;
  const x = (value: number): number => 4 + ((value - low) / span) * 192;
  const line = (result: EvalResult, hue: string): TemplateResult =>
    html`<svg class="interval" viewBox="0 0 200 10" preserveAspectRatio="none" aria-hidden="true">
      <rect
        class=${hue}
        x=${x(result.low)}
        y="4"
        height="2"
        width=${x(result.high) - x(result.low)}
      ></rect>
      <rect class=${hue} x=${x(result.value) - 1} y="0" height="10" width="2"></rect>
    </svg>`;
  return html`<div class="intervals" aria-hidden="true">
    <span class="quiet">${strings.size.before}</span>${line(before, "hue-quiet")}
    <span class="quiet">${strings.size.after}</span>${line(after, "hue0")}
  </div>`;
}

/** In words; a difference counts only when the interval excludes 1. */
export function latencyVerdict(result: BenchResult): string {
  const { ratio, ratioLow, ratioHigh } = result;
  if (ratio === null || ratioLow === null || ratioHigh === null) return "";
  if (ratioHigh < 1) return text.faster;
  return ratioLow > 1 ? text.slower : text.noDifference;
}

export function latencyView(result: BenchResult): TemplateResult {
  const labels = [strings.size.before, strings.size.after];
  const { ratio, ratioLow, ratioHigh } = result;
  return html`<section data-testid="latency">
    <h3>${text.latency}</h3>
    ${
      ratio === null
        ? nothing
        : html`<p>
            ${text.latencyRatio}: <strong class="num">${formatRatio(ratio)}</strong>
            ${
              ratioLow === null || ratioHigh === null
                ? nothing
                : html`<span class="num"
                    >(${text.interval}: ${formatRatio(ratioLow)} … ${formatRatio(ratioHigh)})</span
                  >`
            }
            <span class="tag plain">${latencyVerdict(result)}</span>
          </p>`
    }
    <table class="narrow">
      <thead>
        <tr>
          <td></td>
          <th class="num">${text.p50}</th>
          <th class="num">${text.p90}</th>
        </tr>
      </thead>
      <tbody>
        ${result.models.map(
          (model, i) =>
            html`<tr>
              <th scope="row" title=${model.path}>${labels[i] ?? model.path}</th>
              <td class="num">${formatDuration(model.p50Ms)}</td>
              <td class="num">${formatDuration(model.p90Ms)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
    <p class="quiet">${text.latencyOf(result.models[0]?.runs ?? 0, result.threads)}</p>
  </section>`;
}

export function notesView(notes: readonly string[]): TemplateResult | typeof nothing {
  if (notes.length === 0) return nothing;
  return html`<section class="full" data-testid="notes">
    <h3>${text.notes}</h3>
    <ul>
      ${notes.map((note) => html`<li class="wrap">${note}</li>`)}
    </ul>
  </section>`;
}

export const measuresStyles = css`
  .full {
    grid-column: 1 / -1;
  }
  table.narrow + p {
    margin-top: 8px;
  }
  table.narrow {
    width: auto;
    min-width: min(100%, 320px);
  }
  dl.facts.paired {
    align-items: baseline;
    margin-bottom: 8px;
  }
  dl.paired .num {
    text-align: start;
    white-space: normal;
  }
  .intervals {
    display: grid;
    grid-template-columns: max-content minmax(80px, 320px);
    align-items: center;
    gap: 4px 12px;
    margin: 10px 0;
  }
  .interval {
    display: block;
    width: 100%;
    height: 10px;
  }
`;
