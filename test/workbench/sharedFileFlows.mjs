/** One file and several programs: other writers, a second window, the command line. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { changeFile, digestOf, root, runModel } from "./fixtures.mjs";

const WEIGHT_ONLY = "quantize.weightOnly";

/** `lathe apply` over a file, with metadata of its own, so that each result is another. */
const apply = (folder, name, value) =>
  promisify(execFile)(
    process.execPath,
    [path.join(root, "dist/cli.js"), "apply", name, "-t", "edit.metadata"].concat(
      ["-p", "key=writer", "-p", `value=${value}`],
      ["-o", name, "--force", "--quiet"],
    ),
    { cwd: folder, env: { ...process.env, LATHE_SCRATCH: path.join(folder, ".git/scratch") } },
  );

export const sharedFileFlows = [
  {
    name: "disk: what others wrote can be compared with the edits, and the edits dropped",
    async run({ window, folder }) {
      const file = path.join(folder, "compare.onnx");
      const editor = await window.open("compare.onnx");
      await window.run(editor, WEIGHT_ONLY);
      await window.tab("compare.onnx", ".dirty").waitFor();
      await window.focusPage(editor);
      await window.page.keyboard.press("Control+s");
      await window.tab("compare.onnx", ":not(.dirty)").waitFor();
      // The bytes kept at that save are what the edits, now undone, stand on.
      await window.focusPage(editor);
      await window.page.keyboard.press("Control+z");
      await window.tab("compare.onnx", ".dirty").waitFor();
      changeFile(file);
      const changed = digestOf(file);
      const toast = window.toast(/compare\.onnx was changed by another program/);
      await toast.getByText("Compare", { exact: true }).click();
      await editor.locator("lathe-diff [data-testid=sides]").waitFor();
      await window.screenshot("disk-compare");
      assert.equal(digestOf(file), changed);
      await window.palette("File: Revert File");
      await window.tab("compare.onnx", ":not(.dirty)").waitFor();
      assert.equal(digestOf(file), changed);
    },
  },
  {
    name: "disk: two windows and the command line on one file at once",
    async run({ window, folder, openWindow }) {
      const file = path.join(folder, "shared.onnx");
      const other = await openWindow();
      try {
        const editors = [];
        for (const one of [window, other]) {
          const editor = await one.open("shared.onnx");
          await one.run(editor, WEIGHT_ONLY);
          await one.tab("shared.onnx", ".dirty").waitFor();
          editors.push(editor);
        }
        await apply(folder, "shared.onnx", "first");
        // Both windows ask; the first keeps its edits, on what the command line wrote.
        const question = /shared\.onnx was changed by another program/;
        await other.toast(question).waitFor();
        await window.toast(question).getByText("Reload, Keep Edits").click();
        await editors[0].locator(".banner [data-testid=failure]").waitFor({ state: "detached" });
        await window.tab("shared.onnx", ".dirty").waitFor();
        await window.focusPage(editors[0]);
        // Its save, and three more writers, all at the same time.
        const writers = ["a", "b", "c"].map((name) =>
          apply(folder, "shared.onnx", name).then(
            () => null,
            (error) => String(error.stderr),
          ),
        );
        await window.page.keyboard.press("Control+s");
        for (const failure of await Promise.all(writers))
          if (failure !== null) assert.match(failure, /was changed by another program/);
        assert.ok((await runModel(file)).length > 0, "one of them, whole");
        assert.deepEqual(
          readdirSync(folder).filter((name) => name.startsWith(".lathe-")),
          [],
        );
        // The second window drops its edits and shows what is there.
        await other.toast(question).getByText("Reload, Drop Edits").click();
        await other.tab("shared.onnx", ":not(.dirty)").waitFor();
        assert.ok((await runModel(file)).length > 0);
      } finally {
        await other.close();
      }
    },
  },
];
