/** Versions of one model: the file, what is staged, and earlier ones that Git gives as `git:` URIs. */
import path from "node:path";
import * as vscode from "vscode";

/** The commit or index of a `git:` URI, as VS Code's Git extension writes it; null for others. */
function refOf(uri: vscode.Uri): string | null {
  if (uri.scheme !== "git") return null;
  try {
    const { ref } = JSON.parse(uri.query) as { readonly ref?: unknown };
    return typeof ref === "string" ? ref : null;
  } catch {
    return null;
  }
}

/** "~" and "" are the index. */
const isIndex = (ref: string): boolean => ref === "" || ref === "~";

/** Later versions are higher; null for what is no version of a file. */
function ageOf(uri: vscode.Uri): number | null {
  if (uri.scheme === "file") return 2;
  const ref = refOf(uri);
  return ref === null ? null : isIndex(ref) ? 1 : 0;
}

/** Below 0 when `a` is the earlier version of the same file, above when `b` is; else null. */
export function compareVersions(a: vscode.Uri, b: vscode.Uri): number | null {
  const [x, y] = [ageOf(a), ageOf(b)];
  if (x === null || y === null || x === y || a.fsPath !== b.fsPath) return null;
  return x - y;
}

/** "git.onnx (HEAD)", "git.onnx (staged)", "git.onnx". */
export function versionTitle(uri: vscode.Uri): string {
  const name = path.posix.basename(uri.path);
  const ref = refOf(uri);
  if (ref === null) return name;
  const what = isIndex(ref) ? vscode.l10n.t("staged") : ref.slice(0, 8);
  return `${name} (${what})`;
}

/** The committed version of a file, as the Git extension serves it. */
export const committed = (file: vscode.Uri): vscode.Uri =>
  file.with({ scheme: "git", query: JSON.stringify({ path: file.fsPath, ref: "HEAD" }) });
