/** The static invariants of ARCHITECTURE.md, read from the source and from the bundles. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";

const walk = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const file = `${folder}/${entry.name}`;
    if (entry.name === "node_modules") return [];
    return entry.isDirectory() ? walk(file) : [file];
  });
const sources = [...walk("src"), ...walk("webview")].filter(
  (file) => file.endsWith(".ts") && !file.startsWith("src/kernels/assembly/"),
);
const read = (file: string): string => readFileSync(file, "utf8");

const withoutComments = (text: string): string => text.replace(/\/\*\*[\s\S]*?\*\//g, "");

/** Module specifiers of a file: static, type-only and dynamic imports, re-exports and inline import types. */
const importsOf = (file: string): string[] => [
  ...[
    ...read(file).matchAll(
      /^\s*(?:import|export)\s+(?:type\s+)?(?:(?:\*(?:\s+as\s+\w+)?|\w+|\{[^}]*\})(?:\s*,\s*\{[^}]*\})?\s+from\s+)?["']([^"'\n]+)["']/gm,
    ),
  ].map((m) => m[1]!),
  ...[...read(file).matchAll(/\b(?:import|require)\(\s*["']([^"'\n]+)["']\s*\)/g)].map(
    (m) => m[1]!,
  ),
];

interface Rule {
  readonly folders: readonly string[];
  readonly node: boolean;
  readonly packages: readonly RegExp[];
}
const rule = (folders: string[], node = false, ...packages: RegExp[]): Rule => ({
  folders,
  node,
  packages,
});
/** DESIGN's table of who may import whom; "catalogue" is the generated JSON in src/shared. */
const RULES: Readonly<Record<string, Rule>> = {
  "src/shared": rule([]),
  "src/kernels": rule(["src/shared"]),
  "src/core": rule(["src/shared"]),
  "src/formats": rule(["src/shared", "src/core"], false, /^@bufbuild\/protobuf/),
  "src/layout": rule(["src/shared", "src/core"]),
  "src/analyzers": rule(["src/shared", "src/core", "src/kernels"]),
  "src/transforms": rule(["src/shared", "src/core", "src/kernels"]),
  "src/data": rule(
    ["src/shared", "src/core", "src/kernels"],
    true,
    /^@jsquash\/jpeg/,
    /^fast-png$/,
    /^fflate$/,
    /^papaparse$/,
    // esbuild leaves packages outside test bundles, and Node cannot import a package's .wasm.
    /^\.\.\/\.\.\/node_modules\/@jsquash\/jpeg\/codec\/dec\/mozjpeg_dec\.wasm$/,
  ),
  "src/engine": rule(
    [
      "src/shared",
      "src/core",
      "src/kernels",
      "src/formats",
      "src/layout",
      "src/data",
      "src/analyzers",
      "src/transforms",
    ],
    true,
    /^@bufbuild\/protobuf/,
    /^onnxruntime-node$/,
    /^\.\.\/\.\.\/out\/kernels\.wasm$/,
  ),
  "src/client": rule(["src/shared"], true),
  "src/cli": rule(["src/shared", "src/client"], true),
  "src/providers": rule(["src/shared", "src/client"], true, /^vscode$/),
  webview: rule(["src/shared"], false, /^lit/, /^@vscode-elements\/elements/, /^@vscode\/codicons/),
};
const roomOf = (file: string): string =>
  file === "src/cli.ts"
    ? "src/cli"
    : file === "src/extension.ts"
      ? "src/providers"
      : file.startsWith("webview/")
        ? "webview"
        : file.split("/").slice(0, 2).join("/");

describe("imports", () => {
  it("every file belongs to a room of the plan", () => {
    assert.deepEqual(
      sources.filter((file) => !RULES[roomOf(file)]),
      [],
    );
  });
  it("go only where the table allows (type-only imports included)", () => {
    const wrong: string[] = [];
    for (const file of sources) {
      const room = roomOf(file);
      const allowed = RULES[room];
      if (!allowed) continue;
      for (const specifier of importsOf(file)) {
        if (allowed.packages.some((p) => p.test(specifier))) continue;
        if (specifier.startsWith(".")) {
          const target = path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier));
          const to = roomOf(target);
          const ownLib = room !== "src/transforms" || sameFamilyOrIndex(file, target);
          const engineIndexOnly =
            room !== "src/engine" ||
            !/^src\/(transforms|analyzers)\//.test(target) ||
            target.endsWith("/index.ts");
          if ((to === room && ownLib) || (allowed.folders.includes(to) && engineIndexOnly))
            continue;
        } else if (specifier.startsWith("node:") && allowed.node) continue;
        wrong.push(`${file} imports ${specifier}`);
      }
    }
    assert.deepEqual(wrong, []);
  });
  it("I1: only the extension and its providers import vscode", () => {
    const users = sources.filter((file) => importsOf(file).includes("vscode"));
    assert.deepEqual(
      users.filter((file) => file !== "src/extension.ts" && !file.startsWith("src/providers/")),
      [],
    );
  });
  it("I2: only engine/ort.ts names onnxruntime-node", () => {
    assert.deepEqual(
      sources.filter((file) => importsOf(file).includes("onnxruntime-node")),
      ["src/engine/ort.ts"],
    );
  });
});

/** A technique may use its own family's lib/ only; the generated index lists all of them. */
function sameFamilyOrIndex(file: string, target: string): boolean {
  if (file === "src/transforms/index.ts") return true;
  const family = file.split("/")[2] ?? "";
  return target.startsWith(`src/transforms/${family}/lib/`);
}

describe("I3: pure code", () => {
  const PURE = /^src\/(shared|core|formats|kernels|layout|analyzers|transforms)\//;
  const IMPURE =
    /\b(process\.|console\.|document\.|window\.|Math\.random|Date\.now|new Date\(|performance\.|setTimeout|setInterval|globalThis\.|Buffer\b|require\()/;
  it("has no file system, console, DOM, clock or unseeded random number", () => {
    const found: string[] = [];
    for (const file of sources.filter((f) => PURE.test(f) && !f.endsWith("onnx_pb.ts")))
      read(file)
        .split("\n")
        .forEach((line, i) => {
          const code = line.replace(/^\s*(\*|\/\/|\/\*).*/, "").replace(/"[^"]*"|`[^`]*`/g, '""');
          if (IMPURE.test(code)) found.push(`${file}:${i + 1} ${line.trim()}`);
        });
    assert.deepEqual(found, []);
  });
});

describe("bundles", () => {
  const bundles = JSON.parse(read("out/bundles.json")) as Record<string, string[]>;
  const inputs = (name: string): string[] => {
    const key = Object.keys(bundles).find((k) => k.startsWith(`dist/${name}`));
    assert.ok(key, `dist/${name} is built`);
    return bundles[key] ?? [];
  };
  it("the extension host's has no engine, core or numerics", () => {
    assert.deepEqual(
      inputs("extension").filter((f) =>
        /^src\/(core|engine|kernels|formats|transforms|data)\//.test(f),
      ),
      [],
    );
  });
  it("the command line's has none either", () => {
    assert.deepEqual(
      inputs("cli").filter((f) => /^src\/(core|engine|kernels|formats|transforms|data)\//.test(f)),
      [],
    );
  });
  it("the webview's has no node: module", () => {
    assert.doesNotMatch(read("dist/webview.js"), /["']node:/);
  });
});

describe("techniques", () => {
  const files = walk("src/transforms").filter((f) =>
    /^src\/transforms\/[a-z]+\/[A-Za-z0-9]+\.ts$/.test(f),
  );
  const catalog = JSON.parse(read("src/shared/catalog.json")) as { id: string; suffix: string }[];
  it("each is one file with one test, and its id is family.file", () => {
    for (const file of files) {
      const [, , family, name] = file.replace(/\.ts$/, "").split("/");
      assert.ok(
        catalog.some((entry) => entry.id === `${family}.${name}`),
        `${file}: meta.id is ${family}.${name}`,
      );
      assert.ok(existsSync(`test/transforms/${family}/${name}.test.ts`), `${file} has a test`);
    }
    assert.equal(files.length, catalog.length);
  });
  it("each has a recipe in examples/ and a section in the documentation", () => {
    const docs = read("docs/techniques.md");
    for (const { id } of catalog) {
      assert.ok(
        existsSync(`examples/recipes/${id}.lathe.json`),
        `examples/recipes/${id}.lathe.json`,
      );
      assert.ok(docs.includes(id), `docs/techniques.md mentions ${id}`);
    }
  });
});

describe("house rules", () => {
  const all = [...sources, ...walk("test").filter((f) => f.endsWith(".ts"))];
  it("no file is over 500 lines", () => {
    const long = all
      .filter((file) => !file.endsWith("onnx_pb.ts"))
      .map((file) => [file, read(file).split("\n").length] as const)
      .filter(([, lines]) => lines > 500);
    assert.deepEqual(long, []);
  });
  it("no loose types or silenced checks", () => {
    const found = sources
      .filter((file) => !file.endsWith("onnx_pb.ts"))
      .filter((file) =>
        /\bas any\b|: any\b|<any>|@ts-ignore|@ts-nocheck|@ts-expect-error|eslint-disable/.test(
          withoutComments(read(file)),
        ),
      );
    assert.deepEqual(found, []);
  });
  it("the lock files name no registry", () => {
    for (const file of ["package-lock.json", "test/workbench/package-lock.json"])
      assert.doesNotMatch(read(file), /"resolved"/, file);
  });
  it("the manifest asks for no scripts at install time", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    for (const name of Object.keys(scripts))
      assert.doesNotMatch(name, /^(pre|post|install|prepare)/);
  });
});
