/** Taking models apart and putting them together on the command line: shards, convert, extract. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { before, describe, it } from "node:test";
import { writeShards } from "../helpers/shards.ts";
import { workplace, type Run } from "./lathe.ts";
import { classifier, weights } from "./models.ts";

const here = workplace();
const file = (name: string): string => path.join(here.folder, name);
const json = (run: Run): Record<string, unknown> => {
  assert.equal(run.code, 0, run.stderr + run.stdout);
  return JSON.parse(run.stdout) as Record<string, unknown>;
};
const run = async (...args: string[]): Promise<Record<string, unknown>> =>
  json(await here.lathe(...args, "--json"));
const failure = async (...args: string[]): Promise<string> => {
  const { code, stdout } = await here.lathe(...args, "--json");
  assert.equal(code, 2, stdout);
  return (JSON.parse(stdout) as { error: { message: string } }).error.message;
};

before(() => {
  here.write({ "model.onnx": classifier(), "model.safetensors": weights() });
  mkdirSync(file("sharded"));
  writeShards(file("sharded"), {
    "big-1.safetensors": { "layers.0.weight": 4000, "layers.0.bias": 40 },
    "big-2.safetensors": { "layers.1.weight": 4000, "layers.1.bias": 40 },
  });
});
const INDEX = "sharded/model.safetensors.index.json";

describe("a sharded model", () => {
  it("is one model to inspect, plan and apply; a shard tells of the whole", async () => {
    const summary = await run("inspect", INDEX, "--tensors");
    assert.deepEqual(
      [summary["format"], (summary["tensors"] as unknown[]).length, summary["warnings"]],
      ["safetensors", 4, []],
    );
    const shard = await run("inspect", "sharded/big-1.safetensors");
    assert.match(String(shard["warnings"]), /one shard of model\.safetensors\.index\.json/);
    const edit = ["-t", "edit.metadata", "-p", "key=license", "-p", "value=mit"];
    const output = file("sharded/licensed.safetensors.index.json");
    await run("apply", INDEX, ...edit, "-o", output);
    // Nothing but the index is new: both models use the same shards.
    const index = JSON.parse(readFileSync(output, "utf8")) as Record<
      string,
      Record<string, unknown>
    >;
    assert.equal(index["metadata"]?.["license"], "mit");
    assert.equal(index["weight_map"]?.["layers.1.bias"], "big-2.safetensors");
    assert.ok(!existsSync(file("sharded/licensed-00001-of-00002.safetensors")));
    const after = (await run("inspect", output))["metadata"] as { key: string }[];
    assert.deepEqual(after.map(({ key }) => key).sort(), ["format", "lathe.recipe", "license"]);
  });

  it("keeps its shards when it is changed elsewhere", async () => {
    const rename = ["-t", "edit.rename", "-p", "what=tensors"];
    mkdirSync(file("other"));
    const to = "other/m.safetensors.index.json";
    await run("apply", INDEX, ...rename, "-p", "from=layers.1.*", "-p", "to=last.*", "-o", to);
    assert.deepEqual(
      readFileSync(file("other/m-00001-of-00002.safetensors")),
      readFileSync(file("sharded/big-1.safetensors")),
    );
  });
});

describe("convert", () => {
  it("embeds and externalizes, and gives the same file back", async () => {
    const outside = await run("convert", "model.onnx", "--external-data", "always", "-o", "e.onnx");
    assert.equal((outside["files"] as string[]).length, 2);
    assert.equal(outside["verified"], true);
    await run("convert", "e.onnx", "--external-data", "never", "-o", "back.onnx");
    assert.deepEqual(readFileSync(file("back.onnx")), readFileSync(file("model.onnx")));
  });

  it("takes the weights out of a model and puts them in again", async () => {
    const out = await run("convert", "model.onnx", "-o", "w.safetensors");
    assert.deepEqual([out["tensors"], out["verified"], out["skipped"]], [3, true, []]);
    await run(
      "convert",
      "w.safetensors",
      "--max-shard-size",
      "10KB",
      "-o",
      "w.safetensors.index.json",
    );
    assert.ok(existsSync(file("w-00002-of-00002.safetensors")));
    await run(
      "apply",
      "w.safetensors.index.json",
      "-t",
      "edit.rename",
      "-p",
      "what=tensors",
      "-p",
      "from=layer.bias",
      "-p",
      "to=layer.offset",
      "--max-shard-size",
      "1KB",
      "-o",
      "cut.safetensors.index.json",
    );
    assert.ok(existsSync(file("cut-00003-of-00003.safetensors")));
    const back = await run(
      "convert",
      "model.onnx",
      "--weights",
      "w.safetensors.index.json",
      "-o",
      "b.onnx",
    );
    assert.equal(back["replaced"], 3);
    assert.deepEqual(readFileSync(file("b.onnx")), readFileSync(file("model.onnx")));
  });

  it("refuses what does not fit, by name", async () => {
    assert.match(
      await failure("convert", "model.onnx", "--weights", "model.safetensors", "-o", "no.onnx"),
      /has no tensor by a name of .*: "layer\.weight" here, "fc1\.weight" there/,
    );
    const wrong = ["-t", "edit.rename", "-p", "what=tensors", "-p", "from=layer.bias"];
    await run(
      "apply",
      "model.safetensors",
      ...wrong,
      "-p",
      "to=fc1.bias",
      "-o",
      "wrong.safetensors",
    );
    assert.match(
      await failure("convert", "model.onnx", "--weights", "wrong.safetensors", "-o", "no.onnx"),
      /fc1\.bias is float32 \[64\], not float32 \[96\]/,
    );
    assert.match(await failure("convert", "model.safetensors", "-o", "no.onnx"), /needs a graph/);
    assert.match(await failure("convert", "model.onnx", "-o", "no.bin"), /not the name of a model/);
    assert.match(
      await failure("convert", "model.onnx", "--max-shard-size", "1MB", "-o", "no.onnx"),
      /--max-shard-size/,
    );
    assert.match(await failure("convert", "model.onnx", "-o", "model.onnx"), /is the input/);
    assert.ok(!existsSync(file("no.onnx")));
  });
});

describe("extract", () => {
  it("writes the part between values, verified", async () => {
    const part = await run(
      "extract",
      "model.onnx",
      "--from",
      "h1",
      "--to",
      "h3",
      "-o",
      "part.onnx",
    );
    assert.deepEqual([part["nodes"], part["nodesBefore"], part["verified"]], [2, 5, true]);
    assert.deepEqual(part["inputs"], [{ name: "h1", dtype: "float32", shape: ["batch", 96] }]);
    assert.deepEqual(part["outputs"], [{ name: "h3", dtype: "float32", shape: ["batch", 96] }]);
  });

  it("says which value it cannot use", async () => {
    assert.match(
      await failure("extract", "model.onnx", "--to", "h9", "-o", "x.onnx"),
      /h9: the model has no such value/,
    );
    assert.match(await failure("extract", "model.onnx", "-o", "x.onnx"), /needs --from or --to/);
    assert.ok(!existsSync(file("x.onnx")));
  });
});
