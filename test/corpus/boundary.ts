/**
 * Values that JavaScript cannot exchange with the runtime (sequences, optionals, bfloat16, 8-bit and
 * smaller floats): such inputs are put into the model as initializers, and such outputs taken apart
 * or cast to float32 by nodes behind them. And files of a newer IR version than the runtime knows,
 * which it refuses whatever is in them.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
  ValueInfoProtoSchema,
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type TypeProto,
} from "../../src/formats/onnx_pb.ts";
import { memorySource, WireReader } from "../../src/formats/wire.ts";
import { dtypeFromOnnx } from "../../src/shared/dtype.ts";
import { hostData } from "../../src/shared/hostTensor.ts";

/** One of SequenceProto's or OptionalProto's values; null is an optional without one. */
type Stored =
  | { readonly kind: "tensor"; readonly tensor: TensorProto }
  | { readonly kind: "sequence"; readonly items: readonly Stored[] }
  | null;

const isPlain = (type: TypeProto | undefined): boolean => {
  const { value } = type ?? {};
  if (value?.case !== "tensorType") return false;
  const name = dtypeFromOnnx(value.value.elemType)?.name;
  // The runtime's own Tensor class knows 4-bit integers, but its outputs cannot be of these types.
  return name !== undefined && !name.endsWith("int4") && hostData(name, 1) !== null;
};

/** The graph's inputs that a caller gives, in order. */
export const callerInputs = (graph: GraphProto): GraphProto["input"] => {
  const initializers = new Set(graph.initializer.map(({ name }) => name));
  return graph.input.filter(({ name }) => !initializers.has(name));
};

const RUNTIME_IR_VERSION = 13n;

export const needsAdapting = ({ irVersion, graph }: ModelProto): boolean =>
  irVersion > RUNTIME_IR_VERSION ||
  (graph !== undefined &&
    [...callerInputs(graph), ...graph.output].some(({ type }) => !isPlain(type)));

/**
 * @param inputs files of the callers' inputs
 * @param outputs files of the expected outputs; they say how many elements a sequence has
 */
export function adapt(
  bytes: Uint8Array,
  inputs: readonly Uint8Array[],
  outputs: readonly Uint8Array[],
): Uint8Array {
  const model = fromBinary(ModelProtoSchema, bytes);
  const { graph } = model;
  if (!graph) return bytes;
  if (model.irVersion > RUNTIME_IR_VERSION) model.irVersion = RUNTIME_IR_VERSION;
  const before: NodeProto[] = [];
  const behind: NodeProto[] = [];
  callerInputs(graph).forEach(({ name, type }, i) => {
    const file = inputs[i];
    if (isPlain(type) || !type || !file) return;
    graph.input = graph.input.filter((info) => info.name !== name);
    put(graph, before, name, read(file, type), type);
  });
  graph.output = graph.output.flatMap((info, i) => {
    const file = outputs[i];
    if (isPlain(info.type) || !info.type || !file) return [info];
    return take(behind, info.name, read(file, info.type), info.type).map((name) =>
      create(ValueInfoProtoSchema, { name }),
    );
  });
  graph.node = [...before, ...graph.node, ...behind];
  return toBinary(ModelProtoSchema, model);
}

const node = (
  opType: string,
  input: string[],
  output: string,
  attribute: AttributeProto[] = [],
): NodeProto => create(NodeProtoSchema, { opType, input, output: [output], attribute });

/** Adds nodes and initializers that give the value the name. */
function put(
  graph: GraphProto,
  nodes: NodeProto[],
  name: string,
  value: Stored,
  type: TypeProto,
): void {
  if (type.value.case === "optionalType") {
    const inner = type.value.value.elemType;
    if (value === null || !inner) {
      const tp = create(AttributeProtoSchema, {
        name: "type",
        type: 13,
        ...(inner && { tp: inner }),
      });
      nodes.push(node("Optional", [], name, [tp]));
    } else {
      put(graph, nodes, `${name}.value`, value, inner);
      nodes.push(node("Optional", [`${name}.value`], name));
    }
  } else if (value?.kind === "sequence") {
    const inner = type.value.case === "sequenceType" ? type.value.value.elemType : undefined;
    const names = value.items.map((item, i) => {
      if (inner) put(graph, nodes, `${name}.${i}`, item, inner);
      return `${name}.${i}`;
    });
    const elemType = inner?.value.case === "tensorType" ? inner.value.value.elemType : 1;
    const dtype = create(AttributeProtoSchema, { name: "dtype", type: 2, i: BigInt(elemType) });
    nodes.push(
      names.length > 0
        ? node("SequenceConstruct", names, name)
        : node("SequenceEmpty", [], name, [dtype]),
    );
  } else if (value) {
    value.tensor.name = name;
    graph.initializer.push(value.tensor);
  }
}

/** Adds nodes that take the value apart; the names of tensors that can be exchanged. */
function take(nodes: NodeProto[], name: string, value: Stored, type: TypeProto): string[] {
  if (type.value.case === "optionalType") {
    const inner = type.value.value.elemType;
    const has = `${name}.has`;
    nodes.push(node("OptionalHasElement", [name], has));
    if (value === null || !inner) return [has];
    nodes.push(node("OptionalGetElement", [name], `${name}.value`));
    return [has, ...take(nodes, `${name}.value`, value, inner)];
  }
  if (value?.kind === "sequence" && type.value.case === "sequenceType") {
    const inner = type.value.value.elemType;
    const length = `${name}.length`;
    nodes.push(node("SequenceLength", [name], length));
    const items = value.items.flatMap((item, i) => {
      const at = create(AttributeProtoSchema, { name: "value_int", type: 2, i: BigInt(i) });
      nodes.push(node("Constant", [], `${name}.at${i}`, [at]));
      nodes.push(node("SequenceAt", [name, `${name}.at${i}`], `${name}.${i}`));
      return inner ? take(nodes, `${name}.${i}`, item, inner) : [];
    });
    return [length, ...items];
  }
  if (isPlain(type)) return [name];
  const to = create(AttributeProtoSchema, { name: "to", type: 2, i: 1n });
  nodes.push(node("Cast", [name], `${name}.float`, [to]));
  return [`${name}.float`];
}

/** SequenceProto and OptionalProto (onnx-data.proto) are not among our messages: a file holds one. */
function read(file: Uint8Array, type: TypeProto): Stored {
  switch (type.value.case) {
    case "sequenceType": {
      const inner = type.value.value.elemType;
      const items = fields(file).filter(([number]) => number === 3 || number === 5);
      return { kind: "sequence", items: items.flatMap(([, b]) => (inner ? [read(b, inner)] : [])) };
    }
    case "optionalType": {
      const inner = type.value.value.elemType;
      const held = fields(file).find(([number]) => number === 3 || number === 5);
      return held && inner ? read(held[1], inner) : null;
    }
    default:
      return { kind: "tensor", tensor: fromBinary(TensorProtoSchema, file) };
  }
}

/** The length-delimited fields of a message. */
function fields(bytes: Uint8Array): [number: number, content: Uint8Array][] {
  const reader = new WireReader(memorySource("value", bytes));
  const out: [number, Uint8Array][] = [];
  while (reader.position < bytes.length) {
    const tag = reader.varint(bytes.length, "a tag");
    const length = reader.varint(bytes.length, "a value");
    if (tag % 8 !== 2) continue;
    out.push([tag >> 3, bytes.subarray(reader.position, reader.position + length)]);
    reader.position += length;
  }
  return out;
}
