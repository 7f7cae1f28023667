/** What ONNX declares about a value: ValueInfoProto to Value and back. */
import { create } from "@bufbuild/protobuf";
import { dtypeFromOnnx } from "../shared/dtype.ts";
import type { Dim, ElementType, Value } from "../core/model.ts";
import { originOf, shallowCopy, type ValueOrigin } from "./onnxOrigin.ts";
import {
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProtoSchema,
  TypeProto_TensorSchema,
  ValueInfoProtoSchema,
  type TensorShapeProto,
  type TensorShapeProto_Dimension,
  type TypeProto,
  type ValueInfoProto,
} from "./onnx_pb.ts";

function readDim(dim: TensorShapeProto_Dimension): Dim {
  switch (dim.value.case) {
    case "dimValue":
      // Exporters write -1 where they mean "any".
      return dim.value.value < 0n ? null : Number(dim.value.value);
    case "dimParam":
      return dim.value.value === "" ? null : dim.value.value;
    default:
      return null;
  }
}
const readShape = (shape: TensorShapeProto | undefined): Value["shape"] =>
  shape ? shape.dim.map(readDim) : null;

const TYPES = {
  tensorType: "tensor",
  sequenceType: "sequence",
  mapType: "map",
  optionalType: "optional",
  sparseTensorType: "sparse_tensor",
} as const;

export function readType(type: TypeProto | undefined): ElementType {
  const kind = type?.value.case;
  switch (kind) {
    case undefined:
    case "opaqueType":
      return { dtype: null, shape: null, type: "tensor" };
    case "tensorType":
    case "sparseTensorType": {
      const { elemType, shape } = type?.value.value ?? {};
      const dtype = dtypeFromOnnx(elemType ?? 0);
      return { dtype, shape: readShape(shape), type: TYPES[kind] };
    }
    case "sequenceType":
    case "optionalType": {
      const { elemType } = type?.value.value ?? {};
      const outer = { dtype: null, shape: null, type: TYPES[kind] };
      return elemType ? { ...outer, element: readType(elemType) } : outer;
    }
    default:
      return { dtype: null, shape: null, type: TYPES[kind] };
  }
}

export const readValue = (message: ValueInfoProto): Value => ({
  name: message.name,
  ...readType(message.type),
  original: { of: "onnx value", message } satisfies ValueOrigin,
});

/** The message still says what the fields say. */
function isAsRead(value: Value, message: ValueInfoProto): boolean {
  const read = readValue(message);
  return (
    read.dtype === value.dtype &&
    read.type === value.type &&
    (read.shape === value.shape ||
      (read.shape?.length === value.shape?.length &&
        read.shape?.every((dim, i) => dim === value.shape?.[i]) === true))
  );
}

function writeType(value: Value): TypeProto | null {
  const elemType = value.type === "tensor" ? (value.dtype?.onnx ?? null) : null;
  if (elemType === null) return null;
  const tensor = create(TypeProto_TensorSchema, { elemType });
  if (value.shape)
    tensor.shape = create(TensorShapeProtoSchema, {
      dim: value.shape.map((dim) =>
        create(TensorShapeProto_DimensionSchema, {
          value:
            typeof dim === "number"
              ? { case: "dimValue", value: BigInt(dim) }
              : typeof dim === "string"
                ? { case: "dimParam", value: dim }
                : { case: undefined },
        }),
      ),
    });
  return create(TypeProtoSchema, { value: { case: "tensorType", value: tensor } });
}

/** @param before the declaration that had this name; its documentation is kept. */
export function writeValue(value: Value, before: ValueInfoProto | null): ValueInfoProto {
  const original = originOf(value, "onnx value")?.message;
  const source = original ?? before;
  const message = source ? shallowCopy(source) : create(ValueInfoProtoSchema);
  message.name = value.name;
  if (original && isAsRead(value, original)) return message;
  const type = writeType(value);
  if (type) message.type = type;
  else delete message.type;
  return message;
}
