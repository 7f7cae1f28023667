/**
 * Writes `lathe-<platform>.vsix`: the extension with the native runtime of one platform. `--to FILE`
 * names the output. Run `npm run build` first.
 *
 * The runtime's package has binaries of all platforms (288 MB); one of them is 44 MB. The list of what
 * is shipped is `.vscodeignore`, an allow-list, completed here with the platform's folder.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
process.chdir(root);
const option = (name) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? null : process.argv[at + 1];
};
const target = option("--target") ?? `${process.platform}-${process.arch}`;
const output = path.resolve(option("--to") ?? `lathe-${target}.vsix`);
for (const file of ["dist/extension.cjs", "dist/engine.cjs", "dist/webview.js"])
  if (!existsSync(file)) {
    console.error(`${file} is missing: run \`npm run build\` first.`);
    process.exit(2);
  }

const [platform, arch] = target.split("-");
const native = `node_modules/onnxruntime-node/bin/napi-v6/${platform}/${arch}`;
const runtime = existsSync(native)
  ? [
      "!node_modules/onnxruntime-node/package.json",
      "!node_modules/onnxruntime-node/dist/**/*.js",
      `!${native}/**`,
      "!node_modules/onnxruntime-common/package.json",
      // Without it Node takes the CommonJS files for ES modules and the runtime cannot be loaded.
      "!node_modules/onnxruntime-common/dist/cjs/package.json",
      "!node_modules/onnxruntime-common/dist/cjs/**/*.js",
    ]
  : [];
if (runtime.length === 0)
  console.warn(`onnxruntime has no binary for ${target}: this package views and plans only.`);

const temp = mkdtempSync(path.join(tmpdir(), "lathe-package-"));
try {
  const ignore = path.join(temp, "ignore");
  writeFileSync(ignore, `${readFileSync(".vscodeignore", "utf8")}\n${runtime.join("\n")}\n`);
  execFileSync(
    process.execPath,
    [
      "node_modules/@vscode/vsce/vsce",
      "package",
      "--target",
      target,
      "--ignoreFile",
      ignore,
      "--allow-missing-repository",
      // There is no public repository that the README's relative links could point into.
      "--no-rewrite-relative-links",
      "--out",
      output,
    ],
    { stdio: ["ignore", "inherit", "inherit"] },
  );
} finally {
  rmSync(temp, { recursive: true, force: true });
}
