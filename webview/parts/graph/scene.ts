/** A picture as the page keeps it: what is near a place, what is connected, in which order to read. */
import type { GraphBox, GraphEdge, GraphPart } from "../../../src/shared/graphView.ts";

/** Height of the bands by which what is in view is found, in px at zoom 1. */
const BAND = 400;

export interface Area {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export class Scene {
  readonly boxes: readonly GraphBox[];
  readonly edges: readonly GraphEdge[];
  readonly width: number;
  readonly height: number;
  readonly info: Omit<GraphPart, "boxes" | "edges" | "links">;
  /** Boxes in reading order: from top to bottom, what is in a frame after its frame. */
  readonly order: readonly number[];
  readonly #producers: ReadonlyMap<number, readonly number[]>;
  readonly #consumers: ReadonlyMap<number, readonly number[]>;
  readonly #children = new Map<number, number[]>();
  readonly #byId: ReadonlyMap<string, number>;
  readonly #boxBands: readonly (readonly number[])[];
  readonly #edgeBands: readonly (readonly number[])[];
  readonly #seen: { boxes: Uint32Array; edges: Uint32Array; stamp: number };

  constructor(parts: readonly GraphPart[]) {
    const [first] = parts;
    if (!first) throw new Error("a picture has at least one part");
    this.info = first;
    this.boxes = parts.flatMap((part) => part.boxes);
    this.edges = parts.flatMap((part) => part.edges);
    this.width = first.width;
    this.height = first.height;
    this.#byId = new Map(this.boxes.map((box, i) => [box.id, i]));
    const producers = new Map<number, number[]>();
    const consumers = new Map<number, number[]>();
    for (const { links } of parts)
      for (let i = 0; i + 1 < links.length; i += 2) {
        push(consumers, links[i] ?? 0, links[i + 1] ?? 0);
        push(producers, links[i + 1] ?? 0, links[i] ?? 0);
      }
    this.#producers = producers;
    this.#consumers = consumers;
    this.boxes.forEach((box, i) => push(this.#children, box.parent, i));
    for (const list of this.#children.values()) list.sort((a, b) => this.#before(a, b));
    this.order = [...this.#walk(-1)];
    this.#boxBands = bands(this.height, this.boxes, ({ y, height }) => [y, y + height]);
    this.#edgeBands = bands(this.height, this.edges, ({ points }) => {
      let low = Infinity;
      let high = -Infinity;
      for (let i = 1; i < points.length; i += 2) {
        low = Math.min(low, points[i] ?? 0);
        high = Math.max(high, points[i] ?? 0);
      }
      return [low, high];
    });
    this.#seen = {
      boxes: new Uint32Array(this.boxes.length),
      edges: new Uint32Array(this.edges.length),
      stamp: 0,
    };
  }

  #before(a: number, b: number): number {
    const p = this.boxes[a];
    const q = this.boxes[b];
    return p && q ? p.y - q.y || p.x - q.x || a - b : 0;
  }

  *#walk(parent: number): Iterable<number> {
    for (const box of this.childrenOf(parent)) {
      yield box;
      if (this.boxes[box]?.open) yield* this.#walk(box);
    }
  }

  producersOf(box: number): readonly number[] {
    return this.#producers.get(box) ?? [];
  }
  consumersOf(box: number): readonly number[] {
    return this.#consumers.get(box) ?? [];
  }
  /** In reading order; -1 for the boxes at the top. */
  childrenOf(box: number): readonly number[] {
    return this.#children.get(box) ?? [];
  }
  indexOf(id: string): number {
    return this.#byId.get(id) ?? -1;
  }
  /** Frames around a box, 0 at the top. */
  depthOf(box: number): number {
    let depth = 0;
    for (let at = this.boxes[box]?.parent ?? -1; at >= 0; at = this.boxes[at]?.parent ?? -1)
      depth++;
    return depth;
  }

  /** Boxes and edges that may be in `area`; frames come before what is in them. */
  within(area: Area): { boxes: number[]; edges: number[] } {
    const stamp = ++this.#seen.stamp;
    const boxes: number[] = [];
    const edges: number[] = [];
    const from = Math.max(0, Math.floor(area.top / BAND));
    const to = Math.min(this.#boxBands.length - 1, Math.floor(area.bottom / BAND));
    for (let band = from; band <= to; band++) {
      for (const i of this.#boxBands[band] ?? []) {
        const box = this.boxes[i];
        if (this.#seen.boxes[i] === stamp || !box) continue;
        this.#seen.boxes[i] = stamp;
        if (box.x <= area.right && box.x + box.width >= area.left) boxes.push(i);
      }
      for (const i of this.#edgeBands[band] ?? []) {
        if (this.#seen.edges[i] === stamp) continue;
        this.#seen.edges[i] = stamp;
        edges.push(i);
      }
    }
    boxes.sort((a, b) => a - b);
    return { boxes, edges };
  }

  /** The innermost box at a place; -1 where there is none. */
  at(x: number, y: number): number {
    let found = -1;
    for (const i of this.within({ left: x, right: x, top: y, bottom: y }).boxes) {
      const box = this.boxes[i];
      if (box && x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height)
        found = i;
    }
    return found;
  }
}

function push(map: Map<number, number[]>, key: number, value: number): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

function bands<T>(
  height: number,
  things: readonly T[],
  span: (thing: T) => readonly [number, number],
): number[][] {
  const out = Array.from({ length: Math.floor(height / BAND) + 1 }, (): number[] => []);
  things.forEach((thing, i) => {
    const [low, high] = span(thing);
    const last = Math.min(out.length - 1, Math.floor(high / BAND));
    for (let band = Math.max(0, Math.floor(low / BAND)); band <= last; band++) out[band]?.push(i);
  });
  return out;
}
