/** One graph of a pair that is matched: its edges as maps, and what is constant in it. */
import type { Graph, GraphNode } from "./model.ts";

export interface Consumer {
  readonly node: GraphNode;
  readonly slot: number;
}
/** One graph with its edges as maps. */
export interface Side {
  readonly graph: Graph;
  readonly producers: ReadonlyMap<string, GraphNode>;
  readonly consumers: ReadonlyMap<string, readonly Consumer[]>;
  /** Position of each output of the graph. */
  readonly outputs: ReadonlyMap<string, number>;
}
export function sideOf(graph: Graph): Side {
  const producers = new Map<string, GraphNode>();
  const consumers = new Map<string, Consumer[]>();
  for (const node of graph.nodes) {
    for (const output of node.outputs) if (output !== "") producers.set(output, node);
    node.inputs.forEach((input, slot) => {
      if (input === "") return;
      const list = consumers.get(input);
      if (list) list.push({ node, slot });
      else consumers.set(input, [{ node, slot }]);
    });
  }
  const outputs = new Map(graph.outputs.map((name, i) => [name, i]));
  return { graph, producers, consumers, outputs };
}

export const sameOp = (a: GraphNode, b: GraphNode): boolean =>
  a.op === b.op && a.domain === b.domain;

/** An initializer of this graph, also one that is an input (IR 3), or the output of a Constant. */
export const isConstant = ({ graph, producers }: Side, name: string): boolean =>
  graph.tensors.has(name) || producers.get(name)?.op === "Constant";

/** Inputs that are fed. */
export const dataInputs = ({ graph }: Side): readonly string[] =>
  graph.inputs.filter((name) => !graph.tensors.has(name));

/** Names both lists have; if they share none and are equally long, by position. */
export function alike(a: readonly string[], b: readonly string[]): [string, string][] {
  const others = new Set(b);
  const common = a.filter((name) => others.has(name));
  if (common.length > 0) return common.map((name) => [name, name]);
  return a.length === b.length ? a.map((name, i) => [name, b[i] ?? ""]) : [];
}
