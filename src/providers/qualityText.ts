/** What was measured on a result, in a line. */
import * as vscode from "vscode";
import {
  formatDrop,
  formatDropInterval,
  formatMetric,
  formatRatioInterval,
  metricTitle,
} from "../shared/format.ts";
import type { BenchResult, PairedQuality } from "../shared/protocol.ts";

/** "Top-1 accuracy 98.00 % → 97.80 %, drop 0.20 points (−0.10 to 0.50 points)". */
export function qualityText(quality: PairedQuality): string {
  const { before, after, drop, dropUnit } = quality;
  const values = `${metricTitle(before.metric)} ${formatMetric(before.metric, before.value)} → ${formatMetric(after.metric, after.value)}`;
  return `${values}, ${vscode.l10n.t("drop {0} ({1})", formatDrop(drop, dropUnit), formatDropInterval(quality))}`;
}

/** "time 0.80× (0.75× to 0.86×)"; null where it was not compared. */
export const timeText = (latency: BenchResult | null): string | null =>
  latency === null || latency.ratio === null
    ? null
    : vscode.l10n.t(
        "time {0}",
        formatRatioInterval(latency.ratio, latency.ratioLow, latency.ratioHigh),
      );
