/** The workspace as tests in the extension host see it. */
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import * as vscode from "vscode";

export function workspaceFolder(): string {
  const [folder] = vscode.workspace.workspaceFolders ?? [];
  if (!folder) throw new Error("no folder is open");
  return folder.uri.fsPath;
}
export const modelUri = (name: string): vscode.Uri =>
  vscode.Uri.file(path.join(workspaceFolder(), name));
export const modelsMatching = (pattern: RegExp): string[] =>
  existsSync(workspaceFolder())
    ? readdirSync(workspaceFolder()).filter((n) => pattern.test(n))
    : [];

export function extension(): vscode.Extension<unknown> {
  const found = vscode.extensions.getExtension("lathe.lathe");
  if (!found) throw new Error("the extension is not there");
  return found;
}

/** The answer of `look` once it is neither null nor false. */
export async function until<T>(what: string, look: () => T | null | false): Promise<T> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const found = look();
    if (found !== null && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`${what} did not happen`);
    await new Promise((done) => setTimeout(done, 50));
  }
}
