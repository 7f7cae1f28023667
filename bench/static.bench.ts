/** Static INT8 of the shared convolution nets and transformers: ours by default against onnxruntime's own tools. */
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { writeCalibration } from "./lib/calibrationArrays.ts";
import { COMPARED_HEAD, attempt, compareFiles, comparedRow } from "./lib/compared.ts";
import type { Compared } from "./lib/compared.ts";
import { lathe } from "./lib/lathe.ts";
import { measure } from "./lib/process.ts";
import { findPython } from "./lib/python.ts";
import { load, record, say, table } from "./lib/summary.ts";
import { atLeast, atMost, targetList } from "./lib/targets.ts";
import type { Target } from "./lib/targets.ts";
import { withWorkFolder } from "./lib/workFolder.ts";

interface Case {
  readonly model: string;
  readonly data: string;
  /** Options of peers/static.py by name, or of peers/dynamic.py. */
  readonly peers: Readonly<Record<string, readonly [script: "static" | "dynamic", ...string[]]>>;
  readonly targets: (ours: Compared) => readonly Target[];
}

const SHARED = path.resolve("../shared");
const percent = (value: number | null): number | null => value && 100 * value;

const PER_TENSOR = ["static", "tensor", "minmax"] as const;
const PER_CHANNEL = ["static", "channel", "minmax"] as const;
const TRANSFORMER: Case["peers"] = {
  "onnxruntime static, its default operators": PER_CHANNEL,
  "onnxruntime static, MatMul only": ["static", "channel", "minmax", "matmul"],
  "onnxruntime dynamic, per channel": ["dynamic", "channel"],
};
const CASES: readonly Case[] = [
  {
    model: "third_party/squeezenet1_1_fp32",
    data: "imagenet224/dataset.json",
    peers: {
      "onnxruntime, per tensor": PER_TENSOR,
      "onnxruntime, per channel": PER_CHANNEL,
      "onnxruntime, per channel, upgraded by hand": [...PER_CHANNEL, "upgrade"],
    },
    targets: (ours) => [
      atMost("KL", ours.kl, 0.0125),
      atLeast("agreement in %", percent(ours.agreement), 94.5),
      atLeast("McNemar p", ours.mcnemarP, 0.05),
      atLeast("top-1 in %", percent(ours.value), 60),
      atLeast("top-5 in %", percent(ours.top5), 82),
      atMost("bytes ratio", ours.ratio, 0.27),
      atMost("CPU time ratio", ours.latency.ratio, 0.64),
    ],
  },
  {
    model: "trained/resnet8",
    data: "cifar10/dataset.json",
    peers: {
      "onnxruntime, per tensor": PER_TENSOR,
      "onnxruntime, per channel, percentile": ["static", "channel", "percentile"],
      "onnxruntime dynamic": ["dynamic", "tensor"],
    },
    targets: (ours) => [
      atLeast("top-1 in %", percent(ours.value), 80.3),
      atMost("bytes ratio", ours.ratio, 0.29),
      atMost("CPU time ratio", ours.latency.ratio, 0.42),
    ],
  },
  {
    model: "trained/mobilenet_s",
    data: "cifar10/dataset.json",
    peers: {
      "onnxruntime, per tensor": PER_TENSOR,
      "onnxruntime, per channel, percentile": ["static", "channel", "percentile"],
    },
    targets: (ours) => [
      atLeast("top-1 in %", percent(ours.value), 76.9),
      atMost("bytes ratio", ours.ratio, 0.42),
      atMost("CPU time ratio", ours.latency.ratio, 0.71),
    ],
  },
  {
    model: "trained/textenc_bank",
    data: "banking77/dataset.json",
    peers: TRANSFORMER,
    targets: (ours) => [atLeast("top-1 in %", percent(ours.value), 87)],
  },
  {
    model: "trained/chargpt_s_op17",
    data: "tinyshakespeare/dataset.json",
    peers: TRANSFORMER,
    targets: (ours) => [atMost("perplexity", ours.value, 5.62)],
  },
];

if (!existsSync(SHARED)) throw new Error(`this bench needs the models and data of ${SHARED}`);
await withWorkFolder(1e9, async (folder) => {
  const python = findPython(["onnx", "onnxruntime"]);
  const rows: string[][] = [];
  const targets: string[] = [];
  const before = load();
  for (const one of CASES) {
    const model = path.join(SHARED, "models", `${one.model}.onnx`);
    const data = path.join(SHARED, "data", one.data);
    const name = path.basename(one.model);
    const row = async (label: string, make: (file: string) => Promise<unknown>) => {
      const file = path.join(folder, `${name}.${rows.length}.onnx`);
      const result = await attempt(async () => {
        await make(file);
        return compareFiles(model, file, data);
      });
      rows.push(comparedRow(name, label, result));
      say(`  ${rows.at(-1)?.join("  ") ?? ""}`);
      return result;
    };
    const ours = await row("lathe", (file) =>
      lathe("apply", model, "--preset", "int8", "--data", data, "-o", file),
    );
    rows.splice(-1, 0, originalRow(name, model, ours));
    targets.push(...targetList(name, typeof ours === "string" ? ours : one.targets(ours)));
    if (python === null) continue;
    const calibration = path.join(folder, name);
    await writeCalibration(model, data, calibration);
    for (const [label, [script, ...options]] of Object.entries(one.peers))
      await row(label, (file) =>
        measure({
          program: python.program,
          args: [
            `bench/peers/${script}.py`,
            ...[model, ...(script === "static" ? [calibration] : []), file],
            ...options,
          ],
        }),
      );
  }
  record(
    "static",
    "Static INT8: quality, bytes and latency",
    `\`lathe apply --preset int8\` (batch normalization folded, channels equalized where they are out of balance by more than two octaves,
scales per channel from calibrated ranges) against onnxruntime's tools on the same calibration samples (of which ours uses three quarters: the rest is
kept for searching). All files are compared with the original by our engine, on all evaluation data; CPU time is that of one thread on the same 16 samples (SqueezeNet, whose
batch is fixed: 1), over the original's: the median of 100 runs in turn with its 95 % interval. Load of
the machine ${before} at the start, ${load()} at the end. Peer: ${python?.versions ?? "not installable here"}.

The latency targets come from another machine: a missed one is to be read beside onnxruntime's own files in the same run, which use the
same kernels (85 % of the time of the quantized mobilenet_s is in QLinearConv).

${table(COMPARED_HEAD, rows)}

${targets.join("\n")}`,
  );
});

function originalRow(name: string, model: string, ours: Compared | string): string[] {
  const metric = typeof ours === "string" ? "–" : `${ours.before.toFixed(4)} ${ours.metric}`;
  return [name, "float32", String(statSync(model).size), "1", metric, ..."–––––"];
}
