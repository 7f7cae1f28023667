/** Recipes of several steps on a graph in text: what was done, and how far outputs are from the original's. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Change } from "../../../src/core/change.ts";
import { createSession } from "../../../src/engine/ort.ts";
import type { Entry } from "../../../src/shared/doc.ts";
import { elementCount } from "../../../src/shared/dtype.ts";
import { toNumbers } from "../../../src/shared/hostTensor.ts";
import { writeCalibration } from "../../helpers/calibration.ts";
import { docOf, testEnvironment } from "../../helpers/environment.ts";
import { onnxFromText } from "../../helpers/graphText.ts";
import { gaussian } from "../../helpers/random.ts";

/** Two or three rows of the weights here. */
const FEW_VALUES = 40;

export interface Tried {
  readonly changes: readonly Change[];
  /** Error power of the outputs on inputs that were not calibrated with, relative to the signal's. */
  readonly error: number;
  /** Mean error of each output channel (axis 1), relative to the signal's root mean square. */
  readonly meanError: number;
}

export async function tryRecipe(text: string, ...recipe: Entry[]): Promise<Tried> {
  const folder = mkdtempSync(path.join(tmpdir(), "lathe-repair-"));
  try {
    const file = path.join(folder, "model.onnx");
    writeFileSync(file, onnxFromText(text));
    const data = await writeCalibration(file, folder, { samples: 64, symbol: 3, below: 4 });
    const env = testEnvironment(folder);
    const doc = { ...docOf(file, ...recipe), data };
    const { changes } = await env.open(doc);
    const result = await env.fileFor(doc);
    const byRows = await testEnvironment(path.join(folder, "rows"), FEW_VALUES).fileFor(doc);
    assert.deepEqual(readFileSync(byRows), readFileSync(result), "by few values at a time");
    const [a, b] = [await outputs(file), await outputs(result)];
    assert.equal(a.values.length, b.values.length);
    let signal = 0;
    let noise = 0;
    const channels = a.shape[1] ?? 1;
    const inner = elementCount(a.shape.slice(2));
    const means = new Float64Array(channels);
    a.values.forEach((x, i) => {
      const d = b.values[i]! - x;
      signal += x * x;
      noise += d * d;
      means[Math.floor(i / inner) % channels]! += (d * channels) / a.values.length;
    });
    const rms = Math.sqrt(signal / a.values.length);
    return { changes, error: noise / signal, meanError: Math.max(...means.map(Math.abs)) / rms };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function outputs(file: string): Promise<{ shape: readonly number[]; values: number[] }> {
  const session = await createSession(file, { threads: 1, optimization: "all" });
  try {
    const feeds = session.inputs.map((input, i) => {
      const shape = input.shape.map((dim) => (typeof dim === "number" ? dim : 128));
      return [
        input.name,
        { dtype: "float32", shape, data: gaussian(elementCount(shape), 100 + i) },
      ] as const;
    });
    const [first] = (await session.run(new Map(feeds))).values();
    assert.ok(first);
    return { shape: first.shape, values: Array.from(toNumbers(first)) };
  } finally {
    await session.release();
  }
}

export const entry = (transform: string, params: Entry["params"] = {}): Entry => ({
  transform,
  params,
});
export const done = (change: Change | undefined): string[] =>
  change?.units.map((unit) => unit.name) ?? [];
export const reasons = (change: Change | undefined): Record<string, string> =>
  Object.fromEntries(change?.skipped.map(({ name, reason }) => [name, reason]) ?? []);

/** Conv, BatchNormalization, Conv with bias, two linear layers. */
export const NET = `input x float32 [N, 3, 6, 6]
  w1 = float32 [12, 3, 3, 3] normal * 0.3  c1 = Conv(x, w1) { name: "c1" }
  g = float32 [12] uniform  h = float32 [12] normal * 0.3  m = float32 [12] zeros  v = float32 [12] ones
  n1 = BatchNormalization(c1, g, h, m, v) { name: "n1" }  r1 = Relu(n1)
  w2 = float32 [10, 12, 3, 3] normal * 0.2  b2 = float32 [10] normal  c2 = Conv(r1, w2, b2) { name: "c2" }  r2 = Relu(c2)
  g2 = float32 [10] uniform  h2 = float32 [10] normal  m2 = float32 [10] zeros  v2 = float32 [10] ones
  n2 = BatchNormalization(r2, g2, h2, m2, v2) { name: "n2" }
  f = Flatten(n2)  w3 = float32 [40, 8] normal * 0.2  l1 = MatMul(f, w3) { name: "l1" }
  w4 = float32 [8, 5] normal  b4 = float32 [5] normal  y = Gemm(l1, w4, b4) { name: "l2" }  output y float32 [N, 5]`;
