/** Calibrated 8-bit quantization of the shared trained models: ours against onnxruntime's, both measured by our engine. */
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { lathe, latheNumber } from "./lib/lathe.ts";
import { lastJson, measure } from "./lib/process.ts";
import { findPython } from "./lib/python.ts";
import { bar, record, say, table } from "./lib/summary.ts";
import { withWorkFolder } from "./lib/workFolder.ts";

interface Case {
  readonly model: string;
  readonly data: string;
  /** What the result has to reach; perplexity at most, top-1 at least. */
  readonly value: number;
  readonly better: "lower" | "higher";
  readonly bytes: number;
  readonly latency: number;
  /** The peer reads .npy files only; its default rounds a transformer's mask, so it is given products alone. */
  readonly peer: "all" | "products" | null;
}

const SHARED = "../shared";
const CASES: readonly Case[] = [
  {
    model: "third_party/squeezenet1_1_fp32",
    data: "imagenet224",
    value: 0.6,
    better: "higher",
    bytes: 0.27,
    latency: 0.64,
    peer: null,
  },
  {
    model: "trained/resnet8",
    data: "cifar10",
    value: 0.803,
    better: "higher",
    bytes: 0.29,
    latency: 0.42,
    peer: "all",
  },
  {
    model: "trained/mobilenet_s",
    data: "cifar10",
    value: 0.769,
    better: "higher",
    bytes: 0.42,
    latency: 0.71,
    peer: "all",
  },
  {
    model: "trained/textenc_bank",
    data: "banking77",
    value: 0.87,
    better: "higher",
    bytes: 0.3,
    latency: 0.9,
    peer: "products",
  },
  {
    model: "trained/chargpt_s_op17",
    data: "tinyshakespeare",
    value: 5.62,
    better: "lower",
    bytes: 0.31,
    latency: 1,
    peer: null,
  },
];

/** The part of `lathe diff --json` that is used here. */
interface Diff {
  readonly accuracy: {
    readonly after: { readonly value: number };
    readonly kl: number | null;
    readonly agreement: number | null;
  };
}

if (!existsSync(SHARED)) say("the shared models are not here, so there is nothing to measure");
else
  await withWorkFolder(1e8, async (folder) => {
    const python = findPython(["onnx", "onnxruntime", "onnx_ir"]);
    const rows: string[][] = [];
    const bars: string[] = [];
    for (const one of CASES) {
      const name = path.basename(one.model);
      const model = path.join(SHARED, "models", `${one.model}.onnx`);
      const data = path.join(SHARED, "data", one.data, "dataset.json");
      const ours = path.join(folder, `${name}.ours.onnx`);
      const theirs = path.join(folder, `${name}.theirs.onnx`);
      const row = async (label: string, file: string): Promise<readonly number[]> => {
        const { accuracy } = lastJson(
          await lathe("diff", model, file, "--data", data, "--json"),
        ) as Diff;
        const ratio = statSync(file).size / statSync(model).size;
        const latency = await latheNumber(
          "ratio",
          "bench",
          model,
          file,
          "--threads",
          "1",
          "--runs",
          "100",
        );
        const { value } = accuracy.after;
        rows.push([
          name,
          label,
          ratio.toFixed(3),
          value.toFixed(4),
          accuracy.kl?.toExponential(2) ?? "",
          accuracy.agreement?.toFixed(4) ?? "",
          latency.toFixed(2),
        ]);
        say(`  ${rows.at(-1)?.join("  ") ?? ""}`);
        return [value, ratio, latency];
      };
      await lathe("apply", model, "--preset", "int8", "--data", data, "-o", ours);
      const [value = NaN, ratio = NaN, latency = NaN] = await row("lathe --preset int8", ours);
      if (python !== null && one.peer !== null) {
        const only = one.peer === "products" ? "1" : "0";
        await measure({
          program: python.program,
          args: ["bench/peers/static.py", model, data, theirs, only],
        });
        await row("onnxruntime, per channel, min-max", theirs);
      }
      const reached = one.better === "lower" ? value <= one.value : value >= one.value;
      bars.push(
        bar(
          `${name}: ${value.toFixed(4)}, target ${one.better === "lower" ? "≤" : "≥"} ${one.value}`,
          reached,
        ),
        bar(`${name}: ${ratio.toFixed(3)} of the bytes, target ≤ ${one.bytes}`, ratio <= one.bytes),
        bar(
          `${name}: ${latency.toFixed(2)} of the latency, target ≤ ${one.latency}`,
          latency <= one.latency,
        ),
      );
    }
    record(
      "quantize",
      "Calibrated 8-bit quantization",
      `Our preset int8 with its defaults against onnxruntime's quantize_static (per channel, u8 activations, min-max; of the transformer only its products,
for its default rounds the attention mask: top-1 0.52). Same calibration samples; all files are measured by our engine, latency on one thread in turns.
Peer: ${python?.versions ?? "not installable here"}. It makes a file of SqueezeNet (operator set 7) that does not load, and has no reader for the text.
One image or sentence per run: resnet8 and mobilenet_s then take 0.2 to 0.5 ms, of which calls are a part that codes do not shorten. Three of mobilenet_s's 2,000
images are 0.15 points: its KL to the float model says more.

${table(["model", "file", "bytes", "value", "KL", "agreement", "latency"], rows)}

${bars.map((text) => `- ${text}`).join("\n")}`,
    );
  });
