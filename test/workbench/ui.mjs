/** What a person does in the workbench, with the extension installed from its package: commands, edits, cancelling. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { digestOf, runModel, sizeOf } from "./fixtures.mjs";
import {
  engineChildren,
  holdNextJob,
  holdNextSave,
  isAlive,
  nextChild,
  until,
} from "./processes.mjs";

const WEIGHT_ONLY = "quantize.weightOnly";
const WEIGHT_ONLY_TITLE = "Quantize weights only";
/** Messages fade in; a picture taken earlier shows half of one. */
const TOAST_FADES_MS = 400;
/** A cancelled job leaves its caller free within a second; the rest is the page's. */
const CANCEL_MS = 2000;

const listOf = (folder) =>
  readdirSync(folder)
    .filter((name) => name !== ".git")
    .sort();

export const flows = [
  {
    name: "right-click, Quantize Model…, defaults: a smaller file beside it that runs; again with 8 bits: another",
    async run({ window, folder }) {
      await (await window.openMenu("explorer.onnx", "Quantize Model…")).hover();
      await window.screenshot("dark-explorer-menu");
      await window.page.getByRole("menuitem", { name: "Quantize Model…" }).click();
      await window.pick("onnxruntime on a CPU");
      await window.quickInput.getByText("INT8 without data").waitFor();
      await window.screenshot("dark-quantize-presets");
      await window.pick("Custom…");
      await window.quickInput.getByText(WEIGHT_ONLY_TITLE).waitFor();
      await window.screenshot("dark-quantize-techniques");
      await window.pick(WEIGHT_ONLY_TITLE);
      await window.quickInput.getByText("Use defaults").waitFor();
      await window.screenshot("dark-quantize-parameters");
      await window.pick("Use defaults");
      await window.pick("Without data");
      const toast = window.toast(/explorer\.\w+\.onnx: .* → .*verified/);
      await toast.waitFor();
      await sleep(TOAST_FADES_MS);
      await window.screenshot("dark-quantize-done");
      const [output] = listOf(folder).filter((name) => /^explorer\.\w+\.onnx$/.test(name));
      assert.ok(output, `no output beside explorer.onnx: ${listOf(folder).join(", ")}`);
      const [before, after] = ["explorer.onnx", output].map((name) =>
        sizeOf(path.join(folder, name)),
      );
      assert.ok(after < before * 0.5, `${before} → ${after} bytes`);
      assert.ok((await runModel(path.join(folder, output))).length > 0);
      assert.ok(existsSync(path.join(folder, `${output}.lathe.json`)));
      await toast.getByText("Compare", { exact: true }).click();
      const editor = await window.editor();
      const diff = editor.locator("vscode-tab-panel[data-page=diff]");
      await diff.getByText("explorer.onnx → ").waitFor();
      await quantizeAgain({ window, folder });
    },
  },
  {
    name: "several selected files are one batch",
    async run({ window, folder }) {
      await window.select(["batch1.onnx", "batch2.onnx"]);
      await window.menu("batch2.onnx", "Quantize Model…");
      await window.pick("onnxruntime on a CPU");
      await window.pick("LLM 4-bit");
      await window.pick("Without data");
      await window.toast(/2 of 2 models written/).waitFor();
      for (const stem of ["batch1", "batch2"])
        assert.ok(listOf(folder).some((name) => new RegExp(`^${stem}\\.\\w+\\.onnx$`).test(name)));
    },
  },
  {
    name: "cleaning up writes a file or says that there is nothing to do",
    async run({ window }) {
      await window.menu("cnn.onnx", "Clean Up Graph…");
      await window.pick("Clean up the graph");
      const defaults = window.quickInput.getByText("Use defaults");
      const toast = window.toast(/cnn(\.\w+)?\.onnx: (.* → |nothing)/);
      await Promise.race([defaults.waitFor(), toast.waitFor()]);
      if (await defaults.isVisible()) await window.pick("Use defaults");
      await toast.waitFor();
    },
  },
  {
    name: "in the editor: edit, undo, redo, save, undo after save gives the original bytes",
    async run({ window, folder }) {
      const file = path.join(folder, "edit.onnx");
      const original = digestOf(file);
      const editor = await window.open("edit.onnx");
      await editor.locator("lathe-summary [data-testid=facts]").waitFor();
      await window.screenshot("dark-summary");
      await window.showPage(editor, "tensors");
      await editor.locator("lathe-tensors [role=row]").nth(3).waitFor();
      await editor.locator("lathe-tensors [role=row]").nth(2).click();
      await editor.locator("[data-testid=detail]").waitFor();
      await sleep(500);
      await window.screenshot("dark-tensors");

      await window.showPage(editor, "optimize");
      await editor.locator(`[data-technique="${WEIGHT_ONLY}"]`).click();
      await editor.locator("vscode-button[data-testid=run]:not([disabled])").waitFor();
      await window.screenshot("dark-optimize");
      await window.run(editor, WEIGHT_ONLY);
      await editor.locator("[data-testid=result]").waitFor();
      await window.tab("edit.onnx", ".dirty").waitFor();
      assert.equal(digestOf(file), original, "an edit must not touch the file");
      await window.screenshot("dark-optimize-done");

      await window.showPage(editor, "diff");
      await editor.locator("lathe-diff [data-testid=measure]").click();
      await editor.locator("lathe-diff").getByText(/ dB/).first().waitFor();
      await window.screenshot("dark-diff");

      await window.focusPage(editor);
      await window.page.keyboard.press("Control+z");
      await window.tab("edit.onnx", ":not(.dirty)").waitFor();
      await editor.locator("[data-testid=empty]").waitFor();
      await window.page.keyboard.press("Control+y");
      await window.tab("edit.onnx", ".dirty").waitFor();
      await window.page.keyboard.press("Control+s");
      await window.tab("edit.onnx", ":not(.dirty)").waitFor();
      const saved = digestOf(file);
      assert.notEqual(saved, original);
      assert.ok((await runModel(file)).length > 0);

      await window.focusPage(editor);
      await window.page.keyboard.press("Control+z");
      await window.tab("edit.onnx", ".dirty").waitFor();
      assert.equal(digestOf(file), saved);
      await window.page.keyboard.press("Control+s");
      await window.tab("edit.onnx", ":not(.dirty)").waitFor();
      assert.equal(digestOf(file), original, "undo after save must give the original bytes");
    },
  },
  {
    name: "the family's command opens the editor's Optimize page with a technique chosen",
    async run({ window }) {
      await window.open("cnn.onnx");
      await window.palette("Lathe: Quantize Model…");
      const editor = await window.editor("lathe-optimize [data-testid=run]");
      await editor.locator("lathe-optimize [data-testid=run]").waitFor();
    },
  },
  {
    name: "a job cancelled in its middle leaves everything as before",
    async run({ window, server, folder }) {
      const file = path.join(folder, "cancel.onnx");
      const original = digestOf(file);
      const before = listOf(folder);
      const editor = await window.open("cancel.onnx");
      const held = holdNextJob(server.pid);
      await window.run(editor, WEIGHT_ONLY);
      const pid = await held;
      await editor.locator("[data-testid=job]").waitFor();
      await window.screenshot("dark-job");
      const started = Date.now();
      await editor.locator("[data-testid=job] vscode-button").click();
      await editor.locator("[data-testid=job]").waitFor({ state: "detached" });
      assert.ok(Date.now() - started < CANCEL_MS, `cancelling took ${Date.now() - started} ms`);
      await until("the end of the held child", () => !isAlive(pid), 5000);
      await window.tab("cancel.onnx", ":not(.dirty)").waitFor();
      assert.equal(digestOf(file), original);
      assert.deepEqual(listOf(folder), before);
      await window.run(editor, WEIGHT_ONLY);
      await editor.locator("[data-testid=result]").waitFor();
      await window.tab("cancel.onnx", ".dirty").waitFor();
    },
  },
  {
    name: "a killed child shows a message and the next action works",
    async run({ window, server, folder }) {
      const file = path.join(folder, "killed.onnx");
      const original = digestOf(file);
      const editor = await window.open("killed.onnx");
      const held = holdNextJob(server.pid);
      await window.run(editor, WEIGHT_ONLY);
      process.kill(await held, "SIGKILL");
      await window.toast(/engine process ended/).waitFor();
      await editor.locator("[data-testid=failure]", { hasText: "engine process ended" }).waitFor();
      await sleep(TOAST_FADES_MS);
      await window.screenshot("dark-killed");
      assert.equal(digestOf(file), original);
      await window.run(editor, WEIGHT_ONLY);
      await editor.locator("[data-testid=result]").waitFor();

      // The ask child: whoever asks next gets an answer from a new one.
      const [ask] = engineChildren(server.pid, "ask");
      assert.ok(ask, "no ask child is running");
      process.kill(ask, "SIGKILL");
      const successor = nextChild(server.pid, "ask");
      await window.showPage(editor, "tensors");
      await editor.locator("lathe-tensors [role=row]").nth(3).waitFor();
      assert.notEqual(await successor, ask);
    },
  },
  {
    name: "a save cancelled in its middle leaves the old file and nothing beside it",
    async run({ window, server, folder }) {
      const file = path.join(folder, "killed.onnx");
      const original = digestOf(file);
      const editor = await window.open("killed.onnx");
      await window.run(editor, WEIGHT_ONLY);
      await window.tab("killed.onnx", ".dirty").waitFor();
      const before = listOf(folder);
      const held = holdNextSave(server.pid, folder);
      await window.page.keyboard.press("Control+s");
      const pid = await held;
      assert.equal(listOf(folder).length, before.length + 1);
      await window.palette("Lathe: Cancel Running Job");
      await until("the end of the held child", () => !isAlive(pid), 5000);
      await until("the removal of what it wrote", () => listOf(folder).length === before.length);
      assert.deepEqual(listOf(folder), before);
      assert.equal(digestOf(file), original);
      await window.tab("killed.onnx", ".dirty").waitFor();
      await window.page.keyboard.press("Control+s");
      await window.tab("killed.onnx", ":not(.dirty)").waitFor();
      assert.notEqual(digestOf(file), original);
    },
  },
  {
    name: "Compare with… of one file asks for the other; sizes, tensors with SQNR and outputs show",
    async run({ window }) {
      // With both still selected it would compare the two.
      await window.select(["batch1.onnx"]);
      await window.menu("batch1.onnx", "Compare with…");
      await window.pick(/^batch1\.\w+\.onnx/);
      const editor = await window.editor("lathe-diff [data-testid=sides]");
      const diff = editor.locator("lathe-diff");
      await diff.getByText("Before").first().waitFor();
      await diff.locator("[data-testid=measure]").click();
      await diff.getByText(/\d dB/).first().waitFor();
      await diff.getByRole("heading", { name: "Outputs" }).waitFor();
      await window.screenshot("dark-compare");
      await diff.getByText(/\d dB/).last().scrollIntoViewIfNeeded();
      await window.screenshot("dark-compare-tensors");
    },
  },
  {
    name: "Compare with… of two selected files compares the two",
    async run({ window, folder }) {
      const [output] = listOf(folder).filter((name) => /^batch2\.\w+\.onnx$/.test(name));
      await window.select(["batch2.onnx", output]);
      await window.menu(output, "Compare with…");
      const editor = await window.editor("lathe-diff [data-testid=sides]");
      await editor.locator("[data-testid=sides]", { hasText: "batch2.onnx → " }).waitFor();
    },
  },
  {
    name: "a selected tensor shows in the model inspector",
    async run({ window }) {
      const editor = await window.open("cnn.onnx");
      await window.showPage(editor, "tensors");
      await editor.locator("lathe-tensors [role=row]").nth(2).click();
      await editor.locator("[data-testid=detail]").waitFor();
      await window.titleButton("Show Model Inspector");
      const inspector = await window.inspector();
      await inspector.getByText("Histogram").waitFor();
      await sleep(500);
      await window.screenshot("dark-inspector");
      await window.palette("View: Hide Panel");
    },
  },
  {
    name: "a node of the graph shows in the model inspector, by mouse and by keyboard",
    async run({ window }) {
      const editor = await window.open("cnn.onnx");
      const graph = await window.showPage(editor, "graph");
      const canvas = graph.locator("lathe-graph-canvas");
      const tree = canvas.locator("[role=tree]");
      await tree.waitFor();
      // Boxes are drawn, so their places are asked of the element that draws them.
      const nodes = await canvas.evaluate(({ scene }) =>
        scene.boxes
          .filter(({ kind }) => kind === "node")
          .map(({ id, key, title }) => ({ id, key, title })),
      );
      const [first] = nodes;
      const place = await canvas.evaluate((element, id) => element.placeOf(id), first.id);
      await tree.click({ position: { x: place.x + 12, y: place.y + 8 } });
      await window.titleButton("Show Model Inspector");
      const inspector = await window.inspector();
      await inspector.getByRole("heading", { name: "Attributes" }).waitFor();
      await inspector.locator("dd", { hasText: new RegExp(`^${first.title}$`) }).waitFor();
      await sleep(500);
      await window.screenshot("dark-graph");

      await tree.focus();
      await window.page.keyboard.press("ArrowDown");
      const second = await canvas.evaluate(({ scene, active }) => scene.boxes[active]);
      assert.notEqual(second.key, first.key);
      await inspector.locator("dd", { hasText: new RegExp(`^${second.title}$`) }).waitFor();
      await window.page.keyboard.press("/");
      await window.page.keyboard.type(first.title);
      await graph.locator("lathe-graph-search [role=option]").first().waitFor();
      await window.page.keyboard.press("Enter");
      await inspector.locator("dd", { hasText: new RegExp(`^${first.title}$`) }).waitFor();
      await window.palette("View: Hide Panel");
    },
  },
];

/** The same file again, with other parameters: another name, the first result untouched. */
async function quantizeAgain({ window, folder }) {
  const before = listOf(folder);
  await window.menu("explorer.onnx", "Quantize Model…");
  await window.pick("onnxruntime on a CPU");
  await window.pick("Custom…");
  await window.pick(WEIGHT_ONLY_TITLE);
  await window.pick("Bits per weight");
  // Typed: the list of before, whose texts have an 8 in them too, is still there for a moment.
  await window.quickInput.getByPlaceholder(/^Bits per weight/).waitFor();
  await window.page.keyboard.type("8");
  await sleep(500);
  await window.page.keyboard.press("Enter");
  await window.pick("Use these settings");
  await window.pick("Without data");
  await window.toast(/explorer\.\w+\.2\.onnx: .* → /).waitFor();
  const made = listOf(folder).filter((name) => !before.includes(name) && name.endsWith(".onnx"));
  assert.equal(made.length, 1);
  const recipe = JSON.parse(readFileSync(path.join(folder, `${made[0]}.lathe.json`), "utf8"));
  assert.equal(recipe.entries[0].params.bits, 8);
}

/** Pages in themes that are not dark. The window is its own, made with the theme. */
export const themeFlow = (theme) => ({
  name: `the editor is readable in the ${theme} theme`,
  async run({ window }) {
    const editor = await window.open("themes.onnx");
    await editor.locator("lathe-summary [data-testid=facts]").waitFor();
    await window.screenshot(`${theme}-summary`);
    await window.showPage(editor, "tensors");
    await editor.locator("lathe-tensors [role=row]").nth(3).waitFor();
    await editor.locator("lathe-tensors [role=row]").nth(2).click();
    await editor.locator("[data-testid=detail]").waitFor();
    await sleep(500);
    await window.screenshot(`${theme}-tensors`);
    await window.run(editor, WEIGHT_ONLY);
    await editor.locator("[data-testid=result]").waitFor();
    await window.screenshot(`${theme}-optimize`);
    await window.showPage(editor, "diff");
    await editor.locator("lathe-diff [data-testid=measure]").click();
    await editor.locator("lathe-diff").getByText(/ dB/).first().waitFor();
    await window.screenshot(`${theme}-diff`);
  },
});

export const restrictedFlow = {
  name: "Restricted Mode: models and plans are shown, nothing runs, and the reason is said",
  async run({ window, server, folder }) {
    const before = listOf(folder);
    const editor = await window.open("themes.onnx");
    await editor.locator("lathe-summary [data-testid=facts]").waitFor();
    await editor.locator("[data-testid=read-only]", { hasText: "not trusted" }).waitFor();
    await window.showPage(editor, "optimize");
    await editor.locator(`[data-technique="${WEIGHT_ONLY}"]`).click();
    await editor.locator("[data-testid=why-not]", { hasText: "not trusted" }).waitFor();
    await editor.locator("lathe-optimize").getByText("What it would do").waitFor();
    assert.equal(await editor.locator("vscode-button[data-testid=run][disabled]").count(), 1);
    await window.screenshot("restricted-optimize");
    await window.menu("themes.onnx", "Quantize Model…");
    await window.toast(/workspace is not trusted/).waitFor();
    await sleep(TOAST_FADES_MS);
    await window.screenshot("restricted-message");
    assert.deepEqual(engineChildren(server.pid, "job"), []);
    assert.deepEqual(listOf(folder), before);
  },
};
