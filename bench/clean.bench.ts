/** Cleaning up graphs: nodes, exactness, time and memory against the usual simplifiers. */
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { attempt } from "./lib/compared.ts";
import { lathe } from "./lib/lathe.ts";
import { lastJson, measure } from "./lib/process.ts";
import type { Measured } from "./lib/process.ts";
import { findPython } from "./lib/python.ts";
import { load, median, megabytes, record, say, seconds, table } from "./lib/summary.ts";
import { atLeast, atMost, targetList } from "./lib/targets.ts";
import { withWorkFolder } from "./lib/workFolder.ts";

const MODELS = path.resolve("../shared/models");
const CASES = [
  "trained/chargpt_s_op17",
  "trained/resnet8",
  "trained/mobilenet_s",
  "third_party/silero_vad",
  "third_party/light_resnet50",
];
const TOOLS = ["onnxslim", "onnxsim", "onnxruntime"] as const;
const LABELS = { onnxslim: "onnxslim", onnxsim: "onnxsim", onnxruntime: "onnxruntime, extended" };
const ROUNDS = 3;
const NOTHING = ["–", "–", "–", "–", "–"] as const;
/** The case that BASELINES.md row 14 sets targets for. */
const TARGETED = "chargpt_s_op17";

interface Figures {
  readonly nodes: number;
  readonly bytes: number;
  /** Of the outputs against the original's on random inputs; Infinity: the same to the bit. */
  readonly exactDb: number;
  readonly wallS: number;
  readonly cpuS: number;
  readonly peakBytes: number;
}

if (!existsSync(MODELS)) throw new Error(`this bench needs the models of ${MODELS}`);
await withWorkFolder(5e8, async (folder) => {
  const rows: string[][] = [];
  const targets: string[] = [];
  for (const one of CASES) {
    const model = path.join(MODELS, `${one}.onnx`);
    const name = path.basename(one);
    rows.push([name, "as found", String(await nodesOf(model)), String(statSync(model).size)]);
    rows.at(-1)?.push(...NOTHING.slice(1));
    const row = async (label: string, make: (file: string) => Promise<Measured>) => {
      const file = path.join(folder, `${name}.${rows.length}.onnx`);
      const result = await attempt(() => figuresOf(model, file, make));
      rows.push(
        typeof result === "string"
          ? [name, label, `**fails**: ${result}`, ...NOTHING]
          : [name, label, ...cells(result)],
      );
      say(`  ${rows.at(-1)?.join("  ") ?? ""}`);
      return result;
    };
    const clean = ["-t", "graph.clean", "-t", "graph.foldBatchNorm", "--no-verify"];
    const ours = await row("lathe", (file) =>
      lathe("apply", model, ...clean, "-o", file, "--force"),
    );
    if (name === TARGETED)
      targets.push(
        ...targetList(
          name,
          typeof ours === "string"
            ? ours
            : [
                atMost("nodes", ours.nodes, 300),
                atLeast("exactness in dB", ours.exactDb, 120),
                atMost("wall seconds", ours.wallS, 0.5),
                atMost("peak memory in MB", ours.peakBytes / 1e6, 150),
              ],
        ),
      );
    for (const tool of TOOLS) {
      const python = findPython(tool === "onnxruntime" ? [tool] : [tool, "onnx"]);
      if (python !== null)
        await row(`${LABELS[tool]} (${python.versions})`, (file) =>
          measure({
            program: python.program,
            args: ["bench/peers/simplify.py", tool, model, file],
          }),
        );
    }
  }
  record(
    "clean",
    "Cleaning up graphs",
    `\`graph.clean\` and \`graph.foldBatchNorm\`, from opening the file to the written result, against the defaults of the usual tools (each in a process of its own, imports
included). Nodes count those of the graph and its subgraphs. Exactness: outputs against the original's on seeded random inputs. Medians of ${ROUNDS} runs; load of the machine ${load()}.

${table(["model", "tool", "nodes", "bytes", "exactness", "wall", "CPU", "peak memory"], rows)}

${targets.join("\n")}`,
  );
});

async function figuresOf(
  model: string,
  file: string,
  make: (file: string) => Promise<Measured>,
): Promise<Figures> {
  const runs: Measured[] = [];
  for (let round = 0; round < ROUNDS; round++) runs.push(await make(file));
  const of = (pick: (run: Measured) => number): number => median(runs.map(pick));
  const diff = lastJson(await lathe("diff", model, file, "--json")) as {
    readonly outputs: readonly { readonly sqnrDb: number | null; readonly maxAbs: number }[];
  };
  const exact = diff.outputs.map(({ sqnrDb, maxAbs }) =>
    maxAbs === 0 ? Infinity : (sqnrDb ?? NaN),
  );
  return {
    nodes: await nodesOf(file),
    bytes: statSync(file).size,
    exactDb: Math.min(...exact),
    wallS: of((run) => run.wallS),
    cpuS: of((run) => run.cpuS),
    peakBytes: of((run) => run.peakBytes),
  };
}

function cells(one: Figures): string[] {
  return [
    String(one.nodes),
    String(one.bytes),
    one.exactDb === Infinity ? "to the bit" : `${one.exactDb.toFixed(0)} dB`,
    seconds(one.wallS),
    seconds(one.cpuS),
    megabytes(one.peakBytes),
  ];
}

async function nodesOf(file: string): Promise<number> {
  const { nodes, nodesInSubgraphs } = lastJson(await lathe("inspect", file, "--json")) as {
    readonly nodes: number;
    readonly nodesInSubgraphs: number;
  };
  return nodes + nodesInSubgraphs;
}
