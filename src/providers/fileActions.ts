/**
 * A family's command on files of the explorer: asks for technique, parameters and data, then writes a
 * new model beside each one, never over anything.
 */
import * as vscode from "vscode";
import type { Doc, Entry } from "../shared/doc.ts";
import { formatVerified, groupByReason } from "../shared/format.ts";
import { formatOfKind, kindOf } from "../shared/modelPath.ts";
import { simulatedText, targetOf, type TargetId } from "../shared/presets.ts";
import type { CatalogEntry } from "../shared/protocol.ts";
import type { Skip } from "../shared/report.ts";
import { CATALOG } from "./catalogue.ts";
import { askAllowedDrop, type AllowedDrop } from "./dropSteps.ts";
import { explainFile } from "./explainFile.ts";
import type { CommandFamily } from "./families.ts";
import {
  forEachFile,
  whatOf,
  type FileActionOptions,
  type NextAction,
  type Outcome,
} from "./fileOutcomes.ts";
import { measureFile, type Measured } from "./measureFile.ts";
import { optimizeWithin } from "./optimizeFiles.ts";
import { outputBeside } from "./outputName.ts";
import { askParams } from "./paramSteps.ts";
import { askData, hasData } from "./pickData.ts";
import { pickTechnique } from "./pickers.ts";
import { askPreset } from "./presetSteps.ts";

/** Share of the progress before the result is measured. */
const BEFORE_MEASURING = 0.6;

/**
 * The catalogue's techniques of a family that can work on all these files. Those that leave outputs
 * as they are prepare for the others or tidy up, so they come last.
 */
export function techniquesFor(
  family: CommandFamily,
  files: readonly string[],
): readonly CatalogEntry[] {
  const formats = new Set(files.map((file) => formatOfKind(kindOf(file) ?? "onnx")));
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
  const { title: what, entries, suffix, target } = work;
  // A result that is for a runtime is measured too, so data is asked for where it is not needed.
  const measured = target !== null;
  const data =
    work.data === "none" && !measured
      ? { of: () => undefined }
      : await askData({ title: what, models: files, memory, optional: work.data !== "required" });
  if (!data) return;
  const hasAny = files.some((file) => data.of(file) !== undefined);
  const allowed = measured && hasAny ? await askAllowedDrop(what) : null;
  if (measured && hasAny && !allowed) return;
  await transformEach(options, what, files, (file) => ({
    file,
    entries,
    data: data.of(file),
    suffix,
    target,
    allowed,
  }));
}

const transformEach = (
  options: FileActionOptions,
  title: string,
  files: readonly string[],
  workOf: (file: string) => FileWork,
): Promise<void> =>
  forEachFile(options, { title, files }, (file, signal, report) =>
    transformFile(options, workOf(file), signal, report),
  );

/** What is to be done to each file. */
interface Work {
  readonly title: string;
  readonly entries: readonly Entry[];
  readonly data: CatalogEntry["data"];
  readonly suffix: string;
  /** Null where none was asked for. */
  readonly target: TargetId | null;
}

interface FileWork extends Pick<Work, "entries" | "suffix" | "target"> {
  readonly file: string;
  readonly data: string | undefined;
  /** Null: what it loses is not measured. */
  readonly allowed: AllowedDrop | null;
}

async function askWork(
  { memory }: FileActionOptions,
  title: string,
  family: CommandFamily,
  files: readonly string[],
): Promise<Work | null> {
  let target: TargetId | null = null;
  // Presets are recipes for ONNX models.
  if (family === "quantize" && files.every((file) => /\.onnx$/i.test(file))) {
    const choice = await askPreset(title, await hasData(files, memory));
    if (choice === null) return null;
    target = choice.target;
    const { preset } = choice;
    if (preset) return { ...preset, target, title: `${preset.title}: ${whatOf(files)}` };
  }
  const technique = await pickTechnique(title, techniquesFor(family, files));
  if (!technique) return null;
  const what = `${technique.title}: ${whatOf(files)}`;
  const params = await askParams(what, target === null ? technique : madeFor(technique, target));
  if (!params) return null;
  const entries = [{ transform: technique.id, params }];
  return { title: what, entries, data: technique.data, suffix: technique.suffix, target };
}

/** Where a technique makes different files for different runtimes, for the one that was named. */
function madeFor(technique: CatalogEntry, target: TargetId): CatalogEntry {
  const param = technique.params["target"];
  return param?.type === "choice" && param.of.includes(target)
    ? { ...technique, params: { ...technique.params, target: { ...param, default: target } } }
    : technique;
}

async function transformFile(
  options: FileActionOptions,
  p: FileWork,
  signal: AbortSignal,
  report: (fraction: number, message: string) => void,
): Promise<Outcome> {
  const { engine, memory } = options;
  const { file, entries, data, target, allowed } = p;
  const toWrite = allowed === null ? 1 : BEFORE_MEASURING;
  const input = { ...(await engine.open(file)), ...(data === undefined ? {} : { data }) };
  const { sizeBytes: sizeBefore } = await engine.ask("summary", { doc: input }, { signal });
  const recipe: Entry[] = [];
  let units = 0;
  const notes = new Set<string>();
  const skipped: Skip[] = [];
  for (const [i, entry] of entries.entries()) {
    // Most of the time goes into computing; the save verifies by running, so these steps need not.
    const applied = await engine.job(
      "apply",
      { doc: { ...input, recipe }, entry, verify: false },
      {
        signal,
        onProgress: (fraction, message) =>
          report(((i + fraction) / entries.length) * 0.7 * toWrite, message),
      },
    );
    // A step that found nothing to do is no part of the result's recipe.
    if (applied.units.length > 0) recipe.push(applied.entry);
    units += applied.units.length;
    for (const note of applied.notes) notes.add(note.replace(/\.$/, ""));
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
      options: {
        externalData: "auto",
        overwrite: false,
        verify: true,
        recipeFile: true,
        ...(target === null ? {} : { target }),
      },
    },
    {
      signal,
      onProgress: (fraction, message) => report((0.7 + fraction * 0.3) * toWrite, message),
    },
  );
  // What the result is measured with, when it is opened or compared.
  if (data !== undefined) memory.remember(saved.path, data);
  const counts =
    skipped.length === 0
      ? vscode.l10n.t("{0} changed", String(units))
      : vscode.l10n.t("{0} changed, {1} skipped", String(units), String(skipped.length));
  const measured =
    data === undefined || allowed === null
      ? null
      : await measureFile(
          engine,
          { before: input, output: saved.path, data, allowed, latency: target === "onnxruntime" },
          signal,
          (fraction, message) => report(toWrite + fraction * (1 - toWrite), message),
        );
  const parts = [
    measured?.text ?? null,
    simulatedText(targetOf(recipe, target)),
    formatVerified(saved.verified),
    counts,
    ...notes,
  ];
  return {
    kind: "written",
    input,
    output: saved.path,
    sizeBytes: saved.sizeBytes,
    sizeBefore,
    result: parts.filter((text) => text !== null).join("; "),
    details,
    next: measured === null ? [] : nextActions(options, p, { input, recipe }, measured),
  };
}

/** For what loses more than it may, or may do so: why, or another way within the limit. */
function nextActions(
  options: FileActionOptions,
  p: FileWork,
  { input, recipe }: { readonly input: Doc; readonly recipe: readonly Entry[] },
  { verdict }: Measured,
): readonly NextAction[] {
  const { data, allowed, file } = p;
  const limit = allowed?.limit ?? null;
  if (data === undefined || limit === null || verdict === null || verdict === "within") return [];
  const optimize: NextAction = {
    title: vscode.l10n.t("Optimize…"),
    run: () => optimizeWithin(options, [file], limit, () => data),
  };
  const again = (entries: readonly Entry[]): Promise<void> =>
    transformEach(options, vscode.l10n.t("Quantize {0} again", whatOf([file])), [file], () => ({
      ...p,
      entries,
    }));
  const explain: NextAction = {
    title: vscode.l10n.t("Explain…"),
    run: () => explainFile(options, { before: input, recipe, data, again, others: [optimize] }),
  };
  return [explain, optimize];
}
