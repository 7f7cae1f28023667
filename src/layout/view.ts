/** One picture of a graph: which boxes are visible, where they are, and the lines between them. */
import { closedSize, namedLines, titleWidth, type BoxText } from "./boxText.ts";
import type { Digraph } from "./digraph.ts";
import type { Group, Member } from "./groups.ts";
import {
  layered,
  measureEdges,
  type LayoutBox,
  type LayoutEdge,
  type LayoutOptions,
  type Point,
} from "./layered.ts";
import { alongPort, simplified } from "./lines.ts";

export interface ViewInput {
  readonly root: Group;
  readonly graph: Digraph;
  /** Items whose value is named at its users in place of a line. */
  readonly shared: Uint8Array;
  readonly textOf: (member: Member) => BoxText;
  /** How the value that an item makes is called beside its users. */
  readonly valueOf: (item: number) => string;
  /** Names of values that come from outside the graph. */
  readonly captured: (item: number) => readonly string[];
  readonly isOpen: (group: Group) => boolean;
}

export interface PlacedBox {
  readonly member: Member;
  /** Box of the open group around it; -1 at the top. */
  readonly parent: number;
  readonly depth: number;
  readonly open: boolean;
  readonly text: BoxText;
  /** Values that come in by name, without a line. */
  readonly named: readonly string[];
  /** Users by name elsewhere in the picture. */
  readonly usedElsewhere: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}
export interface PlacedEdge {
  /** Boxes at its ends; an open group where it passes through a frame. */
  readonly from: number;
  readonly to: number;
  readonly points: readonly Point[];
  /** False where it ends at a frame and goes on inside. */
  readonly arrow: boolean;
}
export interface PlacedView {
  readonly boxes: readonly PlacedBox[];
  readonly edges: readonly PlacedEdge[];
  /** Pairs of boxes of which the second uses what the first makes, drawn or by name. */
  readonly links: readonly (readonly [number, number])[];
  /** Visible box of each item. */
  readonly boxOf: Int32Array;
  readonly width: number;
  readonly height: number;
}

/** Around what is in an open group; where lines come in or go out, their row gives the distance. */
const FRAME = { side: 16, top: 36, topOfLines: 24, bottom: 16, bottomOfLines: 2 } as const;
const PORT: LayoutBox = { width: 10, height: 0, pin: 0 };

interface Node {
  readonly member: Member;
  readonly parent: number;
  readonly depth: number;
  readonly open: boolean;
  readonly children: number[];
  readonly named: Set<string>;
  readonly users: Set<number>;
}
/** An edge among the children of one open group; `via` is the item whose value passes the frame. */
interface Inner {
  readonly from: number;
  readonly to: number;
  readonly via: number;
}
interface Placed {
  readonly width: number;
  readonly height: number;
  readonly children: readonly { readonly box: number; readonly x: number; readonly y: number }[];
  readonly edges: readonly PlacedEdge[];
  /** Horizontal place of each port by item, relative to this group. */
  readonly inPorts: ReadonlyMap<number, number>;
  readonly outPorts: ReadonlyMap<number, number>;
  /** Frame above and below; nothing for the picture itself. */
  readonly above: number;
  readonly below: number;
}

interface Ends {
  readonly boxes: readonly LayoutBox[];
  readonly edges: readonly LayoutEdge[];
  /** Port of each item whose value comes in or goes out. */
  readonly inAt: ReadonlyMap<number, number>;
  readonly outAt: ReadonlyMap<number, number>;
}

export function placeView(input: ViewInput): PlacedView {
  return new Placement(input).view();
}

class Placement {
  readonly #input: ViewInput;
  readonly #nodes: Node[] = [];
  readonly #boxOf: Int32Array;
  readonly #links = new Map<string, readonly [number, number]>();
  /** Edges inside each open group; -1 is the picture itself. */
  readonly #inner = new Map<number, Map<string, Inner>>();
  readonly #placed = new Map<number, Placed>();
  readonly #sizes = new Map<number, { width: number; height: number }>();

  constructor(input: ViewInput) {
    this.#input = input;
    this.#boxOf = new Int32Array(input.graph.count).fill(-1);
    const top = input.root.members.map((member) => this.#add(member, -1, 0));
    this.#sortEdges();
    this.#place(-1, top);
  }

  #add(member: Member, parent: number, depth: number): number {
    const open = typeof member !== "number" && this.#input.isOpen(member);
    const node: Node = {
      member,
      parent,
      depth,
      open,
      children: [],
      named: new Set(),
      users: new Set(),
    };
    const at = this.#nodes.push(node) - 1;
    if (open && typeof member !== "number")
      for (const child of member.members) node.children.push(this.#add(child, at, depth + 1));
    else for (const item of itemsIn(member)) this.#boxOf[item] = at;
    return at;
  }

  /** Gives each edge to the innermost open group around both its ends, and to the frames it passes. */
  #sortEdges(): void {
    const { graph, shared, valueOf, captured } = this.#input;
    graph.from.forEach((u, i) => {
      const v = graph.to[i] ?? 0;
      const from = this.#boxOf[u] ?? -1;
      const to = this.#boxOf[v] ?? -1;
      if (from === to || from < 0 || to < 0) return;
      this.#links.set(`${from} ${to}`, [from, to]);
      if (shared[u]) {
        this.#nodes[to]?.named.add(valueOf(u));
        this.#nodes[from]?.users.add(to);
      } else this.#route(from, to, u);
    });
    for (let v = 0; v < graph.count; v++)
      for (const name of captured(v)) this.#nodes[this.#boxOf[v] ?? -1]?.named.add(name);
  }

  #route(from: number, to: number, via: number): void {
    const up = this.#chain(from);
    const down = this.#chain(to);
    let common = 0;
    while (up[common] === down[common]) common++;
    this.#addInner(up[common - 1] ?? -1, up[common] ?? -1, down[common] ?? -1, via);
    for (let k = common; k + 1 < up.length; k++)
      this.#addInner(up[k] ?? -1, up[k + 1] ?? -1, OUT, via);
    for (let k = common; k + 1 < down.length; k++)
      this.#addInner(down[k] ?? -1, IN, down[k + 1] ?? -1, via);
  }

  /** Boxes from the outermost frame to `box`. */
  #chain(box: number): number[] {
    const out: number[] = [];
    for (let at = box; at >= 0; at = this.#nodes[at]?.parent ?? -1) out.push(at);
    return out.reverse();
  }

  /** Edges that look the same are one: only at frames does it matter which value passes. */
  #addInner(group: number, from: number, to: number, via: number): void {
    const passes = (box: number): boolean => box < 0 || this.#nodes[box]?.open === true;
    const key = `${from}${passes(from) ? `:${via}` : ""} ${to}${passes(to) ? `:${via}` : ""}`;
    const own = this.#inner.get(group) ?? new Map<string, Inner>();
    this.#inner.set(group, own);
    if (!own.has(key)) own.set(key, { from, to, via });
  }

  /** Lays out what is inside `group`, innermost groups first. */
  #place(group: number, children: readonly number[]): void {
    for (const child of children) {
      const node = this.#nodes[child];
      if (node?.open) this.#place(child, node.children);
    }
    let inner = [...(this.#inner.get(group)?.values() ?? [])];
    // Too long for a line: named at its user, which makes that box higher.
    const name = (long: readonly Inner[]): void => {
      for (const { from, to, via } of long) {
        this.#nodes[to]?.named.add(this.#input.valueOf(via));
        if (from >= 0) this.#nodes[from]?.users.add(to);
      }
      const named = new Set(long);
      inner = inner.filter((edge) => !named.has(edge));
    };
    const { boxes, edges } = this.#ends(children, inner);
    const { spans, options } = measureEdges(boxes, edges);
    name(inner.filter((_, i) => !edges[i]?.always && (spans[i] ?? 0) > options.maxSpan));
    let result = this.#layOut(children, inner, options);
    if (result.tooLong.length > 0) {
      // Without the named edges ranks may shift once more.
      name(result.tooLong);
      result = this.#layOut(children, inner, options);
    }
    this.#placed.set(group, result);
    if (group >= 0) this.#sizes.set(group, this.#frame(group, result));
  }

  #frame(
    group: number,
    { width, height, above, below }: Placed,
  ): { width: number; height: number } {
    const node = this.#nodes[group];
    if (!node) return { width, height };
    const text = this.#input.textOf(node.member);
    return {
      width: Math.max(width + 2 * FRAME.side, titleWidth(text)),
      height: height + above + below,
    };
  }

  #boxSize(box: number): { width: number; height: number } {
    const node = this.#nodes[box];
    if (!node) return { width: 0, height: 0 };
    if (node.open) return this.#sizes.get(box) ?? { width: 0, height: 0 };
    const text = this.#input.textOf(node.member);
    const lines = namedLines([...node.named], node.users.size);
    return closedSize(text, lines, typeof node.member !== "number");
  }

  /** The boxes of a group with its ports, and the edges between them. */
  #ends(children: readonly number[], inner: readonly Inner[]): Ends {
    const boxes: LayoutBox[] = children.map((child) => ({ ...this.#boxSize(child), pin: 0 }));
    const local = new Map(children.map((child, i) => [child, i]));
    const inAt = new Map<number, number>();
    const outAt = new Map<number, number>();
    const port = (ports: Map<number, number>, via: number, pin: -1 | 1): number => {
      const known = ports.get(via);
      if (known !== undefined) return known;
      const at = boxes.push({ ...PORT, pin }) - 1;
      ports.set(via, at);
      return at;
    };
    const edges: LayoutEdge[] = inner.map(({ from, to, via }) => ({
      from: from === IN ? port(inAt, via, -1) : (local.get(from) ?? 0),
      to: to === OUT ? port(outAt, via, 1) : (local.get(to) ?? 0),
      // Only a closed box has room for a name in place of a line.
      always: to === OUT || this.#nodes[to]?.open === true,
    }));
    return { boxes, edges, inAt, outAt };
  }

  #layOut(
    children: readonly number[],
    inner: readonly Inner[],
    options: LayoutOptions,
  ): Placed & { tooLong: readonly Inner[] } {
    const { boxes, edges, inAt, outAt } = this.#ends(children, inner);
    const layout = layered(boxes, edges, options);
    const centre = (at: number): number => (layout.x[at] ?? 0) + (boxes[at]?.width ?? 0) / 2;
    /** The side that faces the next point: lines that close a cycle leave at the top. */
    const side = (at: number, next: Point | undefined): number => {
      const top = layout.y[at] ?? 0;
      const height = boxes[at]?.height ?? 0;
      return next !== undefined && next.y < top + height / 2 ? top : top + height;
    };
    const tooLong: Inner[] = [];
    const placed: PlacedEdge[] = [];
    inner.forEach((edge, i) => {
      const route = layout.routes[i];
      const ends = edges[i];
      if (!route || !ends) {
        tooLong.push(edge);
        return;
      }
      const out = this.#placed.get(edge.from)?.outPorts.get(edge.via);
      const into = this.#placed.get(edge.to)?.inPorts.get(edge.via);
      const start = {
        x: out === undefined ? centre(ends.from) : (layout.x[ends.from] ?? 0) + out,
        y: edge.from === IN ? (layout.y[ends.from] ?? 0) : side(ends.from, route[0]),
      };
      const end = {
        x: into === undefined ? centre(ends.to) : (layout.x[ends.to] ?? 0) + into,
        y: edge.to === OUT ? layout.height + FRAME.bottomOfLines : side(ends.to, route.at(-1)),
      };
      placed.push({
        from: edge.from,
        to: edge.to,
        points: simplified([
          start,
          ...route.map((p, k) => alongPort(p, k, route.length, start, end)),
          end,
        ]),
        arrow: edge.to !== OUT && this.#nodes[edge.to]?.open !== true,
      });
    });
    const offset = (ports: ReadonlyMap<number, number>): Map<number, number> =>
      new Map([...ports].map(([via, at]) => [via, centre(at) + FRAME.side]));
    return {
      width: layout.width,
      height: layout.height,
      children: children.map((box, i) => ({ box, x: layout.x[i] ?? 0, y: layout.y[i] ?? 0 })),
      edges: placed,
      inPorts: offset(inAt),
      outPorts: offset(outAt),
      above: inAt.size > 0 ? FRAME.topOfLines : FRAME.top,
      below: outAt.size > 0 ? FRAME.bottomOfLines : FRAME.bottom,
      tooLong,
    };
  }

  view(): PlacedView {
    const at = this.#nodes.map(() => ({ x: 0, y: 0 }));
    const edges: PlacedEdge[] = [];
    const put = (group: number, left: number, top: number): void => {
      const placed = this.#placed.get(group);
      for (const { points, ...edge } of placed?.edges ?? [])
        edges.push({
          ...edge,
          from: edge.from < 0 ? group : edge.from,
          to: edge.to < 0 ? group : edge.to,
          points: points.map(({ x, y }) => ({ x: Math.round(x + left), y: Math.round(y + top) })),
        });
      for (const { box, x, y } of placed?.children ?? []) {
        at[box] = { x: Math.round(x + left), y: Math.round(y + top) };
        if (this.#nodes[box]?.open)
          put(box, x + left + FRAME.side, y + top + (this.#placed.get(box)?.above ?? 0));
      }
    };
    put(-1, 0, 0);
    const boxes = this.#nodes.map((node, box): PlacedBox => {
      const size = this.#boxSize(box);
      return {
        member: node.member,
        parent: node.parent,
        depth: node.depth,
        open: node.open,
        text: this.#input.textOf(node.member),
        named: [...node.named],
        usedElsewhere: node.users.size,
        x: at[box]?.x ?? 0,
        y: at[box]?.y ?? 0,
        width: Math.round(size.width),
        height: Math.round(size.height),
      };
    });
    const { width = 0, height = 0 } = this.#placed.get(-1) ?? {};
    return {
      boxes,
      edges,
      links: [...this.#links.values()],
      boxOf: this.#boxOf,
      width: Math.ceil(width),
      height: Math.ceil(height),
    };
  }
}

const IN = -2;
const OUT = -3;
function* itemsIn(member: Member): Iterable<number> {
  if (typeof member === "number") yield member;
  else for (const inner of member.members) yield* itemsIn(inner);
}
