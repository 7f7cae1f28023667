/**
 * Tensors in places that a Model does not show: function bodies, training graphs, sparse tensors,
 * lists of tensors or graphs in attributes, element types we do not know. They are written back as
 * they are; only their external data has to be found, because a model saved elsewhere would
 * otherwise point to nothing.
 */
import type { Model, Tensor } from "../core/model.ts";
import { dtype, dtypeFromOnnx } from "../shared/dtype.ts";
import type {
  AttributeProto,
  FunctionProto,
  GraphProto,
  ModelProto,
  NodeProto,
  SparseTensorProto,
  TensorProto,
  TrainingInfoProto,
} from "./onnx_pb.ts";
import { originOf, type TensorOrigin } from "./onnxOrigin.ts";
import { externalRange, isExternal, readTensor, type TensorReader } from "./onnxTensor.ts";

/**
 * Those with external data, which stays where it is.
 * @throws FormatError when it is missing or out of place.
 */
export function readHidden(reader: TensorReader, model: ModelProto): Map<TensorProto, Tensor> {
  const found = new Map<TensorProto, Tensor>();
  for (const message of hiddenTensors(model))
    if (isExternal(message))
      found.set(
        message,
        readTensor(reader, message, "a hidden tensor") ?? readUnknown(reader, message),
      );
  return found;
}

/** Bytes of an element type that is not known: as many as the model says, or all there are. */
function readUnknown(reader: TensorReader, message: TensorProto): Tensor {
  const { name } = message;
  const at = externalRange(reader, message, name === "" ? "a hidden tensor" : name, "rest");
  const original: TensorOrigin = { of: "onnx tensor", message, at, external: true };
  const shape = [at.length];
  return { name, dtype: dtype("uint8"), shape, at, sizeBytes: at.length, original };
}

/** Of a model's hidden tensors with external data, those in parts that it still has. */
export function hiddenExternals(model: Model): ReadonlyMap<TensorProto, Tensor> {
  const origin = originOf(model, "onnx model");
  if (!origin || origin.hidden.size === 0) return new Map();
  const out = new Map<TensorProto, Tensor>();
  for (const message of hiddenIn(model)) {
    const tensor = origin.hidden.get(message);
    if (tensor) out.set(message, tensor);
  }
  return out;
}

function* hiddenIn(model: Model): Generator<TensorProto> {
  for (const graph of model.graphs.values()) {
    const origin = originOf(graph, "onnx graph");
    if (origin) {
      yield* origin.unread;
      for (const sparse of origin.message.sparseInitializer) yield* inSparse(sparse);
    }
    for (const node of graph.nodes)
      for (const attribute of originOf(node, "onnx node")?.message.attribute ?? [])
        if (node.attrs[attribute.name]?.kind === "opaque") yield* inAttribute(attribute, true);
  }
  const origin = originOf(model, "onnx model");
  for (const training of origin?.skeleton.message.trainingInfo ?? []) yield* inTraining(training);
  for (const info of model.functions) {
    const message = origin?.functions.get(info);
    if (message) yield* inFunction(message);
  }
}

function* hiddenTensors(model: ModelProto): Generator<TensorProto> {
  if (model.graph) yield* inGraph(model.graph, false);
  for (const training of model.trainingInfo) yield* inTraining(training);
  for (const f of model.functions) yield* inFunction(f);
}

function* inTraining({ initialization, algorithm }: TrainingInfoProto): Generator<TensorProto> {
  if (initialization) yield* inGraph(initialization, true);
  if (algorithm) yield* inGraph(algorithm, true);
}
function* inFunction(f: FunctionProto): Generator<TensorProto> {
  yield* inNodes(f.node, true);
  for (const attribute of f.attributeProto) yield* inAttribute(attribute, true);
}

/** @param all the graph itself is not shown, so everything in it counts. */
function* inGraph(graph: GraphProto, all: boolean): Generator<TensorProto> {
  for (const tensor of graph.initializer) if (all || isUnknown(tensor)) yield tensor;
  for (const sparse of graph.sparseInitializer) yield* inSparse(sparse);
  yield* inNodes(graph.node, all);
}
function* inNodes(nodes: readonly NodeProto[], all: boolean): Generator<TensorProto> {
  for (const node of nodes)
    for (const attribute of node.attribute) yield* inAttribute(attribute, all);
}
function* inAttribute(attribute: AttributeProto, all: boolean): Generator<TensorProto> {
  if (attribute.t && (all || isUnknown(attribute.t))) yield attribute.t;
  if (attribute.g) yield* inGraph(attribute.g, all);
  yield* attribute.tensors;
  for (const graph of attribute.graphs) yield* inGraph(graph, true);
  if (attribute.sparseTensor) yield* inSparse(attribute.sparseTensor);
  for (const sparse of attribute.sparseTensors) yield* inSparse(sparse);
}
function* inSparse(sparse: SparseTensorProto): Generator<TensorProto> {
  if (sparse.values) yield sparse.values;
  if (sparse.indices) yield sparse.indices;
}
const isUnknown = ({ dataType }: TensorProto): boolean => !dtypeFromOnnx(dataType);

/** What training uses of the model; nothing for one without. */
export function usedByTraining(infos: readonly TrainingInfoProto[]): Model["usedElsewhere"] {
  if (infos.length === 0) return undefined;
  const names = new Set<string>();
  const domains = new Set<string>();
  const visit = (graph: GraphProto | undefined): void => {
    for (const { name } of graph?.output ?? []) names.add(name);
    for (const { domain, input, attribute } of graph?.node ?? []) {
      domains.add(domain);
      for (const name of input) names.add(name);
      for (const { g, graphs } of attribute) for (const inner of [g, ...graphs]) visit(inner);
    }
  };
  for (const { initialization, algorithm, initializationBinding, updateBinding } of infos) {
    visit(initialization);
    visit(algorithm);
    for (const { key, value } of [...initializationBinding, ...updateBinding])
      names.add(key).add(value);
  }
  return { names, domains };
}
