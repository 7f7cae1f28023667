/** Layout of human output: aligned tables, label lists, grouped skips. */
import {
  formatBytes,
  formatRatio,
  formatShape,
  formatSizeRange,
  groupByReason,
  plural,
  ratioOf,
} from "../shared/format.ts";
import type { IoView, UnitView } from "../shared/protocol.ts";
import type { Skip } from "../shared/report.ts";
import type { Style } from "./style.ts";

/** Rows shown of a list before "… and N more": a screen's worth; `--json` has all of them. */
const MAX_ROWS = 20;
/** Names shown for one reason of skipping. */
const MAX_NAMES = 3;

export interface Column {
  readonly title: string;
  readonly align: "left" | "right";
}
export const left = (title: string): Column => ({ title, align: "left" });
export const right = (title: string): Column => ({ title, align: "right" });

/** Columns on screen of a text without control codes; most names are ASCII, others count per code point. */
const width = (text: string): number => [...text].length;

const pad = (text: string, columns: number, align: Column["align"]): string => {
  const space = " ".repeat(Math.max(0, columns - width(text)));
  return align === "left" ? text + space : space + text;
};

/** Lines of an aligned table, indented by two, its header dimmed. Empty when there are no rows. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  style: Style,
  limit = MAX_ROWS,
): readonly string[] {
  if (rows.length === 0) return [];
  const shown = rows.length > limit ? rows.slice(0, limit) : rows;
  const widths = columns.map((column, i) =>
    Math.max(width(column.title), ...shown.map((row) => width(row[i] ?? ""))),
  );
  const line = (cells: readonly string[]): string =>
    `  ${columns.map((column, i) => pad(cells[i] ?? "", widths[i] ?? 0, column.align)).join("  ")}`.trimEnd();
  const lines = [style.dim(line(columns.map((column) => column.title))), ...shown.map(line)];
  if (rows.length > shown.length)
    lines.push(style.dim(`  … and ${rows.length - shown.length} more (--json lists all)`));
  return lines;
}

/** Lines of "label  value", the values aligned. */
export function pairs(
  rows: readonly (readonly [label: string, value: string])[],
  style: Style,
): readonly string[] {
  const columns = Math.max(0, ...rows.map(([label]) => width(label)));
  return rows.map(([label, value]) => `${style.dim(pad(label, columns, "left"))}  ${value}`);
}

/** The units of a plan or result as a table. */
export const unitTable = (units: readonly UnitView[], style: Style): readonly string[] =>
  table(
    [left("unit"), left("op"), right("before"), right("after"), right("ratio"), left("change")],
    units.map((unit) => [
      unit.name,
      unit.op,
      formatBytes(unit.sizeBefore),
      formatSizeRange(unit.sizeAfter),
      unit.sizeAfter.min === unit.sizeAfter.max
        ? formatRatio(ratioOf(unit.sizeAfter.max, unit.sizeBefore))
        : "",
      unit.detail,
    ]),
    style,
  );

/** What was left alone, one line per reason with the count and the first names. */
export function skipLines(skipped: readonly Skip[], style: Style): readonly string[] {
  if (skipped.length === 0) return [];
  return [
    style.warn(`  ${plural(skipped.length, "skip")}:`),
    ...groupByReason(skipped).map(({ reason, names }) => {
      const first = names.slice(0, MAX_NAMES).join(", ");
      const more = names.length > MAX_NAMES ? `, and ${names.length - MAX_NAMES} more` : "";
      return `    ${names.length} × ${reason}: ${first}${more}`;
    }),
  ];
}

/** "1.20 MB → 310 kB (0.258×)". */
export const sizeChange = (before: number, after: number): string =>
  `${formatBytes(before)} → ${formatBytes(after)} (${formatRatio(ratioOf(after, before))})`;

/** "input  float32 [N, 3, 32, 32]". */
export const ioText = (value: IoView): string =>
  `${value.name}  ${value.dtype} ${formatShape(value.shape)}`;

export const lines = (parts: readonly (string | readonly string[])[]): string =>
  parts.flatMap((part) => part).join("\n");
