/** .npz: a zip of .npy arrays named as the model's inputs and outputs, and `labels`. */
import { unzipSync } from "fflate";
import { dataErrors } from "../shared/errors.ts";
import { checkLabels, type Dataset, type Expected, type ModelIo } from "./dataset.ts";
import { memoryBytes, wholeFile } from "./files.ts";
import { npySamples } from "./npy.ts";
import { prepared, type Prepared } from "./preprocess.ts";
import type { Samples } from "./samples.ts";

/** The file and its unpacked arrays are in memory; larger sets belong in .npy files. */
const MAX_BYTES = 2 ** 30;

/** @throws DataError when it is no zip, too large, or an input is missing. */
export function openNpz(path: string, io: ModelIo): Dataset {
  const arrays = readArrays(path);
  const inputs = new Map<string, Prepared>();
  for (const { name } of io.inputs) {
    const samples = arrays.get(name);
    if (!samples) throw dataErrors.inputMissing(path, name, [...arrays.keys()]);
    inputs.set(name, prepared(samples, {}, name));
  }
  const expected = new Map<string, Expected>();
  for (const { name } of io.outputs) {
    const samples = arrays.get(name);
    if (samples) expected.set(name, { samples, scale: 1 });
  }
  const labels = arrays.get("labels") ?? null;
  if (labels && labels.shape.length === 1)
    return { path, task: "language-model", metric: null, inputs, labels, expected };
  const task = labels ? "classification" : expected.size > 0 ? "agreement" : null;
  return { path, task, metric: null, inputs, labels: labels && checkLabels(labels), expected };
}

function readArrays(path: string): Map<string, Samples> {
  const bytes = wholeFile(path, MAX_BYTES);
  let total = 0;
  let files: Record<string, Uint8Array>;
  try {
    files = unzipSync(bytes, {
      // A small zip can unpack to any size: its directory says to what, and that is checked first.
      filter: ({ name, originalSize }) => {
        total += originalSize;
        return name.endsWith(".npy") && total <= MAX_BYTES;
      },
    });
  } catch (error) {
    throw dataErrors.bad(
      path,
      path,
      `it is not a readable .npz file: ${error instanceof Error ? error.message : String(error)}`,
      "Write it with numpy.savez.",
    );
  }
  if (total > MAX_BYTES)
    throw dataErrors.bad(
      path,
      path,
      `its arrays have ${total} bytes; at most ${MAX_BYTES} of this kind are read`,
      "Store the samples as .npy, which is read in pieces, with a dataset.json.",
    );
  return new Map(
    Object.entries(files).map(([name, content]) => [
      name.replace(/\.npy$/, ""),
      npySamples(memoryBytes(`${path}: ${name}`, content)),
    ]),
  );
}
