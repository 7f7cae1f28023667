import assert from "node:assert/strict";
import { test } from "node:test";
import { createComputing } from "../../src/engine/computing.ts";
import type { EngineEnv } from "../../src/engine/env.ts";
import { createEnvironment } from "../../src/engine/environment.ts";
import { openScratch } from "../../src/engine/scratch.ts";
import { openStore } from "../../src/engine/statistics/store.ts";
import { loadKernels } from "../../src/engine/wasm.ts";
import { docOf, testEnvironment } from "../helpers/environment.ts";
import { modelFile, tempFolder } from "../helpers/temp.ts";

test("what another build computed is never answered", async (t) => {
  const folder = tempFolder(t);
  const scratch = openScratch(`${folder}/scratch`);
  const env = (build: string, computes: boolean): EngineEnv =>
    createEnvironment({
      scratch,
      kernels: loadKernels(),
      build,
      computing: computes ? createComputing(1) : null,
    });
  const model = modelFile(
    folder,
    "input x float32 [1, 64]  w = float32 [64, 64] normal  y = MatMul(x, w)  output y float32 [1, 64]",
  );
  const doc = docOf(model, { transform: "quantize.weightOnly", params: {} });
  const { changes } = await env("a", true).open(doc);
  assert.deepEqual((await env("a", false).open(doc)).changes, changes);
  await assert.rejects(env("b", false).open(doc), /quantize\.weightOnly/);
  const answer = { stat: "range", low: -1, high: 2, samples: 3, data: "d" } as never;
  openStore(scratch, "a", () => new Date()).save("key", answer);
  assert.deepEqual(openStore(scratch, "a", () => new Date()).load("key"), answer);
  assert.equal(openStore(scratch, "b", () => new Date()).load("key"), null);
});

test("a file that was opened is read once, and anew when it is opened again", async (t) => {
  const folder = tempFolder(t);
  const model = modelFile(
    folder,
    "input x float32 [1, 4]  w = float32 [4, 4] normal  y = MatMul(x, w)  output y float32 [1, 4]",
  );
  const env = testEnvironment(folder);
  const doc = env.openFile(model);
  assert.deepEqual(doc, docOf(model));
  const { base } = await env.open(doc);
  assert.equal((await env.open(doc)).base, base);
  // Data beside it may have gone, which its own fingerprint does not tell.
  assert.notEqual((await env.open(env.openFile(model))).base, base);
  assert.throws(() => env.openFile(`${folder}/other.onnx`), /other\.onnx/);
});
