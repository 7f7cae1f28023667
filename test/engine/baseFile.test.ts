import assert from "node:assert/strict";
import { readdirSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { openBases, orChanged } from "../../src/engine/baseFile.ts";
import { fingerprint, openModel } from "../../src/engine/files.ts";
import { stageModel } from "../../src/engine/save.ts";
import { Cancelled, engineErrors, formatErrors } from "../../src/shared/errors.ts";
import { docOf, testEnvironment } from "../helpers/environment.ts";
import { onnxFromText } from "../helpers/graphText.ts";
import { modelFile, task, tempFolder } from "../helpers/temp.ts";

const WEIGHTS = "w = float32 [64, 64] normal";
const productOf = (weights: string): string =>
  `input x float32 [1, 64]  ${weights}  y = MatMul(x, w)  output y float32 [1, 64]`;
const QUANTIZE = { transform: "quantize.weightOnly", params: {} };

/** As other programs write: beside it, then renamed over it. */
function replace(file: string): void {
  writeFileSync(`${file}.new`, onnxFromText(productOf("w = float32 [64, 64] ones")));
  renameSync(`${file}.new`, file);
}

test("what was computed while the file was replaced is not kept, and the failure says why", async (t) => {
  const folder = tempFolder(t);
  const file = modelFile(folder, productOf(WEIGHTS));
  const doc = docOf(file, QUANTIZE);
  const env = testEnvironment(folder);
  let replaced = false;
  const work = env.open(doc, {
    ...task,
    progress() {
      if (!replaced) replace(file);
      replaced = true;
    },
  });
  await assert.rejects(work, /was changed by another program/);
  assert.ok(replaced);
  assert.deepEqual(readdirSync(path.join(folder, "scratch/changes")), []);
});

test("a failure over a file that was replaced names that; others stay as they are", (t) => {
  const file = modelFile(tempFolder(t), productOf(WEIGHTS));
  const doc = docOf(file);
  const cutOff = formatErrors.truncated(file, 9, "tensor data", 100, 5);
  assert.equal(orChanged({ doc }, cutOff), cutOff);
  replace(file);
  for (const params of [{ doc }, { docs: [doc] }, { before: doc, after: doc }])
    assert.match(String(orChanged(params, cutOff)), /was changed by another program/);
  assert.match(String(orChanged({ doc }, new RangeError("NaN"))), /was changed/);
  const noRoom = engineErrors.diskFull("there", 2, 1);
  assert.equal(orChanged({ doc }, noRoom), noRoom);
  const cancelled = new Cancelled();
  assert.equal(orChanged({ doc }, cancelled), cancelled);
  assert.equal(orChanged({ path: file }, cutOff), cutOff);
});

test("external data that was replaced is read anew, and is another state", async (t) => {
  const folder = tempFolder(t);
  const file = path.join(folder, "external.onnx");
  const options = { externalData: "always", overwrite: false, allowInput: false } as const;
  await (
    await stageModel(openModel(modelFile(folder, productOf(WEIGHTS))), file, options, task)
  ).commit();
  const base = { path: file, fingerprint: fingerprint(file) };
  const bases = openBases();
  const { model, key } = bases.open(base);
  assert.equal(bases.open(base).model, model);
  bases.check(base, key);
  const data = model.files.find(({ role }) => role === "external")?.path ?? "";
  writeFileSync(`${data}.new`, new Uint8Array(64 * 64 * 4).fill(1));
  renameSync(`${data}.new`, data);
  assert.throws(() => bases.check(base, key), /was changed by another program/);
  assert.notEqual(bases.open(base).key, key);
});
