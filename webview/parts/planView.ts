/** What a technique would change: totals, every unit with a choice, and what it leaves out and why. */
import "@vscode-elements/elements/dist/vscode-button/index.js";
import { css, html, nothing, type TemplateResult } from "lit";
import { formatBytes, formatSizeRange } from "../../src/shared/format.ts";
import type { PlanView, UnitView } from "../../src/shared/protocol.ts";
import type { SizeRange } from "../../src/shared/report.ts";
import { strings } from "../strings.ts";
import { nameView } from "./name.ts";
import { compareBars } from "./sizeBar.ts";
import { skipList } from "./skipList.ts";
import "./virtualTable.ts";
import type { Column } from "./virtualTable.ts";

const text = strings.optimize;

/** Bytes of all tensors after the plan without the excluded units. */
export function bytesAfter(plan: PlanView, excluded: ReadonlySet<string>): SizeRange {
  let { min, max } = plan.bytesAfter;
  for (const unit of plan.units)
    if (excluded.has(unit.name)) {
      min += unit.sizeBefore - unit.sizeAfter.min;
      max += unit.sizeBefore - unit.sizeAfter.max;
    }
  return { min: Math.min(min, max), max: Math.max(min, max) };
}

export function planView(
  plan: PlanView,
  excluded: ReadonlySet<string>,
  setExcluded: (excluded: ReadonlySet<string>) => void,
): TemplateResult {
  const { units } = plan;
  const chosen = units.filter((unit) => !excluded.has(unit.name)).length;
  const after = bytesAfter(plan, excluded);
  const toggle = (unit: UnitView): void => {
    const next = new Set(excluded);
    if (!next.delete(unit.name)) next.add(unit.name);
    setExcluded(next);
  };
  if (units.length === 0)
    return html`<p class="note" data-testid="refused">${text.refused}</p>
      ${skipList(plan.skipped)}`;
  return html`${compareBars(
      { label: text.before, value: plan.bytesBefore },
      { label: text.after, value: after.max },
      formatSizeRange(after),
    )}
    <p class="quiet">${text.tensorBytes}</p>
    <div class="row units-bar">
      <span data-testid="units">${text.units(chosen, units.length)}</span>
      <vscode-button
        secondary
        ?disabled=${chosen === units.length}
        @click=${() => setExcluded(new Set())}
        >${text.all}</vscode-button
      >
      <vscode-button
        secondary
        ?disabled=${chosen === 0}
        @click=${() => setExcluded(new Set(units.map((unit) => unit.name)))}
        >${text.noneChosen}</vscode-button
      >
    </div>
    <lathe-table
      fit
      .columns=${unitColumns(units, excluded, toggle)}
      .total=${units.length}
      .rowAt=${(index: number) => units[index]}
      .label=${text.unitsLabel}
      @row-toggle=${(event: CustomEvent<{ index: number }>) => {
        const unit = units[event.detail.index];
        if (unit) toggle(unit);
      }}
    ></lathe-table>
    ${plan.skipped.length === 0 ? nothing : skipList(plan.skipped)}`;
}

function unitColumns(
  units: readonly UnitView[],
  excluded: ReadonlySet<string>,
  toggle: (unit: UnitView) => void,
): readonly Column<UnitView>[] {
  const exact = units.every(({ sizeAfter }) => sizeAfter.min === sizeAfter.max);
  return [
    {
      id: "include",
      title: "",
      width: "16px",
      cell: (unit) =>
        html`<input
          type="checkbox"
          tabindex="-1"
          aria-label=${text.include(unit.name)}
          .checked=${!excluded.has(unit.name)}
          @change=${() => toggle(unit)}
        />`,
    },
    {
      id: "name",
      title: text.unit,
      width: "minmax(96px, 1fr)",
      cell: (unit) => nameView(unit.name),
    },
    { id: "op", title: text.op, width: "88px", from: 960, cell: (unit) => unit.op },
    {
      id: "detail",
      title: text.detail,
      width: "minmax(120px, 1.2fr)",
      from: 620,
      cell: (unit) => html`<span class="quiet" title=${unit.detail}>${unit.detail}</span>`,
    },
    {
      id: "before",
      title: text.unitBefore,
      width: "68px",
      align: "end",
      cell: (unit) => formatBytes(unit.sizeBefore),
    },
    {
      id: "after",
      title: text.unitAfter,
      width: exact ? "68px" : "124px",
      align: "end",
      cell: (unit) => formatSizeRange(unit.sizeAfter),
    },
  ];
}

export const planStyles = css`
  .compare + p {
    margin-top: 8px;
  }
  .units-bar {
    margin: 12px 0 8px;
  }
  .skips {
    margin-top: 16px;
  }
`;
