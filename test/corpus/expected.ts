/** Stored inputs and expected outputs of the corpus: tensors, sequences and optionals as their types. */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { fromBinary } from "@bufbuild/protobuf";
import type { ElementType } from "../../src/core/model.ts";
import {
  elementsOf,
  holding,
  sequenceOf,
  UNKNOWN,
  value,
  type Info,
} from "../../src/core/shapes/rule.ts";
import { TensorProtoSchema } from "../../src/formats/onnx_pb.ts";
import { readTensor } from "../../src/formats/onnxTensor.ts";

/**
 * What is stored in a `.pb` file of a value of that type: element type, shape and small elements.
 * SequenceProto and OptionalProto are not part of model files, so they are read here by field number.
 */
export const storedInfo = (bytes: Uint8Array, type: ElementType): Info => decode(bytes, type);

const TENSOR: ElementType = { type: "tensor", dtype: null, shape: null };
const SEQUENCE: ElementType = { ...TENSOR, type: "sequence" };
const OPTIONAL: ElementType = { ...TENSOR, type: "optional" };

function decode(bytes: Uint8Array, type: ElementType): Info {
  if (type.type === "tensor") return tensor(bytes);
  const parts = fields(bytes);
  if (type.type === "sequence") {
    const elements = [
      ...(parts.get(3) ?? []).map((part) => decode(part, TENSOR)),
      ...(parts.get(5) ?? []).map((part) => decode(part, SEQUENCE)),
      ...(parts.get(7) ?? []).map((part) => decode(part, OPTIONAL)),
    ];
    return sequenceOf(common(elements), elements.length);
  }
  // Some cases store what the optional holds without the message around it.
  if (type.element?.type === "sequence" && !parts.has(5))
    return holding("optional", decode(bytes, SEQUENCE));
  const [held] = [
    ...(parts.get(3) ?? []).map((part) => decode(part, TENSOR)),
    ...(parts.get(5) ?? []).map((part) => decode(part, SEQUENCE)),
  ];
  return held ? holding("optional", held) : UNKNOWN;
}

/** What all elements of a sequence share. */
function common(elements: readonly Info[]): Info {
  const [first = UNKNOWN, ...others] = elements;
  return others.reduce(
    (a, b) => ({
      dtype: a.dtype,
      shape:
        a.shape?.length === b.shape?.length
          ? (a.shape?.map((dim, i) => (dim === b.shape?.[i] ? dim : null)) ?? null)
          : null,
      data: null,
    }),
    first,
  );
}

function tensor(bytes: Uint8Array): Info {
  const read = readTensor(
    { path: "expected", payloads: [], siblings: { resolve: () => null }, externalFiles: new Map() },
    fromBinary(TensorProtoSchema, bytes),
    "a tensor",
  );
  if (!read) return UNKNOWN;
  const data = read.at instanceof Uint8Array ? elementsOf(read, read.at) : null;
  return value(read.dtype, read.shape, data);
}

/** Length-delimited fields by number. */
function fields(bytes: Uint8Array): Map<number, Uint8Array[]> {
  const found = new Map<number, Uint8Array[]>();
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (wire !== WireType.LengthDelimited) {
      reader.skip(wire);
      continue;
    }
    found.set(field, [...(found.get(field) ?? []), reader.bytes()]);
  }
  return found;
}
