/** Opening and saving a 1.5 GB model: against Python onnx, and against copying the file. */
import path from "node:path";
import { copyFile } from "./lib/copyFile.ts";
import { INT4, lathe } from "./lib/lathe.ts";
import { measure } from "./lib/process.ts";
import type { Measured } from "./lib/process.ts";
import { findPython } from "./lib/python.ts";
import {
  RESULT_HEAD,
  bar,
  interleave,
  megabytes,
  record,
  resultOf,
  resultRows,
  say,
  table,
} from "./lib/summary.ts";
import {
  GIGABYTE_AND_A_HALF,
  nodeName,
  weightName,
  writeSyntheticModel,
} from "./lib/syntheticModel.ts";
import { replacing, withWorkFolder } from "./lib/workFolder.ts";

const ROUNDS = 5;
const REPLACED = 77;

await withWorkFolder(5e9, async (folder) => {
  const python = findPython(["onnx", "numpy"]);
  const model = path.join(folder, "model.onnx");
  const sizeBytes = writeSyntheticModel(model, GIGABYTE_AND_A_HALF);
  const out = path.join(folder, "out.onnx");
  const peer = (name: string, script: string, ...args: readonly string[]) =>
    python === null
      ? []
      : [
          {
            name,
            run: replacing(out, (): Promise<Measured> =>
              measure({
                program: python.program,
                args: [`bench/peers/${script}.py`, model, ...args],
              }),
            ),
          },
        ];
  const ours = { open: "open: lathe inspect", save: "save: lathe apply" };
  const copying = "copy the file";

  say(`a model of ${megabytes(sizeBytes)}`);
  const open = await interleave(ROUNDS, [
    { name: ours.open, run: () => lathe("inspect", model, "--json") },
    ...peer("open: onnx.load", "load"),
  ]);
  const save = await interleave(ROUNDS, [
    { name: copying, run: replacing(out, () => copyFile(model, out)) },
    {
      name: ours.save,
      run: replacing(out, () =>
        lathe("apply", model, ...INT4, "--scope", nodeName(REPLACED), "-o", out, "--no-verify"),
      ),
    },
    ...peer("save: onnx.load, onnx.save", "replaceOne", weightName(REPLACED), out),
  ]);

  const inspect = resultOf(open, ours.open);
  const apply = resultOf(save, ours.save);
  const bars = [
    bar("open in ≤ 0.5 s", inspect.wallS <= 0.5),
    bar("open in ≤ 200 MB", inspect.peakBytes <= 200e6),
    bar("save in ≤ 1.5× copying", apply.wallS <= 1.5 * resultOf(save, copying).wallS),
    bar("save in ≤ 250 MB", apply.peakBytes <= 250e6),
  ];
  record(
    "files",
    "Opening and saving a 1.5 GB model",
    `One ONNX file of ${megabytes(sizeBytes)} with ${GIGABYTE_AND_A_HALF.tensors} weights of 8.4 MB, in the page cache. *Open* lists its parts; *save* writes it with one
weight replaced, flushed to disk. ${ROUNDS} rounds in turn. Peer: ${python?.versions ?? "not installable here"}.

${table(RESULT_HEAD, [...resultRows(open, ours.open), ...resultRows(save, ours.save)])}

${bars.map((text) => `- ${text}`).join("\n")}`,
  );
});
