/** The tree of modules, window by window, as it is opened. */
import assert from "node:assert/strict";
import path from "node:path";
import { describe, it, type TestContext } from "node:test";
import { summary } from "../../../src/engine/questions/summary.ts";
import { tensorTree } from "../../../src/engine/questions/tensorTree.ts";
import type { TensorSort } from "../../../src/shared/protocol.ts";
import { docOf, testEnvironment } from "../../helpers/environment.ts";
import { writeShards } from "../../helpers/shards.ts";
import { task, tempFolder } from "../../helpers/temp.ts";

const sizes = (layer: number): Record<string, number> => ({
  [`model.layers.${layer}.attn.weight`]: 64,
  [`model.layers.${layer}.norm`]: 8,
});

function ask(t: TestContext) {
  const folder = tempFolder(t);
  const env = testEnvironment(path.join(folder, "scratch"));
  const doc = docOf(
    writeShards(folder, {
      "1.safetensors": { "model.embed.weight": 400, ...sizes(0) },
      "2.safetensors": { ...sizes(1), "head.weight": 40 },
    }),
  );
  return {
    summary: () => summary({ doc }, env, task),
    tree: async (
      open: string[],
      given: { filter?: string; sort?: TensorSort; from?: number; to?: number } = {},
    ) => {
      const { filter = "", sort = "order", from = 0, to = 100 } = given;
      const call = { doc, open, from, to, sort, descending: sort === "size", filter };
      const answer = await tensorTree(call, env, task);
      const rows = answer.rows.map((row) =>
        row.kind === "module"
          ? `${" ".repeat(row.depth)}${row.open ? "-" : "+"}${row.label} ${row.count} ${row.sizeBytes}`
          : `${" ".repeat(row.depth)}${row.label} ${path.basename(row.tensor.file)}`,
      );
      return { ...answer, rows };
    },
  };
}

describe("the tree of modules", () => {
  it("of a sharded model spans its shards, and is windowed", async (t) => {
    const { tree } = ask(t);
    assert.deepEqual(await tree([]), {
      total: 2,
      tensors: 6,
      rows: ["+model 5 544", "+head 1 40"],
    });
    const opened = ["model", "model.layers", "model.layers.1", "no such module"];
    assert.deepEqual((await tree(opened)).rows, [
      "-model 5 544",
      " +embed 1 400",
      " -layers 4 144",
      "  +0 2 72",
      "  -1 2 72",
      "   +attn 1 64",
      "   norm 2.safetensors",
      "+head 1 40",
    ]);
    const window = await tree(opened, { from: 4, to: 6 });
    assert.deepEqual([window.total, window.rows], [8, ["  -1 2 72", "   +attn 1 64"]]);
  });

  it("is sorted, and open everywhere when it is filtered", async (t) => {
    const { tree } = ask(t);
    assert.deepEqual((await tree(["model"], { sort: "size" })).rows, [
      "-model 5 544",
      " +embed 1 400",
      " +layers 4 144",
      "+head 1 40",
    ]);
    assert.deepEqual(await tree([], { filter: "norm" }), {
      total: 5,
      tensors: 2,
      rows: [
        "-model.layers 2 16",
        " -0 1 8",
        "  norm 1.safetensors",
        " -1 1 8",
        "  norm 2.safetensors",
      ],
    });
  });

  it("is told in a few lines by the summary", async (t) => {
    const { modules } = await ask(t).summary();
    assert.deepEqual(
      modules.map(({ depth, label, repeat, tensors }) => [depth, label, repeat, tensors]),
      [
        [0, "model", 1, 5],
        [1, "embed", 1, 1],
        [1, "layers", 1, 4],
        [2, "0–1", 2, 4],
        [3, "attn", 2, 2],
        [0, "head", 1, 1],
      ],
    );
  });
});
