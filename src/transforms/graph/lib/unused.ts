/** What reaches no output: nodes, initializers, and declarations of values and operator sets. */
import {
  graphKey,
  nodeKey,
  type Graph,
  type GraphNode,
  type GraphPath,
  type Model,
  type Tensor,
  isOverridable,
} from "../../../core/model.ts";
import { scopeOf } from "../../../core/scope.ts";

export interface Unused {
  readonly path: GraphPath;
  readonly nodes: readonly GraphNode[];
  readonly tensors: readonly Tensor[];
}

/** Reverse reachability from the outputs; what a body uses from outside is used. */
export function findUnused(model: Model): readonly Unused[] {
  const scope = scopeOf(model);
  const main = model.graphs.get(graphKey([]));
  if (!main || main.nodes.length === 0) return [];
  const liveNodes = new Set<GraphNode>();
  const liveTensors = new Set<Tensor>();
  const liveGraphs = new Set<Graph>();
  const pending: { readonly path: GraphPath; readonly name: string }[] = [];
  const enter = (graph: Graph | undefined): void => {
    if (!graph || liveGraphs.has(graph)) return;
    liveGraphs.add(graph);
    for (const name of graph.outputs) pending.push({ path: graph.path, name });
  };
  enter(main);
  for (const name of model.usedElsewhere?.names ?? []) pending.push({ path: [], name });
  for (let at = pending.pop(); at; at = pending.pop()) {
    const definition = at.name === "" ? null : scope.define(at.path, at.name);
    if (definition?.kind === "tensor") liveTensors.add(definition.tensor);
    if (definition?.kind !== "node" || liveNodes.has(definition.node)) continue;
    const { node, graph } = definition;
    liveNodes.add(node);
    for (const name of node.inputs) pending.push({ path: graph.path, name });
    for (const attr of Object.values(node.attrs))
      if (attr.kind === "graph") enter(model.graphs.get(graphKey(attr.path)));
  }
  return [...liveGraphs].flatMap((graph) => {
    // A node without a named output cannot be addressed, or removed.
    const nodes = graph.nodes.filter((node) => !liveNodes.has(node) && nodeKey(node) !== "");
    const tensors = [...graph.tensors]
      .filter(([name, tensor]) => !liveTensors.has(tensor) && !isOverridable(model, graph, name))
      .map(([, tensor]) => tensor);
    return nodes.length + tensors.length === 0 ? [] : [{ path: graph.path, nodes, tensors }];
  });
}

export interface Declarations {
  readonly values: readonly { readonly path: GraphPath; readonly name: string }[];
  readonly domains: readonly string[];
}

/** Declared types of values that do not exist, and operator sets that no node uses. */
export function findDeclarations(model: Model): Declarations {
  const values = [...model.graphs.values()].flatMap((graph) => {
    const made = new Set([...graph.inputs, ...graph.outputs, ...graph.tensors.keys()]);
    for (const node of graph.nodes) for (const output of node.outputs) made.add(output);
    return [...graph.values.keys()]
      .filter((name) => !made.has(name))
      .map((name) => ({ path: graph.path, name }));
  });
  // Bodies of functions are not read, so whatever is imported may be for them.
  if (model.functions.length > 0) return { values, domains: [] };
  const used = new Set(["", "ai.onnx", ...(model.usedElsewhere?.domains ?? [])]);
  for (const graph of model.graphs.values()) for (const node of graph.nodes) used.add(node.domain);
  return { values, domains: [...model.opsets.keys()].filter((domain) => !used.has(domain)) };
}
