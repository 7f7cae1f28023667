import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mainGraph, type Model, type Tensor } from "../../src/core/model.ts";
import { encodeIndex, planShards, readModel } from "../../src/formats/index.ts";
import { memorySource } from "../../src/formats/wire.ts";
import { dtype } from "../../src/shared/dtype.ts";
import { FormatError } from "../../src/shared/errors.ts";
import { safetensorsBytes } from "./safetensorsBytes.ts";

const INDEX = "/m/model.safetensors.index.json";
type Files = Readonly<Record<string, Uint8Array>>;
const text = (value: unknown): Uint8Array =>
  new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));

/** A shard of uint8 tensors of the given sizes. */
function shard(sizes: Readonly<Record<string, number>>, meta?: Record<string, string>): Uint8Array {
  let end = 0;
  const header: Record<string, unknown> = meta ? { __metadata__: meta } : {};
  for (const [name, size] of Object.entries(sizes))
    header[name] = { dtype: "U8", shape: [size], data_offsets: [end, (end += size)] };
  return safetensorsBytes(header, end);
}
function open(index: unknown, files: Files): Model {
  return readModel(memorySource(INDEX, text(index)), {
    resolve: (location) =>
      location.includes("..")
        ? "escapes"
        : files[location]
          ? { path: `/m/${location}`, sizeBytes: files[location].length }
          : null,
    open: (path) => memorySource(path, files[path.slice(3)]!),
  });
}
const failure = (index: unknown, files: Files = {}): string => {
  try {
    open(index, files);
    return "opened";
  } catch (error) {
    assert.ok(error instanceof FormatError, String(error));
    assert.ok(error.failure.hint);
    return error.message.replace(INDEX, "INDEX");
  }
};
const tensors = (model: Model): Tensor[] => [...mainGraph(model).tensors.values()];
const change = (model: Model, edit: (all: Tensor[]) => Tensor[]): Model => ({
  ...model,
  graphs: new Map([
    ["[]", { ...mainGraph(model), tensors: new Map(edit(tensors(model)).map((t) => [t.name, t])) }],
  ]),
});
const fresh = (name: string, size: number): Tensor => ({
  name,
  dtype: dtype("uint8"),
  shape: [size],
  at: new Uint8Array(size).fill(7),
  sizeBytes: size,
});

const FILES: Files = {
  "a-1": shard({ x: 10, y: 20 }, { format: "pt" }),
  "a-2": shard({ z: 30 }, { format: "pt" }),
};
const MAP = { z: "a-2", x: "a-1", y: "a-1" };
const WHOLE = { metadata: { total_size: 60, total_parameters: 60 }, weight_map: MAP, extra: [1] };

describe("sharded safetensors", () => {
  it("are one model: tensors shard by shard, metadata of shards and index, every file named", () => {
    const model = open(WHOLE, FILES);
    assert.deepEqual(
      tensors(model).map(({ name, at }) => [name, "file" in at && at.file]),
      [
        ["x", "/m/a-1"],
        ["y", "/m/a-1"],
        ["z", "/m/a-2"],
      ],
    );
    assert.deepEqual(Object.fromEntries(model.meta), { format: "pt", total_parameters: "60" });
    assert.deepEqual(
      model.files.map(({ path, role }) => [path, role]),
      [
        [INDEX, "model"],
        ["/m/a-1", "shard"],
        ["/m/a-2", "shard"],
      ],
    );
    assert.deepEqual(model.warnings, []);
  });

  it("are refused by name where the model is not whole", () => {
    const cases: [name: string, index: unknown, files: Files, message: string][] = [
      ["text", "nothing", {}, "it is not valid JSON (unexpected n at 0)."],
      ["a list", [1], {}, "it is not a JSON object."],
      ["no map", { metadata: {} }, {}, 'it has no "weight_map" object.'],
      ["a number", { weight_map: { x: 1 } }, {}, 'the file of tensor "x" is not a name.'],
      ["twice", '{"weight_map":{"x":"a","x":"b"}}', {}, 'the key "x" is there twice at 23).'],
    ];
    for (const [name, index, files, message] of cases)
      assert.ok(failure(index, files).endsWith(message), `${name}: ${failure(index, files)}`);
    assert.equal(
      failure(WHOLE, { "a-1": FILES["a-1"]! }),
      'INDEX: 1 of 2 shards do not exist: "a-2".',
    );
    assert.equal(
      failure({ weight_map: { x: "../a-1" } }, FILES),
      `INDEX: the shard "../a-1" is not in the index's folder.`,
    );
    assert.equal(
      failure({ weight_map: { ...MAP, w: "a-2" } }, FILES),
      'INDEX: tensor "w" is in no shard; the index says "a-2".',
    );
    assert.match(
      failure(WHOLE, { ...FILES, "a-2": FILES["a-2"]!.subarray(0, 40) }),
      /a-2 is cut off/,
    );
    assert.match(
      failure(WHOLE, { ...FILES, "a-2": text("version https://git-lfs.github.com/spec/v1") }),
      /a-2 is a Git LFS pointer/,
    );
  });

  it("warn where index and shards differ in what can be resolved", () => {
    const model = open(
      { metadata: { total_size: 61 }, weight_map: { x: "a-2", z: "a-2", y: "a-1" } },
      {
        "a-1": shard({ x: 10, y: 20 }, { format: "pt" }),
        "a-2": shard({ z: 30, y: 20, w: 1, v: 2 }, { format: "tf" }),
      },
    );
    assert.deepEqual(
      tensors(model).map(({ name, at }) => [name, "file" in at && at.file]),
      [
        ["x", "/m/a-1"],
        ["y", "/m/a-1"],
        ["z", "/m/a-2"],
        ["w", "/m/a-2"],
        ["v", "/m/a-2"],
      ],
    );
    assert.deepEqual(model.warnings, [
      'Tensor "x" is in another shard than the index says; it is taken from there.',
      '2 tensors are in shards but not in the index; other readers may leave them out: "w", "v".',
      'Tensor "y" is in several shards; the one that the index names counts.',
      "The index says that all tensors take 61 bytes; they take 63.",
      `The shards' __metadata__ differs in "format"; the first shard's is shown.`,
    ]);
    // Written anew, index and shards agree, and other readers take the same tensors.
    const planned = planShards(model, null);
    assert.deepEqual(
      planned.map(({ kept, tensors: held }) => [kept?.location, held.map(({ name }) => name)]),
      [
        ["a-1", ["x", "y"]],
        [undefined, ["z", "w", "v"]],
      ],
    );
  });

  it("keep every shard that a change leaves alone, and put new tensors beside their neighbours", () => {
    const model = open(WHOLE, FILES);
    assert.deepEqual(
      planShards(model, null).map(({ kept }) => kept?.location),
      ["a-1", "a-2"],
    );
    const changed = change(model, (all) => [
      ...all.slice(0, 2),
      fresh("z", 15),
      fresh("z.scale", 4),
    ]);
    const [first, second] = planShards(changed, null);
    assert.equal(first?.kept?.location, "a-1");
    assert.deepEqual(
      [first.sizeBytes, first.pieces],
      [FILES["a-1"]!.length, [{ file: "/m/a-1", offset: 0, length: FILES["a-1"]!.length }]],
    );
    assert.equal(second?.kept, null);
    assert.deepEqual(
      second?.tensors.map(({ name }) => name),
      ["z", "z.scale"],
    );
    // A shard that holds nothing any more is left out.
    const gone = planShards(
      change(model, (all) => all.slice(0, 2)),
      null,
    );
    assert.deepEqual(
      gone.map(({ kept }) => kept?.location),
      ["a-1"],
    );
  });

  it("edits of metadata go where the key stood; new keys go to the index alone", () => {
    const model = open(WHOLE, FILES);
    const edited = (...entries: [string, string][]): Model => ({
      ...model,
      meta: new Map([...model.meta, ...entries]),
    });
    const kept = (m: Model): boolean[] => planShards(m, null).map((one) => one.kept !== null);
    const index = (m: Model): { metadata: object } =>
      JSON.parse(
        new TextDecoder().decode(
          encodeIndex(
            m,
            planShards(m, null).map(({ tensors: held }) => ({ location: "f", tensors: held })),
          ),
        ),
      ) as { metadata: object };
    assert.deepEqual(kept(edited(["license", "mit"])), [true, true]);
    assert.deepEqual(index(edited(["license", "mit"])), {
      extra: [1],
      metadata: { total_size: 60, total_parameters: 60, license: "mit" },
      weight_map: { z: "f", x: "f", y: "f" },
    });
    assert.deepEqual(kept(edited(["format", "mlx"])), [false, false]);
    assert.deepEqual(index(edited(["total_parameters", "61"])).metadata, {
      total_size: 60,
      total_parameters: "61",
    });
    const removed = { ...model, meta: new Map([["total_parameters", "60"]]) };
    assert.deepEqual(kept(removed), [false, false]);
  });

  it("are cut by size: as full as they get, a larger tensor alone", () => {
    const model = change(open(WHOLE, FILES), () =>
      [5, 5, 1, 50, 3, 0, 7].map((size, i) => fresh(`t${i}`, size)),
    );
    assert.deepEqual(
      planShards(model, 10).map(({ tensors: held }) => held.map(({ name }) => name)),
      [["t0", "t1"], ["t2"], ["t3"], ["t4", "t5", "t6"]],
    );
    const empty = change(model, () => []);
    assert.equal(planShards(empty, 10).length, 1);
  });
});
