/** Every tensor of a model with a name of its own; built once per model and kept as long as it lives. */
import { graphKey, nodeKey, type Graph, type GraphNode, type Model, type Tensor } from "./model.ts";

export interface TensorEntry {
  /** Unique in the model; see `tensorId`. */
  readonly id: string;
  readonly graph: Graph;
  /** The initializer's name; a Constant node's output; `<node>.<attribute>` for other attributes. */
  readonly name: string;
  readonly tensor: Tensor;
  /** Null for an initializer. */
  readonly node: GraphNode | null;
}

/** Initializers and tensors in attributes, of the main graph and all subgraphs, in file order. */
export interface TensorTable {
  readonly entries: readonly TensorEntry[];
  get(id: string): TensorEntry | undefined;
}

const tables = new WeakMap<Model, TensorTable>();

export function tensorTable(model: Model): TensorTable {
  let table = tables.get(model);
  if (!table) tables.set(model, (table = build(model)));
  return table;
}

function build(model: Model): TensorTable {
  const entries: TensorEntry[] = [];
  for (const graph of model.graphs.values()) {
    const key = graphKey(graph.path);
    const add = (name: string, tensor: Tensor, node: GraphNode | null): unknown =>
      entries.push(new Entry(key, graph, name, tensor, node));
    for (const [name, tensor] of graph.tensors) add(name, tensor, null);
    for (const node of graph.nodes)
      for (const [attr, found] of Object.entries(node.attrs))
        if (found.kind === "tensor")
          add(isConstant(node) ? nodeKey(node) : `${nodeKey(node)}.${attr}`, found.value, node);
  }
  let byId: ReadonlyMap<string, TensorEntry> | null = null;
  return {
    entries,
    get(id) {
      byId ??= new Map(entries.map((entry) => [entry.id, entry]));
      return byId.get(id);
    },
  };
}

/** Made for every tensor; ids are asked of few, and 300,000 of them take a tenth of a second. */
class Entry implements TensorEntry {
  readonly #graphKey: string;
  readonly graph: Graph;
  readonly name: string;
  readonly tensor: Tensor;
  readonly node: GraphNode | null;

  constructor(key: string, graph: Graph, name: string, tensor: Tensor, node: GraphNode | null) {
    this.#graphKey = key;
    this.graph = graph;
    this.name = name;
    this.tensor = tensor;
    this.node = node;
  }
  get id(): string {
    return tensorId(this.#graphKey, this.name);
  }
}

/** @param graph `graphKey` of the graph's path */
export const tensorId = (graph: string, name: string): string => `${graph}\n${name}`;
export const isConstant = (node: GraphNode): boolean =>
  node.op === "Constant" && node.domain === "";

/** The same bytes read the same way, known without reading them. */
export function sameStorage(a: Tensor, b: Tensor): boolean {
  if (a === b) return true;
  if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) return false;
  if (a.at instanceof Uint8Array || b.at instanceof Uint8Array)
    return a.at instanceof Uint8Array && b.at instanceof Uint8Array && sameBytes(a.at, b.at);
  return a.at.file === b.at.file && a.at.offset === b.at.offset && a.at.length === b.at.length;
}
const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a === b || (a.length === b.length && a.every((byte, i) => byte === b[i]));
