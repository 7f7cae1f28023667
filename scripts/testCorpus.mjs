/**
 * `npm run test:corpus`: every check of test/corpus/ on all 1,182 models of the ONNX project's own
 * test collection. Ends with `N passed, N failed`.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { run } from "node:test";

process.chdir(path.resolve(import.meta.dirname, ".."));
if (!existsSync("../shared/corpus/onnx-backend.tar.gz")) {
  console.log("The test collection is not beside this checkout: nothing to try.");
  process.exit(1);
}
execFileSync(process.execPath, ["scripts/build.mjs", "--tests"], { stdio: "inherit" });
let passed = 0;
let failed = 0;
process.env.LATHE_CORPUS = "all";
const folder = path.resolve("out/test/test/corpus");
const files = readdirSync(folder).filter((file) => file.endsWith(".test.mjs"));
for (const file of files) {
  const started = Date.now();
  const before = { passed, failed };
  for await (const { type, data } of run({
    files: [path.join(folder, file)],
    timeout: 1_800_000,
  })) {
    if (type === "test:stdout") process.stdout.write(data.message);
    const isTest = type === "test:pass" || type === "test:fail";
    if (!isTest || data.details.type === "suite" || data.name.endsWith(".mjs")) continue;
    if (type === "test:pass") passed++;
    else {
      failed++;
      console.log(`FAIL ${file}: ${data.name}`);
      console.log(String(data.details.error?.cause?.stack ?? data.details.error).slice(0, 1500));
    }
  }
  console.log(
    `${file}: ${passed - before.passed} passed, ${failed - before.failed} failed (${((Date.now() - started) / 1000).toFixed(0)} s)`,
  );
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
