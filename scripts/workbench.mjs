/**
 * `npm run workbench [FOLDER]`: a real VS Code in your browser with Lathe installed and the examples
 * (or FOLDER) open. Ends with Ctrl-C; everything it wrote but the models you saved is removed then.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { installPackages } from "../test/workbench/install.mjs";

const root = path.resolve(import.meta.dirname, "..");
process.chdir(root);
const given = process.argv[2];
if (given !== undefined && !existsSync(given)) {
  console.error(`${given} does not exist. Give a folder with models, or none for the examples.`);
  process.exit(2);
}
const temp = mkdtempSync(path.join(tmpdir(), "lathe-workbench-"));
let server = null;
const stop = () => {
  server?.stop();
  rmSync(temp, { recursive: true, force: true, maxRetries: 5 });
};
process.on("SIGINT", () => process.exit(0));
process.on("SIGTERM", () => process.exit(0));
process.on("exit", stop);

console.log("Preparing VS Code (the first time about 800 MB are installed)…");
installPackages();
// What it imports is installed only now.
const { installVsix, startServer } = await import("../test/workbench/server.mjs");
console.log("Building and packaging Lathe…");
const node = (...args) =>
  execFileSync(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
node("scripts/build.mjs");
const vsix = path.join(temp, "lathe.vsix");
node("scripts/package.mjs", "--to", vsix);
installVsix(temp, vsix);
server = await startServer({ base: temp, trust: true, settings: { "files.autoSave": "off" } });

// A copy, so that trying things out leaves the checkout as it is.
const folder = given === undefined ? path.join(temp, "examples") : path.resolve(given);
if (given === undefined) cpSync(path.join(root, "examples"), folder, { recursive: true });
const address = new URL(server.url);
address.searchParams.set("folder", folder);
console.log(`
Open this in a browser on this machine:

  ${address.href}

Trust the folder when VS Code asks, then right-click text/chars.onnx and choose "Quantize Model…".
${given === undefined ? "The examples are a copy, which is removed at the end. " : ""}Ctrl-C ends it.`);
