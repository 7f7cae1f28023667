/**
 * The extension-host suite in desktop VS Code, which @vscode/test-electron downloads. For machines
 * with a network; `npm test` uses a VS Code from the package registry instead.
 */
import { runTests } from "@vscode/test-electron";
import * as esbuild from "esbuild";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { makeWorkspace, root } from "../workbench/fixtures.mjs";

const base = mkdtempSync(path.join(tmpdir(), "lathe-desktop-"));
const suite = path.join(root, "out/desktop/index.js");
await esbuild.build({
  entryPoints: [path.join(root, "test/workbench/suite/index.ts")],
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  external: ["vscode", "mocha"],
  outfile: suite,
  logLevel: "warning",
});
const workspace = path.join(base, "models");
makeWorkspace(workspace);
const results = path.join(base, "results.json");
try {
  await runTests({
    extensionDevelopmentPath: root,
    extensionTestsPath: suite,
    launchArgs: [workspace, "--disable-workspace-trust", "--disable-extensions"],
    extensionTestsEnv: { LATHE_TEST_RESULTS: results },
  });
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  const { tests, stats } = JSON.parse(readFileSync(results, "utf8"));
  for (const { fullTitle, err } of tests)
    console.log(`${err.message === undefined ? "ok  " : "FAIL"} ${fullTitle} ${err.message ?? ""}`);
  console.log(`${stats.passes} passed, ${stats.failures} failed`);
  rmSync(base, { recursive: true, force: true });
}
