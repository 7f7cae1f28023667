/** Runs `suite/index.ts` inside the extension host of a real VS Code, on the extension as built. */
import * as esbuild from "esbuild";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { root } from "./fixtures.mjs";
import { startServer } from "./server.mjs";

const DEADLINE_MS = 180_000;

export async function runExtensionHost({ browser, temp, makeWorkspace, report, closing }) {
  const suite = path.join(root, "out/workbench/index.js");
  await esbuild.build({
    entryPoints: [path.join(import.meta.dirname, "suite/index.ts")],
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node20",
    external: ["vscode", "mocha"],
    outfile: suite,
    logLevel: "warning",
  });
  const base = path.join(temp, "host");
  const folder = path.join(base, "models");
  makeWorkspace(folder);
  const results = path.join(base, "results.json");
  const server = await startServer({ base, driver: true, env: { LATHE_TEST_RESULTS: results } });
  closing.push(server.stop);
  const context = await browser.newContext();
  const page = await context.newPage();
  const authority = `127.0.0.1:${server.port}`;
  const address = new URL(server.url);
  address.searchParams.set("folder", folder);
  const remote = (file) => `vscode-remote://${authority}${file}`;
  address.searchParams.set(
    "payload",
    JSON.stringify([
      ["extensionDevelopmentPath", remote(root)],
      ["extensionTestsPath", remote(suite)],
    ]),
  );
  const started = Date.now();
  const ended = new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error("the suite did not end in time")), DEADLINE_MS).unref();
    void page.exposeFunction("codeAutomationLog", () => {});
    void page.exposeFunction("codeAutomationExit", resolve);
  });
  try {
    await page.goto(address.href);
    await ended;
    if (!existsSync(results)) throw new Error("the suite left no results");
    const { tests } = JSON.parse(readFileSync(results, "utf8"));
    for (const { fullTitle, err, duration } of tests)
      report(`host: ${fullTitle}`, err.message === undefined ? null : err, duration ?? 0);
    if (tests.length === 0) throw new Error("the suite has no tests");
  } catch (error) {
    console.log(server.tail());
    report("host: the suite runs", error, Date.now() - started);
  } finally {
    await context.close();
    server.stop();
  }
}
