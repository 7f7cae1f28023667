/**
 * Layered drawing of a directed graph (Sugiyama, Tagawa & Toda 1981): rows, few crossings, straight
 * long edges. Deterministic: no random numbers, ties by old order. All lengths in pixels at zoom 1.
 */
import { placeColumns } from "./coordinates.ts";
import type { Digraph } from "./digraph.ts";
import { orderRows, type Network } from "./ordering.ts";
import { assignRanks, type Pin } from "./ranks.ts";

export interface LayoutBox {
  readonly width: number;
  readonly height: number;
  readonly pin: Pin;
}
export interface LayoutEdge {
  readonly from: number;
  readonly to: number;
  /** Drawn however many rows it passes. */
  readonly always: boolean;
}
export interface Point {
  readonly x: number;
  readonly y: number;
}
export interface Layout {
  readonly width: number;
  readonly height: number;
  /** Left and top of each box. */
  readonly x: Float64Array;
  readonly y: Float64Array;
  /**
   * Points between the two boxes of each edge, from its `from` to its `to`; two per row passed, so that
   * a tall box beside it is passed too. Null for an edge over more than `maxSpan` rows, and for loops.
   */
  readonly routes: readonly (readonly Point[] | null)[];
  readonly crossings: number;
}

export interface LayoutOptions {
  readonly gap: number;
  readonly rowGap: number;
  /** Edges over more rows than this get no line: it would cost more than it says. */
  readonly maxSpan: number;
}
export const DEFAULTS: LayoutOptions = { gap: 22, rowGap: 34, maxSpan: 24 };
/** Width that a bend takes up in its row. */
const BEND_WIDTH = 4;
/** Rows up to this high have their boxes centred; in higher ones (an open group) they hang from the top. */
const CENTRED_ROW = 90;

/** Bends that a picture may have, and how short edges may have to be for that (in rows). */
const MAX_BENDS = 5000;
const MIN_SPAN = 8;

/**
 * Rows that each edge passes, from the ranks alone (a small part of the work), and the options with
 * which there are not too many bends: a tangle of long lines costs most and says least.
 */
export function measureEdges(
  boxes: readonly LayoutBox[],
  edges: readonly LayoutEdge[],
): { readonly spans: readonly number[]; readonly options: LayoutOptions } {
  const graph: Digraph = {
    count: boxes.length,
    from: Int32Array.from(edges, ({ from }) => from),
    to: Int32Array.from(edges, ({ to }) => to),
  };
  const { rank } = assignRanks(
    graph,
    boxes.map((box) => box.pin),
  );
  const spans = edges.map(({ from, to }) => Math.abs((rank[to] ?? 0) - (rank[from] ?? 0)));
  let { maxSpan } = DEFAULTS;
  const bends = (): number =>
    spans.reduce((sum, span) => sum + (span <= maxSpan ? Math.max(0, span - 1) : 0), 0);
  while (maxSpan > MIN_SPAN && bends() > MAX_BENDS + boxes.length) maxSpan -= 4;
  return { spans, options: { ...DEFAULTS, maxSpan } };
}

/** Lays the weakly connected parts out apart: the first large one in place, others in columns beside it. */
export function layered(
  boxes: readonly LayoutBox[],
  edges: readonly LayoutEdge[],
  options: LayoutOptions = DEFAULTS,
): Layout {
  const parts = connectedParts(boxes, edges).map((members) =>
    layPart(boxes, edges, members, options),
  );
  parts.sort(
    (a, b) => b.layout.height - a.layout.height || (a.members[0] ?? 0) - (b.members[0] ?? 0),
  );
  const x = new Float64Array(boxes.length);
  const y = new Float64Array(boxes.length);
  const routes: (readonly Point[] | null)[] = edges.map(() => null);
  const gap = options.gap * 2;
  const tallest = parts[0]?.layout.height ?? 0;
  let width = 0;
  let crossings = 0;
  const put = (part: Part, left: number, top: number): void => {
    crossings += part.layout.crossings;
    part.members.forEach((v, i) => {
      x[v] = (part.layout.x[i] ?? 0) + left;
      y[v] = (part.layout.y[i] ?? 0) + top;
    });
    part.edges.forEach((e, i) => {
      const route = part.layout.routes[i];
      routes[e] = route ? route.map((p) => ({ x: p.x + left, y: p.y + top })) : null;
    });
  };
  // Columns of smaller parts stand to the left of the tallest: they usually feed it (masks, tables).
  const columns: { parts: { part: Part; top: number }[]; width: number; height: number }[] = [];
  for (const part of parts.slice(1)) {
    let column = columns.at(-1);
    if (!column || column.height + part.layout.height > tallest)
      columns.push((column = { parts: [], width: 0, height: 0 }));
    column.parts.push({ part, top: column.height });
    column.height += part.layout.height + gap;
    column.width = Math.max(column.width, part.layout.width);
  }
  for (const column of columns.reverse()) {
    for (const { part, top } of column.parts)
      put(part, width + (column.width - part.layout.width) / 2, top);
    width += column.width + gap;
  }
  const main = parts[0];
  if (main) put(main, width, 0);
  return { width: width + (main?.layout.width ?? 0), height: tallest, x, y, routes, crossings };
}

interface Part {
  readonly members: readonly number[];
  readonly edges: readonly number[];
  readonly layout: Layout;
}

/** Pinned boxes hold their parts together: they belong to one first and one last row. */
function connectedParts(
  boxes: readonly LayoutBox[],
  edges: readonly LayoutEdge[],
): readonly number[][] {
  const parent = boxes.map((_, v) => v);
  const root = (v: number): number => {
    let at = v;
    while (parent[at] !== at) at = parent[at] = parent[parent[at] ?? 0] ?? 0;
    return at;
  };
  const join = (a: number, b: number): void => {
    const [low, high] = [root(a), root(b)].sort((p, q) => p - q);
    parent[high ?? 0] = low ?? 0;
  };
  for (const { from, to } of edges) join(from, to);
  const firstPin = boxes.findIndex((box) => box.pin !== 0);
  boxes.forEach((box, v) => {
    if (box.pin !== 0) join(firstPin, v);
  });
  const parts = new Map<number, number[]>();
  boxes.forEach((_, v) => {
    const list = parts.get(root(v));
    if (list) list.push(v);
    else parts.set(root(v), [v]);
  });
  return [...parts.values()];
}

function layPart(
  boxes: readonly LayoutBox[],
  edges: readonly LayoutEdge[],
  members: readonly number[],
  options: LayoutOptions,
): Part {
  const local = new Map(members.map((v, i) => [v, i]));
  const own: number[] = [];
  edges.forEach((edge, i) => {
    if (local.has(edge.from)) own.push(i);
  });
  const ends = own.map((i) => edges[i]).filter((edge) => edge !== undefined);
  const layout = layConnected(
    members.map((v) => boxes[v] ?? { width: 0, height: 0, pin: 0 }),
    {
      count: members.length,
      from: Int32Array.from(ends, ({ from }) => local.get(from) ?? 0),
      to: Int32Array.from(ends, ({ to }) => local.get(to) ?? 0),
    },
    ends.map(({ always }) => (always ? Infinity : options.maxSpan)),
    options,
  );
  return { members, edges: own, layout };
}

function layConnected(
  boxes: readonly LayoutBox[],
  graph: Digraph,
  spans: readonly number[],
  options: LayoutOptions,
): Layout {
  const ranks = assignRanks(
    graph,
    boxes.map((box) => box.pin),
  );
  const { network, bends } = withBends(boxes.length, graph, ranks, spans);
  const { rows, crossings } = orderRows(network);
  const width = network.row.map((_, v) => boxes[v]?.width ?? BEND_WIDTH);
  const centre = placeColumns(network, rows, { width, firstBend: boxes.length, gap: options.gap });
  let left = Infinity;
  let right = -Infinity;
  centre.forEach((x, v) => {
    left = Math.min(left, x - (width[v] ?? 0) / 2);
    right = Math.max(right, x + (width[v] ?? 0) / 2);
  });
  const heights = rows.map((row) =>
    row.reduce((max, v) => Math.max(max, boxes[v]?.height ?? 0), 0),
  );
  const tops: number[] = [];
  let height = 0;
  for (const h of heights) {
    tops.push(height);
    height += h + options.rowGap;
  }
  const x = Float64Array.from(boxes, (box, v) => (centre[v] ?? 0) - box.width / 2 - left);
  const y = Float64Array.from(boxes, (box, v) => {
    const r = network.row[v] ?? 0;
    const room = (heights[r] ?? 0) - box.height;
    return (tops[r] ?? 0) + ((heights[r] ?? 0) <= CENTRED_ROW ? room / 2 : 0);
  });
  const routes = bends.map((chain, e) => {
    if (!chain) return null;
    const first = graph.from[e] ?? 0;
    const last = graph.to[e] ?? 0;
    const points: Point[] = [];
    const through = (v: number): void => {
      const r = network.row[v] ?? 0;
      const at = (centre[v] ?? 0) - left;
      points.push({ x: at, y: tops[r] ?? 0 }, { x: at, y: (tops[r] ?? 0) + (heights[r] ?? 0) });
    };
    const turned = ranks.reversed[e] === 1;
    // Out of a low box in a high row and into one: straight to the row's edge first.
    const upper = turned ? last : first;
    const lower = turned ? first : last;
    const upperRow = network.row[upper] ?? 0;
    points.push({
      x: (centre[upper] ?? 0) - left,
      y: (tops[upperRow] ?? 0) + (heights[upperRow] ?? 0),
    });
    chain.forEach(through);
    points.push({ x: (centre[lower] ?? 0) - left, y: tops[network.row[lower] ?? 0] ?? 0 });
    return turned ? points.reverse() : points;
  });
  return {
    width: boxes.length === 0 ? 0 : right - left,
    height: Math.max(0, height - options.rowGap),
    x,
    y,
    routes,
    crossings,
  };
}

/** Long edges become chains of bends, one per row passed; null for loops and edges over more rows than allowed. */
function withBends(
  count: number,
  graph: Digraph,
  { rank, rows, reversed }: { rank: Int32Array; rows: number; reversed: Uint8Array },
  spans: readonly number[],
): { network: Network; bends: (number[] | null)[] } {
  const row = Array.from(rank);
  const up = Array.from({ length: count }, (): number[] => []);
  const down = Array.from({ length: count }, (): number[] => []);
  const bends = Array.from(graph.from, (a, e) => {
    const b = graph.to[e] ?? 0;
    const upper = reversed[e] ? b : a;
    const lower = reversed[e] ? a : b;
    const span = (rank[lower] ?? 0) - (rank[upper] ?? 0);
    if (span <= 0 || span > (spans[e] ?? 0)) return null;
    const chain: number[] = [];
    let before = upper;
    for (let r = (rank[upper] ?? 0) + 1; r < (rank[lower] ?? 0); r++) {
      const bend = row.push(r) - 1;
      up.push([before]);
      down.push([]);
      down[before]?.push(bend);
      chain.push(bend);
      before = bend;
    }
    down[before]?.push(lower);
    up[lower]?.push(before);
    return chain;
  });
  return { network: { rows, row, up, down }, bends };
}
