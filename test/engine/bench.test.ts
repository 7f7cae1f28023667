import assert from "node:assert/strict";
import { test } from "node:test";
import { bench } from "../../src/engine/bench.ts";
import { Cancelled } from "../../src/shared/errors.ts";
import { abortingTask, modelFile, task, tempFolder } from "../helpers/temp.ts";

const matmul = (size: number): string =>
  `opset 17\ninput x float32 [64, ${size}]\nw = float32 [${size}, ${size}] normal\ny = MatMul(x, w)\noutput y float32 [64, ${size}]`;
const OPTIONS = { runs: 15, threads: 1, seed: 0 };

test("percentiles of one model", async (t) => {
  const model = modelFile(tempFolder(t), matmul(64));
  const result = await bench([model], OPTIONS, task);
  const [{ path, p50Ms, p90Ms, runs } = { path: "", p50Ms: 0, p90Ms: 0, runs: 0 }] = result.models;
  assert.deepEqual([path, runs, result.ratio, result.threads], [model, 15, null, 1]);
  assert.ok(p50Ms > 0 && p90Ms >= p50Ms);
});

test("ratio of two models: sixteen times the work is slower, the interval holds the median", async (t) => {
  const folder = tempFolder(t);
  const small = modelFile(folder, matmul(128), "small.onnx");
  const large = modelFile(folder, matmul(512), "large.onnx");
  const { ratio, ratioLow, ratioHigh } = await bench([small, large], OPTIONS, task);
  assert.ok(ratio !== null && ratioLow !== null && ratioHigh !== null);
  // Sixteen in theory; loose, because tests share the machine.
  assert.ok(ratio > 3, String(ratio));
  assert.ok(ratioLow <= ratio && ratio <= ratioHigh);
});

test("it can be cancelled between runs", async (t) => {
  const model = modelFile(tempFolder(t), matmul(64));
  await assert.rejects(bench([model], OPTIONS, abortingTask(8)), Cancelled);
});
