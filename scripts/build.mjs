/** Bundles host, engine, command line and webview into dist/, and the tests into out/. */
import * as esbuild from "esbuild";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
const watchOnly = process.argv.includes("--no-clean");
const withTests = process.argv.includes("--tests");
process.chdir(root);
if (!watchOnly)
  for (const folder of ["dist", "out/test", "out/bench"])
    rmSync(folder, { recursive: true, force: true });
mkdirSync("dist", { recursive: true });
mkdirSync("out", { recursive: true });

/** AssemblyScript kernels to dist/kernels.wasm, which the engine bundle embeds. */
const assembly = "src/kernels/assembly/index.ts";
if (existsSync(assembly))
  execFileSync(
    process.execPath,
    [
      "node_modules/assemblyscript/bin/asc.js",
      assembly,
      "-O3",
      "--runtime",
      "stub",
      "--noAssert",
      "--importMemory",
      "--enable",
      "simd",
      "-o",
      "out/kernels.wasm",
    ],
    { stdio: "inherit" },
  );

const node = {
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  outExtension: { ".js": ".cjs" },
  loader: { ".wasm": "binary" },
  external: ["vscode", "onnxruntime-node", "mocha"],
  logLevel: "warning",
  sourcemap: "linked",
  metafile: true,
};
const present = (entries) =>
  Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(file)));
const results = [
  await esbuild.build({
    ...node,
    entryPoints: present({
      extension: "src/extension.ts",
      engine: "src/engine/main.ts",
    }),
    outdir: "dist",
  }),
  // Named cli.js: `node dist/cli.js` is how the command line runs from a checkout.
  await esbuild.build({
    ...node,
    outExtension: {},
    entryPoints: { cli: "src/cli.ts" },
    outdir: "dist",
  }),
];
if (existsSync("webview/main.ts"))
  results.push(
    await esbuild.build({
      bundle: true,
      format: "esm",
      target: "es2022",
      minify: true,
      entryPoints: { webview: "webview/main.ts" },
      outdir: "dist",
      loader: { ".css": "text", ".ttf": "file" },
      tsconfig: "tsconfig.web.json",
      logLevel: "warning",
      sourcemap: "linked",
      metafile: true,
    }),
  );
const inputsByOutput = {};
for (const { metafile } of results)
  for (const [output, { inputs }] of Object.entries(metafile.outputs))
    if (!output.endsWith(".map")) inputsByOutput[output] = Object.keys(inputs);
writeFileSync("out/bundles.json", JSON.stringify(inputsByOutput, null, 1));

if (withTests) {
  const find = (folder, suffix) =>
    existsSync(folder)
      ? readdirSync(folder, { recursive: true })
          .map((file) => path.join(folder, String(file)))
          .filter((file) => file.endsWith(suffix) && !file.includes("node_modules"))
      : [];
  const tests = [
    ...find("test", ".test.ts"),
    ...find("test", ".child.ts"),
    ...find("examples", ".test.ts"),
  ];
  await esbuild.build({
    ...node,
    format: "esm",
    outExtension: { ".js": ".mjs" },
    packages: "external",
    entryPoints: tests,
    outdir: "out/test",
    outbase: ".",
    splitting: true,
  });
  const bench = find("bench", ".bench.ts");
  if (bench.length > 0)
    await esbuild.build({
      ...node,
      format: "esm",
      outExtension: { ".js": ".mjs" },
      packages: "external",
      entryPoints: bench,
      outdir: "out",
      outbase: ".",
      splitting: true,
    });
}
