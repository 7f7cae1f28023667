/** Values inside a graph, taken out while it runs. */
import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { capture, type Captured, type CaptureOptions } from "../../src/engine/capture.ts";
import { openModel } from "../../src/engine/files.ts";
import { Cancelled } from "../../src/shared/errors.ts";
import { npyBytes } from "../helpers/npy.ts";
import { abortingTask, modelFile, task, tempFolder } from "../helpers/temp.ts";

const TEXT = `
opset 17
input x float32 [n, 4]
two = float32 [1] [2]
w = float32 [4, 4] [1,0,0,0, 0,1,0,0, 0,0,1,0, 0,0,0,1]
a = Mul(x, two)
b = MatMul(a, w)
c = Neg(b)
c16 = Cast(c) { to: 16 }
k = Constant() { value: float32 [1] [1] }
y = Add(c, k)
output y float32 [n, 4]`;

interface Run extends Captured {
  readonly values: ReadonlyMap<string, number[]>;
  readonly batches: readonly string[];
}

async function run(
  t: TestContext,
  values: readonly string[],
  options: Partial<CaptureOptions> = {},
  text = TEXT,
): Promise<Run> {
  const folder = tempFolder(t);
  const scratch = tempFolder(t);
  writeFileSync(
    path.join(folder, "x.npy"),
    npyBytes(
      [100, 4],
      Float32Array.from({ length: 400 }, (_, i) => i),
    ),
  );
  const data = path.join(folder, "dataset.json");
  writeFileSync(data, JSON.stringify({ inputs: { "*": { file: "x.npy" } } }));
  const got = new Map<string, number[]>();
  const batches: string[] = [];
  const captured = await capture(
    openModel(modelFile(folder, text)),
    values,
    {
      data,
      split: "evaluation",
      limit: null,
      threads: 1,
      budgetBytes: 2 ** 20,
      folder: scratch,
      ...options,
    },
    (name, tensor, { first, count }) => {
      batches.push(`${name} ${first}+${count}`);
      got.set(name, [...(got.get(name) ?? []), ...Array.from(tensor.data as Float32Array)]);
    },
    task,
  );
  assert.deepEqual(readdirSync(scratch), [], "the temporary model is removed");
  return { ...captured, values: got, batches };
}
const counted = (count: number, of: (i: number) => number): number[] =>
  Array.from({ length: count }, (_, i) => of(i));

test("inner values, inputs and outputs, every sample once and in order", async (t) => {
  const { values, samples, waves, skipped, batches } = await run(t, ["x", "a", "c", "y"]);
  assert.deepEqual([samples, waves, skipped], [100, 1, []]);
  assert.deepEqual(
    values.get("x"),
    counted(400, (i) => i),
  );
  assert.deepEqual(
    values.get("a"),
    counted(400, (i) => 2 * i),
  );
  assert.deepEqual(
    values.get("c"),
    counted(400, (i) => -2 * i),
  );
  assert.deepEqual(
    values.get("y"),
    counted(400, (i) => 1 - 2 * i),
  );
  assert.deepEqual(batches, [
    "x 0+64",
    "a 0+64",
    "c 0+64",
    "y 0+64",
    "x 64+36",
    "a 64+36",
    "c 64+36",
    "y 64+36",
  ]);
});

test("a smaller budget gives more waves and smaller batches, and the same values", async (t) => {
  const wide = await run(t, ["a", "b", "c"]);
  // 16 bytes per sample and value: 64 samples of two values, then 8 samples of one.
  const two = await run(t, ["a", "b", "c"], { budgetBytes: 2 * 64 * 16 });
  assert.equal(two.waves, 2);
  const narrow = await run(t, ["a", "b", "c"], { budgetBytes: 8 * 16 });
  assert.equal(narrow.waves, 3);
  assert.equal(narrow.batches[0], "a 0+8");
  assert.deepEqual(two.values, wide.values);
  assert.deepEqual(narrow.values, wide.values);
});

test("what cannot be captured is skipped by name and reason", async (t) => {
  const { skipped, values } = await run(t, ["w", "k", "c16", "nothing", "a"]);
  assert.deepEqual(skipped, [
    { name: "w", reason: "it is a constant" },
    { name: "k", reason: "it is a constant" },
    { name: "c16", reason: "values of type bfloat16 cannot be taken out of onnxruntime" },
    { name: "nothing", reason: "the main graph has no such value" },
  ]);
  assert.deepEqual([...values.keys()], ["a"]);
});

test("without data: seeded synthetic inputs, the same each time", async (t) => {
  const first = await run(t, ["a"], { data: null, limit: 3 });
  assert.deepEqual([first.samples, first.values.get("a")?.length], [3, 12]);
  assert.deepEqual((await run(t, ["a"], { data: null, limit: 3 })).values, first.values);
});

test("a fixed batch hands on how many of its rows count", async (t) => {
  const fixed = TEXT.replaceAll("[n,", "[64,");
  const { batches, values } = await run(t, ["a"], {}, fixed);
  assert.deepEqual(batches, ["a 0+64", "a 64+36"]);
  assert.equal(values.get("a")?.length, 2 * 64 * 4);
});

test("it can be cancelled", async (t) => {
  const folder = tempFolder(t);
  const model = openModel(modelFile(folder, TEXT));
  const options = {
    data: null,
    split: "evaluation",
    limit: null,
    threads: 1,
    budgetBytes: 2 ** 20,
    folder: tempFolder(t),
  } as const;
  await assert.rejects(
    capture(model, ["a"], options, () => {}, abortingTask(5)),
    Cancelled,
  );
});
