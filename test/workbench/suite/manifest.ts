import assert from "node:assert/strict";
import * as vscode from "vscode";
import { extension, modelUri, until, workspaceFolder } from "./helpers.ts";

interface Manifest {
  readonly contributes: { readonly commands: readonly { readonly command: string }[] };
}

export function manifestSuite(): void {
  describe("extension", () => {
    it("is activated by opening a model, with its editor", async () => {
      await vscode.commands.executeCommand("vscode.open", modelUri("cnn.onnx"));
      const input = await until("a custom editor", () => {
        const tab = vscode.window.tabGroups.activeTabGroup.activeTab;
        return tab?.input instanceof vscode.TabInputCustom ? tab.input : null;
      });
      assert.equal(input.viewType, "lathe.model");
      await until("activation", () => extension().isActive);
    });

    it("registers every command that it contributes, and no other", async () => {
      await extension().activate();
      const manifest = extension().packageJSON as Manifest;
      const contributed = manifest.contributes.commands.map(({ command }) => command).sort();
      const registered = (await vscode.commands.getCommands(true)).filter(
        (id) => id.startsWith("lathe.") && !id.startsWith("lathe.inspector."),
      );
      assert.deepEqual(registered.sort(), contributed);
    });

    it("keeps text files in the text editor", async () => {
      const uri = vscode.Uri.file(`${workspaceFolder()}/notes.txt`);
      await vscode.workspace.fs.writeFile(uri, new TextEncoder().encode("text"));
      await vscode.commands.executeCommand("vscode.open", uri);
      const tab = vscode.window.tabGroups.activeTabGroup.activeTab;
      assert.ok(tab?.input instanceof vscode.TabInputText);
      await vscode.workspace.fs.delete(uri);
    });
  });
}
