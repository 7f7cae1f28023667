/** A report's figures as colours of boxes. The figure is always written too: colour alone says nothing. */
import {
  formatBytes,
  formatCompact,
  formatDuration,
  formatNumber,
  formatPercent,
} from "../../../src/shared/format.ts";
import type { Metric, Report } from "../../../src/shared/report.ts";

/** Cividis (Nuñez, Anderton & Renslow 2018): even lightness, the same for the common colour-blindnesses. */
const ANCHORS = [
  [0, 34, 78],
  [24, 56, 111],
  [59, 73, 108],
  [87, 93, 109],
  [112, 113, 115],
  [138, 134, 120],
  [165, 156, 116],
  [195, 179, 105],
  [226, 205, 82],
  [254, 232, 56],
] as const;
const STEPS = 16;

export interface Shade {
  readonly fill: string;
  /** Black or white, whichever is read better on it (at least 4.5 : 1). */
  readonly text: string;
}

function shade(share: number): Shade {
  const at = share * (ANCHORS.length - 1);
  const low = ANCHORS[Math.floor(at)] ?? ANCHORS[0];
  const high = ANCHORS[Math.min(ANCHORS.length - 1, Math.floor(at) + 1)] ?? low;
  const part = at - Math.floor(at);
  const rgb = low.map((value, i) => Math.round(value + ((high[i] ?? 0) - value) * part));
  const [r = 0, g = 0, b = 0] = rgb.map((value) => {
    const c = value / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  // Relative luminance of WCAG 2; above 0.179 black text has the higher contrast.
  const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return { fill: `rgb(${rgb.join(", ")})`, text: luminance > 0.179 ? "#000000" : "#ffffff" };
}
export const RAMP: readonly Shade[] = Array.from({ length: STEPS }, (_, i) =>
  shade(i / (STEPS - 1)),
);

export interface Colouring {
  readonly metric: Metric;
  readonly min: number;
  readonly max: number;
  /** Values over several orders of magnitude are spread by their logarithm. */
  readonly logarithmic: boolean;
  /** Value of each box that has one. */
  readonly values: ReadonlyMap<number, number>;
  /** Rows of the report that name nothing in this picture. */
  readonly elsewhere: number;
  /** What a box that stands for several rows shows of them; null where none does. */
  readonly shows: "highest" | "lowest" | null;
}

/** `boxes`: for each row of the report, the boxes that show its target. */
export function colouring(
  report: Report,
  metricIndex: number,
  boxes: readonly (readonly number[])[],
): Colouring | null {
  const metric = report.metrics[metricIndex];
  if (!metric) return null;
  const worst = metric.better === "higher" ? "lowest" : "highest";
  let several = false;
  const values = new Map<number, number>();
  let elsewhere = 0;
  report.rows.forEach((row, i) => {
    const value = row.values[metricIndex];
    if (value === null || value === undefined || !Number.isFinite(value)) return;
    const found = boxes[i] ?? [];
    if (found.length === 0) elsewhere++;
    for (const box of found) {
      const known = values.get(box);
      several ||= known !== undefined;
      values.set(
        box,
        known === undefined
          ? value
          : worst === "lowest"
            ? Math.min(known, value)
            : Math.max(known, value),
      );
    }
  });
  const all = [...values.values()];
  const min = all.reduce((a, b) => Math.min(a, b), Infinity);
  const max = all.reduce((a, b) => Math.max(a, b), -Infinity);
  return {
    metric,
    min,
    max,
    logarithmic: min > 0 && max / min > 1000,
    values,
    elsewhere,
    shows: several ? worst : null,
  };
}

export function shadeOf({ min, max, logarithmic }: Colouring, value: number): Shade {
  const scale = (x: number): number => (logarithmic ? Math.log(x) : x);
  const share = max > min ? (scale(value) - scale(min)) / (scale(max) - scale(min)) : 0;
  const step = Math.round(Math.min(1, Math.max(0, share)) * (STEPS - 1));
  return RAMP[step] ?? { fill: "transparent", text: "inherit" };
}

export function formatValue(metric: Metric, value: number): string {
  switch (metric.unit) {
    case "bytes":
      return formatBytes(value);
    case "ms":
      return formatDuration(value);
    case "share":
      return formatPercent(value);
    case "count":
      return formatCompact(value);
    case "dB":
      return `${formatNumber(value, 3)} dB`;
    default:
      return formatNumber(value, 3);
  }
}
