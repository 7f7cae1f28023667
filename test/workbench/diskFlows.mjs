/** What happens to the file under an open editor: changed elsewhere, reverted, broken, kept by Git, left dirty. */
import assert from "node:assert/strict";
import { copyFileSync, existsSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { changeFile, digestOf, runModel, sizeOf } from "./fixtures.mjs";

const WEIGHT_ONLY = "quantize.weightOnly";
const WEIGHT_ONLY_TITLE = "Quantize weights only";
/** VS Code writes which editors are dirty every five seconds; a reload before that loses the link. */
const BACKUP_SETTLES_MS = 8000;
/** Messages fade in; a picture taken earlier shows half of one. */
const TOAST_FADES_MS = 400;

export const diskFlows = [
  {
    name: "a file changed by another program: a clean editor follows it",
    async run({ window, folder }) {
      const file = path.join(folder, "outside.onnx");
      const editor = await window.open("outside.onnx");
      const facts = editor.locator("lathe-summary [data-testid=facts]");
      await facts.waitFor();
      const size = sizeOf(file);
      changeFile(file);
      await facts.getByText((size + 4).toLocaleString("en-US")).waitFor();
      await window.tab("outside.onnx", ":not(.dirty)").waitFor();
    },
  },
  {
    name: "a dirty model whose file was changed by another program: the user decides",
    async run({ window, folder }) {
      const file = path.join(folder, "conflict.onnx");
      const original = digestOf(file);
      const editor = await window.open("conflict.onnx");
      await window.run(editor, WEIGHT_ONLY);
      await editor.locator("[data-testid=result]").waitFor();
      changeFile(file);
      const toast = window.toast(/conflict\.onnx was changed by another program/);
      await toast.getByText("Reload, Keep Edits").waitFor();
      await sleep(TOAST_FADES_MS);
      await window.screenshot("dark-conflict");
      await toast.getByText("Reload, Keep Edits").click();
      await editor.locator(".banner [data-testid=failure]").waitFor({ state: "detached" });
      await window.tab("conflict.onnx", ".dirty").waitFor();
      const changed = digestOf(file);
      await window.focusPage(editor);
      await window.page.keyboard.press("Control+s");
      await window.tab("conflict.onnx", ":not(.dirty)").waitFor();
      assert.ok((await runModel(file)).length > 0);

      // With the bytes kept at that save, the edits can win over what others wrote.
      await window.focusPage(editor);
      await window.page.keyboard.press("Control+z");
      await window.tab("conflict.onnx", ".dirty").waitFor();
      changeFile(file);
      await toast.getByText("Overwrite").click();
      await window.tab("conflict.onnx", ":not(.dirty)").waitFor();
      assert.equal(digestOf(file), changed);
      assert.notEqual(changed, original);
    },
  },
  {
    name: "revert drops the edits; save as writes another file and refuses another format",
    async run({ window, folder }) {
      const file = path.join(folder, "saveas.onnx");
      const original = digestOf(file);
      const editor = await window.open("saveas.onnx");
      await window.run(editor, WEIGHT_ONLY);
      await window.tab("saveas.onnx", ".dirty").waitFor();
      await window.palette("File: Revert File");
      await window.tab("saveas.onnx", ":not(.dirty)").waitFor();
      await window.showPage(editor, "summary");
      await editor.getByText("Nothing yet: this is the file as it is on disk.").waitFor();

      await window.run(editor, WEIGHT_ONLY);
      await window.tab("saveas.onnx", ".dirty").waitFor();
      await window.saveAs(path.join(folder, "copy.safetensors"));
      await window.page
        .getByText(/copy\.safetensors does not end in \.onnx/)
        .first()
        .waitFor();
      await window.page.keyboard.press("Escape");
      assert.ok(!existsSync(path.join(folder, "copy.safetensors")));
      await window.saveAs(path.join(folder, "copy.onnx"));
      await window.tab("copy.onnx", ":not(.dirty)").waitFor();
      assert.ok((await runModel(path.join(folder, "copy.onnx"))).length > 0);
      assert.equal(digestOf(file), original);
    },
  },
  {
    name: "an earlier version from Git is shown read-only beside the changed file",
    async run({ window, folder }) {
      changeFile(path.join(folder, "git.onnx"));
      await window.open("git.onnx");
      await window.titleButton("Open Changes");
      const editor = await window.editor("[data-testid=read-only]");
      await editor.getByText("This is an earlier version from Git").waitFor();
      const bar = editor.locator("[data-testid=counterpart]");
      await bar.getByText(/(Since|Changed later, in) git\.onnx/).waitFor();
      await bar.getByText(/tensors? and \d+ nodes? differ|no tensor and no node differs/).waitFor();
      await window.screenshot("dark-git");
      await bar.locator("[data-testid=open-compare]").click();
      const own = await window.editor("lathe-diff [data-testid=sides]");
      await own.getByText("git.staged.onnx → This document now").waitFor();
      await window.screenshot("dark-git-compare");
    },
  },
  {
    name: "a broken file says what is wrong with it, and opens once it is whole",
    async run({ window, folder }) {
      const editor = await window.open("broken.onnx");
      await editor.getByText(/broken\.onnx is not an ONNX model/).waitFor();
      await window.screenshot("dark-broken");
      copyFileSync(path.join(folder, "cnn.onnx"), path.join(folder, "broken.onnx"));
      await editor.locator("[data-testid=failure] vscode-button").click();
      const mended = await window.editor("lathe-summary [data-testid=facts]");
      await mended.getByText("ai.onnx").first().waitFor();
    },
  },
  {
    name: "weights without a graph open in the same editor",
    async run({ window }) {
      const editor = await window.open("weights.safetensors");
      await editor.getByText("none: this file holds weights only").waitFor();
    },
  },
  {
    name: "a dirty model survives a reload of the window",
    async run(flow) {
      const { folder } = flow;
      let { window } = flow;
      const file = path.join(folder, "exit.onnx");
      const original = digestOf(file);
      const editor = await window.open("exit.onnx");
      await window.run(editor, WEIGHT_ONLY);
      await editor.locator("[data-testid=result]").waitFor();
      await window.tab("exit.onnx", ".dirty").waitFor();
      await sleep(BACKUP_SETTLES_MS);
      await window.page.reload();
      await window.page.locator(".tab.dirty", { hasText: "exit.onnx" }).first().waitFor();
      const restored = await window.editor("lathe-editor");
      await window.showPage(restored, "summary");
      await restored.locator("lathe-summary").getByText(WEIGHT_ONLY_TITLE).first().waitFor();
      await window.page.keyboard.press("Control+s");
      await window.tab("exit.onnx", ":not(.dirty)").waitFor();
      assert.notEqual(digestOf(file), original);
      assert.ok((await runModel(file)).length > 0);
    },
  },
];
