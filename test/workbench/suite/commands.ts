import assert from "node:assert/strict";
import { statSync } from "node:fs";
import * as vscode from "vscode";
import { modelsMatching, modelUri, until } from "./helpers.ts";

/** Starts a command that asks, and accepts what its quick picks offer first until it ends. */
async function acceptAll(command: string, ...args: readonly unknown[]): Promise<void> {
  let ended = false;
  const running = vscode.commands.executeCommand(command, ...args).then(() => (ended = true));
  const accept = setInterval(
    () => void vscode.commands.executeCommand("workbench.action.acceptSelectedQuickOpenItem"),
    300,
  );
  // The command itself ends when its message is answered, which nobody does here.
  const deadline = Date.now() + 20_000;
  while (!ended && Date.now() < deadline && modelsMatching(/^batch1\.\w+\.onnx$/).length === 0)
    await new Promise((done) => setTimeout(done, 100));
  clearInterval(accept);
  void running;
}

export function commandSuite(): void {
  describe("commands", () => {
    it("quantize a file of the explorer into a smaller one beside it", async () => {
      const uri = modelUri("batch1.onnx");
      await acceptAll("lathe.quantizeFiles", uri, [uri]);
      const [output] = await until("an output", () => {
        const found = modelsMatching(/^batch1\.\w+\.onnx$/);
        return found.length > 0 && found;
      });
      assert.ok(output);
      const [before, after] = [uri, modelUri(output)].map((u) => statSync(u.fsPath).size);
      assert.ok(Number(after) < Number(before) * 0.6, `${before} → ${after}`);
    });

    it("compare opens the later model's editor", async () => {
      const [output] = modelsMatching(/^batch1\.\w+\.onnx$/);
      assert.ok(output);
      const uris = [modelUri(output), modelUri("batch1.onnx")];
      await vscode.commands.executeCommand("lathe.compareFiles", uris[0], uris);
      const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
      assert.ok(input instanceof vscode.TabInputCustom);
      assert.equal(input.uri.fsPath, uris[0]?.fsPath);
    });

    it("restarting the engine and clearing its cache do not disturb open editors", async () => {
      await vscode.commands.executeCommand("lathe.restartEngine");
      await vscode.commands.executeCommand("lathe.clearCache");
      const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
      assert.ok(input instanceof vscode.TabInputCustom);
    });

    it("a command on something that is no model asks nothing and throws nothing", async () => {
      await vscode.commands.executeCommand("lathe.quantizeFiles", modelUri("notes.txt"), []);
      await vscode.commands.executeCommand("lathe.quantizeFiles", undefined, undefined);
    });

    it("undo, redo and save on a model without edits change nothing", async () => {
      const uri = modelUri("cnn.onnx");
      const before = statSync(uri.fsPath).mtimeMs;
      await vscode.commands.executeCommand("vscode.openWith", uri, "lathe.model");
      await vscode.commands.executeCommand("undo");
      await vscode.commands.executeCommand("redo");
      await vscode.commands.executeCommand("workbench.action.files.save");
      assert.equal(statSync(uri.fsPath).mtimeMs, before);
      assert.equal(vscode.window.tabGroups.activeTabGroup.activeTab?.isDirty, false);
    });
  });
}
