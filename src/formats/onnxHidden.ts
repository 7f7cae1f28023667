/**
 * Tensors in places that a Model does not show: function bodies, training graphs, sparse tensors,
 * lists of tensors or graphs in attributes. They are written back as they are; only their external
 * data has to be found, because a model saved elsewhere would otherwise point to nothing.
 */
import type {
  AttributeProto,
  GraphProto,
  ModelProto,
  NodeProto,
  SparseTensorProto,
  TensorProto,
} from "./onnx_pb.ts";
import { isExternal, readTensor, type TensorReader } from "./onnxTensor.ts";
import { markerBytes, type Marker } from "./onnxTensorFields.ts";
import type { Payload } from "./payload.ts";

export function* hiddenTensors(model: ModelProto): Generator<TensorProto> {
  if (model.graph) yield* inGraph(model.graph, false);
  for (const training of model.trainingInfo) {
    if (training.initialization) yield* inGraph(training.initialization, true);
    if (training.algorithm) yield* inGraph(training.algorithm, true);
  }
  for (const f of model.functions) {
    yield* inNodes(f.node, true);
    for (const attribute of f.attributeProto) yield* inAttribute(attribute, true);
  }
}

/** @param all the graph itself is not shown, so everything in it counts. */
function* inGraph(graph: GraphProto, all: boolean): Generator<TensorProto> {
  if (all) yield* graph.initializer;
  for (const sparse of graph.sparseInitializer) yield* inSparse(sparse);
  yield* inNodes(graph.node, all);
}
function* inNodes(nodes: readonly NodeProto[], all: boolean): Generator<TensorProto> {
  for (const node of nodes)
    for (const attribute of node.attribute) yield* inAttribute(attribute, all);
}
function* inAttribute(attribute: AttributeProto, all: boolean): Generator<TensorProto> {
  if (all && attribute.t) yield attribute.t;
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

/**
 * Makes hidden external tensors embedded ones, in the messages.
 * @param nextMarker the marker of the next payload of this reading
 * @throws FormatError when their data is missing or out of place.
 */
export function embedHidden(
  reader: TensorReader,
  model: ModelProto,
  nextMarker: (payload: Payload) => Marker,
): void {
  for (const tensor of hiddenTensors(model)) {
    if (!isExternal(tensor)) continue;
    const read = readTensor(reader, tensor, "a hidden tensor");
    if (!read) continue;
    tensor.rawData = markerBytes(nextMarker(read.at));
    tensor.externalData = [];
    tensor.dataLocation = 0;
  }
}
