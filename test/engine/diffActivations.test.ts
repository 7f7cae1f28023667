/** Values inside two models on the same inputs. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { diffActivations } from "../../src/engine/diffActivations.ts";
import { Cancelled } from "../../src/shared/errors.ts";
import type { ActivationsDiff } from "../../src/shared/protocol.ts";
import { modelFromText } from "../core/modelText.ts";
import { npyBytes } from "../helpers/npy.ts";
import { gaussian } from "../helpers/random.ts";
import { abortingTask, task, tempFolder } from "../helpers/temp.ts";

const CHAIN = `opset 17
  input x float32 [n, 4]
  w = float32 [4] [1, 2, 3, 4]
  a = Add(x, w)
  b = Mul(a, w)
  c = Neg(b)
  i = ArgMax(c) { axis: 1 }
  output c float32 [n, 4]
  output i int64 [n, 1]`;

async function compared(
  t: TestContext,
  before: string,
  after: string,
  data: string | null = null,
): Promise<ActivationsDiff> {
  const options = { data, samples: 6, threads: 1, folder: tempFolder(t) };
  return diffActivations(modelFromText(before), modelFromText(after), options, task);
}

test("an error is seen where it starts, and passes on", async (t) => {
  const folder = tempFolder(t);
  const x = gaussian(10 * 4, 1);
  writeFileSync(path.join(folder, "x.npy"), npyBytes([10, 4], x));
  const data = path.join(folder, "dataset.json");
  writeFileSync(data, JSON.stringify({ inputs: { "*": { file: "x.npy" } } }));
  const spoiled = CHAIN.replace("b = Mul(a, w)", "v = float32 [4] [1, 2, 3, 5]\nb = Mul(a, v)");
  const { rows, samples, notCompared } = await compared(t, CHAIN, spoiled, data);
  assert.deepEqual([samples, notCompared], [6, 1]);
  let signal = 0;
  let noise = 0;
  for (let i = 0; i < 24; i++) {
    const a = (x[i] ?? 0) + (i % 4) + 1;
    signal += (a * ((i % 4) + 1)) ** 2;
    noise += i % 4 === 3 ? a * a : 0;
  }
  const expected = 10 * Math.log10(signal / noise);
  assert.deepEqual(
    rows.map(({ name, sqnrDb, inputDb }) => [name, sqnrDb?.toFixed(4), inputDb.toFixed(4)]),
    [
      ["a", "300.0000", "300.0000"],
      ["b", expected.toFixed(4), "300.0000"],
      ["c", expected.toFixed(4), expected.toFixed(4)],
    ],
  );
});

test("groups are compared at their ends, on synthetic inputs, in batches that differ", async (t) => {
  const conv = (rest: string): string => `opset 17
    input x float32 [n, 1, 4, 4]
    w = float32 [2, 1, 1, 1] [1, 2]
    s = float32 [2] [3, 3]
    v = float32 [2] [1, 1]
    z = float32 [2] [0, 0]
    ${rest}
    y = Relu(b)
    output y float32`;
  const { rows } = await compared(
    t,
    conv("c = Conv(x, w)\nb = BatchNormalization(c, s, z, z, v) { epsilon: 0.0 }"),
    conv("u = float32 [2, 1, 1, 1] [3, 6]\nb = Conv(x, u)"),
  );
  assert.deepEqual(
    rows.map(({ op, name }) => [op, name]),
    [
      ["Conv + BatchNormalization → Conv", "b"],
      ["Relu", "y"],
    ],
  );
  assert.ok((rows[0]?.sqnrDb ?? 0) > 130);
});

test("cancelled between runs; nothing in common is an empty table", async (t) => {
  const options = { data: null, samples: 6, threads: 1, folder: tempFolder(t) };
  const model = modelFromText(CHAIN);
  await assert.rejects(diffActivations(model, model, options, abortingTask(2)), Cancelled);
  const other = "input q float32 [2]\ny = Exp(q)\noutput y float32 [2]";
  assert.deepEqual((await compared(t, CHAIN, other)).rows, []);
});
