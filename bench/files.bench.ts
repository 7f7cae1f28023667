/** Opening and saving models of 1.5, 6 and 10 GB: against Python onnx, and against copying the files. */
import path from "node:path";
import { mkdirSync } from "node:fs";
import { copyFile } from "./lib/copyFile.ts";
import { INT4, lathe } from "./lib/lathe.ts";
import { measure } from "./lib/process.ts";
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
  type Contender,
  type Results,
} from "./lib/summary.ts";
import {
  GIGABYTE_AND_A_HALF,
  SIX_GIGABYTES,
  nodeName,
  weightName,
  writeExternalModel,
  writeSyntheticModel,
} from "./lib/syntheticModel.ts";
import { writeSyntheticShards } from "./lib/syntheticShards.ts";
import { refilling, withWorkFolder } from "./lib/workFolder.ts";

const ROUNDS = 5;
/** A peer takes ten times as long, and its time decides no bar. */
const PEER_ROUNDS = 1;
/** Opening writes nothing, so there is no memory to settle. */
const OPEN_SETTLE_MS = 500;
const REPLACED = 77;
const OURS = "lathe";
const COPY = "copy the files";

const python = findPython(["onnx", "numpy"]);
const peer = (name: string, script: string, ...args: readonly string[]): Contender[] =>
  python === null
    ? []
    : [
        {
          name,
          rounds: PEER_ROUNDS,
          run: () =>
            measure({ program: python.program, args: [`bench/peers/${script}.py`, ...args] }),
        },
      ];

interface Section {
  readonly title: string;
  readonly open: Results;
  readonly save: Results | null;
}
const sections: Section[] = [];

await withWorkFolder(17e9, async (folder) => {
  const out = path.join(folder, "out");
  const model = path.join(folder, "model.onnx");
  const target = path.join(out, "out.onnx");

  const opening = (file: string): Promise<Results> =>
    interleave(
      ROUNDS,
      [
        { name: OURS, run: () => lathe("inspect", file, "--json") },
        ...(file.endsWith(".onnx") ? peer("onnx.load", "load", file) : []),
      ],
      OPEN_SETTLE_MS,
    );
  const saving = (copy: Contender["run"], ...data: readonly string[]): Promise<Results> =>
    interleave(
      ROUNDS,
      [
        { name: COPY, run: copy },
        {
          name: OURS,
          run: () =>
            lathe(
              ...["apply", model, ...INT4, "--scope", nodeName(REPLACED)],
              ...["-o", target, "--no-verify"],
            ),
        },
        ...peer("onnx.load, onnx.save", "replaceOne", model, weightName(REPLACED), target, ...data),
      ].map((contender) => ({ ...contender, run: refilling(out, contender.run) })),
    );

  const single = writeSyntheticModel(model, GIGABYTE_AND_A_HALF);
  say(`one ONNX file of ${megabytes(single)}`);
  sections.push({
    title: `One ONNX file of ${megabytes(single)}`,
    open: await opening(model),
    save: await saving(() => copyFile(model, target)),
  });

  const external = writeExternalModel(model, SIX_GIGABYTES);
  say(`ONNX with external data, ${megabytes(external)}`);
  const data = "model.data";
  sections.push({
    title: `ONNX with external data, ${megabytes(external)}`,
    open: await opening(model),
    save: await saving(
      () => copyFile(model, target, [path.join(folder, data), path.join(out, data)]),
      data,
    ),
  });

  const shards = path.join(folder, "shards");
  mkdirSync(shards);
  const { index, sizeBytes } = writeSyntheticShards(shards, 10, 120);
  say(`safetensors in 10 shards, ${megabytes(sizeBytes)}`);
  sections.push({
    title: `safetensors in 10 shards, ${megabytes(sizeBytes)}`,
    open: await opening(index),
    save: null,
  });
});

const barsOf = ({ open, save }: Section): string[] => {
  const inspect = resultOf(open, OURS);
  const apply = save && resultOf(save, OURS);
  const ratio = save && apply ? apply.wallS / resultOf(save, COPY).wallS : 0;
  return [
    bar("open in ≤ 0.5 s", inspect.wallS <= 0.5),
    bar("open in ≤ 200 MB", inspect.peakBytes <= 200e6),
    ...(apply
      ? [
          bar(`save in ≤ 1.5× copying (${times(ratio)})`, ratio <= 1.5),
          bar("save in ≤ 250 MB", apply.peakBytes <= 250e6),
        ]
      : []),
  ];
};
const named = (kind: string, results: Results | null): string[][] =>
  results === null
    ? []
    : resultRows(results, OURS).map(([name = "", ...cells]) => [`${kind}: ${name}`, ...cells]);

record(
  "files",
  "Opening and saving models of 1.5, 6 and 10 GB",
  `Weights of 8.4 MB, in the page cache; the shards are sparse files, as only their headers are read. *Open* lists the parts; *save* writes
the model anew with one weight replaced, flushed to disk. Medians of ${ROUNDS} rounds in turn, the peer's of ${PEER_ROUNDS}. Peer: ${python?.versions ?? "not installable here"}.

${sections
  .map(
    (section) => `### ${section.title}

${table(RESULT_HEAD, [...named("open", section.open), ...named("save", section.save)])}

${barsOf(section)
  .map((text) => `- ${text}`)
  .join("\n")}`,
  )
  .join("\n\n")}`,
);
