/** Whatever is written is read back the same, for models nobody thought of. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  graphKey,
  MAIN,
  mainGraph,
  type Attribute,
  type Dim,
  type Graph,
  type GraphNode,
  type Model,
  type Tensor,
  type Value,
} from "../../src/core/model.ts";
import { encodeIndex, planShards, readModel, tensorsModel } from "../../src/formats/index.ts";
import { memorySource } from "../../src/formats/wire.ts";
import { byteLength, DTYPES, elementCount, type Dtype } from "../../src/shared/dtype.ts";
import { FormatError } from "../../src/shared/errors.ts";
import { bare, bytesOf, encode, NO_SIBLINGS } from "./make.ts";

const RUNS = 150;
const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
const shape = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 3 });

function tensors(types: readonly Dtype[]): fc.Arbitrary<Map<string, Tensor>> {
  const one = fc
    .tuple(name, fc.constantFrom(...types), shape, fc.nat(255))
    .filter(([, type, dims]) => (elementCount(dims) * type.bits) % 8 === 0)
    .map(([key, type, dims, fill]): Tensor => {
      const sizeBytes = byteLength(type, elementCount(dims)) ?? 0;
      const at = new Uint8Array(sizeBytes).fill(fill);
      return { name: key, dtype: type, shape: dims, at, sizeBytes };
    });
  return fc
    .uniqueArray(one, { maxLength: 6, selector: (t) => t.name })
    .map((list) => new Map(list.map((t) => [t.name, t])));
}

const float = fc.float({ noNaN: true });
const int = fc.maxSafeInteger();
const attribute: fc.Arbitrary<Attribute> = fc.oneof(
  float.map((value): Attribute => ({ kind: "float", value })),
  int.map((value): Attribute => ({ kind: "int", value })),
  name.map((value): Attribute => ({ kind: "string", value })),
  fc.array(float, { maxLength: 5 }).map((value): Attribute => ({ kind: "floats", value })),
  fc.array(int, { maxLength: 5 }).map((value): Attribute => ({ kind: "ints", value })),
  fc.array(name, { maxLength: 3 }).map((value): Attribute => ({ kind: "strings", value })),
);
const node: fc.Arbitrary<GraphNode> = fc.record({
  name,
  op: name,
  domain: fc.constantFrom("", "my"),
  inputs: fc.array(fc.oneof(name, fc.constant("")), { maxLength: 3 }),
  outputs: fc.array(name, { minLength: 1, maxLength: 2 }),
  attrs: fc
    .uniqueArray(fc.tuple(name, attribute), { maxLength: 3, selector: ([key]) => key })
    .map((entries) => Object.fromEntries(entries)),
});
const ONNX_TYPES = DTYPES.filter((type) => type.onnx !== null && type.kind !== "string");
const dim: fc.Arbitrary<Dim> = fc.oneof(fc.nat(99), name, fc.constant(null));
const value: fc.Arbitrary<Value> = fc.record({
  name,
  dtype: fc.constantFrom(...ONNX_TYPES),
  shape: fc.oneof(fc.array(dim, { maxLength: 3 }), fc.constant(null)),
  type: fc.constant("tensor" as const),
});

const meta = fc
  .uniqueArray(fc.tuple(name, name), { maxLength: 3, selector: ([key]) => key })
  .map((entries) => new Map(entries));
const modelOf = (format: Model["format"], graph: Graph, pairs: Map<string, string>): Model => ({
  format,
  graphs: new Map([[graphKey(MAIN), graph]]),
  irVersion: format === "onnx" ? 13 : 0,
  producer: "",
  opsets:
    format === "onnx"
      ? new Map([
          ["", 25],
          ["my", 1],
        ])
      : new Map(),
  meta: pairs,
  functions: [],
  files: [],
  warnings: [],
});
const graphOf = (fields: Partial<Graph>): Graph => ({
  path: MAIN,
  name: "",
  nodes: [],
  inputs: [],
  outputs: [],
  values: new Map(),
  tensors: new Map(),
  ...fields,
});

/** What must be the same, with the bytes of every tensor. */
function essence(model: Model, file: string, bytes: Uint8Array): object {
  const graph = mainGraph(model);
  return {
    meta: [...model.meta],
    opsets: [...model.opsets],
    inputs: graph.inputs,
    outputs: graph.outputs,
    nodes: graph.nodes.map((n) => bare(n)),
    values: new Map([...graph.values].map(([key, v]) => [key, bare(v)])),
    tensors: new Map(
      [...graph.tensors].map(([key, t]) => [
        key,
        { ...bare(t), at: Buffer.from(bytesOf(t.at, { [file]: bytes })).toString("hex") },
      ]),
    ),
  };
}
function roundTrip(model: Model, file: string): Uint8Array {
  const first = encode(model, {}).model;
  const back = readModel(memorySource(file, first), NO_SIBLINGS);
  assert.deepEqual(essence(back, file, first), essence(model, file, new Uint8Array()));
  // Written again from what was read: the very same bytes.
  assert.ok(Buffer.from(encode(back, { [file]: first }).model).equals(Buffer.from(first)));
  return first;
}

/** Writes a model as shards of that size at most, and reads it back. */
function cutAndRead(
  model: Model,
  limit: number,
  before: Readonly<Record<string, Uint8Array>>,
): { readonly model: Model; readonly files: Readonly<Record<string, Uint8Array>> } {
  const files: Record<string, Uint8Array> = {};
  const placed = planShards(model, limit).map(({ tensors: held, pieces, sizeBytes }, i) => {
    const location = `s${i}.safetensors`;
    const bytes = Buffer.concat(pieces.map((piece) => bytesOf(piece, before)));
    assert.equal(bytes.length, sizeBytes);
    files[`/m/${location}`] = new Uint8Array(bytes);
    const size = held.reduce((sum, tensor) => sum + tensor.sizeBytes, 0);
    assert.ok(size <= limit || held.filter((tensor) => tensor.sizeBytes > 0).length === 1);
    return { location, tensors: held };
  });
  const index = encodeIndex(model, placed);
  const read = readModel(memorySource("/m/m.safetensors.index.json", index), {
    resolve: (location) => {
      const path = `/m/${location}`;
      return files[path] ? { path, sizeBytes: files[path].length } : null;
    },
    open: (path) => memorySource(path, files[path]!),
  });
  assert.deepEqual(read.warnings, []);
  return { model: read, files };
}
/** As one file. */
function roundTripBytes(model: Model, files: Readonly<Record<string, Uint8Array>>): Model {
  const one = tensorsModel([...mainGraph(model).tensors.values()], model.meta, []);
  return readModel(memorySource("/one.safetensors", encode(one, files).model), NO_SIBLINGS);
}

describe("properties", () => {
  it("ONNX: written then read is the same, and written again the same bytes", () => {
    const onnx = fc.record({
      nodes: fc.array(node, { maxLength: 4 }),
      values: fc.uniqueArray(value, { maxLength: 4, selector: (v) => v.name }),
      tensors: tensors(ONNX_TYPES),
      meta,
    });
    fc.assert(
      fc.property(onnx, (parts) => {
        const names = parts.values.map((v) => v.name);
        const graph = graphOf({
          nodes: parts.nodes,
          tensors: parts.tensors,
          values: new Map(
            parts.values
              .filter((v, i) => i < 2 || !parts.tensors.has(v.name))
              .map((v) => [v.name, v]),
          ),
          inputs: names.slice(0, 1),
          outputs: names.slice(1, 2),
        });
        roundTrip(modelOf("onnx", graph, parts.meta), "/m.onnx");
      }),
      { numRuns: RUNS },
    );
  });

  it("safetensors: the same", () => {
    const types = DTYPES.filter((type) => type.safetensors !== null);
    const wide = tensors(types).map(
      (map) => new Map([...map].sort(([, a], [, b]) => b.dtype.bits - a.dtype.bits)),
    );
    fc.assert(
      fc.property(wide, meta, (all, pairs) => {
        if (all.has("__metadata__")) return;
        roundTrip(modelOf("safetensors", graphOf({ tensors: all }), pairs), "/m.safetensors");
      }),
      { numRuns: RUNS },
    );
  });

  it("sharded safetensors: cut at any size, joined, and cut again, the same tensors and texts", () => {
    const types = DTYPES.filter((type) => type.safetensors !== null);
    const limits = fc.integer({ min: 1, max: 500 });
    fc.assert(
      fc.property(tensors(types), meta, limits, limits, (all, pairs, limit, other) => {
        // Without tensors the index names no shard, and there is nothing to read.
        if (all.has("__metadata__") || all.size === 0) return;
        const whole = modelOf("safetensors", graphOf({ tensors: all }), pairs);
        const cut = cutAndRead(whole, limit, {});
        const again = cutAndRead(cut.model, other, cut.files);
        for (const { model, files } of [cut, again]) {
          assert.deepEqual([...model.meta].sort(), [...pairs].sort());
          const found = mainGraph(model).tensors;
          assert.deepEqual([...found.keys()].sort(), [...all.keys()].sort());
          for (const [key, { dtype: type, shape: dims, at }] of found) {
            const { dtype, shape: wanted, at: bytes } = all.get(key)!;
            assert.deepEqual([type.name, dims], [dtype.name, wanted]);
            assert.deepEqual(Buffer.from(bytesOf(at, files)), Buffer.from(bytesOf(bytes, {})));
          }
        }
        const joined = roundTripBytes(again.model, again.files);
        assert.deepEqual([...joined.meta].sort(), [...pairs].sort());
        assert.equal(mainGraph(joined).tensors.size, all.size);
      }),
      { numRuns: RUNS },
    );
  });

  it("damaged at any place: read, or refused by name", () => {
    const graph = fc.record({
      nodes: fc.array(node, { minLength: 1, maxLength: 3 }),
      tensors: tensors(ONNX_TYPES),
    });
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(graph, damage, fc.constantFrom("onnx", "safetensors"), (parts, hits, format) => {
        const storable = [...parts.tensors].filter(([, t]) => t.dtype.safetensors !== null);
        const whole =
          format === "onnx"
            ? modelOf("onnx", graphOf(parts), new Map())
            : modelOf("safetensors", graphOf({ tensors: new Map(storable) }), new Map());
        const file = `/m.${format}`;
        const bytes = encode(whole, {}).model;
        for (const [at, byte] of hits) bytes[at % bytes.length] = byte;
        try {
          const read = readModel(memorySource(file, bytes), NO_SIBLINGS);
          encode(read, { [file]: bytes });
        } catch (error) {
          assert.ok(error instanceof FormatError, String(error));
        }
      }),
      { numRuns: 4 * RUNS },
    );
  });
});
