/** "Extract Subgraph…": the part of the open model between values, as an undoable edit. */
import * as vscode from "vscode";
import type { Doc, Entry } from "../shared/doc.ts";
import { toFailure, usageErrors } from "../shared/errors.ts";
import type { Skip } from "../shared/report.ts";
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
  const title = (step: number): string =>
    vscode.l10n.t("Extract Subgraph ({0} of 2)", String(step));
  // A node is known by its first output: the value that the part most likely ends at.
  const chosen = selection?.kind === "node" && selection.graph === "[]" ? selection.key : "";
  const to = await vscode.window.showInputBox({
    title: title(1),
    value: chosen,
    prompt: vscode.l10n.t("Values to end at, separated by commas; empty for the model's outputs"),
    validateInput: (value) => refusalOf(engine, document.doc, value),
  });
  if (to === undefined) return;
  const from = await vscode.window.showInputBox({
    title: title(2),
    prompt: vscode.l10n.t("Values to start from; empty for the model's inputs that are needed"),
    validateInput: async (value) => {
      const skip = await refusal(engine, document.doc, entryOf(value, to));
      return skip && `${skip.name}: ${skip.reason}`;
    },
  });
  if (from === undefined) return;
  await document.run(entryOf(from, to));
}

/** What is wrong with these ends themselves; what the part starts from is still to come. */
async function refusalOf(engine: Engine, doc: Doc, to: string): Promise<string | null> {
  const skip = await refusal(engine, doc, entryOf("", to));
  const named = skip !== null && [to, ...to.split(",").map((name) => name.trim())];
  return named && named.includes(skip.name) ? `${skip.name}: ${skip.reason}` : null;
}

/** Why there is no such part, or null. */
async function refusal(engine: Engine, doc: Doc, entry: Entry): Promise<Skip | null> {
  try {
    const { units, skipped } = await engine.ask("plan", { doc, entry });
    return units.length > 0 ? null : (skipped[0] ?? null);
  } catch (error) {
    return { name: vscode.l10n.t("subgraph"), reason: toFailure(error).message };
  }
}
