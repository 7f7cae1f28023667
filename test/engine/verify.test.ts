/** Loading and running a result once, and telling a defect from a model that never ran. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { verifyModel } from "../../src/engine/verify.ts";
import { Cancelled, EngineError } from "../../src/shared/errors.ts";
import { abortingTask, modelFile, task, tempFolder } from "../helpers/temp.ts";

const GOOD = "opset 17\ninput x float32 [n, t]\ny = Relu(x)\noutput y float32 [n, t]";
/** Loads, but no input can be matched: 3 columns times a matrix of 4 rows. */
const BAD =
  "opset 17\ninput x float32 [n, t]\nw = float32 [4, 2] normal\nr = int64 [2] [1, 3]\nz = Reshape(x, r)\ny = MatMul(z, w)\noutput y float32 [n, t]";
const UNKNOWN =
  "opset 17\nopset my.domain 1\ninput x float32 [2]\ny = my.domain.Foo(x)\noutput y float32 [2]";

test("a result that runs is verified", async (t) => {
  assert.equal(await verifyModel(modelFile(tempFolder(t), GOOD), null, task), true);
});

test("a result that does not run where the input did is a defect, with the runtime's reason", async (t) => {
  const folder = tempFolder(t);
  const input = modelFile(folder, GOOD, "input.onnx");
  await assert.rejects(
    verifyModel(modelFile(folder, UNKNOWN, "result.onnx"), input, task),
    (error) =>
      error instanceof EngineError && /failed its check: .*my\.domain:Foo/.test(error.message),
  );
  await assert.rejects(verifyModel(modelFile(folder, BAD), null, task), /failed its check/);
});

test("an input that does not run either is a reason", async (t) => {
  const folder = tempFolder(t);
  const input = modelFile(folder, UNKNOWN, "input.onnx");
  const verified = await verifyModel(modelFile(folder, UNKNOWN, "result.onnx"), input, task);
  assert.ok(verified !== true);
  assert.match(verified.skipped, /^the input itself does not run: onnxruntime does not load/);
});

test("weights without a graph are not run", async (t) => {
  const file = path.join(tempFolder(t), "w.safetensors");
  const header = JSON.stringify({ w: { dtype: "F32", shape: [1], data_offsets: [0, 4] } });
  const bytes = Buffer.alloc(8 + header.length + 4);
  bytes.writeBigUInt64LE(BigInt(header.length));
  bytes.write(header, 8);
  writeFileSync(file, bytes);
  assert.deepEqual(await verifyModel(file, null, task), { skipped: "weights without a graph" });
});

test("it can be cancelled", async (t) => {
  const model = modelFile(tempFolder(t), GOOD);
  await assert.rejects(verifyModel(model, model, abortingTask(1)), Cancelled);
});
