/**
 * A family's command on files of the explorer: asks for technique, parameters and data, then writes a
 * new model beside each one, never over anything.
 */
import path from "node:path";
import * as vscode from "vscode";
import type { Entry } from "../shared/doc.ts";
import { formatVerified, groupByReason } from "../shared/format.ts";
import type { CatalogEntry } from "../shared/protocol.ts";
import type { Skip } from "../shared/report.ts";
import { CATALOG } from "./catalogue.ts";
import type { DataMemory } from "./dataMemory.ts";
import type { Engine } from "./engine.ts";
import type { CommandFamily } from "./families.ts";
import { forEachFile, whatOf, type Outcome, type OutcomeOptions } from "./fileOutcomes.ts";
import { outputBeside } from "./outputName.ts";
import { askParams } from "./paramSteps.ts";
import { askData, hasData } from "./pickData.ts";
import { pickTechnique } from "./pickers.ts";
import { askPreset } from "./presetSteps.ts";

export interface FileActionOptions extends OutcomeOptions {
  readonly engine: Engine;
  readonly memory: DataMemory;
}

/**
 * The catalogue's techniques of a family that can work on all these files. Those that leave outputs
 * as they are prepare for the others or tidy up, so they come last.
 */
export function techniquesFor(
  family: CommandFamily,
  files: readonly string[],
): readonly CatalogEntry[] {
  const formats = new Set(files.map((file) => path.extname(file).slice(1).toLowerCase()));
  return CATALOG.filter(
    (entry) => entry.family === family && [...formats].every((f) => entry.formats.includes(f)),
  ).sort((a, b) => Number(a.exact) - Number(b.exact));
}

export async function transformFiles(
  options: FileActionOptions,
  p: { readonly family: CommandFamily; readonly title: string; readonly files: readonly string[] },
): Promise<void> {
  const { files } = p;
  const { memory } = options;
  const title = `${p.title} ${whatOf(files)}`;
  const techniques = techniquesFor(p.family, files);
  if (techniques.length === 0) {
    void vscode.window.showWarningMessage(
      vscode.l10n.t("{0}: no technique of this kind works on all of these files.", title),
    );
    return;
  }
  const work = await askWork(options, title, p.family, files);
  if (!work) return;
  const { title: what, entries, suffix } = work;
  const optional = work.data === "optional";
  const data =
    work.data === "none"
      ? { of: () => undefined }
      : await askData({ title: what, models: files, memory, optional });
  if (!data) return;
  await forEachFile(options, { title: what, files }, (file, signal, report) =>
    transformFile(options, { file, entries, data: data.of(file), suffix }, signal, report),
  );
}

/** What is to be done to each file. */
interface Work {
  readonly title: string;
  readonly entries: readonly Entry[];
  readonly data: CatalogEntry["data"];
  readonly suffix: string;
}

async function askWork(
  { memory }: FileActionOptions,
  title: string,
  family: CommandFamily,
  files: readonly string[],
): Promise<Work | null> {
  // Presets are recipes for ONNX models.
  if (family === "quantize" && files.every((file) => /\.onnx$/i.test(file))) {
    const preset = await askPreset(title, await hasData(files, memory));
    if (preset === null) return null;
    if (preset !== "custom") return { ...preset, title: `${preset.title}: ${whatOf(files)}` };
  }
  const technique = await pickTechnique(title, techniquesFor(family, files));
  if (!technique) return null;
  const what = `${technique.title}: ${whatOf(files)}`;
  const params = await askParams(what, technique);
  if (!params) return null;
  const entries = [{ transform: technique.id, params }];
  return { title: what, entries, data: technique.data, suffix: technique.suffix };
}

async function transformFile(
  { engine, memory }: FileActionOptions,
  p: {
    readonly file: string;
    readonly entries: readonly Entry[];
    readonly data: string | undefined;
    readonly suffix: string;
  },
  signal: AbortSignal,
  report: (fraction: number, message: string) => void,
): Promise<Outcome> {
  const { file, entries, data } = p;
  const input = { ...(await engine.open(file)), ...(data === undefined ? {} : { data }) };
  const recipe: Entry[] = [];
  let units = 0;
  const skipped: Skip[] = [];
  for (const [i, entry] of entries.entries()) {
    // Most of the time goes into computing; the save verifies by running, so these steps need not.
    const applied = await engine.job(
      "apply",
      { doc: { ...input, recipe }, entry, verify: false },
      {
        signal,
        onProgress: (fraction, message) => report(((i + fraction) / entries.length) * 0.7, message),
      },
    );
    // A step that found nothing to do is no part of the result's recipe.
    if (applied.units.length > 0) recipe.push(applied.entry);
    units += applied.units.length;
    // What the last step leaves alone is what stays as it was.
    if (i === entries.length - 1) skipped.push(...applied.skipped);
  }
  const groups = groupByReason(skipped);
  const details = groups.map(({ reason, names }) =>
    vscode.l10n.t("skipped {0}: {1}", names.join(", "), reason),
  );
  if (units === 0) {
    const [first] = groups;
    const reason = first ? `${first.names[0] ?? ""}: ${first.reason}` : "";
    const text = vscode.l10n.t("nothing to do, so nothing was written");
    return { kind: "unchanged", file, text, reason, details };
  }
  const saved = await engine.job(
    "save",
    {
      doc: { ...input, recipe },
      to: outputBeside(file, p.suffix),
      options: { externalData: "auto", overwrite: false, verify: true, recipeFile: true },
    },
    { signal, onProgress: (fraction, message) => report(0.7 + fraction * 0.3, message) },
  );
  // What the result is measured with, when it is opened or compared.
  if (data !== undefined) memory.remember(saved.path, data);
  const counts =
    skipped.length === 0
      ? vscode.l10n.t("{0} changed", String(units))
      : vscode.l10n.t("{0} changed, {1} skipped", String(units), String(skipped.length));
  return {
    kind: "written",
    input,
    output: saved.path,
    sizeBytes: saved.sizeBytes,
    result: `${formatVerified(saved.verified)}; ${counts}`,
    details,
  };
}
