/** Models in several files and in other layouts, parts of models, and weights that Git knows otherwise. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { digestOf, root, runModel, sizeOf } from "./fixtures.mjs";

/** Messages and lists fade in; a picture taken earlier shows half of one. */
const FADES_MS = 400;
const INDEX = "chars.safetensors.index.json";
const SHARDS = [1, 2, 3].map((n) => `chars-0000${n}-of-00003.safetensors`);

const lathe = async (folder, ...args) => {
  const env = { ...process.env, LATHE_SCRATCH: path.join(folder, "../../scratch") };
  const cli = path.join(root, "dist/cli.js");
  return (await promisify(execFile)(process.execPath, [cli, ...args], { cwd: folder, env })).stdout;
};

/** Opens the folder of the index in the explorer, where it is not open yet. */
async function showShards(window) {
  if (!(await window.row(INDEX).isVisible())) await window.row("shards").click();
  await window.row(INDEX).waitFor();
}

/** An entry of the "…" menu at the right of the editor's tabs. */
async function moreAction(window, name) {
  await window.page
    .locator(".editor-actions")
    .getByRole("button", { name: /More Actions/ })
    .click();
  const entry = window.page.getByRole("menuitem", { name });
  await entry.waitFor();
  await sleep(FADES_MS);
  return entry;
}

export const structureFlows = [
  {
    name: "structure: an index opens as one model with a tree of modules; only the shards that change are written",
    async run({ window, folder }) {
      const { keyboard } = window.page;
      const shards = path.join(folder, "shards");
      await showShards(window);
      await window.menu(INDEX, "Open With...");
      await window.quickInput.getByText("Lathe Model Editor (all shards)").waitFor();
      await sleep(FADES_MS);
      await window.screenshot("shards-open-with");
      await window.pick("Lathe Model Editor (all shards)");
      const editor = await window.editor("lathe-summary [data-testid=facts]");
      const facts = editor.locator("lathe-summary [data-testid=facts]");
      for (const name of [INDEX, ...SHARDS])
        await facts.locator("li", { hasText: name }).first().waitFor();
      await window.screenshot("shards-summary");

      const page = await window.showPage(editor, "tensors");
      await page.getByText("24 tensors").waitFor();
      await page.getByRole("button", { name: "Tree" }).click();
      const module = (name) =>
        page.locator("[role=row][aria-expanded]").filter({
          has: editor.locator(".tree-name", { hasText: new RegExp(`^\\W*${name}$`) }),
        });
      await module("blocks").click();
      await module("0").waitFor();
      // On by keyboard: into the first block, into its first module, to a tensor.
      for (const key of ["ArrowDown", "ArrowRight", "ArrowDown", "ArrowRight", "ArrowDown"]) {
        await keyboard.press(key);
        await sleep(150);
      }
      await editor.locator("[data-testid=detail]").getByText("blocks.0.norm1.weight").waitFor();
      await sleep(FADES_MS);
      await window.screenshot("shards-tree");
      await page.getByRole("button", { name: "List" }).click();
      await page.locator("[role=row]", { hasText: "blocks.0.norm1.bias" }).waitFor();

      const before = SHARDS.slice(1).map((name) => digestOf(path.join(shards, name)));
      await window.showPage(editor, "optimize");
      await editor.locator('[data-technique="edit.rename"]').click();
      await editor.getByLabel("From", { exact: true }).fill("embedding.*");
      await editor.getByLabel("To", { exact: true }).fill("tokens.*");
      await editor.locator("vscode-button[data-testid=run]:not([disabled])").click();
      await editor.locator("[data-testid=result]").waitFor();
      await window.tab(INDEX, ".dirty").waitFor();
      await sleep(FADES_MS);
      await window.screenshot("shards-renamed");
      await window.focusPage(editor);
      await keyboard.press("Control+s");
      await window.tab(INDEX, ":not(.dirty)").waitFor();
      const { weight_map: map } = JSON.parse(readFileSync(path.join(shards, INDEX), "utf8"));
      const [changed, ...kept] = [...new Set(Object.values(map))].sort();
      assert.match(changed, /^chars-00001-of-00003\.\w{8}\.safetensors$/);
      assert.equal(map["tokens.weight"], changed);
      assert.deepEqual(kept, SHARDS.slice(1));
      assert.deepEqual(
        kept.map((name) => digestOf(path.join(shards, name))),
        before,
      );
      assert.ok(!existsSync(path.join(shards, SHARDS[0])), "what no index names is gone");
      assert.match(await lathe(shards, "inspect", INDEX), /tokens/);
    },
  },
  {
    name: "structure: an index that is open as text is reopened as a model by keyboard",
    async run({ window }) {
      const { keyboard } = window.page;
      await showShards(window);
      await window.row(INDEX).dblclick();
      await window.page.locator(".monaco-editor").getByText("weight_map").first().waitFor();
      await window.palette("View: Reopen Editor With...");
      await window.quickInput.getByText("Lathe Model Editor (all shards)").waitFor();
      await keyboard.type("Lathe");
      await sleep(FADES_MS);
      await keyboard.press("Enter");
      const editor = await window.editor("lathe-summary [data-testid=facts]");
      await editor.getByText("none: this file holds weights only").waitFor();
      await window.showPage(editor, "graph");
      await sleep(FADES_MS);
      await window.screenshot("shards-graph");
      await (await moreAction(window, "Convert Model…")).hover();
      await window.screenshot("shards-more");
      assert.equal(
        await window.page.getByRole("menuitem", { name: "Extract Subgraph…" }).count(),
        0,
      );
      await keyboard.press("Escape");
    },
  },
  {
    name: "structure: Convert Model… takes the weights out of an ONNX file, and other weights in, by mouse",
    async run({ window, folder }) {
      const file = (name) => path.join(folder, name);
      await window.menu("convert.onnx", "Convert Model…");
      await window.quickInput.getByText("Weights alone, as safetensors").waitFor();
      await sleep(FADES_MS);
      await window.screenshot("convert-onnx");
      await window.pick("Weights alone, as safetensors");
      const weights = window.toast(/convert\.safetensors: .*24 tensors; every tensor equals its/);
      await weights.waitFor();
      await sleep(FADES_MS);
      await window.screenshot("convert-weights");
      assert.ok(existsSync(file("convert.safetensors")));
      await weights.getByText("Compare", { exact: true }).click();
      const editor = await window.editor("lathe-diff [data-testid=sides]");
      await editor.getByText("convert.onnx → ").waitFor();
      await sleep(FADES_MS);
      await window.screenshot("convert-compare");

      await window.menu("convert.onnx", "Convert Model…");
      await window.pick("ONNX with other weights…");
      await window.quickInput.getByText("weights.safetensors").waitFor();
      await sleep(FADES_MS);
      await window.screenshot("convert-pick-weights");
      assert.equal(await window.quickInput.getByText("cnn.onnx").count(), 0);
      await window.pick(/^\s*weights\.safetensors/);
      await window.toast(/convert\.tuned\.onnx: .*24 of 96 tensors replaced; verified/).waitFor();
      assert.ok((await runModel(file("convert.tuned.onnx"))).length > 0);
    },
  },
  {
    name: "structure: Convert Model… by keyboard: shards in one file; an open model with its unsaved edits",
    async run({ window, folder }) {
      const { keyboard } = window.page;
      await window.palette("Lathe: Convert Model…");
      await window.quickInput.getByText(INDEX).waitFor();
      await keyboard.type(INDEX);
      await sleep(FADES_MS);
      await window.screenshot("convert-palette");
      await keyboard.press("Enter");
      await window.quickInput.getByText("One safetensors file").waitFor();
      await keyboard.press("Enter");
      await window.toast(/chars\.safetensors: .*24 tensors; every tensor equals its/).waitFor();
      const whole = sizeOf(path.join(folder, "weights.safetensors"));
      const made = sizeOf(path.join(folder, "shards/chars.safetensors"));
      // One name and what was done to it are other text in the header.
      assert.ok(Math.abs(made - whole) < 1000, `${made} bytes of ${whole}`);

      const editor = await window.open("convert.onnx");
      await window.run(editor, "quantize.weightOnly");
      await window.tab("convert.onnx", ".dirty").waitFor();
      await window.palette("Lathe: Convert Model…");
      await window.quickInput.getByText("ONNX in one file").waitFor();
      await keyboard.press("ArrowDown");
      await keyboard.press("Enter");
      const toast = window.toast(/convert\.external\.onnx: .*verified/);
      await toast.waitFor();
      await sleep(FADES_MS);
      await window.screenshot("convert-edited");
      assert.ok((await runModel(path.join(folder, "convert.external.onnx"))).length > 0);
      assert.match(await lathe(folder, "inspect", "convert.external.onnx"), /MatMulNBits/);
      await toast.getByText("Open", { exact: true }).click();
      // The model that is left has a page with a list, too.
      await window.editor('lathe-summary li:has-text("convert.external.")');
      await sleep(FADES_MS);
      await window.screenshot("convert-external");
      // Its edits are still there, and are given up with its tab.
      await window.open("convert.onnx");
      await window.tab("convert.onnx", ".dirty").waitFor();
    },
  },
  {
    name: "structure: Extract Subgraph… from the selected node, by mouse and by keyboard; undo brings the rest back",
    async run({ window, folder }) {
      const { keyboard } = window.page;
      const file = path.join(folder, "extract.onnx");
      const original = digestOf(file);
      const editor = await window.open("extract.onnx");
      const graph = await window.showPage(editor, "graph");
      const canvas = graph.locator("lathe-graph-canvas");
      const tree = canvas.locator("[role=tree]");
      await tree.waitFor();
      const find = async (operator) => {
        await tree.focus();
        await keyboard.press("/");
        await keyboard.type(operator);
        await graph.locator("lathe-graph-search [role=option]", { hasText: operator }).waitFor();
        await keyboard.press("Enter");
        // Arrow keys pass over nodes; the one they rest on is the selected one.
        await sleep(FADES_MS);
      };
      const input = window.quickInput.locator("input[type=text]").first();
      const asks = (step) => window.quickInput.getByText(`Extract Subgraph (${step} of 2)`);
      await graph.getByText("33 nodes").waitFor();

      await find("Flatten");
      await (await moreAction(window, "Extract Subgraph…")).hover();
      await window.screenshot("extract-menu");
      await window.page.getByRole("menuitem", { name: "Extract Subgraph…" }).click();
      await asks(1).waitFor();
      assert.equal(await input.inputValue(), "/Flatten_output_0");
      await keyboard.type("Flatten");
      await window.quickInput.getByText("Flatten: ").waitFor();
      await sleep(FADES_MS);
      await window.screenshot("extract-wrong");
      await input.fill("/Flatten_output_0");
      await keyboard.press("Enter");
      await asks(2).waitFor();
      await sleep(FADES_MS);
      await window.screenshot("extract-from");
      await keyboard.press("Enter");
      await window.tab("extract.onnx", ".dirty").waitFor();
      await graph.getByText("32 nodes").waitFor();

      // A part of the part, from a value inside.
      await find("GlobalAveragePool");
      await window.palette("Lathe: Extract Subgraph…");
      await asks(1).waitFor();
      const end = await input.inputValue();
      assert.match(end, /GlobalAveragePool/);
      await keyboard.press("Control+a");
      await keyboard.type("/Flatten_output_0");
      await sleep(FADES_MS);
      await keyboard.press("Enter");
      await asks(2).waitFor();
      await keyboard.type(end);
      await sleep(FADES_MS);
      await keyboard.press("Enter");
      await graph.getByText(/^1 node/).waitFor();
      await sleep(FADES_MS);
      await window.screenshot("extract-part");
      // The end of the whole graph, which was looked at, is far below what is left.
      assert.ok(
        await canvas.evaluate((element) => {
          const { x, y } = element.placeOf(element.scene.boxes[0].id);
          const { clientWidth: width, clientHeight: height } = element;
          return x > 0 && x < width && y > 0 && y < height;
        }),
        "what is left is in view",
      );
      await window.showPage(editor, "summary");
      await editor.locator("lathe-summary").getByText("Extract a subgraph").nth(1).waitFor();
      await sleep(FADES_MS);
      await window.screenshot("extract-summary");

      await window.focusPage(editor);
      await keyboard.press("Control+z");
      await editor.locator("lathe-summary").getByText("Extract a subgraph").nth(1).waitFor({
        state: "detached",
      });
      assert.equal(digestOf(file), original, "an edit must not touch the file");
      await keyboard.press("Control+s");
      await window.tab("extract.onnx", ":not(.dirty)").waitFor();
      assert.deepEqual(await runModel(file), ["/Flatten_output_0"]);
    },
  },
  {
    name: "structure: Compare with Committed Version shows which weights changed, and how far",
    async run({ window, folder }) {
      const args = ["-t", "quantize.weightOnly", "-o", "trained.onnx", "--force", "--quiet"];
      await lathe(folder, "apply", "trained.onnx", ...args);
      await window.row("trained.onnx.lathe.json").waitFor();
      await window.open("trained.onnx");
      await window.page
        .locator(".statusbar")
        .getByText(/master/)
        .first()
        .waitFor();
      await window.palette("Lathe: Compare with Committed Version");
      const editor = await window.editor("lathe-diff [data-testid=sides]");
      await editor.getByText("trained.HEAD.onnx → This document now").waitFor();
      const diff = editor.locator("lathe-diff");
      await diff.getByText("MatMulNBits").first().waitFor();
      await diff.locator("[data-testid=measure]").click();
      const rows = diff.locator("[role=row]", { hasText: "weight" }).filter({ hasText: /\d dB/ });
      await rows.nth(11).waitFor();
      assert.equal(await rows.count(), 12);
      await diff.getByRole("heading", { name: "Outputs" }).waitFor();
      await rows.last().scrollIntoViewIfNeeded();
      await sleep(FADES_MS);
      await window.screenshot("committed-tensors");
    },
  },
];
