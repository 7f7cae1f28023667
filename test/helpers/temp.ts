/** What engine tests need around them: a folder that goes away, a model in it, a task nobody cancels. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import type { Task } from "../../src/shared/task.ts";
import { onnxFromText } from "./graphText.ts";

/** An empty folder, removed when the test ends. */
export function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), "lathe-test-"));
  t.after(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** Writes the model that the text describes (see graphText.ts). */
export function modelFile(folder: string, text: string, name = "model.onnx"): string {
  const file = path.join(folder, name);
  writeFileSync(file, onnxFromText(text));
  return file;
}

export const task: Task = {
  signal: { aborted: false, addEventListener: () => {}, removeEventListener: () => {} },
  progress: () => {},
};

/** Aborted after its signal was looked at `looks` times. */
export function abortingTask(looks: number): Task {
  let left = looks;
  return {
    signal: {
      get aborted() {
        return left-- <= 0;
      },
      addEventListener: () => {},
      removeEventListener: () => {},
    },
    progress: () => {},
  };
}
