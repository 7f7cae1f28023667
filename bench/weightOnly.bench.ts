/** 4-bit weight-only quantization of a whole 1.5 GB model: against onnxruntime's quantizer and against copying. */
import { statSync } from "node:fs";
import path from "node:path";
import { copyFile } from "./lib/copyFile.ts";
import { BLOCK, INT4, lathe } from "./lib/lathe.ts";
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
  times,
} from "./lib/summary.ts";
import type { Contender } from "./lib/summary.ts";
import { GIGABYTE_AND_A_HALF, writeSyntheticModel } from "./lib/syntheticModel.ts";
import { replacing, withWorkFolder } from "./lib/workFolder.ts";

const ROUNDS = 5;
/** As people call it: scales fitted to their codes. */
const OURS = "lathe apply";
/** The peer's own method: scales from the block's range. */
const SAME_METHOD = "lathe apply, scale=range";
const PEER = "onnxruntime MatMulNBitsQuantizer";
const COPY = "copy the file";

await withWorkFolder(5e9, async (folder) => {
  const python = findPython(["onnx", "onnxruntime", "onnx_ir"]);
  const model = path.join(folder, "model.onnx");
  const sizeBytes = writeSyntheticModel(model, GIGABYTE_AND_A_HALF);
  const out = path.join(folder, "out.onnx");
  const outputBytes = new Map<string, number>();
  const contender = (name: string, run: () => Promise<Measured>): Contender => ({
    name,
    run: replacing(out, async () => {
      const measured = await run();
      outputBytes.set(name, statSync(out).size);
      return measured;
    }),
  });

  say(`4 bit, block ${BLOCK}, of a model of ${megabytes(sizeBytes)}`);
  const results = await interleave(ROUNDS, [
    contender(COPY, () => copyFile(model, out)),
    contender(OURS, () => lathe("apply", model, ...INT4, "-o", out, "--no-verify")),
    contender(SAME_METHOD, () =>
      lathe("apply", model, ...INT4, "-p", "scale=range", "-o", out, "--no-verify"),
    ),
    ...(python === null
      ? []
      : [
          contender(PEER, () =>
            measure({
              program: python.program,
              args: ["bench/peers/nbits.py", model, String(BLOCK), out],
            }),
          ),
        ]),
  ]);

  const copyS = resultOf(results, COPY).wallS;
  const bars = [OURS, SAME_METHOD].flatMap((name) => {
    const ours = resultOf(results, name);
    const peerCpuS = python === null ? null : resultOf(results, PEER).cpuS;
    return [
      ...(peerCpuS === null
        ? []
        : [
            bar(
              `${name}: CPU time ${times(ours.cpuS / peerCpuS)} the peer's, target ≤ 0.3×`,
              ours.cpuS <= 0.3 * peerCpuS,
            ),
          ]),
      bar(
        `${name}: peak memory ${megabytes(ours.peakBytes)}, target ≤ 250 MB`,
        ours.peakBytes <= 250e6,
      ),
      bar(
        `${name}: wall time ${times(ours.wallS / copyS)} copying the input, target ≤ 2.5×`,
        ours.wallS <= 2.5 * copyS,
      ),
    ];
  });
  const sizes = [...outputBytes].map(([name, bytes]) => `${name} ${megabytes(bytes)}`).join(", ");
  record(
    "weightOnly",
    "4-bit weight-only quantization of a 1.5 GB model",
    `${GIGABYTE_AND_A_HALF.tensors} MatMul weights of 8.4 MB, 4 bit, asymmetric, blocks of ${BLOCK}; verification off on both sides, outputs flushed to
disk. ${ROUNDS} rounds in turn. Outputs: ${sizes}. Peer: ${python?.versions ?? "not installable here"}.

${table(RESULT_HEAD, resultRows(results, OURS))}

${bars.map((text) => `- ${text}`).join("\n")}`,
  );
});
