/** What each field of the ONNX messages looks like on the wire, from the generated descriptors. */
import { ScalarType, type DescField, type DescMessage } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "./onnx_pb.ts";

/** Wire types: 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes. */
export type WireType = 0 | 1 | 2 | 5;

export interface FieldShape {
  readonly name: string;
  readonly wire: WireType;
  /** Repeated numbers may also come packed, as wire type 2. */
  readonly packable: boolean;
  /** A string, as opposed to bytes. */
  readonly isText: boolean;
  /** A TensorProto of which there is one: if it is there twice, the two are merged. */
  readonly isTensor: boolean;
  readonly message: MessageShape | null;
}
export interface MessageShape {
  readonly name: string;
  /** By field number; holes are fields we do not know. */
  readonly fields: readonly (FieldShape | undefined)[];
}

function wireOf(field: DescField): WireType {
  if (field.message) return 2;
  switch (field.scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return 2;
    case ScalarType.FLOAT:
      return 5;
    case ScalarType.DOUBLE:
      return 1;
    default:
      return 0;
  }
}

function shapeOf(desc: DescMessage, known: Map<string, MessageShape>): MessageShape {
  const existing = known.get(desc.typeName);
  if (existing) return existing;
  const fields: (FieldShape | undefined)[] = [];
  const shape: MessageShape = { name: desc.name, fields };
  known.set(desc.typeName, shape);
  for (const field of desc.fields) {
    const wire = wireOf(field);
    fields[field.number] = {
      name: field.name,
      wire,
      isTensor: field.message?.name === "TensorProto" && field.fieldKind !== "list",
      isText: field.scalar === ScalarType.STRING,
      packable: field.fieldKind === "list" && wire !== 2,
      message: field.message ? shapeOf(field.message, known) : null,
    };
  }
  return shape;
}

export const MODEL_SHAPE: MessageShape = shapeOf(ModelProtoSchema, new Map());
