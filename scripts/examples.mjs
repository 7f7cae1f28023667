/**
 * Regenerates the data files of examples/ (seeded: the bytes never change). With `--train FOLDER` it
 * also writes the training sets there; examples/README.md says how the models are trained from them.
 */
import * as esbuild from "esbuild";
import { execFileSync } from "node:child_process";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
process.chdir(root);
const outfile = "out/examples/write.mjs";
await esbuild.build({
  entryPoints: ["examples/write.ts"],
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  outfile,
  logLevel: "warning",
});
const at = process.argv.indexOf("--train");
const trainingFolder = at < 0 ? [] : [path.resolve(process.argv[at + 1] ?? "out/examples")];
execFileSync(process.execPath, [outfile, ...trainingFolder], { stdio: "inherit" });
