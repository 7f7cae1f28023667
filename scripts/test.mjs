/**
 * The one command behind `npm test`: generated files, types, lint, format, build, unit tests, and
 * the real workbench. Ends with `N passed, N failed`. `--only a,b` runs some of the tiers.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { run } from "node:test";

const root = path.resolve(import.meta.dirname, "..");
process.chdir(root);
const onlyAt = process.argv.indexOf("--only");
const only = onlyAt < 0 ? null : new Set((process.argv[onlyAt + 1] ?? "").split(","));
let passed = 0;
let failed = 0;
const failures = [];

function record(name, ok, output = "") {
  if (ok) passed++;
  else {
    failed++;
    failures.push(name);
  }
  console.log(`${ok ? "ok  " : "FAIL"} ${name}`);
  if (!ok && output !== "") console.log(output.replace(/^/gm, "     "));
}
const bin = (name) => path.join("node_modules", name);
function check(name, args) {
  const started = Date.now();
  const result = spawnSync(process.execPath, args, { encoding: "utf8", maxBuffer: 64 << 20 });
  record(
    `${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`,
    result.status === 0,
    `${result.stdout}${result.stderr}`.trim().slice(-6000),
  );
  return result.status === 0;
}
const wants = (tier) => only === null || only.has(tier);

if (wants("static")) {
  check("generated files are fresh", ["scripts/gen.mjs", "--check"]);
  for (const part of ["pure", "node", "web"])
    check(`types: ${part}`, [
      bin("typescript/bin/tsc"),
      "-p",
      part === "node" ? "tsconfig.json" : `tsconfig.${part}.json`,
    ]);
  check("lint", [
    bin("eslint/bin/eslint.js"),
    "--max-warnings",
    "0",
    "src",
    "webview",
    "test",
    "bench",
    "examples",
  ]);
  check("format", [bin("prettier/bin/prettier.cjs"), "--check", "--log-level", "warn", "."]);
}
const built = check("build", ["scripts/build.mjs", "--tests"]);

if (built && wants("unit")) await unitTests();
if (built && wants("workbench")) await workbenchTests();

for (const name of failures) console.log(`failed: ${name}`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

/** node:test over the bundled tests, two files at a time. */
async function unitTests() {
  const files = readdirSync("out/test", { recursive: true })
    .map((file) => path.resolve("out/test", String(file)))
    .filter((file) => file.endsWith(".test.mjs"))
    .sort();
  const label = ({ name, file }) =>
    `${path.relative(path.join(root, "out/test"), file ?? "")}: ${name}`;
  for await (const event of run({ files, concurrency: 2, timeout: 300_000 })) {
    if (event.type === "test:pass" || event.type === "test:fail") {
      const { data } = event;
      if (data.details.type === "suite" || files.includes(data.name)) {
        // A file that could not even start has no test of its own to fail.
        if (event.type === "test:fail" && files.includes(data.name)) failFile(data);
        continue;
      }
      if (data.skip !== undefined && data.skip !== false)
        console.log(`skip ${label(data)}: ${data.skip}`);
      else if (event.type === "test:pass") passed++;
      else record(label(data), false, describeError(data.details.error));
    }
    if (event.type === "test:stderr" && process.env.VERBOSE)
      process.stderr.write(event.data.message);
  }
}
function failFile(data) {
  if (data.details.error?.failureType === "subtestsFailed") return;
  record(
    `${path.relative(root, data.name)} did not finish`,
    false,
    describeError(data.details.error),
  );
}
function describeError(error) {
  const cause = error?.cause ?? error;
  return String(cause?.stack ?? cause?.message ?? cause).slice(0, 3000);
}

/** A real VS Code in a real browser; its runner prints `N passed, N failed` of its own. */
async function workbenchTests() {
  if (!existsSync("test/workbench/run.mjs")) {
    record("workbench: test/workbench/run.mjs is missing", false);
    return;
  }
  const output = await new Promise((resolve) => {
    let text = "";
    const child = spawn(process.execPath, ["test/workbench/run.mjs"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    child.stdout.on("data", (chunk) => {
      text += chunk;
      process.stdout.write(chunk);
    });
    child.on("exit", (code) => resolve({ text, code }));
  });
  const counts = [...output.text.matchAll(/^(\d+) passed, (\d+) failed$/gm)].at(-1);
  if (!counts) {
    record(`workbench (exit ${output.code}, no result line)`, false);
    return;
  }
  passed += Number(counts[1]);
  failed += Number(counts[2]);
  if (Number(counts[2]) > 0) failures.push("workbench (see above)");
  else if (output.code !== 0) record(`workbench exited with ${output.code}`, false);
}
