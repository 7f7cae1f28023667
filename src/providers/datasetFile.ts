/** Writes the dataset.json that the Data page's form describes. */
import path from "node:path";
import * as vscode from "vscode";
import { dataErrors } from "../shared/errors.ts";
import { relativeDataset } from "./datasetText.ts";

/** The file's path; null when the dialog was dismissed. @throws DataError for what is no JSON object. */
export async function saveDataset(model: string, text: string): Promise<string | null> {
  const folder = path.dirname(model);
  const uri = await vscode.window.showSaveDialog({
    title: vscode.l10n.t("Write dataset.json"),
    defaultUri: vscode.Uri.file(path.join(folder, "dataset.json")),
    filters: { JSON: ["json"] },
  });
  if (!uri) return null;
  const relative = relativeDataset(text, path.dirname(uri.fsPath));
  if (relative === null)
    throw dataErrors.bad(uri.fsPath, "the form", "it gives no JSON object", "Fill in the form.");
  await vscode.workspace.fs.writeFile(uri, Buffer.from(relative));
  return uri.fsPath;
}
