/** "Let Lathe choose": in the editor as one edit, and as a command on files. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { digestOf, runModel, sizeOf } from "./fixtures.mjs";

/** A search tries many configurations, on a machine that may be busy. */
const SEARCH_MS = 120_000;
const TOAST_FADES_MS = 400;

export const optimizeFlows = [
  {
    name: "optimize: Lathe chooses, the answer is applied, undone, redone, saved and compared",
    async run({ window, folder }) {
      const file = path.join(folder, "advise.onnx");
      const original = digestOf(file);
      await window.open("advise.onnx");
      await window.palette("Lathe: Optimize Model…");
      const editor = await window.editor("lathe-optimize [data-testid=goal]");
      const page = editor.locator("lathe-optimize");
      await page.getByTestId("why-not").waitFor();
      await window.screenshot("optimize-goal");
      await page.getByRole("button", { name: "Choose data…" }).click();
      await window.pick(/^\s*dataset\.json/);
      await page.locator("vscode-button[data-testid=optimize]:not([disabled])").click();
      await page.getByTestId("job").waitFor();
      await window.screenshot("optimize-running");
      await page.getByTestId("advice").waitFor({ timeout: SEARCH_MS });
      await sleep(300);
      await window.screenshot("optimize-answer");
      assert.equal(digestOf(file), original);
      await page.getByTestId("pareto").first().scrollIntoViewIfNeeded();
      await sleep(300);
      await window.screenshot("optimize-pareto");

      const apply = page.locator("vscode-button[data-testid=apply-advice]");
      await apply.focus();
      await window.page.keyboard.press("Enter");
      await window.tab("advise.onnx", ".dirty").waitFor();
      await page.getByText("Applied: Undo takes it back").waitFor();
      await window.screenshot("optimize-applied");
      await window.focusPage(editor);
      await window.page.keyboard.press("Control+z");
      await window.tab("advise.onnx", ":not(.dirty)").waitFor();
      await apply.waitFor();
      await window.page.keyboard.press("Control+y");
      await window.tab("advise.onnx", ".dirty").waitFor();
      await window.page.keyboard.press("Control+s");
      await window.tab("advise.onnx", ":not(.dirty)").waitFor();
      assert.notEqual(digestOf(file), original);
      assert.ok((await runModel(file)).length > 0);

      await window.showPage(editor, "diff");
      const diff = editor.locator("lathe-diff");
      await diff.locator("[data-testid=measure]").click();
      await diff.getByText("Top-1 accuracy").first().waitFor();
      await sleep(300);
      await window.screenshot("optimize-diff");
    },
  },
  {
    name: "optimize: a search is cancelled and nothing changes",
    async run({ window, folder }) {
      const before = readdirSync(folder).length;
      const editor = await window.open("cnn.onnx");
      await window.titleButton("Optimize Model…");
      const page = editor.locator("lathe-optimize");
      await page.getByTestId("goal").waitFor();
      await page.getByRole("button", { name: "Choose data…" }).click();
      await window.pick(/^\s*dataset\.json/);
      const run = page.locator("vscode-button[data-testid=optimize]:not([disabled])");
      await run.click();
      await page.getByTestId("job").getByRole("button", { name: "Cancel" }).click();
      await run.waitFor({ timeout: 3000 });
      assert.equal(await page.getByTestId("advice").count(), 0);
      assert.equal(readdirSync(folder).length, before);
      await window.tab("cnn.onnx", ":not(.dirty)").waitFor();
    },
  },
  {
    name: "optimize: one file by keyboard alone; the result opens in a comparison",
    async run({ window, folder }) {
      const { keyboard } = window.page;
      await window.palette("Lathe: Optimize Model…");
      await window.quickInput.getByText("cnn.onnx").first().waitFor();
      await keyboard.type("cnn.onnx");
      await sleep(300);
      await keyboard.press("Enter");
      await window.quickInput.getByText("dataset.json").first().waitFor();
      await keyboard.press("Enter");
      await window.quickInput.getByText(/Largest drop/).waitFor();
      await sleep(300);
      await window.screenshot("optimize-one-drop");
      await keyboard.press("Enter");
      await sleep(TOAST_FADES_MS);
      await window.screenshot("optimize-one-running");
      const toast = window.toast(/cnn\.opt\.onnx: .* → .*Top-1 accuracy .*drop .*verified/);
      await toast.waitFor({ timeout: SEARCH_MS });
      await sleep(TOAST_FADES_MS);
      await window.screenshot("optimize-one-done");
      assert.ok((await runModel(path.join(folder, "cnn.opt.onnx"))).length > 0);
      await toast.getByText("Compare", { exact: true }).click();
      const diff = (await window.editor("lathe-diff [data-testid=sides]")).locator("lathe-diff");
      await diff.getByText("cnn.onnx → This document now").waitFor();
      // The result is measured with what it was made with.
      await diff.getByText("dataset.json").first().waitFor();
    },
  },
  {
    name: "optimize: two files of the explorer are one batch; data and drop are asked once",
    async run({ window, folder }) {
      await window.select(["optimize1.onnx", "optimize2.onnx"]);
      await (await window.openMenu("optimize2.onnx", "Optimize Model…")).hover();
      await window.screenshot("optimize-menu");
      await window.page.getByRole("menuitem", { name: "Optimize Model…" }).click();
      await window.pick(/^\s*dataset\.json/);
      const input = window.quickInput.locator("input[type=text]").first();
      await window.quickInput.getByText(/Largest drop/).waitFor();
      assert.equal(await input.inputValue(), "1");
      await input.fill("200");
      await window.quickInput.getByText("A number from 0 to 100.").waitFor();
      await window.screenshot("optimize-drop");
      await input.fill("2");
      await window.page.keyboard.press("Enter");
      const toast = window.toast(/2 of 2 models written/);
      await toast.waitFor({ timeout: 2 * SEARCH_MS });
      await sleep(TOAST_FADES_MS);
      await window.screenshot("optimize-batch");
      await toast.getByText("Compare", { exact: true }).click();
      await window.quickInput.getByText("optimize2.opt.onnx").first().waitFor();
      await sleep(300);
      await window.screenshot("optimize-batch-compare");
      await window.pick("optimize2.opt.onnx");
      const editor = await window.editor("lathe-diff [data-testid=sides]");
      await editor.getByText("optimize2.onnx → This document now").waitFor();
      for (const stem of ["optimize1", "optimize2"]) {
        const output = path.join(folder, `${stem}.opt.onnx`);
        assert.ok(sizeOf(output) < sizeOf(path.join(folder, `${stem}.onnx`)) * 0.6);
        assert.ok((await runModel(output)).length > 0);
      }
    },
  },
];
