/** Size and quality of 4-bit weight-only files on the shared trained models: ours against onnxruntime's, both measured by our engine. */
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { BLOCK, INT4, lathe, latheNumber } from "./lib/lathe.ts";
import { measure } from "./lib/process.ts";
import { findPython } from "./lib/python.ts";
import { bar, record, say, table } from "./lib/summary.ts";
import { withWorkFolder } from "./lib/workFolder.ts";

interface Case {
  readonly model: string;
  readonly data: string;
  readonly metric: string;
  readonly better: "lower" | "higher";
}

const SHARED = "../shared";
const CASES: readonly Case[] = [
  ...(existsSync(SHARED)
    ? ([
        {
          model: `${SHARED}/models/trained/chargpt_s_op17.onnx`,
          data: `${SHARED}/data/tinyshakespeare/dataset.json`,
          metric: "perplexity",
          better: "lower",
        },
        {
          model: `${SHARED}/models/trained/textenc_bank.onnx`,
          data: `${SHARED}/data/banking77/dataset.json`,
          metric: "top-1",
          better: "higher",
        },
      ] as const)
    : []),
  {
    model: "examples/text/chars.onnx",
    data: "examples/text/dataset.json",
    metric: "perplexity",
    better: "lower",
  },
];

await withWorkFolder(1e8, async (folder) => {
  const python = findPython(["onnx", "onnxruntime", "onnx_ir"]);
  const rows: string[][] = [];
  const bars: string[] = [];
  for (const { model, data, metric, better } of CASES) {
    const name = path.basename(model, ".onnx");
    const ours = path.join(folder, `${name}.ours.onnx`);
    const theirs = path.join(folder, `${name}.theirs.onnx`);
    await lathe("apply", model, ...INT4, "-o", ours);
    if (python !== null)
      await measure({
        program: python.program,
        args: ["bench/peers/nbits.py", model, String(BLOCK), theirs],
      });
    const before = statSync(model).size;
    const valueOf = (file: string): Promise<number> =>
      latheNumber("value", "eval", file, "--data", data);
    const row = async (label: string, file: string): Promise<number> => {
      const value = await valueOf(file);
      const size = statSync(file).size;
      rows.push([name, label, String(size), (size / before).toFixed(3), metric, value.toFixed(4)]);
      say(`  ${rows.at(-1)?.join("  ") ?? ""}`);
      return value;
    };
    await row("float32", model);
    const our = await row("lathe", ours);
    if (python === null) continue;
    const their = await row("onnxruntime RTN", theirs);
    bars.push(
      bar(
        `${name}: ${metric} not worse than onnxruntime's`,
        better === "lower" ? our <= their : our >= their,
      ),
      bar(
        `${name}: bytes not more than onnxruntime's`,
        statSync(ours).size <= statSync(theirs).size,
      ),
    );
  }
  record(
    "quality",
    "4-bit weight-only: size and quality",
    `4 bit, asymmetric, blocks of ${BLOCK}, all products with constant weights, no data: ours with its defaults (scales fitted to the codes),
onnxruntime's by rounding to nearest. Both files are evaluated by our engine.
Peer: ${python?.versions ?? "not installable here"}.

${table(["model", "file", "bytes", "ratio", "metric", "value"], rows)}

${bars.map((text) => `- ${text}`).join("\n")}`,
  );
});
