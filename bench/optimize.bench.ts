/** `lathe optimize --max-drop 1%` on the shared trained models: bytes, measured drop and speed of what it finds. */
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { COMPARED_HEAD, attempt, compareFiles, comparedRow } from "./lib/compared.ts";
import type { Compared } from "./lib/compared.ts";
import { lathe } from "./lib/lathe.ts";
import { load, record, say, seconds, table } from "./lib/summary.ts";
import { atMost, targetList } from "./lib/targets.ts";
import type { Target } from "./lib/targets.ts";
import { withWorkFolder } from "./lib/workFolder.ts";

const SHARED = path.resolve("../shared");
/** Model, data, and the share of the bytes that must not be exceeded. */
const CASES = [
  { model: "resnet8", data: "cifar10/dataset.json", ratio: 0.45 },
  { model: "mobilenet_s", data: "cifar10/dataset.json", ratio: 0.45 },
  { model: "lenet_bn", data: "mnist/lenet.dataset.json", ratio: 0.45 },
  { model: "textenc_bank", data: "banking77/dataset.json", ratio: 0.35 },
  { model: "chargpt_s_op17", data: "tinyshakespeare/dataset.json", ratio: 0.35 },
  { model: "chargpt_s_op21", data: "tinyshakespeare/dataset.json", ratio: 0.35 },
] as const;
const MAX_DROP = 0.01;
/** Slower than this share of the original's time counts as slower: the rest is noise. */
const NOT_SLOWER = 1.02;

if (!existsSync(SHARED)) throw new Error(`this bench needs the models and data of ${SHARED}`);
await withWorkFolder(1e8, async (folder) => {
  const rows: string[][] = [];
  const targets: string[] = [];
  for (const { model: name, data: dataset, ratio } of CASES) {
    const model = path.join(SHARED, "models/trained", `${name}.onnx`);
    const data = path.join(SHARED, "data", dataset);
    const file = path.join(folder, `${name}.onnx`);
    const start = performance.now();
    const found = await attempt(() =>
      lathe("optimize", model, "--max-drop", "1%", "--data", data, "-o", file),
    );
    const spent = `${seconds((performance.now() - start) / 1000)}, ${typeof found === "string" ? "–" : `${seconds(found.cpuS)} CPU`}`;
    const result =
      typeof found === "string" ? found : await attempt(() => compareFiles(model, file, data));
    rows.push([...comparedRow(name, `was ${statSync(model).size} bytes`, result), spent]);
    say(`  ${rows.at(-1)?.join("  ") ?? ""}`);
    targets.push(
      ...targetList(name, typeof result === "string" ? result : targetsOf(result, ratio)),
    );
  }
  record(
    "optimize",
    "lathe optimize --max-drop 1%",
    `What is found by itself, compared with the original by our engine on all evaluation data. The drop is in points for accuracies, relative for perplexity; its upper end is that of the 95 % interval.
CPU time per run is that of one thread on 16 samples, over the original's. Load of the machine ${load()}.

${table([...COMPARED_HEAD, "to find it"], rows)}

${targets.join("\n")}`,
  );
});

function targetsOf(found: Compared, ratio: number): Target[] {
  return [
    atMost("bytes ratio", found.ratio, ratio),
    atMost("upper end of the drop", found.dropHigh, MAX_DROP),
    atMost("lower end of the CPU time ratio", found.latency.low, NOT_SLOWER),
  ];
}
