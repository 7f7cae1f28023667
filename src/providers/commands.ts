/** All commands. Each catches its failure and shows it: VS Code shows nothing for a rejected promise. */
import path from "node:path";
import * as vscode from "vscode";
import type { Doc } from "../shared/doc.ts";
import { engineErrors, usageErrors } from "../shared/errors.ts";
import { formatOfKind, kindOf } from "../shared/modelPath.ts";
import { CATALOG } from "./catalogue.ts";
import { beforeAndAfter } from "./compare.ts";
import { convertFiles } from "./convertFiles.ts";
import { extractPart } from "./extractPart.ts";
import type { EngineHost } from "./engine.ts";
import { commandOf, familiesOf, type CommandFamily } from "./families.ts";
import { committed } from "./versions.ts";
import { showFailure } from "./failures.ts";
import { techniquesFor, transformFiles } from "./fileActions.ts";
import type { FileActionOptions } from "./fileOutcomes.ts";
import type { InspectorProvider } from "./inspector.ts";
import type { ModelEditorProvider } from "./modelEditor.ts";
import { optimizeFiles } from "./optimizeFiles.ts";
import { isModelPath, pickModel } from "./pickers.ts";
import type { JobStatus } from "./status.ts";

export interface CommandOptions extends FileActionOptions {
  readonly engine: EngineHost;
  readonly log: vscode.LogOutputChannel;
  readonly status: JobStatus;
  readonly editor: ModelEditorProvider;
  readonly inspector: InspectorProvider;
}

/** "Quantize", for the titles of questions. */
const VERBS: Readonly<Record<CommandFamily, string>> = {
  quantize: vscode.l10n.t("Quantize"),
  prune: vscode.l10n.t("Prune"),
  lowrank: vscode.l10n.t("Factorize"),
  share: vscode.l10n.t("Share weights of"),
  graph: vscode.l10n.t("Clean up"),
  repair: vscode.l10n.t("Repair"),
  edit: vscode.l10n.t("Edit"),
};

export function registerCommands(options: CommandOptions): vscode.Disposable {
  const { engine, editor, inspector, log, status } = options;
  const register = (id: string, run: (...args: readonly unknown[]) => unknown): vscode.Disposable =>
    vscode.commands.registerCommand(id, async (...args: readonly unknown[]) => {
      try {
        await run(...args);
      } catch (error) {
        await showFailure(error, log);
      }
    });
  return vscode.Disposable.from(
    ...familiesOf(CATALOG).flatMap((family) => [
      register(commandOf(family), (uri) => onEditor(options, family, uri)),
      register(commandOf(family, "files"), (uri, uris) =>
        onFiles(options, family, modelFiles(uri, uris)),
      ),
    ]),
    register("lathe.optimize", (uri) => optimizeEditor(options, uri)),
    register("lathe.optimizeFiles", (uri, uris) => optimize(options, modelFiles(uri, uris))),
    register("lathe.convert", (uri) => convertEditor(options, uri)),
    register("lathe.convertFiles", (uri, uris) => convert(options, modelFiles(uri, uris))),
    register("lathe.extract", (uri) => extractPart(engine, editor, uri)),
    register("lathe.compare", (uri) => compare(options, activeFile(editor, uri), null)),
    register("lathe.compareFiles", (uri, uris) => {
      const [first, second] = modelFiles(uri, uris);
      return compare(options, first ?? null, second ?? null);
    }),
    register("lathe.compareCommitted", (uri) => {
      const file = uri instanceof vscode.Uri ? uri : editor.active?.document.uri;
      if (file?.scheme !== "file")
        throw usageErrors.usage(
          "No model file is open to compare with its committed version.",
          "Open a model of a Git repository first.",
        );
      return compareCommitted(editor, file);
    }),
    register("lathe.cancel", () => status.cancelAll()),
    register("lathe.restartEngine", async () => {
      await engine.restart();
      editor.refreshAll();
      vscode.window.setStatusBarMessage(vscode.l10n.t("Lathe: engine restarted"), 3000);
    }),
    register("lathe.clearCache", async () => {
      await engine.clearCache();
      vscode.window.setStatusBarMessage(vscode.l10n.t("Lathe: cache cleared"), 3000);
    }),
    register("lathe.showInspector", () => inspector.reveal()),
    register("lathe.showLog", () => log.show()),
  );
}

/** On the open editor: its Optimize page with the family's first technique chosen. */
async function onEditor(
  options: CommandOptions,
  family: CommandFamily,
  uri: unknown,
): Promise<void> {
  const { editor } = options;
  const open = (uri instanceof vscode.Uri ? editor.find(uri) : null) ?? editor.active;
  if (open) {
    const [technique] = techniquesFor(family, [open.document.path]);
    if (!technique)
      throw usageErrors.usage(
        `No technique of this kind works on ${formatOfKind(kindOf(open.document.path) ?? "onnx")} files.`,
        "See the Optimize page for those that do.",
      );
    await editor.show(open.document.uri, {
      page: "optimize",
      technique: technique.id,
      compareWith: null,
    });
    return;
  }
  const file = await pickModel({ title: `${VERBS[family]}…`, exclude: [] });
  if (file !== null) await onFiles(options, family, [file]);
}

async function onFiles(
  options: CommandOptions,
  family: CommandFamily,
  files: readonly string[],
): Promise<void> {
  if (!vscode.workspace.isTrusted) throw engineErrors.untrusted();
  if (files.length > 0) await transformFiles(options, { family, title: VERBS[family], files });
}

/** On the open editor: its advisor. */
async function optimizeEditor(options: CommandOptions, uri: unknown): Promise<void> {
  const { editor } = options;
  const open = (uri instanceof vscode.Uri ? editor.find(uri) : null) ?? editor.active;
  if (open) {
    const show = { page: "optimize", technique: null, compareWith: null } as const;
    return editor.show(open.document.uri, show);
  }
  const file = await pickModel({ title: vscode.l10n.t("Optimize…"), exclude: [] });
  if (file !== null) await optimize(options, [file]);
}

async function optimize(options: CommandOptions, files: readonly string[]): Promise<void> {
  if (!vscode.workspace.isTrusted) throw engineErrors.untrusted();
  if (files.length > 0) await optimizeFiles(options, files);
}

/** The open model with its edits, or one that is asked for. */
async function convertEditor(options: CommandOptions, uri: unknown): Promise<void> {
  const { editor } = options;
  const open = (uri instanceof vscode.Uri ? editor.find(uri) : null) ?? editor.active;
  // An earlier version has its file in a folder of ours, where nobody would look for the result.
  if (open && open.document.uri.scheme !== "file")
    throw usageErrors.usage(
      `${path.basename(open.document.path)} is a version that Git keeps, and has no folder to write beside it.`,
      "Convert the file itself, or save this version as a file first.",
    );
  if (open) return convert(options, [open.document.path], open.document.doc);
  const file = await pickModel({ title: vscode.l10n.t("Convert…"), exclude: [] });
  if (file !== null) await convert(options, [file]);
}

async function convert(
  options: CommandOptions,
  files: readonly string[],
  edited: Doc | null = null,
): Promise<void> {
  if (!vscode.workspace.isTrusted) throw engineErrors.untrusted();
  if (files.length > 0) await convertFiles(options, files, edited);
}

/** Opens the Diff page of the later model. Missing ones are asked for. */
async function compare(
  options: CommandOptions,
  first: string | null,
  second: string | null,
): Promise<void> {
  const one =
    first ??
    (await pickModel({ title: vscode.l10n.t("Compare: choose the first model"), exclude: [] }));
  if (one === null) return;
  const other =
    second ??
    (await pickModel({
      title: vscode.l10n.t("Compare {0} with", path.basename(one)),
      exclude: [one],
    }));
  if (other === null) return;
  const [before, after] = beforeAndAfter(one, other);
  await options.editor.show(vscode.Uri.file(after), {
    page: "diff",
    technique: null,
    compareWith: await options.engine.open(before),
  });
}

async function compareCommitted(editor: ModelEditorProvider, file: vscode.Uri): Promise<void> {
  const before = committed(file);
  try {
    await vscode.workspace.fs.stat(before);
  } catch {
    throw usageErrors.usage(
      `Git has no committed version of ${path.basename(file.fsPath)}.`,
      "Commit the file once, and see that VS Code's Git extension is on; or compare with another file.",
    );
  }
  await editor.compareVersion(before, file);
}

const activeFile = (editor: ModelEditorProvider, uri: unknown): string | null =>
  uri instanceof vscode.Uri && uri.scheme === "file" && isModelPath(uri.fsPath)
    ? uri.fsPath
    : (editor.active?.document.path ?? null);

/** The explorer gives the file that was clicked and, as the second argument, the whole selection. */
function modelFiles(uri: unknown, uris: unknown): readonly string[] {
  const all: readonly unknown[] = Array.isArray(uris) && uris.length > 0 ? uris : [uri];
  return all
    .filter((item): item is vscode.Uri => item instanceof vscode.Uri && item.scheme === "file")
    .map((item) => item.fsPath)
    .filter(isModelPath);
}
