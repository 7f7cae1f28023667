/** Rows of a layered layout: cycles opened, longest paths, then nodes pulled towards their neighbours. */
import { adjacency, degree, neighbours, type Adjacency, type Digraph } from "./digraph.ts";

export interface Ranks {
  /** Row of each node, from 0. */
  readonly rank: Int32Array;
  readonly rows: number;
  /** 1 where an edge was turned round because it closed a cycle. */
  readonly reversed: Uint8Array;
}

/** -1: in the first row, 1: in the last, 0: where it belongs. */
export type Pin = -1 | 0 | 1;

export function assignRanks(graph: Digraph, pins: readonly Pin[]): Ranks {
  const reversed = backEdges(graph);
  const from = graph.from.map((u, i) => (reversed[i] ? (graph.to[i] ?? 0) : u));
  const to = graph.to.map((v, i) => (reversed[i] ? (graph.from[i] ?? 0) : v));
  const producers = adjacency(graph.count, to, from);
  const consumers = adjacency(graph.count, from, to);
  const order = topological(graph.count, producers, consumers);
  const rank = new Int32Array(graph.count);
  for (const v of order)
    for (const u of neighbours(producers, v))
      if (u !== v) rank[v] = Math.max(rank[v] ?? 0, (rank[u] ?? 0) + 1);
  tighten(rank, order, producers, consumers);
  return { rank, rows: pinned(rank, pins), reversed };
}

/** Edges to a node that is being visited, depth first (self loops included). */
function backEdges(graph: Digraph): Uint8Array {
  const reversed = new Uint8Array(graph.from.length);
  const index = Int32Array.from(graph.from, (_, i) => i);
  const edges = adjacency(graph.count, graph.from, index);
  const state = new Uint8Array(graph.count);
  for (let root = 0; root < graph.count; root++) {
    if (state[root]) continue;
    const walk = [{ v: root, next: 0 }];
    state[root] = 1;
    for (let frame = walk.at(-1); frame; frame = walk.at(-1)) {
      if (frame.next === degree(edges, frame.v)) {
        state[frame.v] = 2;
        walk.pop();
        continue;
      }
      const edge = edges.targets[(edges.offsets[frame.v] ?? 0) + frame.next++] ?? 0;
      const w = graph.to[edge] ?? 0;
      if (state[w] === 1) reversed[edge] = 1;
      else if (state[w] === 0) {
        state[w] = 1;
        walk.push({ v: w, next: 0 });
      }
    }
  }
  return reversed;
}

function topological(count: number, producers: Adjacency, consumers: Adjacency): number[] {
  const missing = new Int32Array(count);
  for (let v = 0; v < count; v++)
    missing[v] = neighbours(producers, v).reduce((sum, u) => sum + (u === v ? 0 : 1), 0);
  const order: number[] = [];
  for (let v = 0; v < count; v++) if (!missing[v]) order.push(v);
  for (let i = 0; i < order.length; i++)
    for (const w of neighbours(consumers, order[i] ?? 0)) {
      if (w === order[i]) continue;
      missing[w] = (missing[w] ?? 0) - 1;
      if (missing[w] === 0) order.push(w);
    }
  return order;
}

/** A poor man's network simplex: median edge lengths equal to graphviz's on model graphs. */
function tighten(
  rank: Int32Array,
  order: readonly number[],
  producers: Adjacency,
  consumers: Adjacency,
): void {
  for (let pass = 0; pass < 3; pass++) {
    for (let i = order.length - 1; i >= 0; i--) {
      const v = order[i] ?? 0;
      const outs = degree(consumers, v);
      if (outs === 0 || (outs <= degree(producers, v) && degree(producers, v) > 0)) continue;
      let low = Infinity;
      for (const w of neighbours(consumers, v))
        if (w !== v) low = Math.min(low, (rank[w] ?? 0) - 1);
      if (low < Infinity && low > (rank[v] ?? 0)) rank[v] = low;
    }
    for (const v of order) {
      if (degree(producers, v) <= degree(consumers, v)) continue;
      let high = 0;
      for (const u of neighbours(producers, v))
        if (u !== v) high = Math.max(high, (rank[u] ?? 0) + 1);
      if (high < (rank[v] ?? 0)) rank[v] = high;
    }
  }
}

/** Closes the numbering from 0 and moves pinned nodes to the edges; returns the number of rows. */
function pinned(rank: Int32Array, pins: readonly Pin[]): number {
  let low = Infinity;
  let high = -1;
  rank.forEach((r, v) => {
    if (pins[v]) return;
    low = Math.min(low, r);
    high = Math.max(high, r);
  });
  if (high < 0) low = 0;
  const first = pins.includes(-1) ? 1 : 0;
  const rows = high < 0 ? 0 : high - low + 1;
  rank.forEach((r, v) => {
    rank[v] = pins[v] === -1 ? 0 : pins[v] === 1 ? first + rows : r - low + first;
  });
  return first + rows + (pins.includes(1) ? 1 : 0);
}
