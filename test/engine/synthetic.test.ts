import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { createSession } from "../../src/engine/ort.ts";
import { runnableSizes, syntheticFeeds } from "../../src/engine/synthetic.ts";
import type { IoInfo } from "../../src/shared/hostTensor.ts";
import { onnxFromText } from "../helpers/graphText.ts";

const SIZES = { batch: 1, sequence: 16, spatial: 64, other: 8 };

test("a symbol has one size; masks are ones, positions in order, ids small; a seed gives one result", () => {
  const inputs: IoInfo[] = [
    { name: "input_ids", dtype: "int64", shape: ["batch", "seq"] },
    { name: "attention_mask", dtype: "int64", shape: ["batch", "seq"] },
    { name: "position_ids", dtype: "int32", shape: ["batch", "seq"] },
    { name: "image", dtype: "float16", shape: [null, 3, "h", "w"] },
    { name: "flag", dtype: "bool", shape: [] },
    { name: "text", dtype: "string", shape: [2] },
  ];
  const feeds = syntheticFeeds(inputs, 7, SIZES);
  const shapes = [...feeds.values()].map(({ shape }) => shape.join());
  assert.deepEqual(shapes, ["1,16", "1,16", "1,16", "1,3,64,64", "", "2"]);
  assert.ok(
    [...(feeds.get("input_ids")?.data ?? [])].every((id) => Number(id) >= 0 && Number(id) < 10),
  );
  assert.ok([...(feeds.get("attention_mask")?.data ?? [])].every((m) => m === 1n));
  assert.deepEqual([...(feeds.get("position_ids")?.data ?? [])].slice(0, 3), [0, 1, 2]);
  assert.deepEqual(
    syntheticFeeds([...inputs].reverse(), 7, SIZES).get("image"),
    feeds.get("image"),
  );
  assert.notDeepEqual(syntheticFeeds(inputs, 8, SIZES).get("image"), feeds.get("image"));
});

test("what no values can be made for is named", () => {
  const make = (shape: number[], dtype: IoInfo["dtype"]): unknown =>
    syntheticFeeds([{ name: "x", dtype, shape }], 0, SIZES);
  assert.throws(
    () => make([2 ** 20, 2 ** 20], "float32"),
    /input "x" \(float32 \[1048576, 1048576\]\)/,
  );
  assert.throws(() => make([], null), /input "x" \(not a tensor/);
});

test("open sizes are found by trying", async () => {
  const text =
    "opset 17\ninput x float32 [n, 3, h, w]\nk = float32 [4, 3, 101, 101] normal\ny = Conv(x, k)\noutput y float32 [n, 4, a, b]";
  const session = await createSession(onnxFromText(text), { threads: 1, optimization: "all" });
  assert.equal(
    (await runnableSizes(session, 0)).spatial,
    224,
    "64 is too small for a kernel of 101",
  );
  await session.release();
});

const shared = "../shared/models";
test(
  "every reference model that loads runs on synthetic inputs",
  { skip: !existsSync(shared) },
  async () => {
    const ran: string[] = [];
    for (const folder of ["third_party", "trained"])
      for (const file of readdirSync(path.join(shared, folder))) {
        // The one with a domain of its own does not load.
        if (!file.endsWith(".onnx") || file === "espcn_qonnx_quant.onnx") continue;
        const model = path.join(shared, folder, file);
        const session = await createSession(model, { threads: 0, optimization: "all" });
        await runnableSizes(session, 0);
        await session.release();
        ran.push(file);
      }
    assert.ok(ran.length >= 18, ran.join());
  },
);
