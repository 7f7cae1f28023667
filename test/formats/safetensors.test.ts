import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mainGraph, type Model, type Tensor } from "../../src/core/model.ts";
import { readModel } from "../../src/formats/index.ts";
import { memorySource } from "../../src/formats/wire.ts";
import { dtype, DTYPES } from "../../src/shared/dtype.ts";
import { bytesOf, encode, NO_SIBLINGS } from "./make.ts";
import { safetensorsBytes } from "./safetensorsBytes.ts";

const FILE = "/m.safetensors";
const read = (bytes: Uint8Array): Model => readModel(memorySource(FILE, bytes), NO_SIBLINGS);
const headerOf = (bytes: Uint8Array): string => {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  return new TextDecoder().decode(bytes.subarray(8, 8 + length));
};
const change = (model: Model, tensors: readonly Tensor[]): Model => ({
  ...model,
  graphs: new Map([
    ["[]", { ...mainGraph(model), tensors: new Map(tensors.map((t) => [t.name, t])) }],
  ]),
});
const tensor = (
  name: string,
  type: Parameters<typeof dtype>[0],
  bytes: Uint8Array,
  shape: number[],
): Tensor => ({
  name,
  dtype: dtype(type),
  shape,
  at: bytes,
  sizeBytes: bytes.length,
});

describe("safetensors", () => {
  it("gives tensors in the order of their data, and the metadata", () => {
    const bytes = safetensorsBytes(
      {
        __metadata__: { format: "pt", config: "{}" },
        b: { dtype: "U8", shape: [2], data_offsets: [8, 10] },
        a: { dtype: "F32", shape: [1, 2], data_offsets: [0, 8] },
        none: { dtype: "F16", shape: [0, 3], data_offsets: [8, 8] },
      },
      10,
    );
    const model = read(bytes);
    assert.deepEqual(
      [...model.meta],
      [
        ["format", "pt"],
        ["config", "{}"],
      ],
    );
    assert.deepEqual(
      [model.format, model.irVersion, mainGraph(model).nodes],
      ["safetensors", 0, []],
    );
    const dataStart = bytes.length - 10;
    assert.deepEqual(
      [...mainGraph(model).tensors.values()].map((t) => [t.name, t.dtype.name, t.shape, t.at]),
      [
        ["a", "float32", [1, 2], { file: FILE, offset: dataStart, length: 8 }],
        ["none", "float16", [0, 3], { file: FILE, offset: dataStart + 8, length: 0 }],
        ["b", "uint8", [2], { file: FILE, offset: dataStart + 8, length: 2 }],
      ],
    );
  });

  it("reads and writes every element type the format has", () => {
    for (const type of DTYPES.filter((t) => t.safetensors !== null)) {
      const length = type.bits; // eight elements
      const bytes = safetensorsBytes(
        { w: { dtype: type.safetensors, shape: [2, 4], data_offsets: [0, length] } },
        length,
      ).map((byte, i, all) => (i < all.length - length ? byte : i % 256));
      const model = read(bytes);
      assert.equal(mainGraph(model).tensors.get("w")?.dtype, type);
      assert.deepEqual(encode(model, { [FILE]: bytes }).model, bytes);
    }
  });

  it("puts larger elements first, pads the header and keeps names that are numbers in order", () => {
    const empty = read(safetensorsBytes({}, 0));
    const out = encode(
      {
        ...change(empty, [
          tensor("10", "uint8", Uint8Array.of(1, 2, 3), [3]),
          tensor("9", "float32", new Uint8Array(4).fill(4), [1]),
          tensor('"quoted"', "uint8", Uint8Array.of(5), [1]),
        ]),
        meta: new Map([
          ["2", "b"],
          ["1", "a"],
        ]),
      },
      {},
    ).model;
    assert.equal(
      headerOf(out).trimEnd(),
      '{"__metadata__":{"2":"b","1":"a"},' +
        '"9":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},' +
        '"10":{"dtype":"U8","shape":[3],"data_offsets":[4,7]},' +
        '"\\"quoted\\"":{"dtype":"U8","shape":[1],"data_offsets":[7,8]}}',
    );
    assert.equal((out.length - 8) % 8, 0);
    assert.deepEqual([...out.subarray(-8)], [4, 4, 4, 4, 1, 2, 3, 5]);
    const names = [...mainGraph(read(out)).tensors.keys()];
    assert.deepEqual(names, ["9", "10", '"quoted"']);
    assert.deepEqual(
      Buffer.from(bytesOf(mainGraph(read(out)).tensors.get("10")!.at, { [FILE]: out })),
      Buffer.of(1, 2, 3),
    );
  });

  it("refuses element types it does not have", () => {
    const model = change(read(safetensorsBytes({}, 0)), [
      tensor("w", "int4", Uint8Array.of(0), [2]),
    ]);
    assert.throws(() => encode(model, {}), {
      message: `${FILE}: tensor "w" cannot be stored as safetensors (element type int4).`,
    });
  });
});
