/** Inferred shapes against what onnxruntime really gives: one-operator graphs, and whole models. */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { mainGraph } from "../../src/core/model.ts";
import { inferShapes } from "../../src/core/shapeInference.ts";
import { openModel } from "../../src/engine/files.ts";
import { createSession } from "../../src/engine/ort.ts";
import { runnableSizes, syntheticFeeds } from "../../src/engine/synthetic.ts";
import { SHAPE_CASES } from "../core/shapeCases.ts";
import { onnxFromText } from "../helpers/graphText.ts";

const options = { threads: 1, optimization: "disabled" } as const;

describe("onnxruntime gives the shapes of the cases", () => {
  for (const { name, text, dtype, shape } of SHAPE_CASES)
    it(name, async () => {
      const session = await createSession(onnxFromText(text), options);
      try {
        const feeds = syntheticFeeds(session.inputs, 0, await runnableSizes(session, 0));
        const y = (await session.run(feeds)).get("y");
        assert.deepEqual([y?.dtype, y?.shape], [dtype, shape]);
      } finally {
        await session.release();
      }
    });
});

const FOLDERS = ["../shared/models/third_party", "../shared/models/trained", "examples"];
/** Uses an operator that onnxruntime does not have. */
const NOT_RUNNABLE = new Set(["espcn_qonnx_quant.onnx"]);
const files = FOLDERS.filter((folder) => existsSync(folder)).flatMap((folder) =>
  readdirSync(folder, { recursive: true })
    .map((name) => path.resolve(folder, String(name)))
    .filter((file) => file.endsWith(".onnx") && !NOT_RUNNABLE.has(path.basename(file))),
);

describe("inferred outputs of whole models are what onnxruntime gives", () => {
  it("there are models", () => {
    assert.ok(files.length > 0, "neither ../shared/models nor examples/ has a model");
  });
  for (const file of files)
    it(path.basename(file), async () => {
      const model = openModel(file);
      const session = await createSession(file, options);
      try {
        const feeds = syntheticFeeds(session.inputs, 0, await runnableSizes(session, 0));
        // What the synthetic inputs chose for each symbol; a symbol has one size throughout.
        const sizes = new Map<string | null, number>();
        for (const input of session.inputs)
          input.shape.forEach((dim, i) => {
            const size = feeds.get(input.name)?.shape[i];
            if (typeof dim === "string" && size !== undefined) sizes.set(dim, size);
          });
        const table = inferShapes(model, { bind: (symbol) => sizes.get(symbol) ?? null });
        const results = await session.run(feeds);
        let known = 0;
        for (const name of mainGraph(model).outputs) {
          const real = results.get(name);
          const inferred = table.shapeOf([], name);
          if (!real || !inferred) continue;
          assert.equal(table.dtypeOf([], name)?.name, real.dtype);
          assert.equal(inferred.length, real.shape.length, `${name}: rank`);
          inferred.forEach((dim, i) => {
            if (dim === null) return;
            assert.equal(dim, real.shape[i], `${name}: dimension ${i}`);
            known++;
          });
        }
        assert.ok(known > 0, "no output's shape was inferred");
      } finally {
        await session.release();
      }
    });
});
