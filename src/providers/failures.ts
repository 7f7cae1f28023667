/** Failures as the user sees them: the message, the hint, and what can be done at once. */
import * as vscode from "vscode";
import { Cancelled, toFailure, type Failure } from "../shared/errors.ts";

export interface FailureAction {
  readonly title: string;
  readonly run: () => unknown;
}

/** "What is wrong. What would be right." */
export const failureText = (failure: Failure): string =>
  failure.hint === undefined ? failure.message : `${failure.message} ${failure.hint}`;

/** Shows `error`; a cancellation is what the user asked for and shows nothing. Never throws. */
export async function showFailure(
  error: unknown,
  log: vscode.LogOutputChannel,
  actions: readonly FailureAction[] = [],
): Promise<void> {
  const failure = toFailure(error);
  if (failure.code === "cancelled" || error instanceof vscode.CancellationError) return;
  log.error(failureText(failure), failure.where ?? "");
  const offered: FailureAction[] = [...actions];
  if (failure.where === "workspace trust")
    offered.push({
      title: vscode.l10n.t("Manage Workspace Trust"),
      run: () => vscode.commands.executeCommand("workbench.trust.manage"),
    });
  if (failure.code === "internal" || failure.code === "gone")
    offered.push({ title: vscode.l10n.t("Show Log"), run: () => log.show() });
  const chosen = await vscode.window.showErrorMessage(
    failureText(failure),
    ...offered.map(({ title }) => title),
  );
  await offered.find(({ title }) => title === chosen)?.run();
}

/** For VS Code's own dialogs (a failed save), which show an error's `message` and nothing else. */
export function asEditorError(error: unknown): Error {
  if (error instanceof Cancelled) return new vscode.CancellationError();
  return new Error(failureText(toFailure(error)));
}

/** A VS Code token as the signal that the engine's client takes. */
export function signalOf(token: vscode.CancellationToken): AbortSignal {
  const abort = new AbortController();
  if (token.isCancellationRequested) abort.abort();
  token.onCancellationRequested(() => abort.abort());
  return abort.signal;
}
