/** Graphs, nodes, values and tensors back to messages. */
import { create } from "@bufbuild/protobuf";
import {
  graphKey,
  type Attribute,
  type Graph,
  type GraphNode,
  type Model,
  type Tensor,
} from "../core/model.ts";
import { formatErrors } from "../shared/errors.ts";
import { writeAttribute } from "./onnxAttribute.ts";
import { CHECKSUM, type Placement } from "./onnxExternal.ts";
import { originOf, shallowCopy, type GraphOrigin, type NodeOrigin } from "./onnxOrigin.ts";
import { stringsOf } from "./onnxTensor.ts";
import { INLINE_BYTES, isMarked } from "./onnxTensorFields.ts";
import { writeValue } from "./onnxValue.ts";
import {
  AttributeProtoSchema,
  GraphProtoSchema,
  NodeProtoSchema,
  StringStringEntryProtoSchema,
  TensorProtoSchema,
  ValueInfoProtoSchema,
  type AttributeProto,
  type GraphProto,
  type NodeProto,
  type StringStringEntryProto,
  type TensorProto,
  type ValueInfoProto,
} from "./onnx_pb.ts";
import type { Payload } from "./payload.ts";

export interface GraphWriter {
  readonly model: Model;
  /** Where external tensors lie; all others are embedded. */
  readonly places: ReadonlyMap<Tensor, Placement>;
  /** Stands for a payload in a message. */
  markerOf(payload: Payload): Uint8Array;
  readonly dropInitializerInputs: boolean;
}

const GRAPH_ATTRIBUTE = 5;
export const EXTERNAL = 1;

export function writeGraph(writer: GraphWriter, graph: Graph): GraphProto {
  const origin = originOf(graph, "onnx graph");
  const message = origin ? shallowCopy(origin.message) : create(GraphProtoSchema);
  if (!origin || graph.name !== message.name) message.name = graph.name;
  message.node = graph.nodes.map((node) => writeNode(writer, node));
  message.initializer = [
    ...[...graph.tensors].map(([name, tensor]) => writeTensor(writer, tensor, name)),
    ...(origin?.unread ?? []),
  ];
  const inputs = writer.dropInitializerInputs
    ? graph.inputs.filter((name) => !graph.tensors.has(name))
    : graph.inputs;
  const declare = (name: string): ValueInfoProto => declaration(graph, origin, name);
  message.input = inputs.map(declare);
  message.output = graph.outputs.map(declare);
  message.valueInfo = valueInfos(graph, origin);
  return message;
}

function declaration(graph: Graph, origin: GraphOrigin | null, name: string): ValueInfoProto {
  const value = graph.values.get(name);
  const before = origin?.valueMessages.get(name) ?? null;
  if (!value) return create(ValueInfoProtoSchema, { name });
  return before && origin?.values.get(name) === value ? before : writeValue(value, before);
}

/** Declarations of inner values: those of the file in their order, then new ones. */
function valueInfos(graph: Graph, origin: GraphOrigin | null): ValueInfoProto[] {
  const declared = new Set([...graph.inputs, ...graph.outputs]);
  const before = origin?.message;
  // Some exporters list inputs and outputs here as well.
  const wasBoth = new Set([...(before?.input ?? []), ...(before?.output ?? [])].map((v) => v.name));
  const out: ValueInfoProto[] = [];
  for (const info of before?.valueInfo ?? []) {
    const value = graph.values.get(info.name);
    if (!value || (declared.has(info.name) && !wasBoth.has(info.name))) continue;
    out.push(origin?.values.get(info.name) === value ? info : writeValue(value, info));
  }
  const written = new Set([...declared, ...out.map((info) => info.name)]);
  for (const [name, value] of graph.values) {
    if (written.has(name) || graph.tensors.has(name)) continue;
    out.push(writeValue(value, origin?.valueMessages.get(name) ?? null));
  }
  return out;
}

const sameList = <T>(a: readonly T[], b: readonly T[]): boolean =>
  a === b || (a.length === b.length && a.every((item, i) => item === b[i]));

function writeNode(writer: GraphWriter, node: GraphNode): NodeProto {
  const origin = originOf(node, "onnx node");
  const message = origin ? shallowCopy(origin.message) : create(NodeProtoSchema);
  let changed = !origin;
  if (node.name !== message.name) [message.name, changed] = [node.name, true];
  if (node.op !== message.opType) [message.opType, changed] = [node.op, true];
  if (node.domain !== message.domain && !(node.domain === "" && message.domain === "ai.onnx"))
    [message.domain, changed] = [node.domain, true];
  if (!sameList(node.inputs, message.input)) [message.input, changed] = [[...node.inputs], true];
  if (!sameList(node.outputs, message.output))
    [message.output, changed] = [[...node.outputs], true];
  const attributes = writeAttributes(writer, node, origin);
  if (origin && !changed && sameList(attributes, origin.message.attribute)) return origin.message;
  message.attribute = attributes;
  return message;
}

/** In the order of the file, new ones last; the original message wherever the attribute is the same. */
function writeAttributes(
  writer: GraphWriter,
  node: GraphNode,
  origin: NodeOrigin | null,
): AttributeProto[] {
  const out: AttributeProto[] = [];
  const written = new Set<string>();
  for (const before of origin?.message.attribute ?? []) {
    const attr = node.attrs[before.name];
    if (!attr) continue;
    const isSame = origin?.attrs[before.name] === attr;
    if (isSame && attr.kind !== "graph" && !isExternalTensor(attr)) {
      out.push(before);
    } else if (!written.has(before.name))
      out.push(rewriteAttribute(writer, before.name, attr, before));
    written.add(before.name);
  }
  for (const [name, attr] of Object.entries(node.attrs))
    if (!written.has(name)) out.push(rewriteAttribute(writer, name, attr, null));
  return out;
}

const isExternalTensor = (attr: Attribute): boolean =>
  attr.kind === "tensor" && originOf(attr.value, "onnx tensor")?.external === true;

function rewriteAttribute(
  writer: GraphWriter,
  name: string,
  attr: Attribute,
  before: AttributeProto | null,
): AttributeProto {
  if (attr.kind === "opaque")
    throw new Error(`attribute "${name}" (${attr.type}) was moved to another node`);
  if (attr.kind !== "graph")
    return writeAttribute(name, attr, (tensor) => writeTensor(writer, tensor, tensor.name));
  const graph = writer.model.graphs.get(graphKey(attr.path));
  if (!graph) throw new Error(`attribute "${name}" has no graph ${graphKey(attr.path)}`);
  const message = before
    ? shallowCopy(before)
    : create(AttributeProtoSchema, { name, type: GRAPH_ATTRIBUTE });
  message.g = writeGraph(writer, graph);
  return message;
}

function writeTensor(writer: GraphWriter, tensor: Tensor, name: string): TensorProto {
  const { at, dtype } = tensor;
  const origin = originOf(tensor, "onnx tensor");
  const before = origin?.message;
  const place = writer.places.get(tensor);
  const isSame =
    before !== undefined &&
    origin?.at === at &&
    before.dataType === dtype.onnx &&
    sameList(tensor.shape, before.dims.map(Number));
  if (isSame && !origin?.external && !place && at instanceof Uint8Array && !isLarge(at)) {
    // Small data is in the message itself, in whatever field the exporter chose.
    if (before.name === name) return before;
    const renamed = shallowCopy(before);
    renamed.name = name;
    return renamed;
  }
  if (dtype.onnx === null)
    throw formatErrors.badTensor(
      writer.model.files[0]?.path ?? "the model",
      name,
      `has the element type ${dtype.name}, which ONNX does not have`,
    );
  const message = before ? shallowCopy(before) : create(TensorProtoSchema);
  if (!before || before.name !== name) message.name = name;
  message.dims = tensor.shape.map(BigInt);
  message.dataType = dtype.onnx;
  message.floatData = [];
  message.int32Data = [];
  message.int64Data = [];
  message.doubleData = [];
  message.uint64Data = [];
  message.stringData = [];
  message.externalData = [];
  clear(message, "rawData");
  clear(message, "dataLocation");
  if (place) {
    message.dataLocation = EXTERNAL;
    message.externalData = externalEntries(place, before ?? null);
  } else if (dtype.kind === "string") {
    if (at instanceof Uint8Array) message.stringData = stringsOf(at);
  } else message.rawData = at instanceof Uint8Array && !isLarge(at) ? at : writer.markerOf(at);
  return message;
}

const PLACE_KEYS = ["location", "offset", "length"];

/** Where external data lies, and what else the model said of it. */
export function externalEntries(
  place: Placement,
  before: TensorProto | null,
): StringStringEntryProto[] {
  const entry = (key: string, value: string): StringStringEntryProto =>
    create(StringStringEntryProtoSchema, { key, value });
  // What is said of a file, as its checksum is, holds where the file is what it was.
  const others = (before?.externalData ?? []).flatMap((one) => {
    if (PLACE_KEYS.includes(one.key)) return [];
    if (place.isKept) return [one];
    const isStated = one.key === CHECKSUM && one.value !== "" && place.checksum !== null;
    return isStated ? [entry(CHECKSUM, place.checksum)] : [];
  });
  return [
    entry("location", place.name),
    entry("offset", String(place.offset)),
    entry("length", String(place.length)),
    ...others,
  ];
}

/** Large bytes, and bytes that look like a marker, are written by marker. */
const isLarge = (bytes: Uint8Array): boolean => bytes.length > INLINE_BYTES || isMarked(bytes);

/** Makes a proto2 field unset again. */
export const clear = (message: TensorProto, field: "rawData" | "dataLocation"): void => {
  Reflect.deleteProperty(message, field);
};
