/** Every element type in every field that may hold it: the same bytes come out. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mainGraph } from "../../src/core/model.ts";
import { byteLength, DTYPES, type Dtype } from "../../src/shared/dtype.ts";
import { bare, bytesOf, encode, onnxBytes, readOnnx, withGraph, type TensorInit } from "./make.ts";

/** Whole groups of elements at any width; some above and some below the size that stays inline. */
const COUNTS = [0, 8, 2000];
const ONNX_TYPES = DTYPES.filter((type) => type.onnx !== null && type.kind !== "string");

/** Any bit pattern is a value of each type, so bytes can be counted up. */
const pattern = (length: number): Uint8Array =>
  new Uint8Array(length).map((_, i) => (i * 7 + 3) % 127);

const tensorOf = (type: Dtype, count: number, data: Partial<TensorInit>): TensorInit => ({
  name: "w",
  dataType: type.onnx ?? 0,
  dims: [BigInt(count)],
  ...data,
});

/** The typed field of onnx.proto that a type belongs to; null where it has none. */
function typed(type: Dtype, raw: Uint8Array): Partial<TensorInit> | null {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  const each = <T>(width: number, read: (at: number) => T): T[] =>
    Array.from({ length: raw.length / width }, (_, i) => read(i * width));
  switch (type.name) {
    case "float32":
    case "complex64":
      return { floatData: each(4, (at) => view.getFloat32(at, true)) };
    case "float64":
    case "complex128":
      return { doubleData: each(8, (at) => view.getFloat64(at, true)) };
    case "int64":
      return { int64Data: each(8, (at) => view.getBigInt64(at, true)) };
    case "uint64":
      return { uint64Data: each(8, (at) => view.getBigUint64(at, true)) };
    case "uint32":
      return { uint64Data: each(4, (at) => BigInt(view.getUint32(at, true))) };
    case "int32":
      return { int32Data: each(4, (at) => view.getInt32(at, true)) };
    case "int16":
      return { int32Data: each(2, (at) => view.getInt16(at, true)) };
    case "int8":
    case "int4":
    case "int2":
      return { int32Data: each(1, (at) => view.getInt8(at)) };
    default:
      if (type.bits === 6)
        return {
          int32Data: Array.from({ length: Math.floor((raw.length * 8) / 6) }, (_, i) => {
            const at = Math.floor((i * 6) / 8);
            return (((raw[at] ?? 0) | ((raw[at + 1] ?? 0) << 8)) >> ((i * 6) % 8)) & 63;
          }),
        };
      if (type.bits === 16) return { int32Data: each(2, (at) => view.getUint16(at, true)) };
      return type.bits <= 8 ? { int32Data: each(1, (at) => view.getUint8(at)) } : null;
  }
}

describe("tensors of every element type", () => {
  for (const type of ONNX_TYPES)
    it(type.name, () => {
      for (const count of COUNTS) {
        const length = byteLength(type, count) ?? 0;
        const raw = pattern(length);
        const typedField = typed(type, raw);
        const forms = [{ rawData: raw }, ...(typedField ? [typedField] : [])];
        for (const form of forms) {
          const bytes = withGraph({ initializer: [tensorOf(type, count, form)] });
          const files = { "/m.onnx": bytes };
          const tensor = mainGraph(readOnnx(bytes)).tensors.get("w");
          assert.ok(tensor);
          assert.deepEqual(
            [tensor.dtype.name, tensor.shape, tensor.sizeBytes],
            [type.name, [count], length],
          );
          assert.deepEqual(Buffer.from(bytesOf(tensor.at, files)), Buffer.from(raw));
          assert.equal(tensor.at instanceof Uint8Array && length > 64 * 1024, false);

          const again = encode(readOnnx(bytes), files).model;
          const back = mainGraph(readOnnx(again)).tensors.get("w");
          assert.deepEqual(Buffer.from(bytesOf(back!.at, { "/m.onnx": again })), Buffer.from(raw));
        }
      }
    });

  it("strings, told apart even where their bytes joined are the same", () => {
    const strings = (...texts: string[]): Uint8Array =>
      withGraph({
        initializer: [
          {
            name: "w",
            dataType: 8,
            dims: [BigInt(texts.length)],
            stringData: texts.map((text) => new TextEncoder().encode(text)),
          },
        ],
      });
    const at = (bytes: Uint8Array) => mainGraph(readOnnx(bytes)).tensors.get("w")?.at;
    assert.notDeepEqual(at(strings("ab", "c")), at(strings("a", "bc")));
    const bytes = strings("ab", "", "ü");
    assert.deepEqual(Buffer.from(encode(readOnnx(bytes), {}).model), Buffer.from(bytes));
    const renamed = readOnnx(bytes);
    const graph = mainGraph(renamed);
    const made = bare(graph.tensors.get("w")!);
    const rebuilt = {
      ...renamed,
      graphs: new Map([["[]", { ...graph, tensors: new Map([["w", made]]) }]]),
    };
    assert.deepEqual(at(encode(rebuilt, {}).model), at(bytes));
  });

  it("unpacked values, as old writers left them", () => {
    // Field 4 (float_data), wire type 5, twice; then the same for field 7 (int64_data), wire type 0.
    const floats = [...Float32Array.of(1.5, -2)].flatMap((value) => {
      const four = new Uint8Array(Float32Array.of(value).buffer);
      return [0x25, ...four];
    });
    const asTensor = (fields: number[]): Uint8Array => {
      const name = [0x42, 1, 0x77];
      const tensor = [...fields, ...name];
      const graph = [0x2a, tensor.length, ...tensor];
      return Uint8Array.of(...onnxBytes({ irVersion: 8n }), 0x3a, graph.length, ...graph);
    };
    const read = (fields: number[]): Uint8Array | undefined => {
      const at = mainGraph(readOnnx(asTensor(fields))).tensors.get("w")?.at;
      return at instanceof Uint8Array ? at : undefined;
    };
    assert.deepEqual(
      read([0x08, 2, 0x10, 1, ...floats]),
      new Uint8Array(Float32Array.of(1.5, -2).buffer),
    );
    assert.deepEqual(
      read([0x08, 2, 0x10, 7, 0x38, 5, 0x38, 6]),
      new Uint8Array(BigInt64Array.of(5n, 6n).buffer),
    );
  });
});
