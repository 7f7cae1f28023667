/** A small network with data that it labels itself, so that every change can only make it worse. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { createSession } from "../../../src/engine/ort.ts";
import { toNumbers } from "../../../src/shared/hostTensor.ts";
import { onnxFromText } from "../../helpers/graphText.ts";
import { npyBytes } from "../../helpers/npy.ts";
import { gaussian } from "../../helpers/random.ts";

export const LAYERS = ["h1", "h2", "h3", "h4", "y"] as const;
const WIDTH = 64;
const CLASSES = 10;

/** @param noise standard deviations added to a layer's weights, relative to their own. */
export function network(noise: Readonly<Record<string, number>> = {}): Uint8Array {
  const weights = LAYERS.map((name, i) => {
    const columns = name === "y" ? CLASSES : WIDTH;
    const values = gaussian(WIDTH * columns, i + 1);
    const spoil = gaussian(WIDTH * columns, 100 + i);
    const scale = Math.sqrt(2 / WIDTH);
    const all = Array.from(values, (value, j) => scale * (value + (noise[name] ?? 0) * spoil[j]!));
    return `w${i} = float32 [${WIDTH}, ${columns}] [${all.map((value) => value.toPrecision(9)).join(", ")}]`;
  });
  return onnxFromText(`
opset 17
input x float32 [batch, ${WIDTH}]
${weights.join("\n")}
h1 = MatMul(x, w0)
r1 = Relu(h1)
h2 = MatMul(r1, w1)
r2 = Relu(h2)
h3 = MatMul(r2, w2)
r3 = Relu(h3)
h4 = MatMul(r3, w3)
r4 = Relu(h4)
y = MatMul(r4, w4)
output y float32 [batch, ${CLASSES}]
`);
}

/** Writes `model.onnx` and `dataset.json`; gives their paths. */
export async function writeNetwork(
  folder: string,
  samples = 400,
  relabel: (label: number, i: number) => number = (label) => label,
): Promise<{ readonly model: string; readonly data: string }> {
  const model = path.join(folder, "model.onnx");
  writeFileSync(model, network());
  const session = await createSession(model, { threads: 1, optimization: "all" });
  const part = async (name: string, count: number, seed: number): Promise<void> => {
    const values = gaussian(count * WIDTH, seed);
    writeFileSync(path.join(folder, `${name}_x.npy`), npyBytes([count, WIDTH], values));
    const outputs = await session.run(
      new Map([["x", { dtype: "float32" as const, shape: [count, WIDTH], data: values }]]),
    );
    const y = outputs.get("y");
    assert.ok(y);
    const scores = toNumbers(y);
    const labels = Array.from({ length: count }, (_, i) => {
      const row = Array.from(scores.slice(i * CLASSES, (i + 1) * CLASSES));
      return BigInt(relabel(row.indexOf(Math.max(...row)), i));
    });
    writeFileSync(
      path.join(folder, `${name}_y.npy`),
      npyBytes([count], BigInt64Array.from(labels)),
    );
  };
  await part("eval", samples, 50);
  await part("calib", 64, 60);
  await session.release();
  const data = path.join(folder, "dataset.json");
  const section = (name: string): object => ({
    inputs: { "*": { file: `${name}_x.npy` } },
    labels: `${name}_y.npy`,
  });
  writeFileSync(
    data,
    JSON.stringify({
      task: "classification",
      ...section("eval"),
      calibration: section("calib"),
    }),
  );
  return { model, data };
}
