/** The extension's settings, as the engine's client takes them. */
import path from "node:path";
import * as vscode from "vscode";

export interface EngineSettings {
  readonly threads: number | null;
  readonly scratchDir: string;
  readonly scratchLimitBytes: number;
  readonly memoryBudgetBytes: number;
}

export function readSettings(context: vscode.ExtensionContext): EngineSettings {
  const settings = vscode.workspace.getConfiguration("lathe");
  return {
    threads: settings.get<number | null>("threads") ?? null,
    scratchDir:
      settings.get<string | null>("scratchFolder") ??
      path.join(context.globalStorageUri.fsPath, "scratch"),
    scratchLimitBytes: settings.get("scratchSizeMB", 10_000) * 1e6,
    memoryBudgetBytes: settings.get("memoryBudgetMB", 2048) * 2 ** 20,
  };
}

export const onSettingsChange = (listener: () => void): vscode.Disposable =>
  vscode.workspace.onDidChangeConfiguration((event) => {
    if (event.affectsConfiguration("lathe")) listener();
  });
