/** `npm run test:models`: every technique on every shared model. Ends with `N passed, N failed`. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { run } from "node:test";

process.chdir(path.resolve(import.meta.dirname, ".."));
if (!existsSync("../shared/models")) {
  console.log("The shared models are not beside this checkout: nothing to try.");
  process.exit(1);
}
execFileSync(process.execPath, ["scripts/build.mjs", "--tests"], { stdio: "inherit" });
let passed = 0;
let failed = 0;
process.env.LATHE_MODELS = "all";
for await (const { type, data } of run({
  files: [path.resolve("out/test/test/transforms/realModels.test.mjs")],
  timeout: 3_600_000,
})) {
  if (type === "test:stdout") process.stdout.write(data.message);
  if ((type !== "test:pass" && type !== "test:fail") || data.name.endsWith(".mjs")) continue;
  const ok = type === "test:pass";
  if (ok) passed++;
  else failed++;
  console.log(
    `${ok ? "ok  " : "FAIL"} ${data.name} (${(data.details.duration_ms / 1000).toFixed(1)} s)`,
  );
  if (!ok)
    console.log(String(data.details.error?.cause?.stack ?? data.details.error).slice(0, 1500));
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
