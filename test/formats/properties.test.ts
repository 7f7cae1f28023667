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
import { readModel } from "../../src/formats/index.ts";
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
