/** The part of a main graph between given values: what is computed from some of them up to others. */
import { functionsOf } from "./functions.ts";
import { tensorBytes } from "./transaction.ts";
import {
  graphKey,
  MAIN,
  mainGraph,
  nodeKey,
  type FunctionInfo,
  type Graph,
  type GraphNode,
  type Model,
  type Tensor,
} from "./model.ts";
import { scopeOf } from "./scope.ts";

export interface Extraction {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** What the part does not need, in the order of the graph. */
  readonly nodes: readonly GraphNode[];
  readonly tensors: readonly Tensor[];
  readonly functions: readonly FunctionInfo[];
  /** Names that are declared now and then mean nothing any more. */
  readonly declarations: readonly string[];
  /** Bytes of tensor data that go, in attributes and bodies too. */
  readonly sizeBytes: number;
}

/**
 * @param from values that become inputs; none: the model's inputs that are needed
 * @param to values that become outputs; none: the model's outputs
 * @returns why there is no such part, as the value it fails at and the reason
 */
export function planExtraction(
  model: Model,
  from: readonly string[],
  to: readonly string[],
): Extraction | { readonly name: string; readonly reason: string } {
  const main = mainGraph(model);
  const wanted = to.length > 0 ? to : main.outputs;
  const unknown = [...from, ...wanted].find((name) => !isValue(model, name));
  if (unknown !== undefined) return { name: unknown, reason: notThere(model, unknown) };
  const both = from.find((name) => wanted.includes(name));
  if (both !== undefined)
    return { name: both, reason: "it would be both an input and an output of the part" };

  const reached = reach(model, new Set(from), wanted);
  const missing = from.length > 0 ? reached.inputs.filter((name) => !from.includes(name)) : [];
  const [needed] = missing;
  if (needed !== undefined)
    return {
      name: needed,
      reason: `${wanted.join(", ")} also ${wanted.length === 1 ? "needs" : "need"} ${missing.length === 1 ? "this input" : `the inputs ${missing.join(", ")}`}; add ${missing.length === 1 ? "it" : "them"} to the values to start from`,
    };
  const [dangling] = reached.dangling;
  if (dangling !== undefined) return { name: dangling, reason: "nothing in the model makes it" };
  for (const node of reached.nodes)
    for (const name of node.outputs)
      if (from.includes(name))
        return {
          name,
          reason: `it would be an input, but ${node.op} "${nodeKey(node)}", which is needed, makes it too`,
        };
  return extraction(model, from.length > 0 ? from : reached.inputs, wanted, reached);
}

interface Reached {
  readonly nodes: ReadonlySet<GraphNode>;
  readonly tensors: ReadonlySet<string>;
  /** Graph inputs, in their order. */
  readonly inputs: readonly string[];
  readonly dangling: readonly string[];
}

function reach(model: Model, from: ReadonlySet<string>, wanted: readonly string[]): Reached {
  const scope = scopeOf(model);
  const main = mainGraph(model);
  const nodes = new Set<GraphNode>();
  const tensors = new Set<string>();
  const inputs = new Set<string>();
  const dangling: string[] = [];
  const names = new Set(wanted);
  /** What a node or a body uses; a body's own values are its own business. */
  const use = (graph: Graph, name: string): void => {
    if (name === "") return;
    const definition = scope.define(graph.path, name);
    if (definition === null) dangling.push(name);
    else if (definition.graph.path.length === 0) names.add(name);
  };
  const useAll = (graph: Graph, node: GraphNode): void => {
    for (const name of node.inputs) use(graph, name);
    for (const attr of Object.values(node.attrs)) {
      const body = attr.kind === "graph" ? model.graphs.get(graphKey(attr.path)) : undefined;
      if (!body) continue;
      for (const inner of body.nodes) useAll(body, inner);
      for (const name of body.outputs) use(body, name);
    }
  };
  // A set is walked in the order of insertion, additions during the walk included.
  for (const name of names) {
    if (from.has(name)) continue;
    const definition = scope.define(MAIN, name);
    if (definition?.kind === "tensor") tensors.add(name);
    else if (definition?.kind === "input") inputs.add(name);
    else if (definition?.kind === "node" && !nodes.has(definition.node)) {
      nodes.add(definition.node);
      useAll(main, definition.node);
    }
  }
  return { nodes, tensors, inputs: main.inputs.filter((name) => inputs.has(name)), dangling };
}

function extraction(
  model: Model,
  from: readonly string[],
  outputs: readonly string[],
  reached: Reached,
): Extraction | { readonly name: string; readonly reason: string } {
  const main = mainGraph(model);
  const nodes = main.nodes.filter((node) => !reached.nodes.has(node));
  const nameless = nodes.find((node) => node.outputs.every((name) => name === ""));
  if (nameless)
    return {
      name: nameless.name,
      reason: `${nameless.op} has no output by which it could be named and left out`,
    };
  const tensors = [...main.tensors]
    .filter(([name]) => !reached.tensors.has(name))
    .map(([, tensor]) => tensor);
  // Before IR 4 every initializer is listed as an input too.
  const listed = main.inputs.filter((name) => reached.tensors.has(name) && !from.includes(name));
  const inputs = [...from, ...listed];
  const known = new Set([...inputs, ...outputs, ...reached.tensors]);
  for (const node of reached.nodes) for (const name of node.outputs) known.add(name);
  const functions = unusedFunctions(model, reached.nodes);
  return {
    inputs,
    outputs,
    nodes,
    tensors,
    functions,
    declarations: [...main.values.keys()].filter((name) => !known.has(name)),
    sizeBytes: tensorBytes(model) - keptBytes(model, reached),
  };
}

/** Bytes of the kept initializers, and of attributes and bodies of the kept nodes. */
function keptBytes(model: Model, { nodes, tensors }: Reached): number {
  const main = mainGraph(model);
  const keys = new Set([...nodes].map(nodeKey));
  const graphs = [...model.graphs].filter(([, { path }]) => keys.has(path[0] ?? ""));
  const kept: Graph = {
    ...main,
    nodes: [...nodes],
    tensors: new Map([...main.tensors].filter(([name]) => tensors.has(name))),
  };
  return tensorBytes({ ...model, graphs: new Map([[graphKey(MAIN), kept], ...graphs]) });
}

/** Functions that neither the kept nodes nor the functions they call lead to. */
function unusedFunctions(model: Model, nodes: ReadonlySet<GraphNode>): FunctionInfo[] {
  const functionOf = functionsOf(model);
  const used = new Set<FunctionInfo>();
  const call = (graphs: ReadonlyMap<string, Graph>, list: Iterable<GraphNode>): void => {
    for (const node of list) {
      const called = functionOf(node);
      if (called && !used.has(called)) {
        used.add(called);
        for (const graph of called.graphs.values()) call(called.graphs, graph.nodes);
      }
      for (const attr of Object.values(node.attrs))
        if (attr.kind === "graph") call(graphs, graphs.get(graphKey(attr.path))?.nodes ?? []);
    }
  };
  call(model.graphs, nodes);
  return model.functions.filter((f) => !used.has(f));
}

const isValue = (model: Model, name: string): boolean =>
  name !== "" && scopeOf(model).define(MAIN, name) !== null;

function notThere(model: Model, name: string): string {
  const inside = [...model.graphs.values()].find(
    (graph) => graph.path.length > 0 && scopeOf(model).define(graph.path, name)?.graph === graph,
  );
  if (inside)
    return `it is inside a body (${inside.path.join("/")}); only values of the main graph can be ends`;
  const node = mainGraph(model).nodes.find((one) => one.name === name);
  const [output] = node?.outputs ?? [];
  return output === undefined
    ? "the model has no such value"
    : `it is a node's name, not a value's; its output is "${output}"`;
}
