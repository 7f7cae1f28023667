/** Attributes of nodes: AttributeProto to Attribute and back. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Attribute, Tensor } from "../core/model.ts";
import { isSet } from "./onnxOrigin.ts";
import { readType } from "./onnxValue.ts";
import { AttributeProtoSchema, type AttributeProto, type TensorProto } from "./onnx_pb.ts";

/** `AttributeProto.AttributeType`, by number. */
const TYPES = [
  "undefined",
  "float",
  "int",
  "string",
  "tensor",
  "graph",
  "floats",
  "ints",
  "strings",
  "tensors",
  "graphs",
  "sparse_tensor",
  "sparse_tensors",
  "type_proto",
  "type_protos",
] as const;
type TypeName = (typeof TYPES)[number];
const codeOf = (name: TypeName): number => TYPES.indexOf(name);

/** Files of IR version 1 do not say the type; the field that is set does. */
function typeOf(message: AttributeProto): TypeName | null {
  if (message.type !== 0) return TYPES[message.type] ?? null;
  if (isSet(message, "f")) return "float";
  if (isSet(message, "i")) return "int";
  if (isSet(message, "s")) return "string";
  if (message.t) return "tensor";
  if (message.g) return "graph";
  if (message.floats.length > 0) return "floats";
  if (message.ints.length > 0) return "ints";
  if (message.strings.length > 0) return "strings";
  return null;
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });
/** Null for bytes that are not text; decoding those with replacements would lose them. */
function text(bytes: Uint8Array): string | null {
  try {
    return UTF8.decode(bytes);
  } catch {
    return null;
  }
}

/**
 * @param readTensor null for an element type we do not know
 * @param openGraph reads the subgraph and gives the way to it
 */
export function readAttribute(
  message: AttributeProto,
  readTensor: (message: TensorProto) => Tensor | null,
  openGraph: () => readonly string[],
): Attribute {
  if (message.refAttrName !== "")
    return { kind: "opaque", type: "reference", refersTo: message.refAttrName };
  const type = typeOf(message);
  switch (type) {
    case "float":
      return { kind: "float", value: message.f };
    case "int":
      return { kind: "int", value: Number(message.i) };
    case "string": {
      const value = text(message.s);
      return value === null ? { kind: "opaque", type: "bytes" } : { kind: "string", value };
    }
    case "floats":
      return { kind: "floats", value: message.floats };
    case "ints":
      return { kind: "ints", value: message.ints.map(Number) };
    case "strings": {
      const value = message.strings.map(text).filter((s) => s !== null);
      return value.length < message.strings.length
        ? { kind: "opaque", type: "bytes" }
        : { kind: "strings", value };
    }
    case "tensor": {
      const value = message.t ? readTensor(message.t) : null;
      return value ? { kind: "tensor", value } : { kind: "opaque", type: "tensor" };
    }
    case "graph":
      return message.g ? { kind: "graph", path: openGraph() } : { kind: "opaque", type: "graph" };
    case "type_proto":
      return { kind: "opaque", type, element: readType(message.tp) };
    default:
      return { kind: "opaque", type: type ?? `type ${message.type}` };
  }
}

const INT64_MAX = 2n ** 63n - 1n;
/** Numbers at the edge of int64 come from "to the end" constants, which must stay the largest. */
function int64(value: number): bigint {
  const big = BigInt(Math.trunc(value));
  if (big > INT64_MAX) return INT64_MAX;
  return big < -INT64_MAX - 1n ? -INT64_MAX - 1n : big;
}

/** The message of an attribute made here; of graphs and opaque ones only the original will do. */
export function writeAttribute(
  name: string,
  attr: Exclude<Attribute, { kind: "graph" | "opaque" }>,
  writeTensor: (tensor: Tensor) => TensorProto,
): AttributeProto {
  const type = codeOf(attr.kind);
  const make = (value: MessageInitShape<typeof AttributeProtoSchema>): AttributeProto =>
    create(AttributeProtoSchema, { name, type, ...value });
  switch (attr.kind) {
    case "float":
      return make({ f: Math.fround(attr.value) });
    case "int":
      return make({ i: int64(attr.value) });
    case "string":
      return make({ s: new TextEncoder().encode(attr.value) });
    case "floats":
      return make({ floats: attr.value.map(Math.fround) });
    case "ints":
      return make({ ints: attr.value.map(int64) });
    case "strings":
      return make({ strings: attr.value.map((s) => new TextEncoder().encode(s)) });
    case "tensor":
      return make({ t: writeTensor(attr.value) });
  }
}
