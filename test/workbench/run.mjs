/**
 * All tests in a real VS Code: in the extension host (`suite/`), and by mouse and keyboard with the
 * packaged extension (`ui.mjs`). Needs `npm run build` before. Ends with "N passed, N failed".
 *
 * `--only PATTERN` runs the flows whose names match (`host` is the first tier); `--vsix FILE` takes a package that is there.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { makeWorkspace, root } from "./fixtures.mjs";
import { findChromium, installPackages } from "./install.mjs";

const option = (name) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? null : process.argv[at + 1];
};
const only = option("--only") === null ? null : new RegExp(option("--only"));
const screenshots = path.join(root, "out/screenshots");
const results = [];
const report = (name, error, ms) => {
  results.push({ name, passed: error === null });
  console.log(`${error === null ? "ok    " : "FAILED"} ${name} (${(ms / 1000).toFixed(1)} s)`);
  if (error !== null)
    console.log(`       ${String(error.stack ?? error).replaceAll("\n", "\n       ")}`);
};

const temp = mkdtempSync(path.join(tmpdir(), "lathe-workbench-"));
const closing = [() => rmSync(temp, { recursive: true, force: true, maxRetries: 5 })];
const closeAll = async () => {
  for (const close of closing.splice(0).reverse()) await close();
};
process.on("SIGINT", () => void closeAll().then(() => process.exit(130)));

try {
  installPackages();
  const chromium = findChromium();
  // What these import is installed only now.
  const { launchBrowser } = await import("./driver.mjs");
  const { runExtensionHost } = await import("./extensionHost.mjs");
  const { runSessions } = await import("./sessions.mjs");
  const vsix = path.resolve(option("--vsix") ?? path.join(temp, "lathe.vsix"));
  if (option("--vsix") === null)
    execFileSync(process.execPath, [path.join(root, "scripts/package.mjs"), "--to", vsix], {
      stdio: ["ignore", "ignore", "inherit"],
    });
  const browser = await launchBrowser(chromium);
  closing.push(() => browser.close());
  mkdirSync(screenshots, { recursive: true });
  const options = { browser, temp, vsix, screenshots, only, makeWorkspace, report, closing };
  if (only === null || only.test("host")) await runExtensionHost(options);
  await runSessions(options);
} catch (error) {
  report("the workbench starts", error, 0);
} finally {
  await closeAll();
}
const failed = results.filter(({ passed }) => !passed).length;
console.log(`${results.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
