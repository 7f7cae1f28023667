/** Low-rank factors of the token model: plain and whitened SVD, layer by layer and all at once, against numpy. */
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { writeCalibration } from "./lib/calibrationArrays.ts";
import { attempt } from "./lib/compared.ts";
import { lathe } from "./lib/lathe.ts";
import { lastJson, measure } from "./lib/process.ts";
import type { Measured } from "./lib/process.ts";
import { findPython } from "./lib/python.ts";
import { load, record, say, seconds, table } from "./lib/summary.ts";
import { atMost, targetList } from "./lib/targets.ts";
import { withWorkFolder } from "./lib/workFolder.ts";

const SHARED = path.resolve("../shared");
const MODEL = path.join(SHARED, "models/trained/chargpt_s_op17.onnx");
const DATA = path.join(SHARED, "data/tinyshakespeare/dataset.json");
/** Share of the linear layers' parameters, and the perplexity to reach (BASELINES.md row 10, torch 2.13). */
const LEVELS = [
  { keep: 0.8, whitened: 5.62, plain: 5.679 },
  { keep: 0.6, whitened: 5.657, plain: 5.895 },
  { keep: 0.4, whitened: 6.379, plain: 7.006 },
] as const;

interface Factored {
  readonly bytes: number;
  readonly perplexity: number;
  readonly kl: number | null;
  readonly cpuS: number;
}

if (!existsSync(SHARED)) throw new Error(`this bench needs the models and data of ${SHARED}`);
await withWorkFolder(1e8, async (folder) => {
  const python = findPython(["onnx", "onnxruntime", "numpy"]);
  const calibration = path.join(folder, "calibration");
  if (python !== null) await writeCalibration(MODEL, DATA, calibration);
  const rows: string[][] = [];
  const targets: string[] = [];
  for (const { keep, whitened, plain } of LEVELS) {
    const row = async (label: string, make: (file: string) => Promise<Measured>) => {
      const file = path.join(folder, `${rows.length}.onnx`);
      const result = await attempt(() => factored(file, make));
      rows.push(
        typeof result === "string"
          ? [String(keep), label, `**fails**: ${result}`, "–", "–", "–"]
          : [
              String(keep),
              label,
              String(result.bytes),
              result.perplexity.toFixed(4),
              result.kl?.toFixed(4) ?? "–",
              seconds(result.cpuS),
            ],
      );
      say(`  ${rows.at(-1)?.join("  ") ?? ""}`);
      return result;
    };
    const ours = (...params: readonly string[]) => {
      const given = params.flatMap((param) => ["-p", param]);
      return (file: string): Promise<Measured> =>
        lathe(
          ...["apply", MODEL, "-t", "lowrank.svd", "-p", `ratio=${keep}`, ...given],
          ...["--data", DATA, "-o", file],
        );
    };
    const standard = await row("lathe, whitened", ours("mode=whitened"));
    await row("lathe, whitened, weighting 1", ours("mode=whitened", "weighting=1"));
    await row(
      "lathe, whitened, weighting 1, all layers at once",
      ours("mode=whitened", "weighting=1", "order=parallel"),
    );
    await row("lathe, plain", ours());
    targets.push(
      ...targetList(
        `${keep} kept, whitened`,
        typeof standard === "string"
          ? standard
          : [atMost("perplexity", standard.perplexity, whitened)],
      ),
    );
    if (python === null)
      rows.push(
        [String(keep), "whitened SVD, torch (not rerun)", "–", String(whitened), "–", "–"],
        [String(keep), "plain SVD, torch (not rerun)", "–", String(plain), "–", "–"],
      );
    else
      for (const mode of ["whitened", "plain"])
        await row(`numpy, ${mode}`, (file) =>
          measure({
            program: python.program,
            args: ["bench/peers/svd.py", MODEL, calibration, file, mode, String(keep)],
          }),
        );
  }
  record(
    "lowrank",
    "Low-rank factors of a token model",
    `The 28 block linears of chargpt_s (perplexity 5.5985), factored by \`lowrank.svd\`; the head stays whole. The share is of each layer's parameters. Whitened uses
48 windows of 128 characters, numpy's 64. numpy stores the product of its factors, so its bytes are the original's; all files are evaluated by our engine on the test split.
CPU seconds are the whole process tree's. The targets are the whitened figures of BASELINES.md row 10 (torch 2.13, layer by layer, on 64 other windows: numpy's rows
show what its own plain order gives on these). Load of the machine ${load()}. Peer: ${python?.versions ?? "not installable here"}.

${table(["kept", "", "bytes", "perplexity", "KL", "CPU"], rows)}

${targets.join("\n")}`,
  );
});

async function factored(
  file: string,
  make: (file: string) => Promise<Measured>,
): Promise<Factored> {
  const { cpuS } = await make(file);
  const diff = lastJson(await lathe("diff", MODEL, file, "--data", DATA, "--json")) as {
    readonly accuracy: { readonly after: { readonly value: number }; readonly kl: number | null };
  };
  return {
    bytes: statSync(file).size,
    perplexity: diff.accuracy.after.value,
    kl: diff.accuracy.kl,
    cpuS,
  };
}
