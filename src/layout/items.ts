/**
 * What one graph of a model shows: its inputs, nodes and outputs in topological order, without the
 * nodes that only hold or decode a constant; those are part of the nodes that use them.
 */
import {
  enclosingPaths,
  graphKey,
  nodeKey,
  nodeLabel,
  type Graph,
  type GraphNode,
  type GraphPath,
  type Model,
  type Tensor,
} from "../core/model.ts";
import { scopeOf } from "../core/scope.ts";
import { topologicalOrder } from "../core/topology.ts";
import type { Digraph } from "./digraph.ts";

export interface Item {
  readonly kind: "input" | "node" | "output";
  /** Unique in the graph and the same for every state of a document. */
  readonly id: string;
  /** Value name of an input or output; key of a node. */
  readonly key: string;
  /** Null for inputs and outputs. */
  readonly node: GraphNode | null;
  /** Constants and decoding nodes that are drawn as a part of this one. */
  readonly absorbed: readonly GraphNode[];
  readonly weights: readonly Tensor[];
  /** Bodies of If, Loop and Scan. */
  readonly bodies: readonly { readonly title: string; readonly path: GraphPath }[];
  /** Values taken from a graph around this one. */
  readonly captured: readonly string[];
}

export interface ItemGraph {
  readonly items: readonly Item[];
  /** Edges between items, each pair once; numbers are topological unless `cyclic`. */
  readonly graph: Digraph;
  /** Name of the value that each edge carries. */
  readonly values: readonly string[];
  readonly cyclic: boolean;
  /** Item that shows each node of the graph, hidden ones included. */
  readonly itemOf: ReadonlyMap<GraphNode, number>;
}

const isOnnx = ({ domain }: GraphNode): boolean => domain === "" || domain === "ai.onnx";
/** Operators that make a constant of a constant without computing: drawn with their consumer. */
const DECODING: ReadonlySet<string> = new Set([
  "DequantizeLinear",
  "Cast",
  "Identity",
  "ConstantOfShape",
]);

export function itemsOf(model: Model, graph: Graph): ItemGraph {
  const { nodes, cyclic } = ordered(model, graph);
  const hidden = hiddenConstants(model, graph, nodes);
  const items: Item[] = [];
  const makerOf = new Map<string, number>();
  const hiddenMaker = new Map<string, GraphNode>();
  const itemOf = new Map<GraphNode, number>();
  for (const node of hidden)
    for (const output of node.outputs) if (output !== "") hiddenMaker.set(output, node);
  for (const name of graph.inputs) {
    if (graph.tensors.has(name)) continue;
    makerOf.set(name, items.length);
    items.push(boundary("input", name));
  }
  for (const node of nodes) {
    if (hidden.has(node)) continue;
    const at = items.length;
    itemOf.set(node, at);
    for (const output of node.outputs) if (output !== "") makerOf.set(output, at);
    const absorbed = absorbedBy(node, hiddenMaker);
    for (const part of absorbed) if (!itemOf.has(part)) itemOf.set(part, at);
    items.push({
      kind: "node",
      id: `node ${nodeKey(node)}`,
      key: nodeKey(node),
      node,
      absorbed,
      weights: weightsOf(model, graph, node, absorbed),
      bodies: bodiesOf(node),
      captured: [],
    });
  }
  const firstOutput = items.length;
  for (const name of graph.outputs) items.push(boundary("output", name));
  const edges = edgesOf(model, graph, items, makerOf, hiddenMaker, firstOutput);
  return { items: edges.items, graph: edges.graph, values: edges.values, cyclic, itemOf };
}

const boundary = (kind: "input" | "output", name: string): Item => ({
  kind,
  id: `${kind} ${name}`,
  key: name,
  node: null,
  absorbed: [],
  weights: [],
  bodies: [],
  captured: [],
});

function ordered(model: Model, graph: Graph): { nodes: readonly GraphNode[]; cyclic: boolean } {
  try {
    return { nodes: topologicalOrder(model, graph) ?? graph.nodes, cyclic: false };
  } catch {
    // A broken file is drawn all the same: the layout turns the edges round that close a cycle.
    return { nodes: graph.nodes, cyclic: true };
  }
}

/** Constant nodes, and decoding of constants; not what leaves the graph or is used by no node. */
function hiddenConstants(
  model: Model,
  graph: Graph,
  nodes: readonly GraphNode[],
): ReadonlySet<GraphNode> {
  const leaves = new Set(graph.outputs);
  const used = new Set(nodes.flatMap((node) => usedNames(model, node)));
  const hidden = new Set<GraphNode>();
  const constant = new Set<string>(graph.tensors.keys());
  for (const node of nodes) {
    const isConstant =
      isOnnx(node) && node.op === "Constant"
        ? true
        : (isOnnx(node) || node.domain === "com.microsoft") &&
          DECODING.has(node.op) &&
          node.inputs.length > 0 &&
          node.inputs.every((name) => name === "" || constant.has(name));
    const names = node.outputs.filter((name) => name !== "");
    if (!isConstant || names.some((name) => leaves.has(name) || !used.has(name))) continue;
    hidden.add(node);
    for (const name of names) constant.add(name);
  }
  return hidden;
}

/** Names a node uses: its inputs and what its bodies take from outside. */
function usedNames(model: Model, node: GraphNode): string[] {
  const names = [...node.inputs];
  for (const { path } of bodiesOf(node)) {
    const body = model.graphs.get(graphKey(path));
    if (!body) continue;
    for (const inner of body.nodes) names.push(...usedNames(model, inner));
    names.push(...body.outputs);
  }
  return names;
}

/** then_branch before else_branch, whatever the order in the file. */
const bodiesOf = (node: GraphNode): Item["bodies"] =>
  Object.entries(node.attrs)
    .flatMap(([title, attribute]) =>
      attribute.kind === "graph" ? [{ title, path: attribute.path }] : [],
    )
    .sort((a, b) => (a.title < b.title ? 1 : -1));

function absorbedBy(node: GraphNode, hiddenMaker: ReadonlyMap<string, GraphNode>): GraphNode[] {
  const found = new Set<GraphNode>();
  const queue = [...node.inputs];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    const maker = hiddenMaker.get(name);
    if (!maker || found.has(maker)) continue;
    found.add(maker);
    queue.push(...maker.inputs);
  }
  return [...found];
}

function weightsOf(
  model: Model,
  graph: Graph,
  node: GraphNode,
  absorbed: readonly GraphNode[],
): Tensor[] {
  const found = new Set<Tensor>();
  for (const name of [node, ...absorbed].flatMap(({ inputs }) => inputs)) {
    const source = name === "" ? null : scopeOf(model).constant(graph.path, name);
    if (source) found.add(source.tensor);
  }
  return [...found];
}

interface Edges {
  readonly items: readonly Item[];
  readonly graph: Digraph;
  readonly values: readonly string[];
}

function edgesOf(
  model: Model,
  graph: Graph,
  items: readonly Item[],
  makerOf: ReadonlyMap<string, number>,
  hiddenMaker: ReadonlyMap<string, GraphNode>,
  firstOutput: number,
): Edges {
  const from: number[] = [];
  const to: number[] = [];
  const values: string[] = [];
  const withCaptures = items.map((item, v) => {
    const seen = new Set<number>();
    const captured: string[] = [];
    const names = v >= firstOutput ? [item.key] : item.node ? usedNames(model, item.node) : [];
    for (const name of names) {
      const maker = makerOf.get(name);
      if (maker === undefined) {
        const outer = name !== "" && !graph.tensors.has(name) && !hiddenMaker.has(name);
        if (outer && isOuterValue(model, graph, name)) captured.push(name);
      } else if (maker !== v && !seen.has(maker)) {
        seen.add(maker);
        from.push(maker);
        to.push(v);
        values.push(name);
      }
    }
    return captured.length === 0 ? item : { ...item, captured: [...new Set(captured)] };
  });
  return {
    items: withCaptures,
    graph: { count: items.length, from: Int32Array.from(from), to: Int32Array.from(to) },
    values,
  };
}

/** Made in a graph around this one, by a node or an input: a value, no constant. */
function isOuterValue(model: Model, graph: Graph, name: string): boolean {
  if (enclosingPaths(graph.path).length < 2) return false;
  const definition = scopeOf(model).define(graph.path, name);
  return (
    definition !== null &&
    definition.kind !== "tensor" &&
    definition.graph !== graph &&
    scopeOf(model).constant(graph.path, name) === null &&
    // What a body's own body defines is not taken from outside.
    definition.graph.path.length < graph.path.length
  );
}

/** Everything a report, a plan or a search may call this item by. */
export function namesOf(model: Model, path: GraphPath, item: Item): string[] {
  const names = new Set<string>([item.key]);
  for (const node of [...(item.node ? [item.node] : []), ...item.absorbed]) {
    names.add(nodeLabel(path, node));
    names.add(node.name);
    for (const output of node.outputs) names.add(output);
  }
  for (const tensor of item.weights) names.add(tensor.name);
  for (const { path: body } of item.bodies)
    for (const graph of model.graphs.values()) {
      if (!body.every((part, i) => graph.path[i] === part)) continue;
      for (const node of graph.nodes) {
        names.add(nodeLabel(graph.path, node));
        names.add(nodeKey(node));
        for (const tensor of weightsOf(model, graph, node, [])) names.add(tensor.name);
      }
    }
  names.delete("");
  return [...names];
}
