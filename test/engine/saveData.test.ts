import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { describe, it, type TestContext } from "node:test";
import { graphKey, MAIN, mainGraph, type Model, type Tensor } from "../../src/core/model.ts";
import { closeAllFiles, openModel, readRange } from "../../src/engine/files.ts";
import { stageModel, type Saved } from "../../src/engine/save.ts";
import { ModelProtoSchema } from "../../src/formats/onnx_pb.ts";
import { dtype } from "../../src/shared/dtype.ts";
import { fromBinary } from "@bufbuild/protobuf";
import { withGraph } from "../formats/make.ts";
import { task, tempFolder } from "../helpers/temp.ts";

const LENGTH = 200_000;
const bytesOf = (seed: number, length = LENGTH): Uint8Array =>
  new Uint8Array(length).map((_, i) => (i * seed) % 251);
/** Tensors, the file each is in, and where. */
const LAYOUT = [
  { name: "t1", location: "a.bin", offset: 0, seed: 3 },
  { name: "t2", location: "a.bin", offset: 204_800, seed: 5 },
  { name: "t3", location: "more/b.bin", offset: 0, seed: 7 },
] as const;

/** m.onnx with two data files, one of them in a folder. */
function make(t: TestContext): string {
  // Models in the folder above may use the data as well, so that is ours too.
  const folder = path.join(realpathSync(tempFolder(t)), "models");
  t.after(closeAllFiles);
  mkdirSync(path.join(folder, "more"), { recursive: true });
  const a = new Uint8Array(204_800 + LENGTH);
  a.set(bytesOf(3));
  a.set(bytesOf(5), 204_800);
  writeFileSync(path.join(folder, "a.bin"), a);
  writeFileSync(path.join(folder, "more/b.bin"), bytesOf(7));
  const initializer = LAYOUT.map(({ name, location, offset }) => ({
    name,
    dataType: 2,
    dims: [BigInt(LENGTH)],
    dataLocation: 1,
    externalData: Object.entries({ location, offset, length: LENGTH, checksum: "c0ffee" }).map(
      ([key, value]) => ({ key, value: String(value) }),
    ),
  }));
  writeFileSync(
    path.join(folder, "m.onnx"),
    withGraph({
      name: "g",
      initializer,
      node: [{ opType: "Concat", input: ["t1", "t2", "t3"], output: ["y"] }],
      output: [{ name: "y" }],
    }),
  );
  return folder;
}
const tensorOf = (name: string, at: Uint8Array): Tensor => ({
  name,
  dtype: dtype("uint8"),
  shape: [at.length],
  at,
  sizeBytes: at.length,
});
function withTensors(model: Model, edit: (tensors: Map<string, Tensor>) => void): Model {
  const graph = mainGraph(model);
  const tensors = new Map(graph.tensors);
  edit(tensors);
  return { ...model, graphs: new Map([[graphKey(MAIN), { ...graph, tensors }]]) };
}
const replaceT3 = (model: Model): Model =>
  withTensors(model, (tensors) => tensors.set("t3", tensorOf("t3", bytesOf(11, 3000))));

async function saveWhole(model: Model, to: string): Promise<Saved> {
  const options = { externalData: "auto", overwrite: true, allowInput: true } as const;
  const staged = await stageModel(model, to, options, task);
  // Complete where it is staged, so that it can be tried there.
  contentsOf(staged.path);
  const saved = await staged.commit();
  closeAllFiles();
  return saved;
}
async function save(model: Model, to: string): Promise<readonly string[]> {
  const { files } = await saveWhole(model, to);
  return files.slice(1).map((file) => path.relative(path.dirname(to), file));
}
function contentsOf(file: string): Record<string, Buffer> {
  const { tensors } = mainGraph(openModel(file));
  const read = ({ at }: Tensor): Buffer =>
    Buffer.from(at instanceof Uint8Array ? at : readRange(at));
  return Object.fromEntries([...tensors].map(([name, tensor]) => [name, read(tensor)]));
}
const entriesOf = (file: string, index: number): Record<string, string> => {
  const { graph } = fromBinary(ModelProtoSchema, readFileSync(file));
  const entries = graph?.initializer[index]?.externalData ?? [];
  return Object.fromEntries(entries.map(({ key, value }) => [key, value]));
};

describe("external data of a saved model", () => {
  it("stays in the file it is in, where nothing in that file changed", async (t) => {
    const folder = make(t);
    const before = statSync(path.join(folder, "a.bin"));
    const file = path.join(folder, "out.onnx");
    const names = await save(replaceT3(openModel(path.join(folder, "m.onnx"))), file);
    assert.match(names.join(), /^a\.bin,out\.[0-9a-f]{8}\.data$/);
    const { ino, mtimeMs } = statSync(path.join(folder, "a.bin"));
    assert.deepEqual([ino, mtimeMs], [before.ino, before.mtimeMs]);
    assert.deepEqual(contentsOf(file), {
      t1: Buffer.from(bytesOf(3)),
      t2: Buffer.from(bytesOf(5)),
      t3: Buffer.from(bytesOf(11, 3000)),
    });
    assert.deepEqual(entriesOf(file, 1), {
      location: "a.bin",
      offset: "204800",
      length: "200000",
      checksum: "c0ffee",
    });
    assert.deepEqual(Object.keys(entriesOf(file, 2)), ["location", "offset", "length"]);
    // The other model still has its data.
    assert.ok(existsSync(path.join(folder, "more/b.bin")));
  });

  it("of the model before is kept where another model cannot be read, and the result says so", async (t) => {
    const folder = make(t);
    const file = path.join(folder, "m.onnx");
    const replaced = (seed: number): Promise<Saved> =>
      saveWhole(
        withTensors(openModel(file), (tensors) => tensors.set("t1", tensorOf("t1", bytesOf(seed)))),
        file,
      );
    writeFileSync(path.join(folder, "broken.onnx"), "no model");
    const { notes } = await replaced(13);
    assert.equal(notes.length, 1);
    assert.match(
      notes[0]!,
      /^"a\.bin" of the model before was kept: ".*broken\.onnx" could not be read, and may need it\.$/,
    );
    assert.ok(existsSync(path.join(folder, "a.bin")));
    unlinkSync(path.join(folder, "broken.onnx"));
    assert.deepEqual((await replaced(17)).notes, []);
  });

  it("stays with a saved model whose recipe finds no place beside it", async (t) => {
    const folder = make(t);
    const file = path.join(folder, "out.onnx");
    const options = { externalData: "auto", overwrite: true, allowInput: true } as const;
    mkdirSync(path.join(folder, "out.onnx.lathe.json"));
    const model = replaceT3(openModel(path.join(folder, "m.onnx")));
    const staged = await stageModel(model, file, options, task);
    await assert.rejects(staged.commit("{}"), /The model is saved, but .*out\.onnx\.lathe\.json/);
    closeAllFiles();
    assert.deepEqual(contentsOf(file)["t3"], Buffer.from(bytesOf(11, 3000)));
  });

  it("goes along to another folder under its name, or under another where that is taken", async (t) => {
    const folder = make(t);
    const other = path.join(folder, "other");
    mkdirSync(other);
    const model = replaceT3(openModel(path.join(folder, "m.onnx")));
    const names = await save(model, path.join(other, "out.onnx"));
    assert.equal(names[0], "a.bin");
    const copied = readFileSync(path.join(other, "a.bin"));
    assert.ok(copied.equals(readFileSync(path.join(folder, "a.bin"))));
    const third = path.join(folder, "third");
    mkdirSync(third);
    writeFileSync(path.join(third, "a.bin"), "someone else's");
    const renamed = await save(model, path.join(third, "out.onnx"));
    assert.match(renamed[0] ?? "", /^out\.[0-9a-f]{8}\.data$/);
    assert.equal(readFileSync(path.join(third, "a.bin"), "utf8"), "someone else's");
    assert.deepEqual(
      contentsOf(path.join(third, "out.onnx")),
      contentsOf(path.join(other, "out.onnx")),
    );
  });

  it("keeps folders of data files, and gives new tensors a file of their own", async (t) => {
    const folder = make(t);
    const model = withTensors(openModel(path.join(folder, "m.onnx")), (tensors) =>
      tensors.set("t4", tensorOf("t4", bytesOf(13, 5000))),
    );
    const other = path.join(folder, "other");
    mkdirSync(other);
    const names = await save(model, path.join(other, "out.onnx"));
    assert.deepEqual(names.slice(0, 2), ["a.bin", "more/b.bin"]);
    assert.equal(statSync(path.join(other, names[2] ?? "")).size, 5000);
    assert.deepEqual(contentsOf(path.join(other, "out.onnx"))["t4"]?.length, 5000);
  });

  it("is written anew without tensors that are gone, and the old file goes with them", async (t) => {
    const folder = make(t);
    const file = path.join(folder, "m.onnx");
    const model = withTensors(openModel(file), (tensors) => tensors.delete("t1"));
    const names = await save(model, file);
    assert.match(names.join(), /^m\.[0-9a-f]{8}\.data,more\/b\.bin$/);
    assert.equal(statSync(path.join(folder, names[0] ?? "")).size, LENGTH);
    assert.ok(!existsSync(path.join(folder, "a.bin")));
    assert.deepEqual(readdirSync(folder).sort(), ["m.onnx", names[0], "more"].sort());
    assert.deepEqual(Object.keys(contentsOf(file)), ["t2", "t3"]);
  });
});
