/** A model with unsaved edits whose file was changed by another program: what can be done. */
import path from "node:path";
import * as vscode from "vscode";
import type { ModelEditorProvider, OpenDocument } from "./modelEditor.ts";

/** Documents the user is being asked about: one question at a time for each. */
const asking = new WeakSet<OpenDocument>();

/**
 * Reload and Reapply are always possible. Compare and Overwrite need the bytes that the edits were
 * made on, which are there only when they were kept at an earlier save.
 */
export async function askAboutChange(
  open: OpenDocument,
  editor: Pick<ModelEditorProvider, "show" | "openOnDisk">,
): Promise<void> {
  if (asking.has(open)) return;
  asking.add(open);
  try {
    const { document } = open;
    const reload = vscode.l10n.t("Reload, Drop Edits");
    const reapply = vscode.l10n.t("Reload, Keep Edits");
    const compare = vscode.l10n.t("Compare");
    const overwrite = vscode.l10n.t("Overwrite");
    const choice = await vscode.window.showWarningMessage(
      vscode.l10n.t(
        "{0} was changed by another program and has unsaved edits here.",
        path.basename(document.path),
      ),
      ...(document.baseIsKept ? [reload, compare, overwrite] : [reload, reapply]),
    );
    if (choice === reapply) await document.rebase();
    if (choice === compare)
      await editor.show(document.uri, {
        page: "diff",
        technique: null,
        compareWith: await editor.openOnDisk(document),
      });
    // VS Code's own commands, which work on the active editor, so that it knows what is saved.
    if (choice !== reload && choice !== overwrite) return;
    [...open.tabs][0]?.panel.reveal();
    open.overwrite = choice === overwrite;
    await vscode.commands.executeCommand(
      choice === reload ? "workbench.action.files.revert" : "workbench.action.files.save",
    );
  } finally {
    asking.delete(open);
  }
}
