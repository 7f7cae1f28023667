/** Files in memory, made from messages. */
import assert from "node:assert/strict";
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { graphKey, MAIN, mainGraph } from "../../src/core/model.ts";
import type { ByteRange, Graph, Model, Tensor } from "../../src/core/model.ts";
import type { SiblingFiles } from "../../src/formats/byteSource.ts";
import { encodeModel, readModel, type EncodeOptions } from "../../src/formats/index.ts";
import {
  ModelProtoSchema,
  type GraphProto,
  type ModelProto,
  type TensorProto,
} from "../../src/formats/onnx_pb.ts";
import { memorySource } from "../../src/formats/wire.ts";

export type ModelInit = Exclude<MessageInitShape<typeof ModelProtoSchema>, ModelProto>;
export type GraphInit = Exclude<NonNullable<ModelInit["graph"]>, GraphProto>;
export type TensorInit = Exclude<NonNullable<GraphInit["initializer"]>[number], TensorProto>;

/** The path of models in memory. */
export const FILE = "/m.onnx";
export const decode = (bytes: Uint8Array): ModelProto => fromBinary(ModelProtoSchema, bytes);
export const same = (a: Uint8Array, b: Uint8Array): void => {
  assert.ok(Buffer.from(a).equals(Buffer.from(b)));
};
export const large = (fill: number, length = 5000): Uint8Array => new Uint8Array(length).fill(fill);
/** A uint8 tensor of one value. */
export const weight = (name: string, fill: number, length = 5000): TensorInit => ({
  name,
  dataType: 2,
  dims: [BigInt(length)],
  rawData: large(fill, length),
});

/** The model with its main graph changed. */
export const change = (model: Model, edit: (graph: Graph) => Partial<Graph>): Model => {
  const graph = mainGraph(model);
  return {
    ...model,
    graphs: new Map([...model.graphs, [graphKey(MAIN), { ...graph, ...edit(graph) }]]),
  };
};

export const NO_SIBLINGS: SiblingFiles = { resolve: () => null };
export const OPTIONS: EncodeOptions = { externalData: "auto", dataName: "m.00000000.data" };

export const onnxBytes = (init: ModelInit): Uint8Array =>
  toBinary(ModelProtoSchema, create(ModelProtoSchema, init));

/** A model of opset 17 with that graph. */
export const withGraph = (graph: GraphInit, rest: ModelInit = {}): Uint8Array =>
  onnxBytes({ irVersion: 8n, opsetImport: [{ version: 17n }], graph, ...rest });

export const readOnnx = (bytes: Uint8Array, siblings: SiblingFiles = NO_SIBLINGS): Model =>
  readModel(memorySource("/m.onnx", bytes), siblings);

/** Bytes of a range or of memory, out of files given by path. */
export function bytesOf(at: Tensor["at"], files: Readonly<Record<string, Uint8Array>>): Uint8Array {
  if (at instanceof Uint8Array) return at;
  const file = files[at.file];
  if (!file) throw new Error(`the test has no file ${at.file}`);
  return file.subarray(at.offset, at.offset + at.length);
}

export interface EncodedBytes {
  readonly model: Uint8Array;
  readonly external: Uint8Array | null;
}
/** Encodes and puts the pieces together, checking the announced sizes. */
export function encode(
  model: Model,
  files: Readonly<Record<string, Uint8Array>>,
  options: Partial<EncodeOptions> = {},
): EncodedBytes {
  const out: { model: Uint8Array | null; external: Uint8Array | null } = {
    model: null,
    external: null,
  };
  for (const { role, sizeBytes, pieces } of encodeModel(model, { ...OPTIONS, ...options })) {
    const bytes = Buffer.concat(
      pieces.map((piece: Uint8Array | ByteRange) => bytesOf(piece, files)),
    );
    if (bytes.length !== sizeBytes)
      throw new Error(`announced ${sizeBytes} bytes, wrote ${bytes.length}`);
    out[role] = new Uint8Array(bytes);
  }
  if (!out.model) throw new Error("no model was written");
  return { model: out.model, external: out.external };
}

/** A part of a model without the message it came from. */
export function bare<T extends { readonly original?: unknown }>(part: T): Omit<T, "original"> {
  const copy = { ...part };
  delete (copy as { original?: unknown }).original;
  return copy;
}
