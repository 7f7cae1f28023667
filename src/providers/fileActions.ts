/**
 * A family's command on files of the explorer: asks for technique, parameters and data, then writes a
 * new model beside each one, never over anything.
 */
import path from "node:path";
import * as vscode from "vscode";
import type { Entry } from "../shared/doc.ts";
import { formatVerified, groupByReason } from "../shared/format.ts";
import type { CatalogEntry } from "../shared/protocol.ts";
import { CATALOG } from "./catalogue.ts";
import type { DataMemory } from "./dataMemory.ts";
import type { Engine } from "./engine.ts";
import type { CommandFamily } from "./families.ts";
import { forEachFile, whatOf, type Outcome, type OutcomeOptions } from "./fileOutcomes.ts";
import { outputBeside } from "./outputName.ts";
import { askParams } from "./paramSteps.ts";
import { askData } from "./pickData.ts";
import { pickTechnique } from "./pickers.ts";

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
  const technique = await pickTechnique(title, techniques);
  if (!technique) return;
  const what = `${technique.title}: ${whatOf(files)}`;
  const params = await askParams(what, technique);
  if (!params) return;
  const entry: Entry = { transform: technique.id, params };
  const optional = technique.data === "optional";
  const data =
    technique.data === "none"
      ? { of: () => undefined }
      : await askData({ title: what, models: files, memory, optional });
  if (!data) return;
  await forEachFile(options, { title: what, files }, (file, signal, report) =>
    transformFile(
      options,
      { file, entry, data: data.of(file), suffix: technique.suffix },
      signal,
      report,
    ),
  );
}

async function transformFile(
  { engine, memory }: FileActionOptions,
  p: {
    readonly file: string;
    readonly entry: Entry;
    readonly data: string | undefined;
    readonly suffix: string;
  },
  signal: AbortSignal,
  report: (fraction: number, message: string) => void,
): Promise<Outcome> {
  const { file, entry, data } = p;
  const input = { ...(await engine.open(file)), ...(data === undefined ? {} : { data }) };
  // Most of the time goes into computing; the save verifies by running, so the first step need not.
  const applied = await engine.job(
    "apply",
    { doc: input, entry, verify: false },
    { signal, onProgress: (fraction, message) => report(fraction * 0.7, message) },
  );
  const { units, skipped } = applied;
  const groups = groupByReason(skipped);
  const details = groups.map(({ reason, names }) =>
    vscode.l10n.t("skipped {0}: {1}", names.join(", "), reason),
  );
  if (units.length === 0) {
    const [first] = groups;
    const reason = first ? `${first.names[0] ?? ""}: ${first.reason}` : "";
    const text = vscode.l10n.t("nothing to do, so nothing was written");
    return { kind: "unchanged", file, text, reason, details };
  }
  const saved = await engine.job(
    "save",
    {
      doc: { ...input, recipe: [applied.entry] },
      to: outputBeside(file, p.suffix),
      options: { externalData: "auto", overwrite: false, verify: true, recipeFile: true },
    },
    { signal, onProgress: (fraction, message) => report(0.7 + fraction * 0.3, message) },
  );
  // What the result is measured with, when it is opened or compared.
  if (data !== undefined) memory.remember(saved.path, data);
  const counts =
    skipped.length === 0
      ? vscode.l10n.t("{0} changed", String(units.length))
      : vscode.l10n.t("{0} changed, {1} skipped", String(units.length), String(skipped.length));
  return {
    kind: "written",
    input,
    output: saved.path,
    sizeBytes: saved.sizeBytes,
    result: `${formatVerified(saved.verified)}; ${counts}`,
    details,
  };
}
