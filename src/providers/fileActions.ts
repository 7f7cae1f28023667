/**
 * A family's command on files of the explorer: asks for technique and parameters, then writes a new
 * model beside each one, never over anything.
 */
import path from "node:path";
import * as vscode from "vscode";
import type { Doc, Entry } from "../shared/doc.ts";
import { Cancelled, toFailure } from "../shared/errors.ts";
import { formatBytes, formatPercent, formatVerified, groupByReason } from "../shared/format.ts";
import type { CatalogEntry, SaveResult } from "../shared/protocol.ts";
import type { Skip } from "../shared/report.ts";
import { CATALOG } from "./catalogue.ts";
import type { Engine } from "./engine.ts";
import type { CommandFamily } from "./families.ts";
import { failureText, showFailure } from "./failures.ts";
import type { ModelEditorProvider } from "./modelEditor.ts";
import { outputBeside } from "./outputName.ts";
import { askParams } from "./paramSteps.ts";
import { pickTechnique } from "./pickers.ts";
import type { JobStatus } from "./status.ts";

export interface FileActionOptions {
  readonly engine: Engine;
  readonly log: vscode.LogOutputChannel;
  readonly status: JobStatus;
  readonly editor: ModelEditorProvider;
}

/** What became of one file. */
type Outcome =
  | {
      readonly kind: "written";
      readonly input: Doc;
      readonly saved: SaveResult;
      readonly changed: number;
      readonly skipped: readonly Skip[];
    }
  | { readonly kind: "unchanged"; readonly file: string; readonly skipped: readonly Skip[] }
  | { readonly kind: "failed"; readonly file: string; readonly error: unknown };

/** The catalogue's techniques of a family that can work on all these files. */
export function techniquesFor(
  family: CommandFamily,
  files: readonly string[],
): readonly CatalogEntry[] {
  const formats = new Set(files.map((file) => path.extname(file).slice(1).toLowerCase()));
  return CATALOG.filter(
    (entry) => entry.family === family && [...formats].every((f) => entry.formats.includes(f)),
  );
}

export async function transformFiles(
  options: FileActionOptions,
  p: { readonly family: CommandFamily; readonly title: string; readonly files: readonly string[] },
): Promise<void> {
  const { files } = p;
  const what =
    files.length === 1
      ? path.basename(files[0] ?? "")
      : vscode.l10n.t("{0} models", String(files.length));
  const title = `${p.title} ${what}`;
  const techniques = techniquesFor(p.family, files);
  if (techniques.length === 0) {
    void vscode.window.showWarningMessage(
      vscode.l10n.t("{0}: no technique of this kind works on all of these files.", title),
    );
    return;
  }
  const technique = await pickTechnique(title, techniques);
  if (!technique) return;
  const params = await askParams(`${technique.title}: ${what}`, technique);
  if (!params) return;
  const entry: Entry = { transform: technique.id, params };
  const outcomes = await options.status.notify(
    `${technique.title}: ${what}`,
    async (signal, report) => {
      const done: Outcome[] = [];
      for (const [index, file] of files.entries()) {
        const part = (fraction: number, message: string): void =>
          report(
            (index + fraction) / files.length,
            files.length === 1 ? message : `${path.basename(file)} ${message}`,
          );
        try {
          done.push(
            await transformFile(options.engine, file, entry, technique.suffix, signal, part),
          );
        } catch (error) {
          if (error instanceof Cancelled) break;
          done.push({ kind: "failed", file, error });
        }
      }
      return done;
    },
  );
  logOutcomes(options.log, technique, outcomes);
  await showOutcomes(options, outcomes);
}

async function transformFile(
  engine: Engine,
  file: string,
  entry: Entry,
  suffix: string,
  signal: AbortSignal,
  report: (fraction: number, message: string) => void,
): Promise<Outcome> {
  const input = await engine.open(file);
  // Most of the time goes into computing; the save verifies by running, so the first step need not.
  const applied = await engine.job(
    "apply",
    { doc: input, entry, verify: false },
    { signal, onProgress: (fraction, message) => report(fraction * 0.7, message) },
  );
  if (applied.units.length === 0) return { kind: "unchanged", file, skipped: applied.skipped };
  const saved = await engine.job(
    "save",
    {
      doc: { ...input, recipe: [applied.entry] },
      to: outputBeside(file, suffix),
      options: { externalData: "auto", overwrite: false, verify: true, recipeFile: true },
    },
    { signal, onProgress: (fraction, message) => report(0.7 + fraction * 0.3, message) },
  );
  return {
    kind: "written",
    input,
    saved,
    changed: applied.units.length,
    skipped: applied.skipped,
  };
}

function logOutcomes(
  log: vscode.LogOutputChannel,
  technique: CatalogEntry,
  outcomes: readonly Outcome[],
): void {
  for (const outcome of outcomes) {
    log.info(`${technique.id}: ${outcomeText(outcome)}`);
    if (outcome.kind === "failed") continue;
    for (const { reason, names } of groupByReason(outcome.skipped))
      log.info(`  skipped ${names.join(", ")}: ${reason}`);
  }
}

/** "tiny.w4.onnx: 3.20 MB → 700 kB (21.9 %), verified by running it". */
function outcomeText(outcome: Outcome): string {
  switch (outcome.kind) {
    case "written": {
      const { input, saved, changed, skipped } = outcome;
      const before = input.base.fingerprint.sizeBytes;
      const after = saved.sizeBytes;
      const counts =
        skipped.length === 0
          ? vscode.l10n.t("{0} changed", String(changed))
          : vscode.l10n.t("{0} changed, {1} skipped", String(changed), String(skipped.length));
      return `${path.basename(saved.path)}: ${formatBytes(before)} → ${formatBytes(after)} (${formatPercent(after / before)}), ${formatVerified(saved.verified)}; ${counts}`;
    }
    case "unchanged": {
      const [first] = groupByReason(outcome.skipped);
      const why = first ? `: ${first.names[0] ?? ""}: ${first.reason}` : "";
      return `${path.basename(outcome.file)}: ${vscode.l10n.t("nothing to do, so nothing was written")}${why}`;
    }
    case "failed":
      return `${path.basename(outcome.file)}: ${failureText(toFailure(outcome.error))}`;
  }
}

async function showOutcomes(
  options: FileActionOptions,
  outcomes: readonly Outcome[],
): Promise<void> {
  const [first] = outcomes;
  if (!first) return;
  if (outcomes.length === 1 && first.kind === "failed")
    return showFailure(first.error, options.log);
  const written = outcomes.filter((outcome) => outcome.kind === "written");
  const failed = outcomes.filter((outcome) => outcome.kind === "failed");
  const text = outcomes.length === 1 ? outcomeText(first) : batchText(outcomes);
  const open = vscode.l10n.t("Open");
  const compare = vscode.l10n.t("Compare");
  const details = vscode.l10n.t("Details");
  const buttons = [...(written.length === 1 ? [open, compare] : []), details];
  const choice =
    failed.length > 0
      ? await vscode.window.showWarningMessage(text, ...buttons)
      : await vscode.window.showInformationMessage(text, ...buttons);
  const [only] = written;
  if (choice === details) options.log.show();
  else if (only && choice === open)
    await options.editor.show(vscode.Uri.file(only.saved.path), {
      page: "summary",
      technique: null,
      compareWith: null,
    });
  else if (only && choice === compare)
    await options.editor.show(vscode.Uri.file(only.saved.path), {
      page: "diff",
      technique: null,
      compareWith: only.input,
    });
}

function batchText(outcomes: readonly Outcome[]): string {
  const written = outcomes.filter((outcome) => outcome.kind === "written");
  const before = written.reduce((sum, { input }) => sum + input.base.fingerprint.sizeBytes, 0);
  const after = written.reduce((sum, { saved }) => sum + saved.sizeBytes, 0);
  const rest = outcomes.filter((outcome) => outcome.kind !== "written").map(outcomeText);
  const sizes =
    written.length === 0
      ? ""
      : ` ${formatBytes(before)} → ${formatBytes(after)} (${formatPercent(after / before)}).`;
  return `${vscode.l10n.t("{0} of {1} models written.", String(written.length), String(outcomes.length))}${sizes}${rest.length === 0 ? "" : ` ${rest.join("; ")}`}`;
}
