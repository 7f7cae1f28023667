/** Models that are not files of this machine (`git:`, virtual file systems): read from a copy. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import * as vscode from "vscode";
import { Cancelled } from "../shared/errors.ts";
import { formatBytes } from "../shared/format.ts";
import type { Disposable } from "./disposable.ts";

/** Above this the user is asked before everything is read into memory once. */
const ASK_ABOVE_BYTES = 256e6;

export interface RemoteCopy extends Disposable {
  readonly path: string;
  /** Why the document cannot be changed. */
  readonly reason: string;
}

/**
 * @param title what the copy is called, where it is shown beside the file itself: "model.onnx (HEAD)"
 * @throws Cancelled when the user does not want the copy.
 */
export async function fetchCopy(uri: vscode.Uri, title?: string): Promise<RemoteCopy> {
  const name = path.posix.basename(uri.path);
  const { size } = await vscode.workspace.fs.stat(uri);
  if (size > ASK_ABOVE_BYTES) {
    const copy = vscode.l10n.t("Copy");
    const choice = await vscode.window.showWarningMessage(
      vscode.l10n.t(
        "{0} ({1}) has to be copied to this machine to be shown.",
        name,
        formatBytes(size),
      ),
      { modal: true },
      copy,
    );
    if (choice !== copy) throw new Cancelled();
  }
  const folder = await mkdtemp(path.join(tmpdir(), "lathe-copy-"));
  const { name: stem, ext } = path.parse(name);
  const version = title?.slice(name.length).replace(/[^\w.-]+/g, "") ?? "";
  const file = path.join(folder, version === "" ? name : `${stem}.${version}${ext}`);
  await writeFile(file, await vscode.workspace.fs.readFile(uri));
  return {
    path: file,
    reason:
      uri.scheme === "git"
        ? vscode.l10n.t("This is an earlier version from Git, shown read-only.")
        : vscode.l10n.t("This model is not on this machine ({0}), shown read-only.", uri.scheme),
    dispose: () => void rm(folder, { recursive: true, force: true }),
  };
}
