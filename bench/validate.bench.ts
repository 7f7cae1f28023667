/**
 * `lathe validate` against the ONNX checker, plain and with full_check: the corpus, the shared models
 * and deliberately broken ones, one of each kind. Writes the checker's verdicts on the broken ones as a test fixture.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { brokenModels, DEFECTS, SIDE_FILE } from "../test/helpers/brokenModels.ts";
import { explanationOf } from "../test/helpers/explained.ts";
import { verdictOf } from "../test/helpers/verdict.ts";
import { findPython } from "./lib/python.ts";
import { bar, record, say, table } from "./lib/summary.ts";
import { withWorkFolder } from "./lib/workFolder.ts";

const SHARED = "../shared";
const CORPUS = `${SHARED}/corpus/onnx-backend.tar.gz`;
const COUNT = Object.keys(DEFECTS).length;
const SEED = 1;
const FIXTURE = "test/fixtures/checkerVerdicts.json";

type Checked = readonly [plain: string | null, full: string | null];
interface Sample {
  readonly kind: string;
  readonly name: string;
  readonly file: string;
}

await withWorkFolder(1e8, async (folder) => {
  const python = findPython(["onnx"]);
  if (python === null) return;
  const samples = [...broken(folder), ...corpus(folder), ...shared()];
  const list = path.join(folder, "list.txt");
  writeFileSync(list, samples.map(({ file }) => file).join("\n"));
  say(`the checker looks at ${samples.length} models, twice`);
  const theirs = JSON.parse(
    execFileSync(python.program, ["bench/peers/check.py", list], {
      stdio: ["ignore", "pipe", "ignore"],
      maxBuffer: 1 << 26,
    })
      .toString()
      // The checker's own warnings come before it.
      .split("\n")
      .find((line) => line.startsWith("{")) ?? "{}",
  ) as { readonly onnx: string; readonly verdicts: Readonly<Record<string, Checked>> };

  const counts = new Map<string, { models: number; plain: number; full: number }>();
  const differing: string[][] = [];
  let unexplained = 0;
  for (const { kind, name, file } of samples) {
    const [plain = null, full = null] = theirs.verdicts[file] ?? [];
    const ours = verdictOf(file);
    const count = counts.get(kind) ?? { models: 0, plain: 0, full: 0 };
    const samePlain = ours.plain === (plain === null);
    const sameFull = ours.full === (full === null);
    counts.set(kind, {
      models: count.models + 1,
      plain: count.plain + Number(samePlain),
      full: count.full + Number(sameFull),
    });
    if (samePlain && sameFull) continue;
    const why = explanationOf(name);
    if (why === null) unexplained++;
    differing.push([
      name,
      short(plain ?? full ?? "accepted"),
      short(
        ours.unreadable ??
          ours.findings.find((f) => f.severity !== "warning")?.message ??
          "accepted",
        folder,
      ),
      why ?? "**not explained**",
    ]);
  }
  writeFixture(theirs.onnx, samples, theirs.verdicts);
  record(
    "validate",
    "Validation beside the ONNX checker",
    `Verdicts (accepted or not) of \`lathe validate\` and of \`onnx.checker.check_model\` (onnx ${theirs.onnx}), plain and with \`full_check\`, which adds shape inference. Broken
models have one named defect each, put into small correct models by a seeded choice of place (test/helpers/broken).

${table(
  ["models", "count", "same verdict, plain", "same verdict, full check"],
  [...counts].map(([kind, count]) => [
    kind,
    ...[count.models, count.plain, count.full].map(String),
  ]),
)}

Every difference:

${table(["model", "ONNX checker", "lathe validate", "why"], differing)}

- ${bar("every difference is explained", unexplained === 0)}`,
  );
});

function broken(folder: string): Sample[] {
  const place = path.join(folder, "broken");
  mkdirSync(place);
  writeFileSync(path.join(place, SIDE_FILE), new Uint8Array(8));
  return brokenModels(COUNT, SEED).map(({ name, bytes }, i) => {
    const file = path.join(place, `${i}.onnx`);
    writeFileSync(file, bytes);
    return { kind: "broken", name, file };
  });
}
function corpus(folder: string): Sample[] {
  if (!existsSync(CORPUS)) return [];
  execFileSync("tar", ["xzf", CORPUS, "-C", folder]);
  return modelsIn(path.join(folder, "onnx-backend"), "corpus");
}
function shared(): Sample[] {
  const folder = path.resolve(SHARED, "models");
  return existsSync(folder) ? modelsIn(folder, "shared models") : [];
}
function modelsIn(folder: string, kind: string): Sample[] {
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".onnx"))
    .sort()
    .map((name) => ({ kind, name, file: path.join(folder, name) }));
}

/** One cell of a table; the work folder is another at every run. */
function short(text: string, folder = "\0"): string {
  const line = text.replaceAll(folder, "…").replaceAll("|", "/").replace(/\s+/g, " ").trim();
  return line.length <= 140 ? line : `${line.slice(0, 140)}…`;
}

function writeFixture(
  version: string,
  samples: readonly Sample[],
  verdicts: Readonly<Record<string, Checked>>,
): void {
  const lines = samples
    .filter(({ kind }) => kind === "broken")
    .map(({ name, file }) => {
      const [plain = null, full = null] = verdicts[file] ?? [];
      return `    ${JSON.stringify(name)}: ${JSON.stringify([plain === null, full === null])}`;
    });
  writeFileSync(
    FIXTURE,
    `{\n  "onnx": ${JSON.stringify(version)},\n  "count": ${COUNT},\n  "seed": ${SEED},\n  "accepted": {\n${lines.join(",\n")}\n  }\n}\n`,
  );
}
