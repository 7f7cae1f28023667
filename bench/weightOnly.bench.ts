/** 4- and 8-bit weight-only quantization of a whole 1.5 GB model: against onnxruntime's quantizer and against copying. */
import { statSync } from "node:fs";
import path from "node:path";
import { copyFile } from "./lib/copyFile.ts";
import { BLOCK, INT4, INT8, lathe } from "./lib/lathe.ts";
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
import type { Contender, Results } from "./lib/summary.ts";
import { GIGABYTE_AND_A_HALF, writeSyntheticModel } from "./lib/syntheticModel.ts";
import { replacing, withWorkFolder } from "./lib/workFolder.ts";

const ROUNDS = 5;
const PEER_ROUNDS = 2;
const COPY = "copy the file";
const PEER = "onnxruntime MatMulNBitsQuantizer";
/** Bytes of the largest weight. */
const LARGEST = GIGABYTE_AND_A_HALF.rows * GIGABYTE_AND_A_HALF.columns * 4;
const PEAK_BYTES = 3 * LARGEST + 200e6;

interface Ours {
  readonly name: string;
  readonly bits: number;
  readonly args: readonly string[];
}
const OURS: readonly Ours[] = [
  // As people call it: scales fitted to their codes.
  { name: "lathe apply, 4 bit", bits: 4, args: INT4 },
  // The peer's own method: scales from the block's range.
  { name: "lathe apply, 4 bit, scale=range", bits: 4, args: [...INT4, "-p", "scale=range"] },
  { name: "lathe apply, 8 bit", bits: 8, args: INT8 },
];
const peerName = (bits: number): string => `${PEER}, ${bits} bit`;

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

  say(`4 and 8 bit, block ${BLOCK}, of a model of ${megabytes(sizeBytes)}`);
  const results: Results = await interleave(ROUNDS, [
    contender(COPY, () => copyFile(model, out)),
    ...OURS.map(({ name, args }) =>
      contender(name, () => lathe("apply", model, ...args, "-o", out, "--no-verify")),
    ),
    ...(python === null ? [] : [4, 8]).map((bits) => ({
      ...contender(peerName(bits), () =>
        measure({
          program: python?.program ?? "",
          args: ["bench/peers/nbits.py", model, String(BLOCK), out, String(bits)],
        }),
      ),
      rounds: PEER_ROUNDS,
    })),
  ]);

  const copyS = resultOf(results, COPY).wallS;
  const bars = OURS.flatMap(({ name, bits }) => {
    const ours = resultOf(results, name);
    const cpuRatio = python === null ? null : ours.cpuS / resultOf(results, peerName(bits)).cpuS;
    const target = `CPU time ${times(cpuRatio ?? 0)} the peer's, target ≤ 0.3×`;
    return [
      ...(cpuRatio === null ? [] : [bar(`${name}: ${target}`, cpuRatio <= 0.3)]),
      bar(
        `${name}: peak memory ${megabytes(ours.peakBytes)}, target ≤ 3× the largest weight + 200 MB = ${megabytes(PEAK_BYTES)}`,
        ours.peakBytes <= PEAK_BYTES,
      ),
      bar(
        `${name}: wall time ${times(ours.wallS / copyS)} copying the input, target ≤ 2.5×`,
        ours.wallS <= 2.5 * copyS,
      ),
    ];
  });
  const sizes = [...outputBytes].map(([name, bytes]) => `${name} ${megabytes(bytes)}`).join(", ");
  const tables = [4, 8].map((bits) => {
    const [ours] = OURS.filter((one) => one.bits === bits);
    const rows = resultRows(results, ours?.name ?? "").filter(
      ([name]) =>
        name === COPY ||
        name === peerName(bits) ||
        OURS.some((one) => one.name === name && one.bits === bits),
    );
    return `${bits} bit:\n\n${table(RESULT_HEAD, rows)}`;
  });
  record(
    "weightOnly",
    "4- and 8-bit weight-only quantization of a 1.5 GB model",
    `${GIGABYTE_AND_A_HALF.tensors} MatMul weights of 8.4 MB, asymmetric, blocks of ${BLOCK}; verification off on both sides, outputs flushed to
disk. Medians of ${ROUNDS} rounds in turn, the peer's of ${PEER_ROUNDS}. Outputs: ${sizes}. Peer: ${python?.versions ?? "not installable here"}.

${tables.join("\n\n")}

${bars.map((text) => `- ${text}`).join("\n")}`,
  );
});
