/** Sharded models on disk: what is opened, what saving writes and keeps, what is never touched. */
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { afterEach, describe, it, type TestContext } from "node:test";
import { mainGraph, type Model } from "../../src/core/model.ts";
import { closeAllFiles, fingerprint, openModel, readRange } from "../../src/engine/files.ts";
import { stageCopy, stageModel, type StageOptions } from "../../src/engine/save.ts";
import { stageShards } from "../../src/engine/saveShards.ts";
import { dtype } from "../../src/shared/dtype.ts";
import { Cancelled, FormatError } from "../../src/shared/errors.ts";
import { weightsFile, writeShards } from "../helpers/shards.ts";
import { abortingTask, task, tempFolder } from "../helpers/temp.ts";

const NEW: StageOptions = { externalData: "auto", overwrite: false, allowInput: false };
const OVER: StageOptions = { externalData: "auto", overwrite: true, allowInput: true };
const SHARDS = {
  "model-00001-of-00002.safetensors": { "a.weight": 4000, "a.bias": 40, "a.codes": 333 },
  "model-00002-of-00002.safetensors": { "b.weight": 8000, "b.bias": 80 },
};
const INDEX = "model.safetensors.index.json";
afterEach(closeAllFiles);

/** Every tensor's bytes, by name. */
function contents(model: Model): Record<string, string> {
  const all = [...mainGraph(model).tensors.values()].map(({ name, dtype: type, shape, at }) => {
    const bytes = at instanceof Uint8Array ? at : readRange(at);
    return [name, `${type.name} ${shape.join()} ${Buffer.from(bytes).toString("base64")}`] as const;
  });
  return Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1)));
}
function withTensor(model: Model, name: string, fill: number): Model {
  const graph = mainGraph(model);
  const bytes = new Uint8Array(80).fill(fill);
  const tensor = { name, dtype: dtype("float32"), shape: [20], at: bytes, sizeBytes: 80 };
  const tensors = new Map([...graph.tensors, [name, tensor]]);
  return { ...model, graphs: new Map([["[]", { ...graph, tensors }]]) };
}
const listing = (folder: string): string[] => readdirSync(folder).sort();
const inodes = (folder: string): Record<string, number> =>
  Object.fromEntries(listing(folder).map((name) => [name, statSync(path.join(folder, name)).ino]));
function sharded(t: TestContext): { folder: string; index: string } {
  // Not at the top of the system's temporary folder, whose other models could use the same data.
  const folder = path.join(tempFolder(t), "m");
  mkdirSync(folder);
  return { folder, index: writeShards(folder, SHARDS) };
}

describe("sharded models on disk", () => {
  it("change their identity with any shard", (t) => {
    const { folder, index } = sharded(t);
    const before = fingerprint(index);
    assert.deepEqual(fingerprint(index), before);
    const [first = ""] = Object.keys(SHARDS);
    writeFileSync(
      path.join(folder, first),
      weightsFile({ ...SHARDS[first as keyof typeof SHARDS] }),
    );
    assert.notEqual(fingerprint(index).ends, before.ends);
  });

  it("are mentioned where one of their shards is opened", (t) => {
    const { folder } = sharded(t);
    writeFileSync(path.join(folder, "other.safetensors"), weightsFile({ x: 4 }));
    const open = (name: string): readonly string[] => openModel(path.join(folder, name)).warnings;
    assert.deepEqual(open("model-00001-of-00002.safetensors"), [
      `This is one shard of ${INDEX}: open that for the whole model.`,
    ]);
    assert.deepEqual(open("other.safetensors"), []);
  });

  it("are found through the links of a download cache, but not through links that lead elsewhere", (t) => {
    const root = tempFolder(t);
    const blobs = path.join(root, "blobs");
    const snapshot = path.join(root, "snapshots");
    mkdirSync(blobs);
    mkdirSync(snapshot);
    writeShards(blobs, SHARDS);
    for (const name of listing(blobs))
      symlinkSync(path.join("../blobs", name), path.join(snapshot, name));
    const linked = openModel(path.join(snapshot, INDEX));
    assert.deepEqual(contents(linked), contents(openModel(path.join(blobs, INDEX))));
    const bad = path.join(root, "bad");
    mkdirSync(bad);
    writeFileSync(path.join(bad, INDEX), readFileSync(path.join(blobs, INDEX)));
    for (const name of Object.keys(SHARDS))
      symlinkSync(path.join("../blobs", name), path.join(bad, name));
    assert.throws(() => openModel(path.join(bad, INDEX)), FormatError);
  });

  it("are merged into one file, and cut again", async (t) => {
    const { folder, index } = sharded(t);
    const model = openModel(index);
    const one = path.join(folder, "one.safetensors");
    await (await stageModel(model, one, NEW, task)).commit();
    assert.deepEqual(contents(openModel(one)), contents(model));
    assert.deepEqual(Object.fromEntries(openModel(one).meta), { format: "pt" });
    const again = path.join(folder, "again.safetensors.index.json");
    await (await stageShards(openModel(one), again, NEW, 4100, task)).commit();
    const back = openModel(again);
    assert.deepEqual(contents(back), contents(model));
    assert.deepEqual(back.warnings, []);
    assert.deepEqual(
      back.files.map(({ path: file }) => path.basename(file)),
      [
        "again.safetensors.index.json",
        ...[1, 2, 3].map((n) => `again-0000${n}-of-00003.safetensors`),
      ],
    );
    assert.equal(
      openModel(path.join(folder, "again-00001-of-00003.safetensors")).meta.get("format"),
      "pt",
    );
  });

  it("saved in place, replace only the shard that changed", async (t) => {
    const { folder, index } = sharded(t);
    const before = inodes(folder);
    const model = withTensor(openModel(index), "b.bias", 3);
    const wanted = contents(model);
    const staged = await stageShards(model, index, OVER, null, task);
    assert.deepEqual(
      listing(folder).filter((name) => !name.startsWith(".")),
      [...Object.keys(SHARDS), INDEX],
    );
    const saved = await staged.commit();
    const sizes = saved.files.map((file) => statSync(file).size);
    assert.ok(Math.abs(saved.sizeBytes - sizes.reduce((a, b) => a + b)) < 20);
    assert.deepEqual(contents(openModel(index)), wanted);
    const after = inodes(folder);
    const kept = "model-00001-of-00002.safetensors";
    assert.equal(after[kept], before[kept]);
    const names = Object.keys(after);
    assert.equal(names.length, 3);
    assert.match(names[1]!, /^model-00002-of-00002\.[0-9a-f]{8}\.safetensors$/);
    assert.deepEqual(saved.files.map((file) => path.basename(file)).sort(), names);
    // The next change may use the plain name, which is free by now.
    const again = withTensor(openModel(index), "b.bias", 4);
    await (await stageShards(again, index, OVER, null, task)).commit();
    assert.deepEqual(listing(folder), [...Object.keys(SHARDS), INDEX]);
  });

  it("saved elsewhere take unchanged shards along as they are; saved beside share them", async (t) => {
    const { folder, index } = sharded(t);
    const model = withTensor(openModel(index), "b.bias", 3);
    const wanted = contents(model);
    const other = path.join(folder, "other");
    mkdirSync(other);
    const there = path.join(other, "new.safetensors.index.json");
    await (await stageShards(model, there, NEW, null, task)).commit();
    assert.deepEqual(contents(openModel(there)), wanted);
    assert.deepEqual(
      readFileSync(path.join(other, "new-00001-of-00002.safetensors")),
      readFileSync(path.join(folder, "model-00001-of-00002.safetensors")),
    );
    const beside = path.join(folder, "new.safetensors.index.json");
    await (await stageShards(model, beside, NEW, null, task)).commit();
    assert.deepEqual(contents(openModel(beside)), wanted);
    assert.ok(!existsSync(path.join(folder, "new-00001-of-00002.safetensors")));
    // The first model is replaced by another: what the second one uses stays.
    const smaller = openModel(index);
    const [weight] = mainGraph(smaller).tensors;
    const graphs = new Map([["[]", { ...mainGraph(smaller), tensors: new Map([weight!]) }]]);
    await (await stageShards({ ...smaller, graphs }, index, OVER, 100, task)).commit();
    assert.deepEqual(contents(openModel(beside)), wanted);
    assert.ok(!existsSync(path.join(folder, "model-00002-of-00002.safetensors")));
  });

  it("are copied byte for byte when nothing was done", async (t) => {
    const { folder, index } = sharded(t);
    const other = path.join(folder, "copy");
    mkdirSync(other);
    await (await stageCopy(openModel(index), path.join(other, INDEX), NEW, task)).commit();
    for (const name of [...Object.keys(SHARDS), INDEX])
      assert.deepEqual(readFileSync(path.join(other, name)), readFileSync(path.join(folder, name)));
  });

  it("cancelled or discarded, leave the folder as it was", async (t) => {
    const { folder, index } = sharded(t);
    const before = inodes(folder);
    const model = withTensor(openModel(index), "b.bias", 3);
    const to = path.join(folder, "new.safetensors.index.json");
    for (let looks = 0; looks < 4; looks++)
      await assert.rejects(stageShards(model, to, NEW, 10, abortingTask(looks)), Cancelled);
    await (await stageShards(model, to, NEW, 10, task)).discard();
    assert.deepEqual(inodes(folder), before);
  });
});
