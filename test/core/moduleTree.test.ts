import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { treeLines } from "../../src/core/moduleLines.ts";
import { moduleTree, outline, treeOf, type Module } from "../../src/core/moduleTree.ts";
import type { TensorEntry } from "../../src/core/tensorTable.ts";
import { dtype } from "../../src/shared/dtype.ts";
import { modelFromText } from "./modelText.ts";

const entry = (name: string, size = 4): TensorEntry => ({
  id: name,
  graph: { path: [] } as unknown as TensorEntry["graph"],
  name,
  tensor: {
    name,
    dtype: dtype("uint8"),
    shape: [size],
    at: { file: "", offset: 0, length: size },
    sizeBytes: size,
  },
  node: null,
});
const tree = (...names: string[]): Module => treeOf(names.map((name) => entry(name)));
const show = (root: Module): string[] =>
  treeLines(root, () => true, "order", false).map(
    (line) =>
      "  ".repeat(line.depth) +
      ("module" in line
        ? `${line.module.label} (${line.module.count}, ${line.module.sizeBytes})`
        : line.tensor.label),
  );

describe("modules of names", () => {
  it("are cut at points and slashes; chains are one module; own tensors come after", () => {
    assert.deepEqual(
      show(
        tree(
          "model.layers.0.attn.q.weight",
          "model.layers.0.attn.k.weight",
          "model.layers.0.norm",
          "/head/fc/w",
          "/head/fc/b",
          "plain",
          "onnx::MatMul_12",
        ),
      ),
      [
        "model.layers.0 (3, 12)",
        "  attn (2, 8)",
        "    q (1, 4)",
        "      weight",
        "    k (1, 4)",
        "      weight",
        "  norm",
        "head/fc (2, 8)",
        "  w",
        "  b",
        "plain",
        "onnx::MatMul_12",
      ],
    );
  });

  it("take any name: empty, only separators, a module's own, very deep", () => {
    const deep = Array.from({ length: 200 }, (_, i) => `m${i}`).join(".");
    const root = tree("", "...", "a", "a.b", "a..b", deep);
    assert.equal(root.count, 6);
    const ids = treeLines(root, () => true, "order", false).flatMap((line) =>
      "module" in line ? [line.module.id] : [],
    );
    assert.equal(new Set(ids).size, ids.length);
  });

  it("are sorted within each module, and shown as far as they are opened", () => {
    const root = treeOf([
      entry("b.10.w", 1),
      entry("b.2.w", 9),
      entry("a.w", 5),
      entry("b.2.v", 2),
    ]);
    const labels = (sort: "name" | "size", descending: boolean, open: string[]): string[] =>
      treeLines(root, ({ id }) => open.includes(id), sort, descending).map((line) =>
        "module" in line ? line.module.label : line.tensor.label,
      );
    assert.deepEqual(labels("name", false, []), ["a", "b"]);
    assert.deepEqual(labels("name", false, ["b"]), ["a", "b", "2", "10"]);
    assert.deepEqual(labels("size", true, ["b", "b.2"]), ["b", "2", "w", "v", "10", "a"]);
  });

  it("of bodies are below the way into them", () => {
    const model = modelFromText(`input k bool [] input x float32 [2]
      y = If(k) { then_branch: graph { s.w = float32 [2] normal p = Mul(x, s.w) output p float32 [2] }, else_branch: graph { q = Neg(x) output q float32 [2] } }
      output y float32 [2]`);
    assert.deepEqual(show(moduleTree(model)), ["y/then_branch/s (1, 8)", "  w"]);
  });

  it("have an outline: numbered ones of one build are one line, the largest is opened first", () => {
    const names: [string, number][] = [["embed.weight", 50]];
    for (let i = 0; i < 12; i++)
      names.push([`layers.${i}.attn.w`, 10], [`layers.${i}.mlp.w`, i === 11 ? 31 : 30]);
    names.push(["head.w", 5], ["head.b", 1]);
    const root = treeOf(names.map(([name, size]) => entry(name, size)));
    const lines = outline(root, 8).map(
      ({ depth, label, repeat, tensors, sizeBytes }) =>
        `${"  ".repeat(depth)}${label} ×${repeat}: ${tensors}, ${sizeBytes}`,
    );
    assert.deepEqual(lines, [
      "embed ×1: 1, 50",
      "layers ×1: 24, 481",
      "  0–10 ×11: 22, 440",
      "    attn ×11: 11, 110",
      "    mlp ×11: 11, 330",
      "  11 ×1: 2, 41",
      "head ×1: 2, 6",
    ]);
    assert.deepEqual(outline(tree("a", "b"), 8), []);
  });

  it("of 100,000 tensors are found in a moment", () => {
    const names = Array.from(
      { length: 100_000 },
      (_, i) => `model.layers.${Math.floor(i / 400)}.experts.${i % 400}.w.weight`,
    );
    const start = performance.now();
    const root = tree(...names);
    outline(root, 14);
    const ms = performance.now() - start;
    assert.equal(root.count, 100_000);
    // Less than half a second on a quiet machine; the bound leaves room for a busy one.
    assert.ok(ms < 20_000, `${ms} ms`);
  });
});
