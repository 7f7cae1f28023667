/** An ONNX file as a Model; weights stay where they are. */
import { graphKey, MAIN, nodeKey } from "../core/model.ts";
import type {
  Attribute,
  FunctionInfo,
  Graph,
  GraphNode,
  GraphPath,
  Model,
  ModelFile,
  Tensor,
  Value,
} from "../core/model.ts";
import { formatErrors } from "../shared/errors.ts";
import type { ByteSource, SiblingFiles } from "./byteSource.ts";
import { readAttribute } from "./onnxAttribute.ts";
import { readHidden, usedByTraining } from "./onnxHidden.ts";
import type { GraphOrigin, ModelOrigin, NodeOrigin } from "./onnxOrigin.ts";
import { readSkeleton } from "./onnxSkeleton.ts";
import { readTensor, type TensorReader } from "./onnxTensor.ts";
import { readValue } from "./onnxValue.ts";
import type {
  FunctionProto,
  GraphProto,
  NodeProto,
  OperatorSetIdProto,
  StringStringEntryProto,
  TensorProto,
} from "./onnx_pb.ts";

export interface Reading {
  readonly path: string;
  readonly tensors: TensorReader;
  readonly graphs: Map<string, Graph>;
  readonly warnings: string[];
}

/** @throws FormatError naming byte offset, field or tensor. */
export function readOnnx(source: ByteSource, siblings: SiblingFiles): Model {
  const { path } = source;
  const skeleton = readSkeleton(source);
  const { message } = skeleton;
  if (!message.graph) throw formatErrors.invalidGraph(path, "it has no graph", path);
  const externalFiles = new Map<string, ModelFile>();
  const tensors = { path, payloads: skeleton.payloads, siblings, externalFiles };
  const reading: Reading = { path, tensors, graphs: new Map(), warnings: [] };
  if (skeleton.strangeTexts > 0)
    reading.warnings.push(
      `${skeleton.strangeTexts} names or texts are not UTF-8; their bytes are kept as they are.`,
    );
  if (message.trainingInfo.length > 0)
    reading.warnings.push("Training information is kept as it is.");
  const hidden = readHidden(tensors, message);
  readGraph(reading, MAIN, message.graph);

  const functions = new Map<FunctionInfo, FunctionProto>(
    message.functions.map((f) => [readFunction(reading, f), f]),
  );
  const usedElsewhere = usedByTraining(message.trainingInfo);
  const opsets = readOpsets(message.opsetImport, reading.warnings);
  const meta = readMeta(message.metadataProps, reading.warnings);
  const original: ModelOrigin = {
    of: "onnx model",
    skeleton,
    opsets,
    meta,
    functions,
    hidden,
    reader: tensors,
  };
  return {
    format: "onnx",
    graphs: reading.graphs,
    irVersion: Number(message.irVersion),
    producer: [message.producerName, message.producerVersion].filter((s) => s !== "").join(" "),
    opsets,
    meta,
    functions: [...functions.keys()],
    ...(usedElsewhere ? { usedElsewhere } : {}),
    files: [{ path, sizeBytes: source.sizeBytes, role: "model" }, ...externalFiles.values()],
    warnings: reading.warnings,
    original,
  };
}

function readOpsets(
  imports: readonly OperatorSetIdProto[],
  warnings: string[],
): Map<string, number> {
  const opsets = new Map<string, number>();
  for (const { domain, version } of imports) {
    // "ai.onnx" is another spelling of the default domain.
    const key = domain === "ai.onnx" ? "" : domain;
    if (opsets.has(key)) warnings.push(`The opset of domain "${key}" is imported twice.`);
    opsets.set(key, Number(version));
  }
  return opsets;
}

function readMeta(
  entries: readonly StringStringEntryProto[],
  warnings: string[],
): Map<string, string> {
  const meta = new Map<string, string>();
  for (const { key, value } of entries) {
    if (meta.has(key)) warnings.push(`The metadata key "${key}" is there twice.`);
    meta.set(key, value);
  }
  return meta;
}

/** Its nodes as a graph of their own, in which attributes may refer to those of the call. */
function readFunction(outer: Reading, message: FunctionProto): FunctionInfo {
  const reading: Reading = { ...outer, graphs: new Map() };
  const values = new Map(message.valueInfo.map((info) => [info.name, readValue(info)]));
  const place = graphKey(MAIN);
  const graph: Graph = {
    path: MAIN,
    name: message.name,
    nodes: [],
    inputs: message.input,
    outputs: message.output,
    values,
    tensors: new Map(),
  };
  reading.graphs.set(place, graph);
  reading.graphs.set(place, { ...graph, nodes: readNodes(reading, MAIN, message.node) });
  const defaults = message.attributeProto.map((attribute): [string, Attribute] => [
    attribute.name,
    readAttribute(
      attribute,
      (tensor) => readTensor(reading.tensors, tensor, `${attribute.name} of ${message.name}`),
      () => MAIN,
    ),
  ]);
  return {
    domain: message.domain === "ai.onnx" ? "" : message.domain,
    name: message.name,
    overload: message.overload,
    nodes: message.node.length,
    attributes: [...message.attribute, ...defaults.map(([name]) => name)],
    defaults: Object.fromEntries(defaults),
    opsets: readOpsets(message.opsetImport, reading.warnings),
    graphs: reading.graphs,
  };
}

/** Reads a graph and those inside it into `reading.graphs`. @throws FormatError */
export function readGraph(reading: Reading, path: GraphPath, message: GraphProto): void {
  const { warnings } = reading;
  const where = path.length === 0 ? "" : ` in ${path.join("/")}`;
  // Reserves the place, so that outer graphs come before the graphs inside them.
  const key = graphKey(path);
  const tensors = new Map<string, Tensor>();
  const unread: TensorProto[] = [];
  message.initializer.forEach((initializer, i) => {
    const tensor = readTensor(reading.tensors, initializer, `initializer ${i}${where}`);
    if (!tensor) {
      unread.push(initializer);
      warnings.push(
        `Tensor "${initializer.name}"${where} has the unknown element type ${initializer.dataType}; it is kept as it is.`,
      );
      return;
    }
    // onnxruntime takes the last one too.
    if (tensors.has(tensor.name))
      warnings.push(`Tensor "${tensor.name}"${where} is there twice; the last one counts.`);
    tensors.set(tensor.name, tensor);
  });
  for (const sparse of message.sparseInitializer)
    warnings.push(`The sparse tensor "${sparse.values?.name ?? ""}"${where} is kept as it is.`);

  const values = new Map<string, Value>();
  const valueMessages = new Map(
    [...message.valueInfo, ...message.output, ...message.input].map((info) => [info.name, info]),
  );
  for (const list of [message.input, message.output, message.valueInfo])
    for (const { name } of list) {
      const info = valueMessages.get(name);
      if (info && !values.has(name)) values.set(name, readValue(info));
    }

  const graph: Graph = {
    path,
    name: message.name,
    nodes: [],
    inputs: message.input.map((info) => info.name),
    outputs: message.output.map((info) => info.name),
    values,
    tensors,
    original: {
      of: "onnx graph",
      message,
      values: new Map(values),
      valueMessages,
      unread,
    } satisfies GraphOrigin,
  };
  reading.graphs.set(key, graph);
  reading.graphs.set(key, { ...graph, nodes: readNodes(reading, path, message.node) });
}

function readNodes(reading: Reading, path: GraphPath, messages: readonly NodeProto[]): GraphNode[] {
  /** Ways into subgraphs taken so far; names may be empty or repeated. */
  const taken = new Set<string>();
  const repeats = new Map<string, number>();
  const keyOf = (node: NodeProto): string => {
    const base = nodeKey({
      name: node.name,
      op: node.opType,
      domain: node.domain,
      inputs: node.input,
      outputs: node.output,
      attrs: {},
    });
    // Counted on, not from 2 each time: ten thousand nodes of one name would take minutes.
    let n = repeats.get(base) ?? 1;
    let key = base;
    while (taken.has(key)) key = `${base}#${++n}`;
    repeats.set(base, n);
    taken.add(key);
    return key;
  };
  return messages.map((message, i) => readNode(reading, path, message, i, keyOf));
}

function readNode(
  reading: Reading,
  path: GraphPath,
  message: NodeProto,
  index: number,
  keyOf: (node: NodeProto) => string,
): GraphNode {
  if (message.attribute.length === 0) return nodeOf(message, NO_ATTRS);
  const attrs: [name: string, attr: Attribute][] = [];
  const place =
    message.name === "" ? `node ${index} (${message.opType})` : `node "${message.name}"`;
  let key: string | null = null;
  const seen = new Set<string>();
  for (const attribute of message.attribute) {
    if (seen.has(attribute.name)) {
      reading.warnings.push(`Attribute "${attribute.name}" of ${place} is there twice.`);
      continue;
    }
    seen.add(attribute.name);
    const attr = readAttribute(
      attribute,
      (tensor) => readTensor(reading.tensors, tensor, `${attribute.name} of ${place}`),
      () => {
        key ??= keyOf(message);
        const inner = [...path, key, attribute.name];
        if (attribute.g) readGraph(reading, inner, attribute.g);
        return inner;
      },
    );
    attrs.push([attribute.name, attr]);
  }
  return nodeOf(message, Object.fromEntries(attrs));
}

/** Shared: a graph may have a million nodes without attributes. */
const NO_ATTRS: GraphNode["attrs"] = {};

function nodeOf(message: NodeProto, attrs: GraphNode["attrs"]): GraphNode {
  const original: NodeOrigin = { of: "onnx node", message, attrs };
  const node: GraphNode = {
    name: message.name,
    op: message.opType,
    domain: message.domain === "ai.onnx" ? "" : message.domain,
    inputs: message.input,
    outputs: message.output,
    attrs,
    original,
  };
  return message.overload === "" ? node : { ...node, overload: message.overload };
}
