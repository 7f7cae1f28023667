/**
 * Which nodes of one model are which nodes of another: by name and operator, then by operator and
 * matched neighbours, then by what is alike in only one place; what is left is grouped with what
 * took its place. Time is linear in nodes and edges.
 */
import {
  graphKey,
  nodeKey,
  type Attribute,
  type Graph,
  type GraphNode,
  type GraphPath,
  type Model,
} from "./model.ts";
import { groupNodes, type GroupKind, type NodeGroup } from "./matchingGroups.ts";
import { alike, dataInputs, sameOp, sideOf, type Consumer, type Side } from "./matchingSide.ts";

/** A node with the graph it is in. */
export interface Placed {
  readonly graph: Graph;
  readonly node: GraphNode;
}

export interface Matching {
  readonly pairs: readonly { readonly before: Placed; readonly after: Placed }[];
  readonly groups: readonly MatchedGroup[];
  readonly added: readonly Placed[];
  readonly removed: readonly Placed[];
}

/** Nodes of both models that belong together, in the order of their graphs; see `GroupKind`. */
export interface MatchedGroup {
  readonly kind: GroupKind;
  readonly before: readonly Placed[];
  readonly after: readonly Placed[];
}

export function matchModels(before: Model, after: Model): Matching {
  const out = { pairs: [], groups: [], added: [], removed: [] };
  matchGraphs(before, after, [], [], out);
  return out;
}

interface Result {
  readonly pairs: { before: Placed; after: Placed }[];
  readonly groups: MatchedGroup[];
  readonly added: Placed[];
  readonly removed: Placed[];
}

function matchGraphs(
  before: Model,
  after: Model,
  beforePath: GraphPath,
  afterPath: GraphPath,
  out: Result,
): void {
  const a = before.graphs.get(graphKey(beforePath));
  const b = after.graphs.get(graphKey(afterPath));
  if (!a || !b) return;
  const pairs = new Pairing(sideOf(a), sideOf(b));
  pairs.byName();
  pairs.byNeighbours();
  pairs.bySignature();
  const claimed = new Set<GraphNode>();
  const place = (graph: Graph) => (node: GraphNode) => ({ graph, node });
  for (const { kind, before: was, after: is } of pairs.groups()) {
    for (const node of [...was, ...is]) claimed.add(node);
    out.groups.push({ kind, before: was.map(place(a)), after: is.map(place(b)) });
  }
  for (const node of a.nodes) {
    const partner = pairs.partnerOf(node);
    if (partner) {
      out.pairs.push({ before: { graph: a, node }, after: { graph: b, node: partner } });
      for (const [attr, path] of subgraphs(node)) {
        const other = partner.attrs[attr];
        if (other?.kind === "graph") matchGraphs(before, after, path, other.path, out);
      }
    } else {
      if (!claimed.has(node)) out.removed.push({ graph: a, node });
      for (const [, path] of subgraphs(node)) everything(before, path, out.removed);
    }
  }
  for (const node of b.nodes)
    if (!pairs.isTaken(node)) {
      if (!claimed.has(node)) out.added.push({ graph: b, node });
      for (const [, path] of subgraphs(node)) everything(after, path, out.added);
    }
}

const subgraphs = (node: GraphNode): [string, GraphPath][] =>
  Object.entries(node.attrs).flatMap(([name, attr]): [string, GraphPath][] =>
    attr.kind === "graph" ? [[name, attr.path]] : [],
  );
function everything(model: Model, path: GraphPath, list: Placed[]): void {
  const graph = model.graphs.get(graphKey(path));
  for (const node of graph?.nodes ?? []) {
    if (graph) list.push({ graph, node });
    for (const [, inner] of subgraphs(node)) everything(model, inner, list);
  }
}

class Pairing {
  readonly #a: Side;
  readonly #b: Side;
  readonly #partner = new Map<GraphNode, GraphNode>();
  readonly #taken = new Map<GraphNode, GraphNode>();
  /** Pairs whose neighbours have not been looked at. */
  readonly #queue: [GraphNode, GraphNode][] = [];

  constructor(a: Side, b: Side) {
    this.#a = a;
    this.#b = b;
  }

  groups(): readonly NodeGroup[] {
    return groupNodes(this.#a, this.#b, this.#partner, this.#taken);
  }
  partnerOf(node: GraphNode): GraphNode | undefined {
    return this.#partner.get(node);
  }
  isTaken(node: GraphNode): boolean {
    return this.#taken.has(node);
  }

  #pair(a: GraphNode | undefined, b: GraphNode | undefined): void {
    if (!a || !b || !sameOp(a, b) || this.#partner.has(a) || this.#taken.has(b)) return;
    this.#partner.set(a, b);
    this.#taken.set(b, a);
    this.#queue.push([a, b]);
  }

  byName(): void {
    const keys = uniqueBy(this.#b.graph.nodes, nodeKey);
    for (const node of this.#a.graph.nodes) this.#pair(node, keys.get(nodeKey(node)) ?? undefined);
    const names = uniqueBy(this.#b.graph.nodes, (node) => node.name);
    const own = uniqueBy(this.#a.graph.nodes, (node) => node.name);
    for (const [name, node] of own)
      if (name !== "" && node) this.#pair(node, names.get(name) ?? undefined);
  }

  /** Spreads from pairs, and from the graphs' inputs and outputs, which keep name or position. */
  byNeighbours(): void {
    const [a, b] = [this.#a, this.#b];
    for (const [x, y] of alike(dataInputs(a), dataInputs(b))) this.#pairConsumers(x, y);
    for (const [x, y] of alike(a.graph.outputs, b.graph.outputs))
      this.#pair(this.#a.producers.get(x), this.#b.producers.get(y));
    this.#spread();
  }

  #spread(): void {
    for (let next = this.#queue.pop(); next; next = this.#queue.pop()) {
      const [a, b] = next;
      a.inputs.forEach((name, i) =>
        this.#pair(this.#a.producers.get(name), this.#b.producers.get(b.inputs[i] ?? "")),
      );
      a.outputs.forEach((name, i) => {
        const other = b.outputs[i];
        if (name !== "" && other !== undefined && other !== "") this.#pairConsumers(name, other);
      });
    }
  }

  /** Users of the same value pair up where operator and position leave one choice. */
  #pairConsumers(x: string, y: string): void {
    const open = (side: Side, name: string, done: ReadonlyMap<GraphNode, GraphNode>): Consumer[] =>
      (side.consumers.get(name) ?? []).filter(({ node }) => !done.has(node));
    const place = ({ node, slot }: Consumer): string => `${node.domain} ${node.op} ${slot}`;
    const others = uniqueBy(open(this.#b, y, this.#taken), place);
    for (const [key, user] of uniqueBy(open(this.#a, x, this.#partner), place))
      if (user) this.#pair(user.node, others.get(key)?.node);
  }

  /** What is left pairs up when operator, attributes and weight shapes occur equally often, in order. */
  bySignature(): void {
    const left = groupBy(
      this.#a.graph.nodes.filter((node) => !this.#partner.has(node)),
      (node) => signature(this.#a.graph, node),
    );
    const right = groupBy(
      this.#b.graph.nodes.filter((node) => !this.#taken.has(node)),
      (node) => signature(this.#b.graph, node),
    );
    for (const [key, nodes] of left) {
      const others = right.get(key) ?? [];
      if (others.length === nodes.length) nodes.forEach((node, i) => this.#pair(node, others[i]));
    }
    this.#spread();
  }
}

/** Items by key; null marks a key that several have. */
function uniqueBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T | null> {
  const out = new Map<string, T | null>();
  for (const item of items) out.set(key(item), out.has(key(item)) ? null : item);
  return out;
}
function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const out = new Map<string, T[]>();
  for (const item of items) {
    const list = out.get(key(item));
    if (list) list.push(item);
    else out.set(key(item), [item]);
  }
  return out;
}

function signature(graph: Graph, node: GraphNode): string {
  const attrs = Object.entries(node.attrs)
    .map(([name, attr]) => `${name}=${attributeKey(attr)}`)
    .sort();
  const inputs = node.inputs.map((name) => {
    const tensor = graph.tensors.get(name);
    return tensor ? `${tensor.dtype.name}[${tensor.shape.join()}]` : name === "" ? "" : "v";
  });
  return JSON.stringify([node.domain, node.op, attrs, inputs, node.outputs.length]);
}
/** Text that is equal for equal values; graphs and opaque values count as equal. */
export function attributeKey(attr: Attribute): string {
  if (attr.kind === "tensor") return `${attr.value.dtype.name}[${attr.value.shape.join()}]`;
  if (attr.kind === "graph") return "graph";
  return attr.kind === "opaque" ? attr.type : JSON.stringify(attr.value);
}
