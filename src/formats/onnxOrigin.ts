/**
 * What a model's parts remember of the messages they came from, so that saving keeps everything
 * that was not changed, known to us or not. Held in the `original` fields; read by `formats/` only.
 */
import type { Attribute, FunctionInfo, Tensor, Value } from "../core/model.ts";
import type {
  FunctionProto,
  GraphProto,
  NodeProto,
  TensorProto,
  ValueInfoProto,
} from "./onnx_pb.ts";
import type { Skeleton } from "./onnxSkeleton.ts";
import type { TensorReader } from "./onnxTensor.ts";

export interface ModelOrigin {
  readonly of: "onnx model";
  readonly skeleton: Skeleton;
  readonly opsets: ReadonlyMap<string, number>;
  readonly meta: ReadonlyMap<string, string>;
  readonly functions: ReadonlyMap<FunctionInfo, FunctionProto>;
  /** Tensors with external data in places that a Model does not show. */
  readonly hidden: ReadonlyMap<TensorProto, Tensor>;
  /** To read more of it. */
  readonly reader: TensorReader;
}
export interface GraphOrigin {
  readonly of: "onnx graph";
  readonly message: GraphProto;
  readonly values: ReadonlyMap<string, Value>;
  readonly valueMessages: ReadonlyMap<string, ValueInfoProto>;
  /** Initializers of element types we do not know; written back as they are. */
  readonly unread: readonly TensorProto[];
}
export interface NodeOrigin {
  readonly of: "onnx node";
  readonly message: NodeProto;
  readonly attrs: Readonly<Record<string, Attribute>>;
}
export interface TensorOrigin {
  readonly of: "onnx tensor";
  readonly message: TensorProto;
  readonly at: Tensor["at"];
  readonly external: boolean;
}
export interface ValueOrigin {
  readonly of: "onnx value";
  readonly message: ValueInfoProto;
}
interface Origins {
  readonly "onnx model": ModelOrigin;
  readonly "onnx graph": GraphOrigin;
  readonly "onnx node": NodeOrigin;
  readonly "onnx tensor": TensorOrigin;
  readonly "onnx value": ValueOrigin;
}

const isOrigin = <K extends keyof Origins>(value: unknown, of: K): value is Origins[K] =>
  typeof value === "object" && value !== null && "of" in value && value.of === of;

/** The origin of that kind, or null for a part that was made here. */
export const originOf = <K extends keyof Origins>(
  part: { readonly original?: unknown },
  of: K,
): Origins[K] | null => (isOrigin(part.original, of) ? part.original : null);

/** A field of a proto2 message is set, be it to its default. */
export const isSet = (message: object, field: string): boolean => Object.hasOwn(message, field);

/** A copy that shares the lists and messages inside; assign new ones, never change them in place. */
export const shallowCopy = <M extends object>(message: M): M =>
  Object.assign(Object.create(Object.getPrototypeOf(message) as object) as M, message);
