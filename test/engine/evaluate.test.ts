/** Metrics of real runs: a small model whose answers are known, and the reference data against Python. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { compareOutputs } from "../../src/engine/compareOutputs.ts";
import { evaluate } from "../../src/engine/evaluate.ts";
import { EXACT_DB } from "../../src/engine/metrics/error.ts";
import { Cancelled, LatheError } from "../../src/shared/errors.ts";
import { npyBytes } from "../helpers/npy.ts";
import { abortingTask, modelFile, task, tempFolder } from "../helpers/temp.ts";

const OPTIONS = { limit: null, threads: 1 };
/** Scores are the input itself. */
const IDENTITY = "opset 17\ninput x float32 [n, 3]\ny = Identity(x)\noutput y float32 [n, 3]";

function classes(folder: string): string {
  const x = Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0);
  writeFileSync(path.join(folder, "x.npy"), npyBytes([4, 3], x));
  writeFileSync(path.join(folder, "y.npy"), npyBytes([4], Int32Array.of(0, 1, 2, 0)));
  const file = path.join(folder, "dataset.json");
  const json = { task: "classification", inputs: { "*": { file: "x.npy" } }, labels: "y.npy" };
  writeFileSync(file, JSON.stringify(json));
  return file;
}

test("accuracy of a model whose answers are known", async (t) => {
  const folder = tempFolder(t);
  const data = classes(folder);
  const result = await evaluate(modelFile(folder, IDENTITY), data, OPTIONS, task);
  assert.deepEqual(
    { ...result, low: 0, high: 0 },
    {
      metric: "top1",
      value: 0.75,
      low: 0,
      high: 0,
      n: 4,
      better: "higher",
      synthetic: false,
      data,
      // Three classes: the five best are all there are.
      also: {},
      notes: [],
    },
  );
  assert.ok(result.low > 0.2 && result.high < 1);
  const two = await evaluate(modelFile(folder, IDENTITY), data, { ...OPTIONS, limit: 2 }, task);
  assert.deepEqual([two.value, two.n], [1, 2]);
});

test("an input of float16 is fed float16", async (t) => {
  const folder = tempFolder(t);
  const text = "opset 17\ninput x float16 [1, 3]\ny = Identity(x)\noutput y float16 [1, 3]";
  assert.equal(
    (await evaluate(modelFile(folder, text), classes(folder), OPTIONS, task)).value,
    0.75,
  );
});

test("npz outputs give agreement; mse and psnr of expected values", async (t) => {
  const folder = tempFolder(t);
  classes(folder);
  const model = modelFile(folder, IDENTITY);
  const measure = async (metric: string): Promise<number> => {
    const file = path.join(folder, `${metric}.json`);
    const outputs = { "*": { file: "x.npy", scale: 0.5 } };
    writeFileSync(
      file,
      JSON.stringify({ task: "regression", metric, inputs: { "*": { file: "x.npy" } }, outputs }),
    );
    return (await evaluate(model, file, OPTIONS, task)).value;
  };
  assert.equal(await measure("mse"), (4 * 0.25) / 12);
  assert.equal(await measure("psnr"), 10 * Math.log10(12));
  assert.equal(await measure("sqnr"), 0);
});

test("without data a quality is refused; against a reference it is a distance on synthetic inputs", async (t) => {
  const folder = tempFolder(t);
  const model = modelFile(folder, IDENTITY);
  await assert.rejects(
    evaluate(model, null, OPTIONS, task),
    (error) => error instanceof LatheError && error.failure.code === "usage",
  );
  const same = await evaluate(model, null, { ...OPTIONS, reference: model }, task);
  assert.deepEqual(
    [same.metric, same.value, same.synthetic, same.data, same.n],
    ["sqnr", EXACT_DB, true, null, 16],
  );
});

test("data without anything to measure against is refused by name", async (t) => {
  const folder = tempFolder(t);
  classes(folder);
  const file = path.join(folder, "inputs.json");
  writeFileSync(file, JSON.stringify({ inputs: { "*": { file: "x.npy" } } }));
  await assert.rejects(
    evaluate(modelFile(folder, IDENTITY), file, OPTIONS, task),
    /it has no labels/,
  );
});

test("cancelling between two batches ends it", async (t) => {
  const folder = tempFolder(t);
  const text = "opset 17\ninput x float32 [1, 3]\ny = Identity(x)\noutput y float32 [1, 3]";
  const model = modelFile(folder, text);
  await assert.rejects(evaluate(model, classes(folder), OPTIONS, abortingTask(2)), Cancelled);
});

test("outputs of two models are compared on the same inputs", async (t) => {
  const folder = tempFolder(t);
  const data = classes(folder);
  const before = modelFile(folder, IDENTITY, "a.onnx");
  const after = modelFile(
    folder,
    "opset 17\ninput x float32 [n, 3]\nnoise = float32 [3] [0, 0.5, 0]\ny = Add(x, noise)\nz = Neg(x)\noutput y float32 [n, 3]\noutput z float32 [n, 3]",
    "b.onnx",
  );
  const { outputs, samples, notes } = await compareOutputs(
    before,
    after,
    data,
    { samples: 10, threads: 1 },
    task,
  );
  assert.equal(samples, 4);
  const [y] = outputs;
  assert.equal(outputs.length, 1);
  assert.equal(y?.name, "y");
  assert.equal(y.maxAbs, 0.5);
  assert.equal(y.agreement, 1);
  assert.ok(Math.abs((y.sqnrDb ?? 0) - 10 * Math.log10(4 / 1)) < 1e-9);
  // x·y = 5 over |x| = 2 and |y| = √7.
  assert.ok(Math.abs((y.cosine ?? 0) - 5 / (2 * Math.sqrt(7))) < 1e-9);
  assert.match(notes.at(-1) ?? "", /on 4 samples of/);
  const back = await compareOutputs(after, before, null, { samples: 3, threads: 1 }, task);
  assert.match(back.notes.join(), /"z" is not compared: the second model does not have it/);
  assert.match(back.notes.join(), /3 seeded synthetic inputs/);
});

test("models with other batch sizes are compared sample by sample", async (t) => {
  const folder = tempFolder(t);
  const data = classes(folder);
  const sized = (batch: string): string =>
    modelFile(folder, IDENTITY.replaceAll("[n,", `[${batch},`), `${batch}.onnx`);
  const options = { samples: 10, threads: 1 };
  for (const [a, b] of [
    ["3", "n"],
    ["3", "2"],
    ["1", "3"],
  ] as const) {
    const mixed = await compareOutputs(sized(a), sized(b), data, options, task);
    assert.deepEqual([mixed.samples, mixed.outputs[0]?.maxAbs], [4, 0]);
  }
});

interface Row {
  readonly model: string;
  readonly data: string;
  readonly metric: string;
  readonly value: number;
  readonly top5?: number;
  readonly n: number;
}
const peers = JSON.parse(readFileSync("test/peers/evaluate.json", "utf8")) as { rows: Row[] };
const shared = "../shared";
for (const row of peers.rows)
  test(`as Python measures it: ${row.model}`, { skip: !existsSync(shared) }, async () => {
    const model = path.resolve(shared, row.model);
    const result = await evaluate(
      model,
      path.resolve(shared, row.data),
      { limit: null, threads: 0 },
      task,
    );
    assert.equal(result.metric, row.metric);
    if (row.metric === "top1") {
      // The same runtime: accuracies are equal, not near.
      assert.deepEqual([result.value, result.also["top5"], result.n], [row.value, row.top5, row.n]);
      assert.ok(result.low < row.value && row.value < result.high);
    } else {
      assert.ok(
        Math.abs(result.value / row.value - 1) < 1e-5,
        `${result.value} is not ${row.value}`,
      );
    }
  });
