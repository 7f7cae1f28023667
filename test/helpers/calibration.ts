/** Seeded calibration data for a model, as a dataset.json with one .npy per input. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { createSession } from "../../src/engine/ort.ts";
import { npyBytes } from "./npy.ts";
import { gaussian, randomSource } from "./random.ts";

export interface CalibrationOptions {
  readonly samples: number;
  /** Size of dimensions the model leaves open; the first one of an input is the batch. */
  readonly symbol: number;
  /** Integer inputs are drawn from [0, this). */
  readonly below: number;
}

/** Writes it into `folder` and gives the path of the dataset. Floats are standard normal. */
export async function writeCalibration(
  model: string,
  folder: string,
  { samples, symbol, below }: CalibrationOptions,
): Promise<string> {
  const session = await createSession(model, { threads: 1, optimization: "basic" });
  const inputs: Record<string, { file: string }> = {};
  for (const [i, { name, dtype, shape }] of session.inputs.entries()) {
    const sizes = shape.slice(1).map((dim) => (typeof dim === "number" ? dim : symbol));
    const dims = [samples, ...sizes];
    const count = dims.reduce((a, b) => a * b, 1);
    const next = randomSource(100 + i);
    const values =
      dtype === "int64" || dtype === "int32"
        ? Int32Array.from({ length: count }, () => Math.floor(next() * below))
        : gaussian(count, 100 + i);
    const file = `calibration-${i}.npy`;
    writeFileSync(path.join(folder, file), npyBytes(dims, values));
    inputs[name] = { file };
  }
  await session.release();
  const dataset = path.join(folder, "dataset.json");
  writeFileSync(dataset, JSON.stringify({ inputs, calibration: { inputs } }));
  return dataset;
}
