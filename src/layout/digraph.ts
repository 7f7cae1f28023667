/** Directed graphs by node numbers, in typed arrays: what block finding and layout compute on. */

export interface Digraph {
  readonly count: number;
  /** Edge i goes from node `from[i]` to node `to[i]`. */
  readonly from: Int32Array;
  readonly to: Int32Array;
}

/** Neighbours of node v: `targets[offsets[v]]` up to, not including, `targets[offsets[v + 1]]`. */
export interface Adjacency {
  readonly offsets: Int32Array;
  readonly targets: Int32Array;
}

export function adjacency(count: number, from: Int32Array, to: Int32Array): Adjacency {
  const offsets = new Int32Array(count + 1);
  for (const v of from) offsets[v + 1] = (offsets[v + 1] ?? 0) + 1;
  for (let v = 0; v < count; v++) offsets[v + 1] = (offsets[v + 1] ?? 0) + (offsets[v] ?? 0);
  const next = offsets.slice(0, count);
  const targets = new Int32Array(from.length);
  from.forEach((v, i) => {
    const at = next[v] ?? 0;
    targets[at] = to[i] ?? 0;
    next[v] = at + 1;
  });
  return { offsets, targets };
}

export const consumersOf = (graph: Digraph): Adjacency =>
  adjacency(graph.count, graph.from, graph.to);
export const producersOf = (graph: Digraph): Adjacency =>
  adjacency(graph.count, graph.to, graph.from);

export const neighbours = (list: Adjacency, v: number): Int32Array =>
  list.targets.subarray(list.offsets[v], list.offsets[v + 1]);
export const degree = (list: Adjacency, v: number): number =>
  (list.offsets[v + 1] ?? 0) - (list.offsets[v] ?? 0);

/** Longest path from a source to each node; node numbers must be in topological order. */
export function levels(count: number, producers: Adjacency): Int32Array {
  const level = new Int32Array(count);
  for (let v = 0; v < count; v++)
    for (const u of neighbours(producers, v))
      level[v] = Math.max(level[v] ?? 0, (level[u] ?? 0) + 1);
  return level;
}

/** The edges whose index passes `keep`. */
export function filterEdges(graph: Digraph, keep: (edge: number) => boolean): Digraph {
  const kept: number[] = [];
  for (let i = 0; i < graph.from.length; i++) if (keep(i)) kept.push(i);
  return {
    count: graph.count,
    from: Int32Array.from(kept, (i) => graph.from[i] ?? 0),
    to: Int32Array.from(kept, (i) => graph.to[i] ?? 0),
  };
}

/**
 * Strongly connected component of each node (Tarjan 1972, without recursion), numbered so that an
 * edge between components goes from the higher number to the lower.
 */
export function components(count: number, out: Adjacency): Int32Array {
  const component = new Int32Array(count).fill(-1);
  const index = new Int32Array(count).fill(-1);
  const low = new Int32Array(count);
  const stack: number[] = [];
  const onStack = new Uint8Array(count);
  let time = 0;
  let found = 0;
  for (let root = 0; root < count; root++) {
    if ((index[root] ?? 0) >= 0) continue;
    const walk: { readonly v: number; next: number }[] = [{ v: root, next: 0 }];
    while (walk.length > 0) {
      const frame = walk[walk.length - 1];
      if (!frame) break;
      const { v } = frame;
      if (frame.next === 0) {
        index[v] = low[v] = time++;
        stack.push(v);
        onStack[v] = 1;
      }
      if (frame.next < degree(out, v)) {
        const w = out.targets[(out.offsets[v] ?? 0) + frame.next++] ?? 0;
        if ((index[w] ?? 0) < 0) walk.push({ v: w, next: 0 });
        else if (onStack[w]) low[v] = Math.min(low[v] ?? 0, index[w] ?? 0);
        continue;
      }
      walk.pop();
      const parent = walk[walk.length - 1];
      if (parent) low[parent.v] = Math.min(low[parent.v] ?? 0, low[v] ?? 0);
      if (low[v] !== index[v]) continue;
      for (let w = stack.pop(); w !== undefined; w = stack.pop()) {
        onStack[w] = 0;
        component[w] = found;
        if (w === v) break;
      }
      found++;
    }
  }
  return component;
}
