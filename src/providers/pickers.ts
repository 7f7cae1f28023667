/** Questions put to the user as quick picks and dialogs. Each answers null when it was dismissed. */
import path from "node:path";
import * as vscode from "vscode";
import { formatBytes } from "../shared/format.ts";
import { formatOfKind, kindOf } from "../shared/modelPath.ts";
import type { CatalogEntry } from "../shared/protocol.ts";
import { kinship } from "./compare.ts";

const MODEL_GLOB = "**/*.{onnx,safetensors,ONNX,SAFETENSORS,safetensors.index.json}";
/** More than anybody scrolls through; typing narrows a list, but only of what was found. */
const MAX_MODELS = 2000;

export const isModelPath = (file: string): boolean => kindOf(file) !== null;

interface ModelItem extends vscode.QuickPickItem {
  readonly file: string | null;
}

/** The path of a model of the workspace, or of one chosen in a file dialog. */
export async function pickModel(p: {
  readonly title: string;
  readonly exclude: readonly string[];
  /** What belongs to it by name is listed first, then its neighbours; the excluded model by default. */
  readonly near?: string;
  /** Files with weights alone. */
  readonly weightsOnly?: boolean;
}): Promise<string | null> {
  const found = await vscode.workspace.findFiles(MODEL_GLOB, "**/node_modules/**", MAX_MODELS);
  const near = p.near ?? p.exclude[0];
  const files = found
    .filter((uri) => uri.scheme === "file" && !p.exclude.includes(uri.fsPath))
    .filter(({ fsPath }) => p.weightsOnly !== true || !isOnnx(fsPath))
    .map((uri) => uri.fsPath)
    .sort((a, b) => kinship(b, near) - kinship(a, near) || a.localeCompare(b));
  const items: ModelItem[] = await Promise.all(
    files.map(async (file) => {
      const { size } = await vscode.workspace.fs.stat(vscode.Uri.file(file));
      // The size of an index says nothing of its model.
      const what = kindOf(file) === "shards" ? vscode.l10n.t("all shards") : formatBytes(size);
      return {
        label: path.basename(file),
        description: `${what}  ${folderOf(file)}`,
        file,
      };
    }),
  );
  const browse: ModelItem = { label: vscode.l10n.t("$(folder-opened) Browse…"), file: null };
  const chosen = await vscode.window.showQuickPick([...items, browse], {
    title: p.title,
    placeHolder:
      items.length === 0
        ? p.weightsOnly === true
          ? vscode.l10n.t("There are no safetensors files in this workspace")
          : vscode.l10n.t("There are no models in this workspace")
        : p.weightsOnly === true
          ? vscode.l10n.t("Take the weights of")
          : vscode.l10n.t("Choose a model"),
    matchOnDescription: true,
  });
  if (!chosen) return null;
  return chosen.file ?? browseModel(p, near);
}

async function browseModel(
  p: { readonly title: string; readonly weightsOnly?: boolean },
  near: string | undefined,
): Promise<string | null> {
  const filters =
    p.weightsOnly === true
      ? { [vscode.l10n.t("Weights")]: ["safetensors", "json"] }
      : { [vscode.l10n.t("Models")]: ["onnx", "safetensors", "json"] };
  const [uri] =
    (await vscode.window.showOpenDialog({
      title: p.title,
      filters,
      ...(near === undefined ? {} : { defaultUri: vscode.Uri.file(path.dirname(near)) }),
    })) ?? [];
  return uri?.fsPath ?? null;
}

/** One of a family's techniques; without asking when there is only one. */
export async function pickTechnique(
  title: string,
  techniques: readonly CatalogEntry[],
): Promise<CatalogEntry | null> {
  const [only] = techniques;
  if (only && techniques.length === 1) return only;
  const items = techniques.map((technique) => ({
    label: technique.title,
    description: traits(technique),
    detail: technique.summary,
    technique,
  }));
  const chosen = await vscode.window.showQuickPick(items, {
    title,
    placeHolder: vscode.l10n.t("Choose a technique"),
    matchOnDetail: true,
  });
  return chosen?.technique ?? null;
}

/** "needs data, minutes, outputs stay the same". */
function traits(technique: CatalogEntry): string {
  const words = [
    technique.data === "required" ? vscode.l10n.t("needs data") : "",
    technique.cost === "minutes" ? vscode.l10n.t("takes minutes") : "",
    technique.exact ? vscode.l10n.t("outputs stay the same") : "",
  ];
  return words.filter((word) => word !== "").join(", ");
}

const isOnnx = (file: string): boolean => formatOfKind(kindOf(file) ?? "onnx") === "onnx";

/** The folder as the workspace names it; "" for the workspace's own. */
function folderOf(file: string): string {
  const folder = path.dirname(file);
  const { workspaceFolders = [] } = vscode.workspace;
  const isOnly = workspaceFolders.length === 1 && workspaceFolders[0]?.uri.fsPath === folder;
  return isOnly ? "" : vscode.workspace.asRelativePath(folder, workspaceFolders.length > 1);
}
