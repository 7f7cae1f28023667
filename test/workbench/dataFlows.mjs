/** The Data page: data chosen, seen, forgotten, described by form, remembered. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const NONE = "No data is chosen for this model.";

export const dataFlows = [
  {
    name: "data is picked from a list or a file dialog, previewed as pictures, forgotten",
    async run({ window, folder }) {
      const editor = await window.open("data.onnx");
      await window.showPage(editor, "data");
      await editor.getByText(NONE).waitFor();
      await window.screenshot("data-none");
      await editor.getByTestId("choose-data").click();
      await window.quickInput.getByText("dataset.json", { exact: true }).waitFor();
      await sleep(300);
      await window.screenshot("data-pick");
      await window.pick(/A file \(dataset/);
      await window.typePath(path.join(folder, "data/dataset.json"));
      await editor.getByTestId("data-facts").waitFor();
      await editor.getByRole("img", { name: "Picture of sample 0" }).waitFor();
      await sleep(300);
      await window.screenshot("data-pictures");
      assert.match(await editor.getByTestId("data-facts").innerText(), /Top-1 accuracy/);

      // Remembered in a tab opened anew.
      await window.closeEditors();
      const again = await window.open("data.onnx");
      await window.showPage(again, "data");
      await again.getByTestId("data-facts").waitFor();
      await again.getByTestId("choose-data").click();
      await window.quickInput.getByText("used before").waitFor();
      await window.screenshot("data-pick-again");
      await window.page.keyboard.press("Escape");
      await again.getByRole("button", { name: "Use no data" }).click();
      await again.getByText(NONE).waitFor();
      await window.closeEditors();
      const third = await window.open("data.onnx");
      await window.showPage(third, "data");
      await third.getByText(NONE).waitFor();
    },
  },
  {
    name: "data is picked by keyboard alone",
    async run({ window }) {
      const editor = await window.open("data.onnx");
      await window.focusPage(editor);
      for (let n = 0; n < 3; n++) await window.page.keyboard.press("ArrowRight");
      await window.page.keyboard.press("Enter");
      await editor.getByTestId("choose-data").focus();
      await window.page.keyboard.press("Enter");
      await window.quickInput.getByText("dataset.json", { exact: true }).waitFor();
      await window.page.keyboard.press("Enter");
      await editor.getByTestId("data-facts").waitFor();
      await editor.getByRole("button", { name: "Use no data" }).focus();
      await window.page.keyboard.press("Space");
      await editor.getByText(NONE).waitFor();
    },
  },
  {
    name: "a dataset.json is written by form and used",
    async run({ window, folder }) {
      const editor = await window.open("data.onnx");
      await window.showPage(editor, "data");
      const form = editor.getByTestId("dataset-form");
      const group = form.getByRole("group").first();
      await group.getByRole("button", { name: "File or folder: Browse…" }).click();
      await window.typePath(path.join(folder, "data/eval_x.npy"));
      const field = (name) => group.getByRole("textbox", { name });
      await field("− mean").fill("100");
      await field("÷ std").fill("44");
      await group.getByRole("combobox", { name: "Layout" }).click();
      await group.getByRole("option", { name: "NHW->NCHW" }).click();
      await group.getByRole("button", { name: "Calibration samples: Browse…" }).click();
      await window.typePath(path.join(folder, "data/calib_x.npy"));
      await form.getByRole("button", { name: "Labels: Browse…" }).click();
      await window.typePath(path.join(folder, "data/eval_y.npy"));
      await sleep(300);
      await window.screenshot("data-form");
      await form.getByTestId("write-dataset").click();
      const file = path.join(folder, "written.dataset.json");
      await window.typePath(file);
      await editor.getByTestId("data-facts").waitFor();
      await window.screenshot("data-form-done");
      assert.ok(existsSync(file));
      const written = JSON.parse(readFileSync(file, "utf8"));
      assert.equal(written.labels, "data/eval_y.npy");
      const [input] = Object.values(written.inputs);
      assert.deepEqual(input, {
        file: "data/eval_x.npy",
        layout: "NHW->NCHW",
        mean: [100],
        std: [44],
      });
      assert.match(
        await editor.getByTestId("data-facts").innerText(),
        /For calibration\s+\d+ samples/,
      );
      await editor.getByRole("button", { name: "Use no data" }).click();
    },
  },
];
