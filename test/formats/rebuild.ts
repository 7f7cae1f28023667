/** A model without the messages it came from, wherever its own fields say all: the writer starts anew. */
import {
  graphKey,
  type Graph,
  type GraphNode,
  type Model,
  type Tensor,
  type Value,
} from "../../src/core/model.ts";
import { originOf } from "../../src/formats/onnxOrigin.ts";

const without = <T extends { readonly original?: unknown }>(part: T): T => {
  const copy = { ...part };
  delete (copy as { original?: unknown }).original;
  return copy;
};

export function rebuilt(model: Model): Model {
  const graphs = [...model.graphs.values()].map((graph) => [
    graphKey(graph.path),
    bareGraph(graph),
  ]);
  return { ...model, graphs: new Map(graphs as [string, Graph][]) };
}

function bareGraph(graph: Graph): Graph {
  const message = originOf(graph, "onnx graph")?.message;
  const hasHidden = message !== undefined && message.sparseInitializer.length > 0;
  const bare: Graph = {
    ...graph,
    nodes: graph.nodes.map(bareNode),
    tensors: new Map([...graph.tensors].map(([name, tensor]) => [name, without(tensor)])),
    values: new Map([...graph.values].map(([name, value]) => [name, bareValue(value)])),
  };
  return hasHidden ? bare : without(bare);
}

function bareNode(node: GraphNode): GraphNode {
  const attrs = Object.entries(node.attrs);
  const message = originOf(node, "onnx node")?.message;
  if (attrs.some(([, attr]) => attr.kind === "opaque") || message?.overload !== "") return node;
  const tensors = attrs.map(([name, attr]) =>
    attr.kind === "tensor"
      ? [name, { kind: "tensor", value: without<Tensor>(attr.value) }]
      : [name, attr],
  );
  return without({ ...node, attrs: Object.fromEntries(tensors) as GraphNode["attrs"] });
}

/** Sequences, maps and optionals are shown without their elements. */
const bareValue = (value: Value): Value =>
  value.type === "tensor" && value.dtype !== null ? without(value) : value;
