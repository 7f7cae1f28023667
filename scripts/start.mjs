/**
 * `npm start`: builds, makes the example character model smaller from the command line, measures what
 * that did, and leaves the model, its recipe and a report in out/start.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
process.chdir(root);
const MODEL = "examples/text/chars.onnx";
const DATA = "examples/text/dataset.json";
const OUT = "out/start";
const RESULT = `${OUT}/chars.int4.onnx`;
const REPORT = `${OUT}/report.html`;

const colours = process.stdout.isTTY === true && !process.env.NO_COLOR;
const bold = (text) => (colours ? `\u001b[1m${text}\u001b[22m` : text);
const dim = (text) => (colours ? `\u001b[2m${text}\u001b[22m` : text);
const say = (text = "") => process.stdout.write(text + "\n");

/** Runs the command line of this checkout as a user would, and ends when it fails. */
function lathe(args, stdout) {
  say(dim(`$ node dist/cli.js ${args.join(" ")}`));
  const run = spawnSync(process.execPath, ["dist/cli.js", ...args], {
    stdio: ["inherit", stdout, "inherit"],
    // Nothing is left in the user's own cache, and every start computes anew.
    env: { ...process.env, LATHE_SCRATCH: path.resolve(OUT, "scratch") },
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  if (run.status === 0) return run.stdout;
  if (run.stdout) say(run.stdout);
  process.exit(run.status ?? 1);
}

const start = Date.now();
say(bold("Building Lathe"));
execFileSync(process.execPath, ["scripts/build.mjs"], { stdio: "inherit" });
rmSync(OUT, { recursive: true, force: true });
mkdirSync(OUT, { recursive: true });

say(`\n${bold("1  4-bit weights for a small character model")}`);
lathe(["apply", MODEL, "-t", "quantize.weightOnly", "-p", "bits=4", "-o", RESULT], "inherit");

say(`\n${bold("2  What that did, measured")}`);
const compared = JSON.parse(
  lathe(["diff", MODEL, RESULT, "--data", DATA, "--html", REPORT, "--json"], "pipe"),
);
const timed = JSON.parse(lathe(["bench", MODEL, RESULT, "--runs", "400", "--json"], "pipe"));
printMeasures({ ...compared, latency: timed });

say(`\n${bold("3  What there is now")}`);
say(`model     ${RESULT}`);
say(`recipe    ${RESULT}.lathe.json`);
say(`report    ${REPORT}   (open it in a browser)`);
say(`\n${bold("Next")}`);
say(`npm run workbench          opens VS Code in your browser with Lathe and the examples`);
say(`node dist/cli.js --help   what the command line can do`);
say(dim(`\nfinished in ${Math.round((Date.now() - start) / 1000)} s`));

function printMeasures({ size, accuracy, latency, tensors, outputs, notes }) {
  const rows = [["", "before", "after", ""]];
  rows.push([
    "file",
    `${size.before} bytes`,
    `${size.after} bytes`,
    `${((100 * size.after) / size.before).toFixed(1)} %`,
  ]);
  if (accuracy) {
    const { before, after } = accuracy;
    rows.push([before.metric, interval(before), interval(after), `95 % intervals, n = ${after.n}`]);
  }
  if (latency) {
    const [before, after] = latency.models;
    rows.push([
      "latency",
      `${before.p50Ms.toFixed(3)} ms`,
      `${after.p50Ms.toFixed(3)} ms`,
      `ratio ${latency.ratio.toFixed(3)} [${latency.ratioLow.toFixed(3)}, ${latency.ratioHigh.toFixed(3)}]`,
    ]);
  }
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows)
    say(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("   ")
        .trimEnd(),
    );
  const ratios = tensors.map((tensor) => tensor.sqnrDb).filter((db) => typeof db === "number");
  if (ratios.length > 0)
    say(
      `${ratios.length} weights changed; signal to quantization noise ${Math.min(...ratios).toFixed(1)} to ${Math.max(...ratios).toFixed(1)} dB`,
    );
  for (const { name, agreement } of outputs ?? [])
    if (agreement !== null)
      say(
        `output "${name}" has the same most likely value in ${(100 * agreement).toFixed(1)} % of cases`,
      );
  for (const note of notes) say(dim(`note: ${note}`));
}

function interval({ value, low, high }) {
  return `${value.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}]`;
}
