/** Small models and data that the command line's tests make for themselves. */
import { create, toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "../../src/formats/onnx_pb.ts";
import { gaussian, randomSource } from "../helpers/random.ts";

const FLOAT = 1;
export const INPUTS = 64;
export const CLASSES = 10;

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** A weight of the classifier: its numbers, or the place of its numbers in another file. */
type Place = { readonly location: string } | null;

const tensor = (name: string, dims: readonly number[], seed: number, place: Place = null) => {
  const count = dims.reduce((a, b) => a * b, 1);
  const values = gaussian(count, seed).map((value) => value / Math.sqrt(dims[0] ?? 1));
  return {
    name,
    dataType: FLOAT,
    dims: dims.map(BigInt),
    ...(place === null
      ? { rawData: bytesOf(values) }
      : {
          dataLocation: 1,
          externalData: [
            { key: "location", value: place.location },
            { key: "offset", value: "0" },
            { key: "length", value: String(count * 4) },
          ],
        }),
  };
};
const value = (name: string, dims: readonly (number | string)[]) => ({
  name,
  type: {
    value: {
      case: "tensorType" as const,
      value: {
        elemType: FLOAT,
        shape: {
          dim: dims.map((dim) => ({
            value:
              typeof dim === "number"
                ? { case: "dimValue" as const, value: BigInt(dim) }
                : { case: "dimParam" as const, value: dim },
          })),
        },
      },
    },
  },
});

/** `x [batch, 64]` to `y [batch, 10]` through a hidden layer of 96: two matrix products. */
export function classifier(place: Place = null): Uint8Array {
  const model = create(ModelProtoSchema, {
    irVersion: 8n,
    producerName: "lathe-tests",
    opsetImport: [{ domain: "", version: 17n }],
    graph: {
      name: "classifier",
      node: [
        { opType: "MatMul", name: "/fc1", input: ["x", "fc1.weight"], output: ["h0"] },
        { opType: "Add", name: "/add1", input: ["h0", "fc1.bias"], output: ["h1"] },
        { opType: "Identity", name: "/identity", input: ["h1"], output: ["h2"] },
        { opType: "Relu", name: "/relu", input: ["h2"], output: ["h3"] },
        { opType: "MatMul", name: "/fc2", input: ["h3", "fc2.weight"], output: ["y"] },
      ],
      initializer: [
        tensor("fc1.weight", [INPUTS, 96], 1, place),
        tensor("fc1.bias", [96], 2),
        tensor("fc2.weight", [96, CLASSES], 3),
      ],
      input: [value("x", ["batch", INPUTS])],
      output: [value("y", ["batch", CLASSES])],
    },
  });
  return toBinary(ModelProtoSchema, model);
}

/** One product of `size` × `size` float32 values: 64 MiB for 4096, so that work on it takes a while. */
export function wide(size: number): Uint8Array {
  const values = new Float32Array(size * size);
  for (let i = 0; i < values.length; i++)
    values[i] = (Math.imul(i, 0x9e3779b1) >>> 8) / 2 ** 24 - 0.5;
  const model = create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [{ domain: "", version: 17n }],
    graph: {
      name: "wide",
      node: [{ opType: "MatMul", name: "/fc", input: ["x", "weight"], output: ["y"] }],
      initializer: [
        {
          name: "weight",
          dataType: FLOAT,
          dims: [BigInt(size), BigInt(size)],
          rawData: bytesOf(values),
        },
      ],
      input: [value("x", ["batch", size])],
      output: [value("y", ["batch", size])],
    },
  });
  return toBinary(ModelProtoSchema, model);
}

/** Two weights, one of them large enough to be worth quantizing. */
export function weights(): Uint8Array {
  const first = bytesOf(gaussian(128 * 64, 4));
  const second = bytesOf(gaussian(64, 5));
  const header = {
    __metadata__: { format: "pt" },
    "layer.weight": { dtype: "F32", shape: [128, 64], data_offsets: [0, first.length] },
    "layer.bias": {
      dtype: "F32",
      shape: [64],
      data_offsets: [first.length, first.length + second.length],
    },
  };
  return safetensors(JSON.stringify(header), [first, second]);
}

export function safetensors(
  header: string,
  data: readonly Uint8Array[],
  declared = header.length,
): Uint8Array {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(declared));
  return Buffer.concat([length, Buffer.from(header), ...data]);
}

/** A version 1.0 .npy file of little-endian float32 or int64. */
export function npy(values: Float32Array | BigInt64Array, shape: readonly number[]): Uint8Array {
  const descr = values instanceof Float32Array ? "<f4" : "<i8";
  const dims = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${dims}), }`;
  const header = text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11) + "\n";
  const head = Buffer.from("\u0093NUMPY\u0001\u0000??", "latin1");
  head.writeUInt16LE(header.length, 8);
  return Buffer.concat([
    head,
    Buffer.from(header, "latin1"),
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  ]);
}

/** Files of a classification data set for the classifier; `width` other than 64 does not fit it. */
export function dataset(samples: number, width = INPUTS): Readonly<Record<string, Uint8Array>> {
  const next = randomSource(7);
  const labels = BigInt64Array.from({ length: samples }, () =>
    BigInt(Math.floor(next() * CLASSES)),
  );
  const text = JSON.stringify({
    task: "classification",
    metric: "top1",
    inputs: { x: { file: "x.npy" } },
    labels: "labels.npy",
  });
  return {
    "dataset.json": Buffer.from(text),
    "x.npy": npy(gaussian(samples * width, 6), [samples, width]),
    "labels.npy": npy(labels, [samples]),
  };
}
