import assert from "node:assert/strict";
import { test } from "node:test";
import { beforeAndAfter, kinship } from "../../src/providers/compare.ts";
import { contributes } from "../../src/providers/contributions.ts";
import { dataMemory } from "../../src/providers/dataMemory.ts";
import { relativeDataset } from "../../src/providers/datasetText.ts";
import { familiesOf } from "../../src/providers/families.ts";
import { convertedName, outputBeside } from "../../src/providers/outputName.ts";
import { checkedEntry } from "../../src/providers/recipe.ts";
import type { CatalogEntry } from "../../src/shared/protocol.ts";

test("outputs get a name of their own beside the input", () => {
  const there = new Set(["/m/a.w4.onnx", "/m/a.w4.2.onnx"]);
  const exists = (file: string): boolean => there.has(file);
  assert.equal(outputBeside("/m/a.onnx", "w8", exists), "/m/a.w8.onnx");
  assert.equal(outputBeside("/m/a.onnx", "w4", exists), "/m/a.w4.3.onnx");
  assert.equal(outputBeside("/m/b.SAFETENSORS", "w4", exists), "/m/b.w4.SAFETENSORS");
  assert.equal(
    outputBeside("/m/c.safetensors.index.json", "w4", exists),
    "/m/c.w4.safetensors.index.json",
  );
});

test("what is converted has the new extension, and the suffix only where it is needed", () => {
  const there = new Set(["/m/a.safetensors"]);
  const exists = (file: string): boolean => there.has(file);
  const index = "/m/b.safetensors.index.json";
  assert.equal(convertedName(index, "safetensors", "single", exists), "/m/b.safetensors");
  assert.equal(convertedName("/m/a.onnx", "safetensors", "w", exists), "/m/a.w.safetensors");
  assert.equal(convertedName("/m/a.onnx", "onnx", "single", exists), "/m/a.single.onnx");
  assert.equal(
    convertedName("/m/a.safetensors", "shards", "s", exists),
    "/m/a.safetensors.index.json",
  );
});

test("of two models the one that the other was made from is before", () => {
  assert.deepEqual(beforeAndAfter("/m/a.w4.onnx", "/m/a.onnx"), ["/m/a.onnx", "/m/a.w4.onnx"]);
  assert.deepEqual(beforeAndAfter("/m/a.onnx", "/m/a.w4.onnx"), ["/m/a.onnx", "/m/a.w4.onnx"]);
  assert.deepEqual(beforeAndAfter("/m/b.onnx", "/m/a.onnx"), ["/m/b.onnx", "/m/a.onnx"]);
});

test("commands exist for families with techniques only, and each menu item has its command", () => {
  assert.deepEqual(familiesOf([{ family: "graph" }, { family: "quantize" }]), [
    "quantize",
    "graph",
  ]);
  const manifest = contributes([
    { family: "quantize", formats: ["onnx", "safetensors"] },
    { family: "graph", formats: ["onnx"] },
  ]) as {
    commands: { command: string; title: string }[];
    menus: Record<string, { command: string; when: string }[]>;
  };
  const ids = manifest.commands.map(({ command }) => command);
  assert.ok(ids.includes("lathe.quantize") && ids.includes("lathe.quantizeFiles"));
  assert.ok(!ids.includes("lathe.prune"));
  for (const item of Object.values(manifest.menus).flat()) assert.ok(ids.includes(item.command));
  // What works on graphs only is not offered where there is none.
  const explorer = new Map(
    manifest.menus["explorer/context"]?.map(({ command, when }) => [command, when]),
  );
  assert.match(explorer.get("lathe.quantizeFiles") ?? "", /safetensors/);
  assert.doesNotMatch(explorer.get("lathe.graphFiles") ?? "safetensors", /safetensors/);
});

test("what a page asks to run is checked against the catalogue", () => {
  const catalog = [
    {
      id: "quantize.x",
      params: {
        bits: { type: "number", default: 4, min: 2, max: 8, of: [2, 4, 8], title: "", help: "" },
      },
    },
  ] as unknown as CatalogEntry[];
  assert.deepEqual(checkedEntry(catalog, { transform: "quantize.x", params: {} }).params, {
    bits: 4,
  });
  assert.throws(
    () => checkedEntry(catalog, { transform: "quantize.y", params: {} }),
    /no technique/,
  );
  assert.throws(
    () => checkedEntry(catalog, { transform: "quantize.x", params: { bits: 5 } }),
    /bits is 5/,
  );
});

test("a dataset.json names its files relative to itself", () => {
  const text = JSON.stringify({
    inputs: { x: { file: "/m/data/x.npy", mean: [1] } },
    labels: "/m/y.npy",
    task: "/m/not-a-path",
  });
  assert.deepEqual(JSON.parse(relativeDataset(text, "/m/data") ?? ""), {
    inputs: { x: { file: "x.npy", mean: [1] } },
    labels: "../y.npy",
    task: "/m/not-a-path",
  });
  for (const wrong of ["", "[]", "null", "{"]) assert.equal(relativeDataset(wrong, "/m"), null);
});

test("data is remembered for each model, as long as it is there", () => {
  const stored = new Map<string, unknown>();
  const memory = dataMemory({
    keys: () => [...stored.keys()],
    get: (key: string) => stored.get(key),
    update: (key: string, value: unknown) => Promise.resolve(void stored.set(key, value)),
  });
  memory.remember("/m/a.onnx", "examples/images/dataset.json");
  memory.remember("/m/b.onnx", "/nowhere/dataset.json");
  assert.equal(memory.recall("/m/a.onnx"), "examples/images/dataset.json");
  assert.equal(memory.recall("/m/b.onnx"), undefined);
  assert.equal(memory.recall("/m/c.onnx"), undefined);
  memory.remember("/m/a.onnx", undefined);
  assert.equal(memory.recall("/m/a.onnx"), undefined);
});

test("models of one name in one folder are kin, then neighbours", () => {
  const near = "/m/a.onnx";
  assert.equal(kinship("/m/a.int8.onnx", near), 2);
  assert.equal(kinship("/m/a.safetensors", near), 2);
  assert.equal(kinship("/m/ab.onnx", near), 1);
  assert.equal(kinship("/other/a.onnx", near), 0);
  assert.equal(kinship("/m/a.onnx", undefined), 0);
});
