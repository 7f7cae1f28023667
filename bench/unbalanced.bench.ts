/** A network with unbalanced channels: static INT8 with and without equalization, against onnxruntime's tools. */
import { existsSync } from "node:fs";
import path from "node:path";
import { writeCalibration } from "./lib/calibrationArrays.ts";
import { COMPARED_HEAD, attempt, compareFiles, comparedRow } from "./lib/compared.ts";
import { lathe } from "./lib/lathe.ts";
import { measure } from "./lib/process.ts";
import { findPython } from "./lib/python.ts";
import { load, record, say, table } from "./lib/summary.ts";
import { atLeast, targetList } from "./lib/targets.ts";
import { OCTAVES, writeUnbalanced } from "./lib/unbalanced.ts";
import { withWorkFolder } from "./lib/workFolder.ts";

const SHARED = path.resolve("../shared");
const BALANCED = path.join(SHARED, "models/trained/resnet8.onnx");
const DATA = path.join(SHARED, "data/cifar10/dataset.json");
const SEED = 4;
/** Largest drop in points by default. */
const LIMIT_POINTS = 0.5;

const OURS = {
  "lathe, by default": ["--preset", "int8"],
  "lathe, without equalization": ["-t", "graph.foldBatchNorm", "-t", "quantize.static"],
  "lathe, one range per tensor, equalized": [
    ...["-t", "graph.foldBatchNorm", "-t", "quantize.equalize"],
    ...["-t", "quantize.static", "-p", "weights=tensor"],
  ],
  "lathe, one range per tensor": [
    ...["-t", "graph.foldBatchNorm", "-t", "quantize.static", "-p", "weights=tensor"],
  ],
};
const DEFAULT = "lathe, by default";
const PEERS = {
  "onnxruntime, per tensor": ["tensor", "minmax"],
  "onnxruntime, per channel, percentile": ["channel", "percentile"],
};

if (!existsSync(SHARED)) throw new Error(`this bench needs the models and data of ${SHARED}`);
await withWorkFolder(1e8, async (folder) => {
  const model = path.join(folder, "unbalanced.onnx");
  writeUnbalanced(BALANCED, model, SEED);
  const rows: string[][] = [];
  const targets: string[] = [];
  const row = async (label: string, make: (file: string) => Promise<unknown>) => {
    const file = path.join(folder, `${rows.length}.onnx`);
    const result = await attempt(async () => {
      await make(file);
      return compareFiles(model, file, DATA);
    });
    rows.push(comparedRow("unbalanced resnet8", label, result));
    say(`  ${rows.at(-1)?.join("  ") ?? ""}`);
    return result;
  };
  const same = await row("float32, unbalanced", (file) =>
    lathe(
      "apply",
      model,
      "-t",
      "edit.metadata",
      "-p",
      "key=note",
      "-p",
      "value=as it is",
      "-o",
      file,
    ),
  );
  for (const [label, args] of Object.entries(OURS)) {
    const result = await row(label, (file) =>
      lathe("apply", model, ...args, "--data", DATA, "-o", file),
    );
    if (label === DEFAULT && typeof same !== "string")
      targets.push(
        ...targetList(
          label,
          typeof result === "string"
            ? result
            : [
                atLeast(
                  `top-1 in % within ${LIMIT_POINTS} point of ${(100 * same.value).toFixed(2)}:`,
                  100 * result.value,
                  100 * same.value - LIMIT_POINTS,
                ),
              ],
        ),
      );
  }
  const python = findPython(["onnx", "onnxruntime"]);
  if (python !== null) {
    const calibration = path.join(folder, "calibration");
    await writeCalibration(model, DATA, calibration);
    for (const [label, options] of Object.entries(PEERS))
      await row(label, (file) =>
        measure({
          program: python.program,
          args: ["bench/peers/static.py", model, calibration, file, ...options],
        }),
      );
  }
  record(
    "unbalanced",
    "Static INT8 of a network with unbalanced channels",
    `resnet8 with the channels inside its blocks scaled by random powers of two (2^-${OCTAVES} to 2^${OCTAVES}) and scaled back by the weights that read them: the same function, with weights and
activations that one range per tensor cannot serve. Evaluated by our engine. Load of the machine ${load()}. Peer: ${python?.versions ?? "not installable here"}.

${table(COMPARED_HEAD, rows)}

${targets.join("\n")}`,
  );
});
