/** Order of nodes: each value made before it is used, subgraph captures included. */
import {
  graphKey,
  MAIN,
  mainGraph,
  nodeKey,
  type Graph,
  type GraphNode,
  type Model,
} from "./model.ts";
import { formatErrors } from "../shared/errors.ts";

/** Names a node uses: its inputs, and whatever its subgraphs take from outside. */
function usedNames(model: Model, node: GraphNode): string[] {
  const names = [...node.inputs];
  for (const attr of Object.values(node.attrs)) {
    if (attr.kind !== "graph") continue;
    const graph = model.graphs.get(graphKey(attr.path));
    if (!graph) continue;
    for (const inner of graph.nodes) names.push(...usedNames(model, inner));
    names.push(...graph.outputs);
  }
  return names;
}

/**
 * The model with what its main graph needs to compute `values`, and nothing else. Inputs stay, so that
 * it takes the same feeds; `values` are not made outputs.
 */
export function upTo(model: Model, values: readonly string[]): Model {
  const main = mainGraph(model);
  const makers = new Map<string, GraphNode>();
  for (const node of main.nodes)
    for (const output of node.outputs) if (output !== "") makers.set(output, node);
  const kept = new Set<GraphNode>();
  const names = new Set(values);
  // A set is walked in the order of insertion, additions during the walk included.
  for (const name of names) {
    const node = makers.get(name);
    if (!node || kept.has(node)) continue;
    kept.add(node);
    for (const used of usedNames(model, node)) names.add(used);
  }
  const inputs = new Set(main.inputs);
  const graph: Graph = {
    ...main,
    nodes: main.nodes.filter((node) => kept.has(node)),
    tensors: new Map([...main.tensors].filter(([name]) => names.has(name) || inputs.has(name))),
  };
  const keys = new Set([...kept].map(nodeKey));
  const inside = [...model.graphs].filter(
    ([
      ,
      {
        path: [outer],
      },
    ]) => keys.has(outer ?? ""),
  );
  return { ...model, graphs: new Map([[graphKey(MAIN), graph], ...inside]) };
}

/**
 * The nodes in a topological order that keeps the given order wherever it can (Kahn 1962, taking
 * the earliest ready node). Null when the order is valid already.
 * @throws FormatError when the nodes form a cycle, naming one value on it.
 */
export function topologicalOrder(model: Model, graph: Graph): GraphNode[] | null {
  const makerOf = new Map<string, number>();
  graph.nodes.forEach((node, i) => {
    for (const output of node.outputs) if (output !== "") makerOf.set(output, i);
  });
  const waitsFor = graph.nodes.map((node, i) => {
    const makers = new Set<number>();
    for (const name of usedNames(model, node)) {
      const maker = makerOf.get(name);
      if (maker !== undefined && maker !== i) makers.add(maker);
    }
    return makers;
  });
  if (waitsFor.every((makers, i) => [...makers].every((maker) => maker < i))) return null;

  const dependents = graph.nodes.map((): number[] => []);
  waitsFor.forEach((makers, i) => {
    for (const maker of makers) dependents[maker]?.push(i);
  });
  const missing = waitsFor.map((makers) => makers.size);
  const ready = new MinHeap();
  missing.forEach((count, i) => {
    if (count === 0) ready.push(i);
  });
  const order: GraphNode[] = [];
  for (let next = ready.pop(); next !== null; next = ready.pop()) {
    const node = graph.nodes[next];
    if (node) order.push(node);
    for (const dependent of dependents[next] ?? []) {
      missing[dependent] = (missing[dependent] ?? 0) - 1;
      if (missing[dependent] === 0) ready.push(dependent);
    }
  }
  if (order.length < graph.nodes.length) {
    const stuck = graph.nodes[missing.findIndex((count) => count > 0)];
    const value = stuck?.outputs[0] ?? "";
    throw formatErrors.invalidGraph(
      "The model",
      `the nodes form a cycle through "${value}"`,
      value,
    );
  }
  return order;
}

/** Smallest index first, so that the order stays as close as it can to the one given. */
class MinHeap {
  readonly #items: number[] = [];
  push(item: number): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = items[parent] ?? 0;
      if (above <= item) break;
      items[at] = above;
      at = parent;
    }
    items[at] = item;
  }
  pop(): number | null {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (top === undefined || last === undefined) return null;
    if (items.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= items.length) break;
      if ((items[child + 1] ?? Infinity) < (items[child] ?? Infinity)) child++;
      const below = items[child] ?? 0;
      if (below >= last) break;
      items[at] = below;
      at = child;
    }
    items[at] = last;
    return top;
  }
}
