/** Saving a model without a recipe gives the very same bytes. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { save } from "../../src/engine/jobs.ts";
import { docOf, testTools } from "../helpers/environment.ts";
import { task } from "../helpers/temp.ts";
import { corpusCases, corpusMissing } from "./cases.ts";

describe("the test collection is saved as it is", { skip: corpusMissing }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), "lathe-test-"));
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const tools = testTools(folder);
  for (const [i, { name, model }] of corpusCases().entries())
    it(name, async () => {
      const from = path.join(folder, `${i}.onnx`);
      const to = path.join(folder, `${i}.saved.onnx`);
      writeFileSync(from, model);
      const options = {
        externalData: "auto",
        overwrite: false,
        verify: true,
        recipeFile: false,
      } as const;
      await save(tools, { doc: docOf(from), to, options }, task);
      assert.ok(readFileSync(to).equals(model));
    });
});
