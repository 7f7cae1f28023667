/**
 * A network cut where everything passes through one node. Between two such cut nodes lies a segment;
 * segments that compute the same have the same class. Names play no part.
 */
import {
  adjacency,
  consumersOf,
  degree,
  filterEdges,
  levels,
  neighbours,
  producersOf,
  type Adjacency,
  type Digraph,
} from "./digraph.ts";

export interface SegmentInput {
  /** Node numbers are in topological order. */
  readonly graph: Digraph;
  /** Same number: same operator with weights of the same ranks. */
  readonly kinds: Int32Array;
  /** 1 where the node only converts (Cast, Identity, QuantizeLinear …): such nodes do not change a class. */
  readonly transparent: Uint8Array;
}

export interface Segments {
  /** Segment of each node, -1 for what belongs to none (masks, position tables). */
  readonly segmentOf: Int32Array;
  /** Class of each segment. */
  readonly classes: Int32Array;
  /** Nodes in each segment. */
  readonly sizes: Int32Array;
}

/** Cuts the graph without the edges that leave `shared` nodes. Linear in nodes and edges. */
export function segment(input: SegmentInput, shared: Uint8Array): Segments {
  const { graph } = input;
  const plain = filterEdges(graph, (i) => !shared[graph.from[i] ?? 0]);
  const producers = producersOf(plain);
  const consumers = consumersOf(plain);
  const position = corePositions(plain, producers, consumers);
  const { segmentOf, count } = cut(plain, position);
  hang(graph.count, segmentOf, producers, consumers);
  const classes = classify(input, shared, segmentOf, count);
  const sizes = new Int32Array(count);
  for (const s of segmentOf) if (s >= 0) sizes[s] = (sizes[s] ?? 0) + 1;
  return { segmentOf, classes, sizes };
}

/**
 * Rank among the nodes of the spine: those between the source and the sink of a longest path; else -1.
 * Without this restriction each side input (a cache, a constant, an extra output) hides all cut nodes.
 */
function corePositions(graph: Digraph, producers: Adjacency, consumers: Adjacency): Int32Array {
  const { count } = graph;
  const level = levels(count, producers);
  let sink = 0;
  for (let v = 0; v < count; v++) if ((level[v] ?? 0) >= (level[sink] ?? 0)) sink = v;
  const reachesSink = new Uint8Array(count);
  reachesSink[sink] = 1;
  for (let v = sink; v >= 0; v--)
    if (reachesSink[v]) for (const u of neighbours(producers, v)) reachesSink[u] = 1;
  let source = sink;
  while ((level[source] ?? 0) > 0) {
    const below = (level[source] ?? 0) - 1;
    const previous = neighbours(producers, source).find((u) => level[u] === below);
    if (previous === undefined) break;
    source = previous;
  }
  const core = new Uint8Array(count);
  core[source] = 1;
  const position = new Int32Array(count).fill(-1);
  let found = 0;
  for (let v = source; v <= sink; v++) {
    if (!core[v]) continue;
    position[v] = found++;
    for (const w of neighbours(consumers, v)) if (reachesSink[w]) core[w] = 1;
  }
  return position;
}

/** A core node is on every path when no core edge passes over it; each such node ends a segment. */
function cut(
  graph: Digraph,
  position: Int32Array,
): { readonly segmentOf: Int32Array; readonly count: number } {
  const cover = new Int32Array(graph.count + 2);
  for (let i = 0; i < graph.from.length; i++) {
    const a = position[graph.from[i] ?? 0] ?? -1;
    const b = position[graph.to[i] ?? 0] ?? -1;
    if (a < 0 || b <= a + 1) continue;
    cover[a + 1] = (cover[a + 1] ?? 0) + 1;
    cover[b] = (cover[b] ?? 0) - 1;
  }
  const segmentOf = new Int32Array(graph.count).fill(-1);
  let covered = 0;
  let count = 0;
  let open = false;
  for (let v = 0; v < graph.count; v++) {
    const at = position[v] ?? -1;
    if (at < 0) continue;
    covered += cover[at] ?? 0;
    segmentOf[v] = count;
    open = covered > 0;
    if (!open) count++;
  }
  return { segmentOf, count: open ? count + 1 : count };
}

/** Side nodes go to the first segment that uses them, else to the last one that feeds them. */
function hang(
  count: number,
  segmentOf: Int32Array,
  producers: Adjacency,
  consumers: Adjacency,
): void {
  for (let v = count - 1; v >= 0; v--) {
    if ((segmentOf[v] ?? 0) >= 0) continue;
    let first = Infinity;
    for (const w of neighbours(consumers, v)) {
      const s = segmentOf[w] ?? -1;
      if (s >= 0 && s < first) first = s;
    }
    if (first < Infinity) segmentOf[v] = first;
  }
  for (let v = 0; v < count; v++) {
    if ((segmentOf[v] ?? 0) >= 0) continue;
    for (const u of neighbours(producers, v))
      segmentOf[v] = Math.max(segmentOf[v] ?? -1, segmentOf[u] ?? -1);
  }
}

/** One round of murmur3's finalizer. */
function mix(h: number, x: number): number {
  let out = Math.imul(h ^ x, 0x9e3779b1);
  out ^= out >>> 15;
  out = Math.imul(out, 0x85ebca6b);
  return out ^ (out >>> 13);
}

/** Two seeds give 64 bits: 32 collide at 100,000 nodes. */
const SEEDS = [0x51ed270b, 0x2545f491];

function classify(
  input: SegmentInput,
  shared: Uint8Array,
  segmentOf: Int32Array,
  count: number,
): Int32Array {
  const sums = SEEDS.map((seed) => classSums(input, shared, segmentOf, count, seed));
  const known = new Map<string, number>();
  return Int32Array.from({ length: count }, (_, s) => {
    const key = sums.map((sum) => sum[s] ?? 0).join(" ");
    const found = known.get(key) ?? known.size;
    known.set(key, found);
    return found;
  });
}

/** Per segment: the sum of its nodes' hashes, so that the order of nodes does not matter. */
function classSums(
  { graph, kinds, transparent }: SegmentInput,
  shared: Uint8Array,
  segmentOf: Int32Array,
  count: number,
  seed: number,
): Int32Array {
  const producers = adjacency(graph.count, graph.to, graph.from);
  const hash = new Int32Array(graph.count);
  const sums = new Int32Array(count);
  for (let v = 0; v < graph.count; v++) {
    const s = segmentOf[v] ?? -1;
    if (s < 0) continue;
    let inputs = 0;
    let seen = 0;
    let last = 0;
    for (const u of neighbours(producers, v)) {
      const own = segmentOf[u] === s;
      // A dequantized or converted weight counts as the weight it stands for.
      if (own && !shared[u] && transparent[u] && degree(producers, u) === 0) continue;
      seen++;
      if (shared[u]) inputs = (inputs + mix(seed, 17)) | 0;
      else if (own) {
        last = hash[u] ?? 0;
        inputs = (inputs + mix(seed + 31, last)) | 0;
      } else inputs = (inputs + mix(seed, 13)) | 0;
    }
    if (transparent[v] && seen <= 1) {
      hash[v] = last;
      continue;
    }
    const own = mix(mix((kinds[v] ?? 0) + seed, inputs), seen);
    hash[v] = own;
    sums[s] = ((sums[s] ?? 0) + mix(seed + 77, own)) | 0;
  }
  return sums;
}
