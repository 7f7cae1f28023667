/** Builds, then runs the named benches (default: all) one after the other: `npm run bench [NAME…]`. */
import * as esbuild from "esbuild";
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
process.chdir(root);
const known = readdirSync("bench")
  .filter((file) => file.endsWith(".bench.ts"))
  .map((file) => file.slice(0, -".bench.ts".length));
const flags = process.argv.slice(2).filter((argument) => argument.startsWith("--"));
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const unknown = wanted.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`no bench is called ${unknown.join(", ")}; there are ${known.join(", ")}`);
  process.exit(2);
}
if (!flags.includes("--no-build"))
  execFileSync(process.execPath, ["scripts/build.mjs"], { stdio: "inherit" });
const names = wanted.length > 0 ? wanted : known;
await esbuild.build({
  entryPoints: names.map((name) => `bench/${name}.bench.ts`),
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  outExtension: { ".js": ".mjs" },
  outdir: "out/bench",
  external: ["onnxruntime-node"],
  loader: { ".wasm": "binary" },
  logLevel: "warning",
});
for (const name of names) {
  console.log(`\n=== ${name}`);
  execFileSync(process.execPath, [`out/bench/${name}.bench.mjs`], { stdio: "inherit" });
}
