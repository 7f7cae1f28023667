/** Who produces and who uses a name, across subgraphs. One index per model, built once. */
import {
  enclosingPaths,
  graphKey,
  MAIN,
  type Graph,
  type GraphNode,
  type GraphPath,
  type Model,
  type Tensor,
} from "./model.ts";

export interface Use {
  readonly graph: Graph;
  /** Null when the use is as an output of the graph itself. */
  readonly node: GraphNode | null;
  /** Position among the node's inputs (or the graph's outputs). */
  readonly input: number;
}

export type Definition =
  | { readonly kind: "tensor"; readonly graph: Graph; readonly tensor: Tensor }
  | { readonly kind: "node"; readonly graph: Graph; readonly node: GraphNode }
  | { readonly kind: "input"; readonly graph: Graph };

export interface ScopeIndex {
  /** What `name` means as seen from the graph at `path`; null for a dangling name. */
  define(path: GraphPath, name: string): Definition | null;
  /** Every use of the value `name` defined in the graph at `path`, subgraphs included. */
  uses(path: GraphPath, name: string): readonly Use[];
  /** The constant behind a name: an initializer, a Constant node, or either through Identity nodes. */
  constant(path: GraphPath, name: string): ConstantSource | null;
}

export interface ConstantSource {
  readonly graph: Graph;
  readonly tensor: Tensor;
  /** The Constant node that holds the tensor; null for an initializer. */
  readonly node: GraphNode | null;
}

const indexes = new WeakMap<Model, ScopeIndex>();

export function scopeOf(model: Model): ScopeIndex {
  let index = indexes.get(model);
  if (!index) indexes.set(model, (index = buildIndex(model)));
  return index;
}

/** Some graph gives this value out, so its name and its maker must stay. */
export const isOutput = (model: Model, path: GraphPath, name: string): boolean =>
  scopeOf(model)
    .uses(path, name)
    .some((use) => use.node === null);

/** What one graph names itself, and who uses that. */
interface Names {
  readonly definitions: Map<string, Definition>;
  readonly uses: Map<string, Use[]>;
}

function buildIndex(model: Model): ScopeIndex {
  const byGraph = new Map<string, Names>();
  for (const graph of model.graphs.values()) {
    const own = new Map<string, Definition>();
    for (const name of graph.inputs) own.set(name, { kind: "input", graph });
    // An initializer that is also an input (IR 3) counts as the constant it defaults to.
    for (const [name, tensor] of graph.tensors) own.set(name, { kind: "tensor", graph, tensor });
    for (const node of graph.nodes) {
      if (node.outputs.length === 0) continue;
      // One for all outputs: a graph of a million nodes has as many.
      const definition: Definition = { kind: "node", graph, node };
      for (const output of node.outputs) if (output !== "") own.set(output, definition);
    }
    byGraph.set(graphKey(graph.path), { definitions: own, uses: new Map() });
  }
  const main = byGraph.get(graphKey(MAIN));
  /** The nearest graph around `path` that defines the name. */
  const namesWith = (path: GraphPath, name: string): Names | null => {
    if (path.length === 0) return main?.definitions.has(name) === true ? main : null;
    for (const scope of enclosingPaths(path)) {
      const names = byGraph.get(graphKey(scope));
      if (names?.definitions.has(name) === true) return names;
    }
    return null;
  };
  const define = (path: GraphPath, name: string): Definition | null =>
    namesWith(path, name)?.definitions.get(name) ?? null;
  const record = (graph: Graph, node: GraphNode | null, name: string, input: number): void => {
    const names = name === "" ? null : namesWith(graph.path, name);
    if (!names) return;
    const list = names.uses.get(name);
    const use = { graph, node, input };
    if (list) list.push(use);
    else names.uses.set(name, [use]);
  };
  for (const graph of model.graphs.values()) {
    for (const node of graph.nodes) node.inputs.forEach((name, i) => record(graph, node, name, i));
    graph.outputs.forEach((name, i) => record(graph, null, name, i));
  }
  const constant = (path: GraphPath, name: string): ConstantSource | null => {
    // Bounded by the number of Identity nodes; a cycle of them is not a valid graph but must not hang.
    for (let hops = 0, at = { path, name }; hops < 64; hops++) {
      const definition = define(at.path, at.name);
      if (!definition || definition.kind === "input") return null;
      if (definition.kind === "tensor")
        return { graph: definition.graph, tensor: definition.tensor, node: null };
      const { node, graph } = definition;
      if (node.op === "Constant" && node.domain === "") {
        const value = node.attrs["value"];
        return value?.kind === "tensor" ? { graph, tensor: value.value, node } : null;
      }
      const source = node.inputs[0];
      if (node.op !== "Identity" || node.domain !== "" || source === undefined) return null;
      at = { path: graph.path, name: source };
    }
    return null;
  };
  return {
    define,
    uses: (path, name) => byGraph.get(graphKey(path))?.uses.get(name) ?? [],
    constant,
  };
}
