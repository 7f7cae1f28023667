/** dataPreview: what a model will be fed, held against values computed by hand. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { dataPreview } from "../../../src/engine/questions/dataPreview.ts";
import { DataError, EngineError } from "../../../src/shared/errors.ts";
import { docOf, testEnvironment } from "../../helpers/environment.ts";
import { npyBytes } from "../../helpers/npy.ts";
import { modelFile, task, tempFolder } from "../../helpers/temp.ts";

const MODEL = `
  input x float32 [batch, 3, 4, 4]
  y = Flatten(x)
  output y float32 [batch, 48]`;

describe("dataPreview", () => {
  it("gives samples after preprocessing, with a picture, labels and the calibration count", async (t) => {
    const folder = tempFolder(t);
    const pixels = Uint8Array.from({ length: 2 * 48 }, (_, i) => i);
    writeFileSync(path.join(folder, "x.npy"), npyBytes([2, 4, 4, 3], pixels));
    writeFileSync(path.join(folder, "y.npy"), npyBytes([2], Uint8Array.from([7, 3])));
    writeFileSync(path.join(folder, "c.npy"), npyBytes([1, 4, 4, 3], pixels.slice(0, 48)));
    const steps = { scale: 0.5, mean: [1], layout: "NHWC->NCHW" };
    const data = path.join(folder, "dataset.json");
    writeFileSync(
      data,
      JSON.stringify({
        task: "classification",
        inputs: { "*": { file: "x.npy", ...steps } },
        labels: "y.npy",
        calibration: { inputs: { "*": { file: "c.npy", ...steps } } },
      }),
    );
    const doc = { ...docOf(modelFile(folder, MODEL)), data };
    const answer = await dataPreview({ doc, samples: 5 }, testEnvironment(folder), task);
    assert.equal(answer.count, 2);
    assert.equal(answer.calibration, 1);
    assert.equal(answer.calibrationProblem, null);
    assert.deepEqual(answer.labels, ["7", "3"]);
    const [input] = answer.inputs;
    assert.deepEqual(input?.shape, ["batch", 3, 4, 4]);
    const [first] = input?.samples ?? [];
    // (i · 0.5) − 1 for i = 0 … 47; channel first, so the first values step by three pixels.
    assert.deepEqual([first?.min, first?.max, first?.mean], [-1, 22.5, 10.75]);
    assert.deepEqual(first?.values.slice(0, 4), ["-1", "0.5", "2", "3.5"]);
    assert.deepEqual([first?.picture?.width, first?.picture?.channels], [4, 3]);
    const pixel = Buffer.from(first?.picture?.base64 ?? "", "base64");
    assert.deepEqual([pixel[0], pixel[47]], [0, 255]);
  });

  it("says what does not fit, and that there is no calibration part", async (t) => {
    const folder = tempFolder(t);
    const data = path.join(folder, "dataset.json");
    writeFileSync(path.join(folder, "x.npy"), npyBytes([2, 5, 4, 3], new Uint8Array(120)));
    writeFileSync(data, JSON.stringify({ inputs: { "*": { file: "x.npy" } } }));
    const doc = { ...docOf(modelFile(folder, MODEL)), data };
    const env = testEnvironment(folder);
    await assert.rejects(
      dataPreview({ doc, samples: 5 }, env, task),
      (error) => error instanceof DataError && error.failure.message.includes('input "x"'),
    );
    writeFileSync(path.join(folder, "x.npy"), npyBytes([2, 3, 4, 4], new Uint8Array(96)));
    const answer = await dataPreview({ doc, samples: 1 }, env, task);
    assert.equal(answer.calibration, null);
    assert.match(answer.calibrationProblem?.message ?? "", /calibration/);
    assert.equal(answer.labelled, false);
    // All values equal: no contrast to show.
    assert.equal(answer.inputs[0]?.samples[0]?.picture, null);
    await assert.rejects(
      dataPreview({ doc: docOf(doc.base.path), samples: 1 }, env, task),
      (error) => error instanceof EngineError && error.failure.code === "needs-data",
    );
  });
});
