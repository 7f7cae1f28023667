/**
 * A model being changed, step by step. Graphs are copied on their first change after each `freeze`,
 * so frozen models stay valid and share everything that did not change.
 */
import { dtype } from "../shared/dtype.ts";
import {
  graphKey,
  nodeKey,
  type Graph,
  type GraphNode,
  type GraphPath,
  type Model,
  type Tensor,
  type Value,
} from "./model.ts";
import type { NewNode, Step, StepTensor } from "./step.ts";
import { DraftIndex } from "./draftIndex.ts";
import { inlineBody } from "./inlineBody.ts";
import { topologicalOrder } from "./topology.ts";

interface MutableGraph {
  path: GraphPath;
  name: string;
  nodes: GraphNode[];
  inputs: string[];
  outputs: string[];
  values: Map<string, Value>;
  tensors: Map<string, Tensor>;
  original?: unknown;
}

/** A step that does not fit the model it is applied to: always a defect or a foreign recipe cache. */
export class StepError extends Error {}

export class Draft {
  readonly #source: Model;
  #graphs: Map<string, Graph>;
  /** Graphs copied since the last freeze, which may be changed in place. */
  readonly #open = new Map<string, MutableGraph>();
  #opsets: Map<string, number>;
  #meta: Map<string, string>;
  #functions: Model["functions"];
  #frozen: Model | null;
  readonly #index = new DraftIndex(() => this.paths.map((path) => this.#graphAt(path)));

  constructor(model: Model) {
    this.#source = model;
    this.#graphs = new Map(model.graphs);
    this.#opsets = new Map(model.opsets);
    this.#meta = new Map(model.meta);
    this.#functions = model.functions;
    this.#frozen = model;
  }

  freeze(): Model {
    if (this.#frozen) return this.#frozen;
    for (const [key, graph] of this.#open) this.#graphs.set(key, graph);
    this.#open.clear();
    this.#frozen = {
      ...this.#source,
      graphs: new Map(this.#graphs),
      opsets: new Map(this.#opsets),
      meta: new Map(this.#meta),
      functions: this.#functions,
    };
    return this.#frozen;
  }

  /** Puts nodes in an order in which each value is made before it is used; stable where it already is. */
  orderNodes(): void {
    const model = this.freeze();
    for (const graph of model.graphs.values()) {
      const order = topologicalOrder(model, graph);
      if (order) {
        this.#edit(graph.path).nodes = order;
        this.#index.moved(graph.path);
      }
    }
  }

  /** Whether the graph itself has, or ever had, something of that name. */
  hasName(path: GraphPath, name: string): boolean {
    return this.#index.namesOf(this.#graphAt(path)).has(name);
  }

  opset(domain: string): number | undefined {
    return this.#opsets.get(domain);
  }

  /** Paths of all graphs as they are now. */
  get paths(): GraphPath[] {
    return [...this.#graphs.values()].map((graph) => graph.path);
  }

  /** Uses of a name as an input of any node or an output of any graph. */
  useCount(name: string): number {
    return this.#index.useCount(name);
  }

  /** The initializer or the node of that name or key in the graph itself. */
  find(path: GraphPath, name: string): Tensor | GraphNode | null {
    const graph = this.#graphAt(path);
    const tensor = graph.tensors.get(name);
    if (tensor) return tensor;
    const at = this.#index.positionsOf(graph).get(name);
    return at === undefined ? null : (graph.nodes[at] ?? null);
  }

  #graphAt(path: GraphPath): Graph {
    const key = graphKey(path);
    const graph = this.#open.get(key) ?? this.#graphs.get(key);
    if (!graph) throw new StepError(`there is no graph ${key}`);
    return graph;
  }

  apply(step: Step): void {
    switch (step.kind) {
      case "putTensor":
        this.#edit(step.graph).tensors.set(step.tensor.name, tensorOf(step.tensor));
        this.#index.nameTaken(step.graph, step.tensor.name);
        return;
      case "dropTensor":
        this.#dropTensor(step.graph, step.name);
        return;
      case "replaceNodes":
        this.#replaceNodes(step);
        return;
      case "inlineBody":
        this.#inlineBody(step);
        return;
      case "setAttr": {
        const graph = this.#edit(step.graph);
        const at = this.#indexOf(graph, step.node);
        const node = graph.nodes[at];
        if (!node) return;
        const others = Object.entries(node.attrs).filter(([name]) => name !== step.attr);
        const attrs = Object.fromEntries(
          step.value === null ? others : [...others, [step.attr, step.value]],
        );
        graph.nodes[at] = { ...node, attrs };
        return;
      }
      case "setValue": {
        const { values } = this.#edit(step.graph);
        if (step.value === null) values.delete(step.name);
        else
          values.set(step.name, {
            name: step.value.name,
            dtype: step.value.dtype === null ? null : dtype(step.value.dtype),
            shape: step.value.shape,
            type: "tensor",
          });
        return;
      }
      case "setIo": {
        const graph = this.#edit(step.graph);
        graph.inputs = [...step.inputs];
        graph.outputs = [...step.outputs];
        this.#index.usesChanged();
        return;
      }
      case "rename":
        this.#rename(step.graph, step.from, step.to);
        return;
      case "setFunction":
        this.#frozen = null;
        this.#functions = this.#functions.filter(
          (f) => f.domain !== step.domain || f.name !== step.name,
        );
        return;
      case "setOpset":
        this.#frozen = null;
        if (step.version === null) this.#opsets.delete(step.domain);
        else this.#opsets.set(step.domain, step.version);
        return;
      case "setMeta":
        this.#frozen = null;
        if (step.value === null) this.#meta.delete(step.key);
        else this.#meta.set(step.key, step.value);
        return;
    }
  }

  #edit(path: GraphPath): MutableGraph {
    this.#frozen = null;
    const key = graphKey(path);
    const open = this.#open.get(key);
    if (open) return open;
    const graph = this.#graphs.get(key);
    if (!graph) throw new StepError(`there is no graph ${key}`);
    const copy: MutableGraph = {
      ...graph,
      nodes: [...graph.nodes],
      inputs: [...graph.inputs],
      outputs: [...graph.outputs],
      values: new Map(graph.values),
      tensors: new Map(graph.tensors),
    };
    this.#open.set(key, copy);
    return copy;
  }

  #indexOf(graph: MutableGraph, key: string): number {
    const at = this.#index.positionsOf(graph).get(key);
    if (at === undefined) throw new StepError(`there is no node with output "${key}"`);
    return at;
  }

  #dropTensor(path: GraphPath, name: string): void {
    const graph = this.#edit(path);
    if (!graph.tensors.delete(name)) throw new StepError(`there is no initializer "${name}"`);
    // Before IR 4 every initializer is also listed as a graph input; without its data it would
    // become an input that callers have to feed.
    if (graph.inputs.includes(name)) {
      graph.inputs = graph.inputs.filter((input) => input !== name);
      graph.values.delete(name);
    }
  }

  #replaceNodes(step: Extract<Step, { kind: "replaceNodes" }>): void {
    const graph = this.#edit(step.graph);
    const removed = new Set(step.remove.map((key) => this.#indexOf(graph, key)));
    const outputs = new Set(step.insert.flatMap((node) => node.outputs));
    const added = step.insert.map(nodeOf);
    for (const node of added) this.#index.nodeAdded(step.graph, node);
    for (const i of removed) {
      const node = graph.nodes[i];
      if (!node) continue;
      this.#index.nodeRemoved(node);
      this.#dropSubgraphs(step.graph, node);
      // A declaration of a value that nothing makes any more would describe a dangling name.
      for (const output of node.outputs)
        if (!outputs.has(output) && !graph.outputs.includes(output)) graph.values.delete(output);
    }
    this.#placeNodes(graph, removed, added);
    if (step.rewire.length > 0) this.#rewire(step.graph, new Map(step.rewire));
  }

  #inlineBody(step: Extract<Step, { kind: "inlineBody" }>): void {
    const model = this.freeze();
    const outer = this.#edit(step.graph);
    const at = this.#indexOf(outer, step.node);
    const node = outer.nodes[at];
    const body = node?.attrs[step.attr];
    if (!node || body?.kind !== "graph")
      throw new StepError(`"${step.node}" has no body "${step.attr}"`);
    const inlined = inlineBody(model, step, body.path);
    this.#dropSubgraphs(step.graph, node);
    for (const inner of inlined.graphs) this.#graphs.set(graphKey(inner.path), inner);
    outer.nodes = [...outer.nodes.slice(0, at), ...inlined.nodes, ...outer.nodes.slice(at + 1)];
    for (const [name, tensor] of inlined.tensors) outer.tensors.set(name, tensor);
    for (const [name, value] of inlined.values)
      if (!outer.values.has(name)) outer.values.set(name, value);
    this.#index.graphsChanged();
  }

  #placeNodes(
    graph: MutableGraph,
    removed: ReadonlySet<number>,
    added: readonly GraphNode[],
  ): void {
    const [only] = removed;
    const [node] = added;
    // One for one keeps all positions: a model of thousands of layers is changed in linear time.
    if (removed.size === 1 && added.length === 1 && only !== undefined && node) {
      const old = graph.nodes[only];
      const positions = this.#index.positionsOf(graph);
      if (old) positions.delete(nodeKey(old));
      positions.set(nodeKey(node), only);
      graph.nodes[only] = node;
      return;
    }
    const outputs = new Set(added.flatMap((n) => n.outputs));
    const firstUse = graph.nodes.findIndex((n) => n.inputs.some((i) => outputs.has(i)));
    const at =
      removed.size > 0 ? Math.max(...removed) : firstUse < 0 ? graph.nodes.length : firstUse;
    graph.nodes = [
      ...graph.nodes.slice(0, at).filter((_, i) => !removed.has(i)),
      ...added,
      ...graph.nodes.slice(at).filter((_, i) => !removed.has(at + i)),
    ];
    this.#index.moved(graph.path);
  }

  #dropSubgraphs(path: GraphPath, node: GraphNode): void {
    for (const attr of Object.values(node.attrs))
      if (attr.kind === "graph")
        for (const key of [...this.#graphs.keys()]) {
          const candidate = JSON.parse(key) as string[];
          if (
            attr.path.every((part, i) => candidate[i] === part) &&
            candidate.length > path.length
          ) {
            this.#graphs.delete(key);
            this.#open.delete(key);
            this.#index.usesChanged();
          }
        }
  }

  /** Graphs at or below `path` in which `name` is not defined anew. */
  #scopes(path: GraphPath): GraphPath[] {
    const model = this.freeze();
    return [...model.graphs.values()]
      .map((graph) => graph.path)
      .filter((candidate) => path.every((part, i) => candidate[i] === part));
  }

  #rewire(path: GraphPath, names: ReadonlyMap<string, string>): void {
    this.#index.usesChanged();
    for (const scope of this.#scopes(path)) {
      const key = graphKey(scope);
      const current = this.#graphs.get(key);
      if (!current?.nodes.some((node) => node.inputs.some((input) => names.has(input)))) continue;
      const graph = this.#edit(scope);
      graph.nodes = graph.nodes.map((node) =>
        node.inputs.some((input) => names.has(input))
          ? { ...node, inputs: node.inputs.map((input) => names.get(input) ?? input) }
          : node,
      );
    }
  }

  #rename(path: GraphPath, from: string, to: string): void {
    const swap = (name: string): string => (name === from ? to : name);
    this.#index.usesChanged();
    this.#index.nameTaken(path, to);
    this.#index.moved(path);
    const own = this.#edit(path);
    const owner = own.nodes.find((node) => nodeKey(node) === from);
    if (owner && Object.values(owner.attrs).some((attr) => attr.kind === "graph"))
      throw new StepError(`"${from}" names a node with subgraphs and cannot be renamed`);
    own.nodes = own.nodes.map((node) =>
      node.outputs.includes(from) ? { ...node, outputs: node.outputs.map(swap) } : node,
    );
    own.inputs = own.inputs.map(swap);
    const tensor = own.tensors.get(from);
    if (tensor)
      own.tensors = new Map(
        [...own.tensors].map(([name, t]) =>
          name === from ? [to, { ...tensor, name: to }] : [name, t],
        ),
      );
    const value = own.values.get(from);
    if (value) {
      own.values.delete(from);
      own.values.set(to, { ...value, name: to });
    }
    for (const scope of this.#scopes(path)) {
      const graph = this.#edit(scope);
      graph.outputs = graph.outputs.map(swap);
    }
    this.#rewire(path, new Map([[from, to]]));
  }
}

const tensorOf = (tensor: StepTensor): Tensor => ({
  name: tensor.name,
  dtype: dtype(tensor.dtype),
  shape: tensor.shape,
  at: tensor.at,
  sizeBytes: tensor.sizeBytes,
});
const nodeOf = (node: NewNode): GraphNode => ({ ...node });

/** The model after the steps, in order, with its nodes in a valid order. @throws StepError */
export function applySteps(model: Model, steps: readonly Step[]): Model {
  const draft = new Draft(model);
  for (const step of steps) draft.apply(step);
  draft.orderNodes();
  return draft.freeze();
}
