/** What ONNX declares about a value: ValueInfoProto to Value and back. */
import { create } from "@bufbuild/protobuf";
import { dtypeFromOnnx } from "../shared/dtype.ts";
import type { Dim, Value } from "../core/model.ts";
import { shallowCopy } from "./onnxOrigin.ts";
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

export function readValue(message: ValueInfoProto): Value {
  const { name, type } = message;
  switch (type?.value.case) {
    case "tensorType":
    case "sparseTensorType":
      return {
        name,
        dtype: dtypeFromOnnx(type.value.value.elemType),
        shape: readShape(type.value.value.shape),
        type: type.value.case === "tensorType" ? "tensor" : "sparse_tensor",
      };
    case "sequenceType":
      return { name, dtype: null, shape: null, type: "sequence" };
    case "mapType":
      return { name, dtype: null, shape: null, type: "map" };
    case "optionalType":
      return { name, dtype: null, shape: null, type: "optional" };
    default:
      return { name, dtype: null, shape: null, type: "tensor" };
  }
}

function writeType(value: Value): TypeProto | null {
  if (value.type !== "tensor" || value.dtype?.onnx == null) return null;
  const dims = value.shape?.map((dim) =>
    create(TensorShapeProto_DimensionSchema, {
      value:
        typeof dim === "number"
          ? { case: "dimValue", value: BigInt(dim) }
          : typeof dim === "string"
            ? { case: "dimParam", value: dim }
            : { case: undefined },
    }),
  );
  const tensor = create(TypeProto_TensorSchema, { elemType: value.dtype.onnx });
  if (dims) tensor.shape = create(TensorShapeProtoSchema, { dim: dims });
  return create(TypeProtoSchema, { value: { case: "tensorType", value: tensor } });
}

/** @param before the declaration this one replaces or renames; its documentation is kept. */
export function writeValue(value: Value, before: ValueInfoProto | null): ValueInfoProto {
  const message = before ? shallowCopy(before) : create(ValueInfoProtoSchema);
  message.name = value.name;
  const type = writeType(value);
  if (type) message.type = type;
  else if (value.type === "tensor") delete message.type;
  return message;
}
