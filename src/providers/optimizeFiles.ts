/**
 * "Optimize Model…" on files of the explorer: asks for data and for the largest drop, searches for
 * each model's recipe, and writes what was found beside it.
 */
import * as vscode from "vscode";
import {
  formatDrop,
  formatDropInterval,
  formatMetric,
  formatRatioInterval,
  formatVerified,
  metricTitle,
} from "../shared/format.ts";
import type { OptimizeGoal, OptimizeResult } from "../shared/protocol.ts";
import type { FileActionOptions } from "./fileActions.ts";
import { forEachFile, whatOf, type Outcome } from "./fileOutcomes.ts";
import { outputBeside } from "./outputName.ts";
import { askData } from "./pickData.ts";

const SUFFIX = "opt";
const DEFAULT_DROP = "1";

export async function optimizeFiles(
  options: FileActionOptions,
  files: readonly string[],
): Promise<void> {
  const title = vscode.l10n.t("Optimize {0}", whatOf(files));
  const { memory } = options;
  const data = await askData({ title, models: files, memory, optional: false });
  if (!data) return;
  const maxDrop = await askDrop(title);
  if (maxDrop === null) return;
  const goal: OptimizeGoal = { maxDrop, targetSize: null, faster: false };
  await forEachFile(options, { title, files }, (file, signal, report) =>
    optimizeFile(options, { file, goal, data: data.of(file) }, signal, report),
  );
}

/** A share; null when dismissed. */
async function askDrop(title: string): Promise<number | null> {
  const text = await vscode.window.showInputBox({
    title,
    prompt: vscode.l10n.t(
      "Largest drop in %: points of accuracy, or percent of perplexity and errors. It holds only if its 95 % interval is within it.",
    ),
    value: DEFAULT_DROP,
    validateInput: (typed) =>
      readDrop(typed) === null ? vscode.l10n.t("A number from 0 to 100.") : null,
  });
  return text === undefined ? null : readDrop(text);
}

function readDrop(typed: string): number | null {
  const text = typed.replace("%", "").trim();
  const value = Number(text);
  return text !== "" && value >= 0 && value <= 100 ? value / 100 : null;
}

async function optimizeFile(
  { engine, memory }: FileActionOptions,
  p: { readonly file: string; readonly goal: OptimizeGoal; readonly data: string | undefined },
  signal: AbortSignal,
  onProgress: (fraction: number, message: string) => void,
): Promise<Outcome> {
  const { file, goal, data } = p;
  const input = { ...(await engine.open(file)), ...(data === undefined ? {} : { data }) };
  const to = outputBeside(file, SUFFIX);
  const result = await engine.job(
    "optimize",
    { doc: input, goal, to, overwrite: false, limit: null },
    { signal, onProgress },
  );
  const details = [...result.reasons];
  if (result.output === null)
    return {
      kind: "unchanged",
      file,
      text: vscode.l10n.t("nothing safe was found, so nothing was written"),
      reason: result.reasons.at(-1) ?? "",
      details,
    };
  // What the result is measured with, when it is opened or compared.
  if (data !== undefined) memory.remember(result.output, data);
  return {
    kind: "written",
    input,
    output: result.output,
    sizeBytes: result.sizeAfter,
    result: resultText(result),
    details,
  };
}

/** "Top-1 accuracy 98.00 % → 97.80 %, drop 0.20 points (−0.10 to 0.50 points), time 0.80×; verified by running it". */
function resultText({ quality, latency, verified }: OptimizeResult): string {
  const parts: string[] = [];
  if (quality !== null) {
    const { before, after, drop, dropUnit } = quality;
    parts.push(
      `${metricTitle(before.metric)} ${formatMetric(before.metric, before.value)} → ${formatMetric(after.metric, after.value)}`,
      vscode.l10n.t("drop {0} ({1})", formatDrop(drop, dropUnit), formatDropInterval(quality)),
    );
  }
  if (latency && latency.ratio !== null)
    parts.push(
      vscode.l10n.t(
        "time {0}",
        formatRatioInterval(latency.ratio, latency.ratioLow, latency.ratioHigh),
      ),
    );
  return `${parts.join(", ")}${parts.length === 0 ? "" : "; "}${formatVerified(verified)}`;
}
