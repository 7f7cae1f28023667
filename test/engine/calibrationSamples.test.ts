import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { examineSamples } from "../../src/engine/calibrationSamples.ts";
import { openModel } from "../../src/engine/files.ts";
import { docOf, testEnvironment } from "../helpers/environment.ts";
import { npyBytes } from "../helpers/npy.ts";
import { gaussian } from "../helpers/random.ts";
import { modelFile, tempFolder } from "../helpers/temp.ts";

const MODEL = `input x float32 [batch, 64]  w = float32 [64, 32] normal  y = MatMul(x, w)
  output y float32 [batch, 32]`;
const WIDTH = 64;

/** A folder with a model and samples for it. */
function scene(t: TestContext, values: Float32Array): { model: string; data: string } {
  const folder = tempFolder(t);
  writeFileSync(path.join(folder, "x.npy"), npyBytes([values.length / WIDTH, WIDTH], values));
  const inputs = { x: { file: "x.npy" } };
  const data = path.join(folder, "dataset.json");
  writeFileSync(data, JSON.stringify({ inputs, calibration: { inputs } }));
  return { model: modelFile(folder, MODEL), data };
}
const notesOf = ({ model, data }: { model: string; data: string }): Promise<readonly string[]> =>
  examineSamples(openModel(model), data, false);

test("enough different samples need no word", async (t) => {
  assert.deepEqual(await notesOf(scene(t, gaussian(16 * WIDTH, 1))), []);
});

test("few samples are counted", async (t) => {
  const [note, ...rest] = await notesOf(scene(t, gaussian(3 * WIDTH, 1)));
  assert.match(note ?? "", /^Only 3 calibration samples: what is measured fits them/);
  assert.deepEqual(rest, []);
  assert.match(
    (await notesOf(scene(t, gaussian(WIDTH, 1)))).join(),
    /^Only 1 calibration sample: .* fits it/,
  );
});

test("samples that are all the same are named, and the last of many may differ", async (t) => {
  const one = gaussian(WIDTH, 1);
  const many = Float32Array.from({ length: 20 * WIDTH }, (_, i) => one[i % WIDTH] ?? 0);
  assert.deepEqual(await notesOf(scene(t, many)), ["All 20 calibration samples are the same."]);
  many[many.length - 1] = 3;
  assert.deepEqual(await notesOf(scene(t, many)), []);
});

test("samples of one value are refused", async (t) => {
  await assert.rejects(notesOf(scene(t, new Float32Array(20 * WIDTH))), /hold nothing but 0/);
});

test("a technique that measures tells what it measured on, one that does not need not", async (t) => {
  const { model, data } = scene(t, gaussian(4 * WIDTH, 1));
  const env = testEnvironment(path.dirname(model));
  const notes = async (params: Record<string, string>): Promise<readonly string[]> => {
    const entry = { transform: "quantize.weightOnly", params };
    const { changes } = await env.open({ ...docOf(model, entry), data });
    return changes.flatMap((change) => change.notes);
  };
  assert.match((await notes({ rounding: "calibrated" })).join(), /Only 4 calibration samples/);
  // From the cache, too.
  assert.match((await notes({ rounding: "calibrated" })).join(), /Only 4 calibration samples/);
  assert.deepEqual(await notes({}), []);
});
