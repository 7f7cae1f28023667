/**
 * Files in every form that protobuf allows, against what the Python onnx package reads in the same
 * bytes (test/fixtures/onnxForms.json): tensors in every field, packed or not, in one part or several,
 * messages that are merged, scalars of which the last counts, unknown fields. Written anew they say the same.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { inflateSync } from "node:zlib";
import {
  graphAt,
  MAIN,
  type Attribute,
  type GraphPath,
  type Model,
  type Tensor,
  type Value,
} from "../../src/core/model.ts";
import { stringsOf } from "../../src/formats/onnxTensor.ts";
import { referenceKernels } from "../../src/kernels/reference.ts";
import { elementCount } from "../../src/shared/dtype.ts";
import { bytesOf, encode, FILE, readOnnx } from "./make.ts";
import { rebuilt } from "./rebuild.ts";

interface Case {
  readonly title: string;
  readonly file: string;
  readonly reads: unknown;
}
const { cases } = JSON.parse(readFileSync("test/fixtures/onnxForms.json", "utf8")) as {
  readonly cases: readonly Case[];
};

const KINDS = {
  tensor: "tensor_type",
  sequence: "sequence_type",
  map: "map_type",
  optional: "optional_type",
  sparse_tensor: "sparse_tensor_type",
} as const;

/** What the fixture's script writes down, of our reading. */
function described(model: Model, bytes: Uint8Array): unknown {
  const tensor = ({ name, dtype, shape, at }: Tensor): object => {
    const data = bytesOf(at, { [FILE]: bytes });
    const about = { name, dtype: dtype.onnx, dims: shape };
    if (dtype.kind === "string")
      return { ...about, strings: stringsOf(data).map((s) => Buffer.from(s).toString("base64")) };
    const sha1 = createHash("sha1").update(data).digest("hex").slice(0, 16);
    const count = elementCount(shape);
    if (dtype.kind === "complex" || count > 16) return { ...about, sha1 };
    const values = [...referenceKernels.toF32(dtype, data, count)];
    return { ...about, sha1, values: values.map(plain) };
  };
  const attribute = (name: string, attr: Attribute): object => {
    switch (attr.kind) {
      case "graph":
        return { name, kind: attr.kind, value: graph(attr.path) };
      case "tensor":
        return { name, kind: attr.kind, value: tensor(attr.value) };
      case "opaque":
        return { name, kind: attr.kind, value: attr.type };
      default:
        return { name, kind: attr.kind, value: attr.value };
    }
  };
  const value = ({ name, type, dtype, shape }: Value): object =>
    type === "tensor" && dtype
      ? { name, type: KINDS[type], dtype: dtype.onnx, shape }
      : { name, type: type === "tensor" ? "opaque_type" : KINDS[type] };
  const graph = (path: GraphPath): object => {
    const { name, nodes, tensors, inputs, outputs, values } = graphAt(model, path);
    const declared = (names: readonly string[]): object[] =>
      names.map((key) => value(values.get(key)!));
    return {
      name,
      nodes: nodes.map((node) => ({
        op: node.op,
        domain: node.domain,
        name: node.name,
        inputs: node.inputs,
        outputs: node.outputs,
        attributes: Object.entries(node.attrs).map(([key, attr]) => attribute(key, attr)),
      })),
      tensors: [...tensors.values()].map(tensor),
      inputs: declared(inputs),
      outputs: declared(outputs),
    };
  };
  return {
    irVersion: model.irVersion,
    producer: model.producer,
    opsets: [...model.opsets],
    meta: [...model.meta],
    functions: model.functions.map(({ domain, name, nodes }) => [domain, name, nodes]),
    graph: graph(MAIN),
  };
}
const plain = (x: number): number | string =>
  Number.isNaN(x) ? "nan" : x === Infinity ? "inf" : x === -Infinity ? "-inf" : x;

describe("every form of a file", () => {
  for (const { title, file, reads } of cases)
    it(title, () => {
      const bytes = new Uint8Array(inflateSync(Buffer.from(file, "base64")));
      const model = readOnnx(bytes);
      // producer_version is shown with the name; the metadata of no key is one like any other.
      const expected = JSON.parse(JSON.stringify(reads)) as { producer: string };
      assert.deepEqual(described(model, bytes), expected);
      for (const way of [model, rebuilt(model)]) {
        const written = encode(way, { [FILE]: bytes }).model;
        assert.deepEqual(described(readOnnx(written), written), expected);
      }
    });
});
