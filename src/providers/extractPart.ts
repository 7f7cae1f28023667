/** "Extract Subgraph…": the part of the open model between values, as an undoable edit. */
import * as vscode from "vscode";
import type { Doc, Entry } from "../shared/doc.ts";
import { toFailure, usageErrors } from "../shared/errors.ts";
import type { Engine } from "./engine.ts";
import type { ModelEditorProvider } from "./modelEditor.ts";

const entryOf = (from: string, to: string): Entry => ({
  transform: "edit.extract",
  params: { from, to },
});

export async function extractPart(
  engine: Engine,
  editor: ModelEditorProvider,
  uri: unknown,
): Promise<void> {
  const open = (uri instanceof vscode.Uri ? editor.find(uri) : null) ?? editor.active;
  if (!open)
    throw usageErrors.usage(
      "No model is open to extract a part of.",
      "Open an ONNX model and choose a node on its Graph page.",
    );
  const { document, selection } = open;
  const title = vscode.l10n.t("Extract Subgraph");
  // A node is known by its first output: the value that the part most likely ends at.
  const chosen = selection?.kind === "node" && selection.graph === "[]" ? selection.key : "";
  const to = await vscode.window.showInputBox({
    title,
    value: chosen,
    prompt: vscode.l10n.t("Values to end at, separated by commas; empty for the model's outputs"),
  });
  if (to === undefined) return;
  const from = await vscode.window.showInputBox({
    title,
    prompt: vscode.l10n.t("Values to start from; empty for the model's inputs that are needed"),
    validateInput: (value) => refusal(engine, document.doc, entryOf(value, to)),
  });
  if (from === undefined) return;
  await document.run(entryOf(from, to));
}

/** Why there is no such part, or null. */
async function refusal(engine: Engine, doc: Doc, entry: Entry): Promise<string | null> {
  try {
    const { units, skipped } = await engine.ask("plan", { doc, entry });
    const [skip] = skipped;
    return units.length > 0 || !skip ? null : `${skip.name}: ${skip.reason}`;
  } catch (error) {
    return toFailure(error).message;
  }
}
