/** Asks for the data that models are calibrated and measured with. */
import path from "node:path";
import * as vscode from "vscode";
import type { DataMemory } from "./dataMemory.ts";

const DATASET_GLOB = "**/{dataset.json,*.dataset.json}";
const MAX_DATASETS = 100;

interface DataItem extends vscode.QuickPickItem {
  readonly pick: () => Promise<DataChoice | null>;
}
/** `of` tells each model's data; undefined: without. */
export interface DataChoice {
  readonly of: (model: string) => string | undefined;
}

export interface DataQuestion {
  readonly title: string;
  /** The models that the data is for; at least one. */
  readonly models: readonly string[];
  readonly memory: DataMemory;
  /** Going on without data is offered too. */
  readonly optional: boolean;
}

/**
 * What was used before comes first, so that Enter takes it; then the workspace's dataset.json files,
 * those beside the model first. The choice is remembered. Null when dismissed.
 */
export async function askData(question: DataQuestion): Promise<DataChoice | null> {
  const { models, memory } = question;
  const remembered = rememberedItem(models, memory);
  const before = new Set(models.map((model) => memory.recall(model)));
  const found = await datasets(models[0] ?? "");
  const items: (DataItem | vscode.QuickPickItem)[] = [
    ...(remembered ? [remembered] : []),
    ...found
      .filter((file) => !(before.size === 1 && before.has(file)))
      .map((file) => ({
        label: `$(database) ${path.basename(file)}`,
        description: shortPath(path.dirname(file)),
        pick: () => Promise.resolve(same(file)),
      })),
    { label: vscode.l10n.t("elsewhere"), kind: vscode.QuickPickItemKind.Separator },
    browseItem(models[0] ?? "", false),
    browseItem(models[0] ?? "", true),
  ];
  if (question.optional)
    // What is optional may be left out, but what was chosen before is likely meant.
    items.splice(remembered ? 1 : 0, 0, {
      label: vscode.l10n.t("$(circle-slash) Without data"),
      description: vscode.l10n.t("from the weights alone"),
      pick: () => Promise.resolve(same(undefined)),
    } as DataItem);
  const chosen = await vscode.window.showQuickPick(items, {
    title: question.title,
    placeHolder: vscode.l10n.t("Data to calibrate and measure with"),
    matchOnDescription: true,
  });
  if (!chosen || !("pick" in chosen)) return null;
  const choice = await chosen.pick();
  if (choice)
    for (const model of models) {
      const data = choice.of(model);
      if (data !== undefined) memory.remember(model, data);
    }
  return choice;
}

/** Null unless each of the models was used with data before. */
function rememberedItem(models: readonly string[], memory: DataMemory): DataItem | null {
  const known = models.map((model) => memory.recall(model));
  const [first] = known;
  if (first === undefined || known.some((data) => data === undefined)) return null;
  const isOne = known.every((data) => data === first);
  return {
    label: isOne
      ? `$(history) ${path.basename(first)}`
      : vscode.l10n.t("$(history) The data of each model"),
    description: isOne
      ? vscode.l10n.t("{0} used before", shortPath(path.dirname(first)))
      : vscode.l10n.t("as chosen before"),
    pick: () => Promise.resolve({ of: (model) => memory.recall(model) }),
  };
}

function browseItem(model: string, folder: boolean): DataItem {
  return {
    label: folder
      ? vscode.l10n.t("$(folder) A folder of images with labels.csv…")
      : vscode.l10n.t("$(file) A file (dataset.json, .npz, .csv, .jsonl, text)…"),
    async pick() {
      const title = vscode.l10n.t("Data to measure with");
      const file = await pickDataFile(model, folder, title);
      return file === null ? null : same(file);
    },
  };
}

const same = (data: string | undefined): DataChoice => ({ of: () => data });

/** Those nearest to the model first. */
/** Whether the models were used with data before, or the workspace has a dataset.json. */
export const hasData = async (models: readonly string[], memory: DataMemory): Promise<boolean> =>
  models.some((model) => memory.recall(model) !== undefined) ||
  (await datasets(models[0] ?? "")).length > 0;

async function datasets(model: string): Promise<readonly string[]> {
  const found = await vscode.workspace.findFiles(DATASET_GLOB, "**/node_modules/**", MAX_DATASETS);
  const distance = (file: string): number =>
    path.relative(path.dirname(model), path.dirname(file)).split(path.sep).filter(Boolean).length;
  return found
    .filter(({ scheme }) => scheme === "file")
    .map(({ fsPath }) => fsPath)
    .sort((a, b) => distance(a) - distance(b) || a.localeCompare(b));
}

/** A file or folder of data, or one that a dataset.json is to name. */
export async function pickDataFile(
  model: string,
  folder: boolean,
  title: string,
): Promise<string | null> {
  const [uri] =
    (await vscode.window.showOpenDialog({
      title,
      defaultUri: vscode.Uri.file(path.dirname(model)),
      canSelectFiles: !folder,
      canSelectFolders: folder,
    })) ?? [];
  return uri?.fsPath ?? null;
}

/** "." for the workspace's own folder. */
function shortPath(folder: string): string {
  const { workspaceFolders = [] } = vscode.workspace;
  const isOnly = workspaceFolders.length === 1 && workspaceFolders[0]?.uri.fsPath === folder;
  return isOnly ? "" : vscode.workspace.asRelativePath(folder, workspaceFolders.length > 1);
}
