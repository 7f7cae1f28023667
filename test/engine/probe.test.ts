import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test, type TestContext } from "node:test";
import type { Rounding, RoundingDrift } from "../../src/core/context.ts";
import { openModel } from "../../src/engine/files.ts";
import { probeRounding } from "../../src/engine/probe.ts";
import { UNHEARD } from "../../src/shared/task.ts";
import { Cancelled, LatheError } from "../../src/shared/errors.ts";
import { writeCalibration } from "../helpers/calibration.ts";
import { onnxFromText } from "../helpers/graphText.ts";
import { tempFolder } from "../helpers/temp.ts";

const graph = (opset: number): string => `
  opset ${opset}
  input x float32 [batch, 4]
  one = float32 [1] [1]
  two = float32 [1] [2]
  a = Mul(x, two)
  b = Add(a, one)
  y = Mul(b, two)
  output y float32 [batch, 4]
  output b float32 [batch, 4]`;

const rounding = (value: string, scale: number): Rounding => ({
  value,
  scale,
  zero: 128,
  dtype: "uint8",
});

async function probed(
  t: TestContext,
  text: string,
  roundings: readonly Rounding[],
  sets: readonly (readonly string[])[],
  task = UNHEARD,
): Promise<readonly RoundingDrift[]> {
  const folder = tempFolder(t);
  const file = path.join(folder, "m.onnx");
  writeFileSync(file, onnxFromText(text));
  const data = await writeCalibration(file, folder, { samples: 8, symbol: 3, below: 4 });
  const own = path.join(folder, "own");
  mkdirSync(own);
  const scene = { model: openModel(file), data, threads: 1, folder: own };
  return probeRounding(scene, roundings, sets, task);
}

for (const opset of [9, 17])
  test(`a switch that is off changes no bit, one that is on rounds only its own value (opset ${opset})`, async (t) => {
    const roundings = [rounding("x", 0.1), rounding("a", 0.1), rounding("b", 0.2)];
    const [none, x, a, b, ab] = await probed(t, graph(opset), roundings, [
      [],
      ["x"],
      ["a"],
      ["b"],
      ["a", "b"],
    ]);
    assert.deepEqual(none, { kl: 0, noise: 0 });
    // Rounding noise is scale²/12 at the value: 2·x has twice the error of x, so four times the power.
    const ratio = (x?.noise ?? 0) / (a?.noise ?? 1);
    assert.ok(ratio > 2.5 && ratio < 6, `${x?.noise} against ${a?.noise}`);
    for (const drift of [x, a, b]) assert.ok((drift?.kl ?? 0) > 0 && (drift?.noise ?? 1) < 0.02);
    assert.ok((ab?.noise ?? 0) > (a?.noise ?? 1));
  });

test("a rounded value that overflows to infinity is found when on and harmless when off", async (t) => {
  const text = `
    input x float32 [batch, 4]
    least = float32 [1] [-3.4e38]
    zero = float32 [1] [0]
    c = Greater(x, zero)
    m = Where(c, x, least)
    y = Softmax(m)
    output y float32 [batch, 4]`;
  // The least code stands for −3.5e38, which float32 does not have.
  const wide: Rounding = { value: "m", scale: 3.5e38 / 255, zero: 255, dtype: "uint8" };
  const [none, on] = await probed(t, text, [wide], [[], ["m"]]);
  assert.equal(none?.kl, 0);
  assert.ok((on?.kl ?? 0) > 0.05 || on?.noise === Infinity, JSON.stringify(on));
});

test("a value that the main graph does not compute is refused by name; cancelling is heard", async (t) => {
  await assert.rejects(
    probed(t, graph(17), [rounding("none", 1)], [["none"]]),
    (error: unknown) => error instanceof LatheError && error.message.includes('"none"'),
  );
  const signal = { aborted: true, addEventListener: () => {}, removeEventListener: () => {} };
  await assert.rejects(
    probed(t, graph(17), [rounding("a", 1)], [["a"]], { signal, progress: () => {} }),
    Cancelled,
  );
});
