/**
 * "Optimize Model…" on files of the explorer: asks for data and for the largest drop, searches for
 * each model's recipe, and writes what was found beside it.
 */
import * as vscode from "vscode";
import { formatVerified } from "../shared/format.ts";
import type { OptimizeGoal, OptimizeResult } from "../shared/protocol.ts";
import { askDrop } from "./dropSteps.ts";
import { forEachFile, whatOf, type FileActionOptions, type Outcome } from "./fileOutcomes.ts";
import { outputBeside } from "./outputName.ts";
import { askData } from "./pickData.ts";
import { qualityText, timeText } from "./qualityText.ts";

const SUFFIX = "opt";

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
  await optimizeWithin(options, files, maxDrop, data.of);
}

/** Without questions. @param maxDrop a share */
export async function optimizeWithin(
  options: FileActionOptions,
  files: readonly string[],
  maxDrop: number,
  dataOf: (file: string) => string | undefined,
): Promise<void> {
  const title = vscode.l10n.t("Optimize {0}", whatOf(files));
  const goal: OptimizeGoal = { maxDrop, targetSize: null, faster: false };
  await forEachFile(options, { title, files }, (file, signal, report) =>
    optimizeFile(options, { file, goal, data: dataOf(file) }, signal, report),
  );
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
    next: [],
  };
}

/** "Top-1 accuracy 98.00 % → 97.80 %, drop 0.20 points (−0.10 to 0.50 points), time 0.80×; verified by running it". */
function resultText({ quality, latency, verified }: OptimizeResult): string {
  const parts = [quality === null ? null : qualityText(quality), timeText(latency)];
  const text = parts.filter((part) => part !== null).join(", ");
  return `${text}${text === "" ? "" : "; "}${formatVerified(verified)}`;
}
