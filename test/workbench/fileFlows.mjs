/** Commands on files that need data, "Optimize Model…", and comparison with what Git has. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { changeFile, runModel, sizeOf } from "./fixtures.mjs";

/** Messages fade in; a picture taken earlier shows half of one. */
const TOAST_FADES_MS = 400;

const outputsOf = (folder, stem) =>
  readdirSync(folder).filter((name) => new RegExp(`^${stem}\\.\\w+\\.onnx$`).test(name));

/** The file that a command wrote: smaller where it should be, runs, names its data in its recipe. */
async function checkOutput(folder, stem, { smaller }) {
  const [output] = outputsOf(folder, stem);
  assert.ok(output, `no output beside ${stem}.onnx`);
  const [before, after] = [`${stem}.onnx`, output].map((name) => sizeOf(path.join(folder, name)));
  if (smaller) assert.ok(after < before, `${before} → ${after} bytes`);
  assert.ok((await runModel(path.join(folder, output))).length > 0);
  const recipe = path.join(folder, `${output}.lathe.json`);
  assert.ok(existsSync(recipe));
  return JSON.parse(readFileSync(recipe, "utf8"));
}

export const fileFlows = [
  {
    name: "files: Quantize… with calibrated scales asks for data and writes a file beside; Compare measures on it",
    async run({ window, folder }) {
      await window.menu("static.onnx", "Quantize Model…");
      await window.pick("onnxruntime on a CPU");
      await window.pick("Custom…");
      await window.pick("Quantize weights and activations");
      await window.quickInput.getByText("Use defaults").waitFor();
      await sleep(300);
      await window.screenshot("files-static-parameters");
      await window.pick("Use defaults");
      await window.quickInput.getByText("dataset.json", { exact: true }).first().waitFor();
      await sleep(300);
      await window.screenshot("files-data");
      await window.pick(/^\s*dataset\.json/);
      await window.quickInput.getByText("No limit, show me what it costs").waitFor();
      await sleep(300);
      await window.screenshot("files-drop");
      await window.pick("No limit, show me what it costs");
      const toast = window.toast(/static\.\w+\.onnx: .* → .*verified/);
      await toast.waitFor();
      await sleep(TOAST_FADES_MS);
      await window.screenshot("files-static-done");
      await checkOutput(folder, "static", { smaller: true });
      await toast.getByText("Compare", { exact: true }).click();
      const editor = await window.editor("lathe-diff [data-testid=sides]");
      const diff = editor.locator("lathe-diff");
      await diff.locator("[data-testid=measure]").click();
      await diff.getByText("Top-1 accuracy").first().waitFor();
      await diff.getByText("Top-1 accuracy").first().scrollIntoViewIfNeeded();
      await sleep(300);
      await window.screenshot("files-static-compare");
    },
  },
  {
    name: "files: Quantize… says when an allowed drop is not shown, explains it, and tries again without the worst layers",
    async run({ window, folder }) {
      await window.menu("limit.onnx", "Quantize Model…");
      await window.pick("onnxruntime on a CPU");
      await window.pick("Small, same speed");
      await window.quickInput.getByText("dataset.json", { exact: true }).first().waitFor();
      await window.pick(/dataset\.json/);
      await window.pick("Another limit…");
      await window.quickInput.getByText("Largest drop in %").waitFor();
      await window.page.keyboard.type("0");
      await sleep(300);
      await window.page.keyboard.press("Enter");
      const toast = window.toast(
        /limit\.w4a8\.onnx: .*(not shown to be within|more than) the allowed 0\.00 points/,
      );
      await toast.waitFor();
      await sleep(TOAST_FADES_MS);
      await window.screenshot("files-limit-not-shown");
      const recipe = await checkOutput(folder, "limit", { smaller: true });
      assert.equal(recipe.target, "onnxruntime");
      await toast.getByText("Explain…", { exact: true }).click();
      const why = window.toast(/limit\.onnx: .*Next: /);
      await why.waitFor();
      await sleep(TOAST_FADES_MS);
      await window.screenshot("files-limit-explained");
      const keep = why.getByText("Keep These as They Were", { exact: true });
      if (!(await keep.isVisible())) return;
      await keep.click();
      await window.toast(/limit\.w4a8\.2\.onnx: .*verified/).waitFor();
      await sleep(TOAST_FADES_MS);
      await window.screenshot("files-limit-again");
    },
  },
  {
    name: "files: Prune… offers to go on without data",
    async run({ window, folder }) {
      await window.menu("prune.onnx", "Prune Model…");
      await window.pick("Remove channels");
      await window.pick("Use defaults");
      await window.quickInput.getByText("Without data").waitFor();
      await sleep(300);
      await window.screenshot("files-prune-data");
      await window.pick("Without data");
      await window.toast(/prune\.pruned\.onnx: .* → .*verified/).waitFor();
      await sleep(TOAST_FADES_MS);
      await window.screenshot("files-prune-done");
      await checkOutput(folder, "prune", { smaller: true });
    },
  },
  {
    name: "files: Factorize… by keyboard, with data that is remembered the second time",
    async run({ window, folder }) {
      const { keyboard } = window.page;
      await window.palette("Lathe: Factorize Model…");
      await window.quickInput.getByText("factor.onnx").first().waitFor();
      await keyboard.type("factor.onnx");
      await sleep(300);
      await keyboard.press("Enter");
      await window.quickInput.getByText("Use defaults").waitFor();
      await keyboard.press("Enter");
      await window.quickInput.getByText("Without data").waitFor();
      await keyboard.type("dataset.json");
      await sleep(300);
      await keyboard.press("Enter");
      await window.toast(/factor(\.\w+)?\.onnx: (.* → .*verified|nothing to do)/).waitFor();
      await sleep(TOAST_FADES_MS);
      await window.screenshot("files-factor-done");
      await window.palette("Notifications: Clear All Notifications");
      await window.menu("factor.onnx", "Factorize Model…");
      await window.pick("Use defaults");
      await window.quickInput.getByText("used before").waitFor();
      await sleep(300);
      await window.screenshot("files-factor-again");
      await keyboard.press("Escape");
      assert.ok(outputsOf(folder, "factor").length <= 1);
    },
  },
  {
    name: "files: the walkthrough leads from opening to scripts",
    async run({ window }) {
      await window.palette("Welcome: Open Walkthrough...");
      await window.pick("Make a Model Smaller with Lathe");
      const steps = window.page.locator(".getting-started-step .step-title");
      await steps.first().waitFor();
      assert.deepEqual(
        (await steps.allInnerTexts()).map((text) => text.trim()),
        [
          "Open a model",
          "See where it can be smaller",
          "Quantize it",
          "Or let Lathe choose",
          "Compare before and after",
          "Use it in scripts",
        ],
      );
      await steps.nth(1).click();
      await sleep(1500);
      await window.screenshot("walkthrough-analyze");
      await steps.nth(3).click();
      await sleep(800);
      await window.screenshot("walkthrough-optimize");
    },
  },
  {
    name: "files: Compare with Committed Version shows what changed since",
    async run({ window, folder }) {
      changeFile(path.join(folder, "git.onnx"));
      await window.open("git.onnx");
      await window.page
        .locator(".statusbar")
        .getByText(/master/)
        .first()
        .waitFor();
      await window.palette("Lathe: Compare with Committed Version");
      const editor = await window.editor("lathe-diff [data-testid=sides]");
      await editor.getByText("git.HEAD.onnx → This document now").waitFor();
      await sleep(300);
      await window.screenshot("git-committed");
    },
  },
];
