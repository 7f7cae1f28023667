/** Channels of resnet8 removed without labels or training: accuracy by how many multiply-accumulates are left. */
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { writeCalibration } from "./lib/calibrationArrays.ts";
import { attempt } from "./lib/compared.ts";
import { LATENCY_HEAD, firstFeeds, latencyOf, showLatency } from "./lib/latency.ts";
import type { Latency } from "./lib/latency.ts";
import { lathe, latheNumber } from "./lib/lathe.ts";
import { lastJson, measure } from "./lib/process.ts";
import type { Measured } from "./lib/process.ts";
import { findPython } from "./lib/python.ts";
import { load, record, say, seconds, table } from "./lib/summary.ts";
import { atLeast, atMost, targetList } from "./lib/targets.ts";
import { withWorkFolder } from "./lib/workFolder.ts";

const SHARED = path.resolve("../shared");
const MODEL = path.join(SHARED, "models/trained/resnet8.onnx");
const WEIGHTS = path.join(SHARED, "models/trained/resnet8.safetensors");
const DATA = path.join(SHARED, "data/cifar10/dataset.json");

/** BASELINES.md row 6: what must be left of the MACs at most, and the top-1 in % that must be reached. */
const LEVELS = [
  { macs: 0.53, top1: 76.5 },
  { macs: 0.76, top1: 79.3 },
] as const;
const CRITERIA = ["obs", "activation", "l1", "l2"] as const;
/** Importance, spread and ratio of Torch-Pruning. */
const PEERS = [
  ["l1", "uniform", "0.25"],
  ["l2", "uniform", "0.25"],
  ["l2", "global", "0.25"],
  ["l1", "uniform", "0.12"],
  ["random", "uniform", "0.25"],
] as const;

interface Pruned {
  readonly macs: number;
  readonly ratio: number;
  readonly top1: number;
  readonly cpuS: number;
  readonly latency: Latency;
}

if (!existsSync(SHARED)) throw new Error(`this bench needs the models and data of ${SHARED}`);
await withWorkFolder(1e8, async (folder) => {
  const feeds = await firstFeeds(MODEL, DATA);
  const whole = await macsOf(MODEL);
  const original = await latheNumber("value", "eval", MODEL, "--data", DATA);
  const rows: string[][] = [["as found", "1", "1", `${(100 * original).toFixed(2)} %`, "–", "–"]];
  const row = async (label: string, make: (file: string) => Promise<Measured>) => {
    const file = path.join(folder, `${rows.length}.onnx`);
    const result = await attempt(async (): Promise<Pruned> => {
      const { cpuS } = await make(file);
      return {
        macs: (await macsOf(file)) / whole,
        ratio: statSync(file).size / statSync(MODEL).size,
        top1: 100 * (await latheNumber("value", "eval", file, "--data", DATA)),
        cpuS,
        latency: await latencyOf(MODEL, file, feeds),
      };
    });
    rows.push(
      typeof result === "string"
        ? [label, `**fails**: ${result}`, "–", "–", "–", "–"]
        : [
            label,
            result.macs.toFixed(3),
            result.ratio.toFixed(3),
            `${result.top1.toFixed(2)} %`,
            seconds(result.cpuS),
            showLatency(result.latency),
          ],
    );
    say(`  ${rows.at(-1)?.join("  ") ?? ""}`);
    return result;
  };

  const targets: string[] = [];
  for (const { macs, top1 } of LEVELS)
    for (const criterion of CRITERIA) {
      const result = await row(`lathe, ${criterion} and repair, to ${macs} of the MACs`, (file) =>
        lathe(
          ...["apply", MODEL, "-t", "prune.channels"],
          ...["-p", "target=macs", "-p", `amount=${(1 - macs).toFixed(2)}`],
          ...["-p", `criterion=${criterion}`, "--data", DATA, "-o", file],
        ),
      );
      if (criterion === CRITERIA[0])
        targets.push(
          ...targetList(
            `${criterion}, to ${macs} of the MACs`,
            typeof result === "string"
              ? result
              : [atLeast("top-1 in %", result.top1, top1), atMost("MACs", result.macs, macs)],
          ),
        );
    }
  // The runtime computes convolutions in blocks of channels: odd counts can take longer than all of them.
  for (const { macs } of LEVELS)
    await row(`lathe, obs and repair, to ${macs}, any number of channels`, (file) =>
      lathe(
        ...["apply", MODEL, "-t", "prune.channels", "-p", "roundTo=1"],
        ...["-p", "target=macs", "-p", `amount=${(1 - macs).toFixed(2)}`],
        ...["--data", DATA, "-o", file],
      ),
    );
  await row("lathe, l1, no data and so no repair, to 0.53 of the MACs", (file) =>
    lathe(
      ...["apply", MODEL, "-t", "prune.channels"],
      ...["-p", "target=macs", "-p", "amount=0.47", "-o", file],
    ),
  );
  const python = findPython(["torch", "torch_pruning", "onnx"]);
  if (python !== null) {
    const calibration = path.join(folder, "calibration");
    await writeCalibration(MODEL, DATA, calibration);
    for (const options of PEERS)
      await row(`Torch-Pruning, ${options.join(" ")}, batch normalization measured anew`, (file) =>
        measure({
          program: python.program,
          args: [
            "bench/peers/torchPrune.py",
            ...[MODEL, WEIGHTS, path.join(calibration, "input.npy"), file],
            ...options,
          ],
        }),
      );
  }
  const stored =
    python === null
      ? `Torch-Pruning cannot be installed here, so not rerun. Its figures of BASELINES.md (Torch-Pruning 1.6, torch 2.13, 2,048 images): L1 uniform 0.25 gives 63.05 % at 0.569 of the MACs,
L2 global 55.45 % at 0.514, random 52.85 % at 0.569; one epoch of fine-tuning on 10,000 labels after L2 uniform 71.85 %.`
      : `Peer: ${python.versions}. Not rerun, from BASELINES.md: one epoch of fine-tuning on 10,000 labels after L2 uniform 0.25 gives 71.85 % at 0.569 of the MACs.`;
  record(
    "prune",
    "Channel pruning without labels and training",
    `resnet8, 2,000 test images. \`prune.channels\` with what it does by default where there is calibration data (256 images without labels, of which 192 are used): the channels whose removal
costs least after repair (\`obs\`), least squares on the weights that read them, batch normalization measured anew. CPU seconds are the whole process tree's. MACs are counted by our \`cost.model\` on every file.
CPU time is that of one thread on 16 images, over the original's: the median of 100 runs in turn with its 95 % interval. Load of the machine ${load()}. ${stored}

${table(["", "MACs", "bytes", "top-1", "CPU to prune", LATENCY_HEAD], rows)}

${targets.join("\n")}`,
  );
});

async function macsOf(file: string): Promise<number> {
  const { reports } = lastJson(await lathe("analyze", file, "--with", "cost.model", "--json")) as {
    readonly reports: readonly {
      readonly metrics: readonly { readonly id: string }[];
      readonly rows: readonly { readonly values: readonly (number | null)[] }[];
    }[];
  };
  const [report] = reports;
  const column = report?.metrics.findIndex(({ id }) => id === "macs") ?? -1;
  return report?.rows.reduce((sum, { values }) => sum + (values[column] ?? 0), 0) ?? NaN;
}
