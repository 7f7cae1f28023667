/**
 * sensitivity.layerwise against brute force: every layer changed alone, written to a file of its own
 * and compared with the original on all evaluation data. Rank correlation (Spearman) of the two.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import { lathe } from "./lib/lathe.ts";
import { lastJson } from "./lib/process.ts";
import { bar, record, table } from "./lib/summary.ts";
import { withWorkFolder } from "./lib/workFolder.ts";

interface Case {
  readonly model: string;
  readonly data: string;
  readonly technique: string;
  readonly params: readonly string[];
}

const SHARED = "../shared";
const CASES: readonly Case[] = [
  ...(existsSync(SHARED)
    ? [
        {
          model: `${SHARED}/models/trained/resnet8.onnx`,
          data: `${SHARED}/data/cifar10/dataset.json`,
          technique: "quantize.static",
          params: ["bits=4"],
        },
        {
          model: `${SHARED}/models/trained/chargpt_s_op17.onnx`,
          data: `${SHARED}/data/tinyshakespeare/dataset.json`,
          technique: "quantize.weightOnly",
          params: ["bits=2"],
        },
      ]
    : []),
  {
    model: "examples/text/chars.onnx",
    data: "examples/text/dataset.json",
    technique: "quantize.weightOnly",
    params: ["bits=2"],
  },
];
/** Wanted rank correlation. */
const LEAST = 0.9;

interface Layerwise {
  readonly reports: readonly {
    readonly metrics: readonly { readonly id: string }[];
    readonly rows: readonly { readonly target: string; readonly values: readonly number[] }[];
  }[];
}

await withWorkFolder(1e8, async (folder) => {
  const rows: string[][] = [];
  const bars: string[] = [];
  for (const { model, data, technique, params } of CASES) {
    const candidate = [technique, ...params].join(" ");
    const start = performance.now();
    const answer = lastJson(
      await lathe(
        ...["analyze", model, "--with", "sensitivity.layerwise", "-p", `candidate=${candidate}`],
        ...["--data", data, "--json"],
      ),
    ) as Layerwise;
    const seconds = (performance.now() - start) / 1000;
    const [report] = answer.reports;
    if (!report) throw new Error("no report");
    const kl = report.metrics.findIndex(({ id }) => id === "kl");
    const predicted: number[] = [];
    const measured: number[] = [];
    const began = performance.now();
    for (const { target, values } of report.rows) {
      const file = path.join(folder, "one.onnx");
      await lathe(
        ...[
          "apply",
          model,
          "-t",
          technique,
          ...params.flatMap((p) => ["-p", p]),
          "--scope",
          target,
        ],
        ...["--data", data, "-o", file, "--force"],
      );
      const diff = lastJson(await lathe("diff", model, file, "--data", data, "--json")) as {
        readonly accuracy: { readonly kl: number };
      };
      predicted.push(values[kl] ?? NaN);
      measured.push(diff.accuracy.kl);
    }
    const brute = (performance.now() - began) / 1000;
    const rho = spearman(predicted, measured);
    rows.push([
      path.basename(model),
      candidate,
      String(predicted.length),
      rho.toFixed(3),
      seconds.toFixed(1),
      brute.toFixed(1),
    ]);
    bars.push(
      bar(
        `${path.basename(model)}, ${candidate}: layers ranked as brute force does, Spearman ≥ ${LEAST}`,
        rho >= LEAST,
      ),
    );
  }
  record(
    "sensitivity",
    "Sensitivity of layers against brute force",
    `Ours compares outputs on the samples kept for searching (a quarter of the calibration samples); brute force writes a file for each layer and
compares it with the original on all evaluation data, KL by KL.

${table(["model", "candidate", "layers", "Spearman", "seconds", "brute force, seconds"], rows)}

${bars.map((text) => `- ${text}`).join("\n")}`,
  );
});

/** Pearson correlation of the ranks; ties get their mean rank. */
function spearman(a: readonly number[], b: readonly number[]): number {
  const [x, y] = [ranks(a), ranks(b)];
  const mean = (a.length - 1) / 2;
  const sum = (of: (i: number) => number): number => a.reduce((all, _, i) => all + of(i), 0);
  const dx = (i: number): number => (x[i] ?? 0) - mean;
  const dy = (i: number): number => (y[i] ?? 0) - mean;
  return sum((i) => dx(i) * dy(i)) / Math.sqrt(sum((i) => dx(i) ** 2) * sum((i) => dy(i) ** 2));
}
function ranks(values: readonly number[]): readonly number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length;
    const equal = values.filter((other) => other === value).length;
    return below + (equal - 1) / 2;
  });
}
