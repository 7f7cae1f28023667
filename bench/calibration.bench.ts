/** Memory of calibration: static INT8 of SqueezeNet from histograms of every activation, by number of images. */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { lathe } from "./lib/lathe.ts";
import {
  RESULT_HEAD,
  bar,
  interleave,
  megabytes,
  record,
  resultOf,
  resultRows,
  table,
} from "./lib/summary.ts";
import { replacing, withWorkFolder } from "./lib/workFolder.ts";

const SHARED = path.resolve("../shared");
const MODEL = path.join(SHARED, "models/third_party/squeezenet1_1_fp32.onnx");
const DATA = path.join(SHARED, "data/imagenet224");
const ROUNDS = 3;
const FEW = 25;
const MANY = 100;
const LIMIT_BYTES = 400e6;

/** The same data set with its first images only. */
function withImages(folder: string, count: number): string {
  const calib = path.join(folder, "calib");
  mkdirSync(calib, { recursive: true });
  const [head = "", ...rows] = readFileSync(path.join(DATA, "calib/labels.csv"), "utf8").split(
    "\n",
  );
  const kept = rows.filter((row) => row !== "").slice(0, count);
  writeFileSync(path.join(calib, "labels.csv"), [head, ...kept, ""].join("\n"));
  for (const row of kept) {
    const name = row.split(",")[0] ?? "";
    symlinkSync(path.join(DATA, "calib", name), path.join(calib, name));
  }
  symlinkSync(path.join(DATA, "eval"), path.join(folder, "eval"));
  const json = path.join(folder, "dataset.json");
  writeFileSync(json, readFileSync(path.join(DATA, "dataset.json")));
  return json;
}

if (!existsSync(MODEL)) throw new Error(`this bench needs ${MODEL}`);
await withWorkFolder(1e8, async (folder) => {
  const out = path.join(folder, "out.onnx");
  const quantize = (count: number) => {
    const data = withImages(path.join(folder, String(count)), count);
    return {
      name: `${count} images`,
      run: replacing(out, () =>
        lathe("apply", MODEL, "-t", "quantize.static", "--data", data, "-o", out),
      ),
    };
  };
  const results = await interleave(ROUNDS, [quantize(FEW), quantize(MANY)]);
  const few = resultOf(results, `${FEW} images`);
  const many = resultOf(results, `${MANY} images`);
  const bars = [
    bar(`${MANY} images in < ${megabytes(LIMIT_BYTES)}`, many.peakBytes < LIMIT_BYTES),
    bar(
      `independent of the number of images (≤ 1.1× of ${FEW} images)`,
      many.peakBytes <= 1.1 * few.peakBytes,
    ),
  ];
  record(
    "calibration",
    "Memory of calibration",
    `\`lathe apply -t quantize.static\` on SqueezeNet 1.1: histograms of every activation over the calibration images, quantization, writing and the check that the result runs; the whole process
tree. ${ROUNDS} rounds in turn. onnxruntime's own percentile calibration took 3.8 GB for the same images, min-max 446 MB (BASELINES.md row 15).

${table(RESULT_HEAD, resultRows(results, `${MANY} images`))}

${bars.map((text) => `- ${text}`).join("\n")}`,
  );
});
