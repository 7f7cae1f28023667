/** Broken and hostile files, each with its exact message. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readModel } from "../../src/formats/index.ts";
import { memorySource } from "../../src/formats/wire.ts";
import { FormatError } from "../../src/shared/errors.ts";
import type { SiblingFiles } from "../../src/formats/byteSource.ts";
import { NO_SIBLINGS, onnxBytes, withGraph, type GraphInit, type TensorInit } from "./make.ts";
import { safetensorsBytes } from "./safetensorsBytes.ts";

const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const good = withGraph({ name: "g", node: [{ opType: "Relu", name: "relu_one" }] });
const withTensor = (tensor: Partial<TensorInit>): Uint8Array =>
  withGraph({ initializer: [{ name: "w", dataType: 1, dims: [2n], ...tensor }] });
const external = (location: string, more: Record<string, string> = {}): Uint8Array =>
  withTensor({
    dataLocation: 1,
    externalData: Object.entries({ location, ...more }).map(([key, value]) => ({ key, value })),
  });
const entry = (fields: object): Uint8Array =>
  safetensorsBytes({ w: { dtype: "F32", shape: [1], data_offsets: [0, 4], ...fields } }, 4);

function nested(depth: number): GraphInit {
  let graph: GraphInit = {};
  for (let i = 0; i < depth; i++)
    graph = { node: [{ opType: "If", attribute: [{ name: "b", type: 5, g: graph }] }] };
  return graph;
}
const siblings: SiblingFiles = {
  resolve: (location) =>
    location === "gone.bin"
      ? null
      : location.startsWith("..")
        ? "escapes"
        : { path: `/${location}`, sizeBytes: 6 },
};

type Row = readonly [name: string, file: string, bytes: Uint8Array, message: string];
const LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
const ONNX: readonly Row[] = [
  ["empty", "m.onnx", text(""), "/m.onnx is empty: it has no bytes."],
  [
    "JSON",
    "m.onnx",
    text(' {"a": 1}'),
    "/m.onnx is not an ONNX model: JSON text starts at byte 1.",
  ],
  [
    "a web page",
    "m.onnx",
    text("<!DOCTYPE html>"),
    "/m.onnx is not an ONNX model: this is a web page or XML at byte 0.",
  ],
  [
    "a ZIP archive",
    "m.onnx",
    text("PK\x03\x04 archive"),
    "/m.onnx is not an ONNX model: this is a ZIP archive (a PyTorch checkpoint, perhaps) at byte 0.",
  ],
  ["a Git LFS pointer", "m.onnx", text(LFS), "/m.onnx is a Git LFS pointer, not the model itself."],
  ["another extension", "m.pt", good, "/m.pt is not a model Lathe can open."],
  [
    "cut off",
    "m.onnx",
    good.subarray(0, 20),
    "/m.onnx is cut off: graph at byte 4 needs 21 bytes, 16 are left.",
  ],
  [
    "cut off inside a number",
    "m.onnx",
    Uint8Array.of(8, 0x88),
    "/m.onnx is cut off: a number at byte 1 needs 2 bytes, 1 is left.",
  ],
  [
    "a number without end",
    "m.onnx",
    new Uint8Array(20).fill(0xff),
    "/m.onnx is not an ONNX model: a tag has an impossible length at byte 0.",
  ],
  ["no graph", "m.onnx", onnxBytes({ irVersion: 8n }), "/m.onnx: it has no graph."],
  [
    "field number 0",
    "m.onnx",
    Uint8Array.of(0, 0),
    "/m.onnx is not an ONNX model: there is no field 0 in ModelProto at byte 0.",
  ],
  [
    "a graph that is a number",
    "m.onnx",
    Uint8Array.of(0x38, 1),
    "/m.onnx is not an ONNX model: graph has the wire type 0 at byte 0.",
  ],
  [
    "a node longer than its graph",
    "m.onnx",
    Uint8Array.of(0x3a, 3, 0x0a, 9, 0, 8, 8),
    "/m.onnx is not an ONNX model: graph.node is longer than what holds it at byte 4.",
  ],
  [
    "a group that does not end",
    "m.onnx",
    Uint8Array.of(0x63, 0x08, 1),
    "/m.onnx is cut off: a group at byte 3 needs 1 byte, 0 are left.",
  ],
  [
    "nested too deeply",
    "m.onnx",
    withGraph(nested(100)),
    "/m.onnx: the nesting depth is 209, more than 208.",
  ],
  [
    "fewer bytes than the shape",
    "m.onnx",
    withTensor({ rawData: new Uint8Array(7) }),
    '/m.onnx: tensor "w" has 7 bytes of data, but float32 [2] takes 8.',
  ],
  ["no data", "m.onnx", withTensor({}), '/m.onnx: tensor "w" has no data.'],
  [
    "a negative dimension",
    "m.onnx",
    withTensor({ dims: [-1n] }),
    '/m.onnx: tensor "w" has a dimension of -1.',
  ],
  [
    "an impossible shape",
    "m.onnx",
    withTensor({ dims: [1n << 40n, 1n << 40n] }),
    '/m.onnx: tensor "w" has the impossible shape [1099511627776, 1099511627776].',
  ],
  [
    "65 dimensions",
    "m.onnx",
    withTensor({ dims: new Array<bigint>(65).fill(1n) }),
    '/m.onnx: tensor "w" has 65 dimensions.',
  ],
  [
    "floats in a field for integers",
    "m.onnx",
    withTensor({ int64Data: [1n, 2n] }),
    '/m.onnx: tensor "w" has values of data type 1 in int64_data.',
  ],
  [
    "the same, many",
    "m.onnx",
    withTensor({ dims: [2000n], int64Data: new Array<bigint>(2000).fill(1n) }),
    '/m.onnx: tensor "w" has values of data type 1 in int64_data.',
  ],
  [
    "fewer strings than the shape",
    "m.onnx",
    withTensor({ dataType: 8, stringData: [text("a")] }),
    '/m.onnx: tensor "w" has 1 strings, but string [2] takes 2.',
  ],
  [
    "one segment",
    "m.onnx",
    withTensor({ rawData: new Uint8Array(8), segment: { begin: 0n, end: 1n } }),
    '/m.onnx: tensor "w" is one segment of a larger tensor.',
  ],
  [
    "a nameless constant",
    "m.onnx",
    withGraph({
      node: [
        {
          opType: "Constant",
          name: "c",
          attribute: [{ name: "value", type: 4, t: { dataType: 1, dims: [1n] } }],
        },
      ],
    }),
    '/m.onnx: tensor "value of node "c"" has no data.',
  ],
  [
    "external data gone",
    "m.onnx",
    external("gone.bin"),
    '/m.onnx: the data of tensor "w" is in "gone.bin", which does not exist.',
  ],
  [
    "external data elsewhere",
    "m.onnx",
    external("../up.bin"),
    '/m.onnx: tensor "w" points outside the model\'s folder ("../up.bin").',
  ],
  [
    "external data cut off",
    "m.onnx",
    external("d.bin"),
    '/m.onnx: tensor "w" ends at byte 8 of "d.bin", which has 6 bytes.',
  ],
  [
    "external data of another size",
    "m.onnx",
    external("d.bin", { length: "4" }),
    '/m.onnx: tensor "w" has 4 bytes of data, but float32 [2] takes 8.',
  ],
  [
    "an external offset that is no number",
    "m.onnx",
    external("d.bin", { offset: "-4" }),
    '/m.onnx: tensor "w" has the external data offset "-4".',
  ],
  [
    "an external offset beyond all files",
    "m.onnx",
    external("d.bin", { offset: "9007199254740993" }),
    '/m.onnx: tensor "w" has the external data offset "9007199254740993".',
  ],
  [
    "external data without a location",
    "m.onnx",
    external(""),
    '/m.onnx: tensor "w" has external data without a location.',
  ],
  [
    "external strings",
    "m.onnx",
    withTensor({
      dataType: 8,
      dataLocation: 1,
      externalData: [{ key: "location", value: "d.bin" }],
    }),
    '/m.onnx: tensor "w" has strings as external data, which ONNX rules out.',
  ],
];
const ST = "/m.safetensors is not a valid safetensors file: ";
const length = (n: bigint, rest = ""): Uint8Array => {
  const bytes = new Uint8Array(8 + rest.length);
  new DataView(bytes.buffer).setBigUint64(0, n, true);
  bytes.set(text(rest), 8);
  return bytes;
};
const SAFETENSORS: readonly Row[] = [
  ["empty", "m.safetensors", text(""), "/m.safetensors is empty: it has no bytes."],
  [
    "a Git LFS pointer",
    "m.safetensors",
    text(LFS),
    "/m.safetensors is a Git LFS pointer, not the model itself.",
  ],
  ["JSON", "m.safetensors", text('{"w": 1}'), `${ST}JSON text starts at byte 0.`],
  [
    "five bytes",
    "m.safetensors",
    Uint8Array.of(1, 2, 3, 4, 5),
    "/m.safetensors is cut off: the header's length at byte 0 needs 8 bytes, 5 are left.",
  ],
  [
    "a header longer than the file",
    "m.safetensors",
    length(500n, "{}"),
    "/m.safetensors is cut off: the header at byte 8 needs 500 bytes, 2 are left.",
  ],
  [
    "a header of a terabyte",
    "m.safetensors",
    length(1n << 40n),
    `${ST}its header would be 1099511627776 bytes long, more than 100000000.`,
  ],
  [
    "a header that is a list",
    "m.safetensors",
    length(2n, "[]"),
    `${ST}its header does not start with {.`,
  ],
  [
    "a header that is no JSON",
    "m.safetensors",
    length(9n, '{"w":bad}'),
    `${ST}its header is not valid JSON (unexpected b at byte 13).`,
  ],
  [
    "text after the header",
    "m.safetensors",
    length(4n, "{} x"),
    `${ST}its header is not valid JSON (text after the end at byte 11).`,
  ],
  [
    "the same key twice",
    "m.safetensors",
    length(15n, '{"w":1,"w":1}  '),
    `${ST}its header is not valid JSON (the key "w" is there twice at byte 15).`,
  ],
  [
    "a header nested deeply",
    "m.safetensors",
    length(200n, `{"w":${"[".repeat(195)}`),
    `${ST}its header is not valid JSON (too deeply nested at byte 45).`,
  ],
  [
    "a header that is not UTF-8",
    "m.safetensors",
    Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0xff),
    `${ST}its header is not UTF-8 text.`,
  ],
  [
    "metadata that is no text",
    "m.safetensors",
    safetensorsBytes({ __metadata__: { a: 1 } }, 0),
    `${ST}__metadata__ has "a", which is not a string.`,
  ],
  [
    "metadata that is a list",
    "m.safetensors",
    safetensorsBytes({ __metadata__: [] }, 0),
    `${ST}__metadata__ is not an object.`,
  ],
  [
    "an entry that is a number",
    "m.safetensors",
    safetensorsBytes({ w: 1 }, 0),
    `${ST}the entry of tensor "w" is not an object.`,
  ],
  [
    "an unknown dtype",
    "m.safetensors",
    entry({ dtype: "F33" }),
    `${ST}tensor "w" has the unknown dtype "F33".`,
  ],
  [
    "a negative size",
    "m.safetensors",
    entry({ shape: [-1] }),
    `${ST}the shape of tensor "w" is not a list of sizes.`,
  ],
  [
    "half a size",
    "m.safetensors",
    entry({ shape: [1.5] }),
    `${ST}the shape of tensor "w" is not a list of sizes.`,
  ],
  [
    "an impossible shape",
    "m.safetensors",
    entry({ shape: [2 ** 40, 2 ** 40] }),
    `${ST}tensor "w" has the impossible shape [1099511627776, 1099511627776].`,
  ],
  [
    "one offset",
    "m.safetensors",
    entry({ data_offsets: [0] }),
    `${ST}the data_offsets of tensor "w" are not two offsets.`,
  ],
  [
    "an end before the begin",
    "m.safetensors",
    entry({ data_offsets: [4, 0] }),
    `${ST}tensor "w" ends (0) before it begins (4).`,
  ],
  [
    "an end after the file",
    "m.safetensors",
    entry({ data_offsets: [0, 8], shape: [2] }),
    `${ST}tensor "w" ends at byte 72, but the file has 68 bytes.`,
  ],
  [
    "a shape that lies",
    "m.safetensors",
    entry({ shape: [2] }),
    `${ST}tensor "w" has 4 bytes, but F32 [2] takes 8.`,
  ],
  [
    "part of a byte",
    "m.safetensors",
    entry({ dtype: "F4", shape: [7] }),
    `${ST}tensor "w" does not fill its last byte (7 × 4 bit).`,
  ],
  [
    "a hole",
    "m.safetensors",
    safetensorsBytes({ w: { dtype: "U8", shape: [2], data_offsets: [2, 4] } }, 4),
    `${ST}bytes 64 to 66 belong to no tensor.`,
  ],
  [
    "bytes after the last",
    "m.safetensors",
    safetensorsBytes({ w: { dtype: "U8", shape: [2], data_offsets: [0, 2] } }, 4),
    `${ST}2 bytes after the last tensor belong to no tensor.`,
  ],
  [
    "an overlap",
    "m.safetensors",
    safetensorsBytes(
      {
        a: { dtype: "U8", shape: [3], data_offsets: [0, 3] },
        b: { dtype: "U8", shape: [2], data_offsets: [2, 4] },
      },
      4,
    ),
    `${ST}tensor "b" overlaps the one before it.`,
  ],
];

describe("broken files", () => {
  for (const [title, rows] of [
    ["ONNX", ONNX],
    ["safetensors", SAFETENSORS],
  ] as const)
    describe(title, () => {
      for (const [name, file, bytes, message] of rows)
        it(name, () => {
          assert.throws(
            () => readModel(memorySource(`/${file}`, bytes), siblings),
            (error) => {
              assert.ok(error instanceof FormatError, String(error));
              assert.equal(error.message, message);
              assert.ok(error.failure.where?.includes(`/${file}`));
              assert.ok(error.failure.hint);
              return true;
            },
          );
        });
    });

  it("a file of 256 MB that claims millions of nodes costs no memory before it is refused", () => {
    // One graph of empty nodes: two bytes each, far more than a real file has.
    const nodesBytes = 256 * 1024 * 1024;
    const head = Uint8Array.of(0x3a, 0x80, 0x80, 0x80, 0x80, 0x01);
    const source = {
      path: "/m.onnx",
      sizeBytes: head.length + nodesBytes,
      read: (offset: number, length: number): Uint8Array =>
        Buffer.concat([
          head.subarray(offset, offset + length),
          // Node, length 0, node, …, from whichever of the two the offset is at.
          Buffer.alloc(
            Math.max(0, Math.min(length, offset + length - head.length)),
            Math.max(0, offset - head.length) % 2 === 0 ? "0a00" : "000a",
            "hex",
          ),
        ]),
    };
    assert.throws(() => readModel(source, NO_SIBLINGS), {
      message: "/m.onnx: the number of messages is 3000001, more than 3000000.",
    });
  });
});
