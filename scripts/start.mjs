/**
 * `npm start`: builds, lets Lathe optimize the example image classifier from the command line within
 * one point of its accuracy, measures what that did, and leaves the model, its recipe and a report in
 * out/start.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
process.chdir(root);
const MODEL = "examples/images/shapes.onnx";
const DATA = "examples/images/dataset.json";
const OUT = "out/start";
const RESULT = `${OUT}/shapes.small.onnx`;
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

say(`\n${bold("1  As small as can be within one point of accuracy")}`);
const optimized = JSON.parse(
  lathe(
    [
      "optimize",
      MODEL,
      "-o",
      RESULT,
      "--data",
      DATA,
      "--max-drop",
      "1%",
      "--html",
      REPORT,
      "--json",
    ],
    "pipe",
  ),
);
printConsidered(optimized.considered);
for (const reason of optimized.reasons) say(reason);

say(`\n${bold("2  What that did, measured")}`);
const { comparison } = optimized;
const timed = JSON.parse(lathe(["bench", MODEL, RESULT, "--runs", "400", "--json"], "pipe"));
printMeasures({ ...comparison, latency: timed });

say(`\n${bold("3  What there is now")}`);
say(`model     ${RESULT}`);
say(`recipe    ${RESULT}.lathe.json`);
say(`report    ${REPORT}   (open it in a browser)`);
say(`\n${bold("Next")}`);
say(`npm run workbench          opens VS Code in your browser with Lathe and the examples`);
say(`node dist/cli.js --help   what the command line can do`);
say(dim(`\nfinished in ${Math.round((Date.now() - start) / 1000)} s`));

function printConsidered(considered) {
  const rows = [["considered", "bytes", "KL", "drop", ""]];
  for (const { label, sizeBytes, kl, drop, state } of considered)
    rows.push([
      label,
      String(sizeBytes),
      kl === null ? "" : kl.toPrecision(2),
      drop === null ? "" : `${(100 * drop).toFixed(2)} points`,
      state,
    ]);
  printRows(rows);
}

function printRows(rows) {
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  for (const row of rows)
    say(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("   ")
        .trimEnd(),
    );
}

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
  printRows(rows);
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
