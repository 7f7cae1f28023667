/** How a graph is folded: repeated blocks found from its structure, scopes from its names. */
import { findBlocks, type Blocks } from "./blocks.ts";
import { filterEdges, type Digraph } from "./digraph.ts";
import type { Item, ItemGraph } from "./items.ts";
import { commonScopes, groupByScope, scopesOf } from "./scopes.ts";

export interface Group {
  readonly id: string;
  readonly title: string;
  /** Repetitions of a repeated block, whose members are then the blocks; 0 for any other group. */
  readonly repeats: number;
  /** Different kinds among the repetitions. */
  readonly kinds: number;
  readonly members: readonly Member[];
  /** Items inside, at any depth. */
  readonly size: number;
}
export type Member = number | Group;

export interface Folding {
  readonly root: Group;
  /** 1 for items whose value is used far and wide. */
  readonly shared: Uint8Array;
}

/** A graph of this many items is readable as it is. */
const FOLD_FROM = 100;
/** A set of this many items inside a group needs no groups of its own. */
const READABLE = 14;
/** From here on a group without scopes is searched for repeats of its own. */
const SEARCH_FROM = 60;
/** More inputs or outputs than this go into the one block that uses them (caches of a decoder). */
const MANY_INPUTS = 16;
/** Items in each part when nothing but cut nodes is known. */
const PART = 50;
/** A box in place of fewer nodes would hide more than it folds. */
const MIN_PART = 8;
const MAX_UNFOLDED = 150;

const CONVERTING: ReadonlySet<string> = new Set([
  "DequantizeLinear",
  "QuantizeLinear",
  "Cast",
  "Identity",
]);

export function foldGraph(items: ItemGraph): Folding {
  const all = items.items.map((_, v) => v);
  const shared = new Uint8Array(all.length);
  if (items.cyclic) return { root: group("", "", all), shared };
  const folder = new Folder(items);
  const blocks = folder.blocks(items.graph, all);
  if (all.length < FOLD_FROM) return { root: group("", "", all), shared: blocks.shared };
  return { root: group("", "", folder.fold(all, "", 0, false)), shared: blocks.shared };
}

const sizeOf = (member: Member): number => (typeof member === "number" ? 1 : member.size);
const group = (
  id: string,
  title: string,
  members: readonly Member[],
  repeats = 0,
  kinds = 0,
): Group => ({
  id,
  title,
  repeats,
  kinds,
  members,
  size: members.reduce<number>((sum, member) => sum + sizeOf(member), 0),
});

class Folder {
  readonly #items: readonly Item[];
  readonly #graph: Digraph;
  readonly #scopes: readonly (readonly string[])[];
  readonly #kinds: Int32Array;
  readonly #converting: Uint8Array;
  readonly #keepOutside: Uint8Array;

  constructor(itemGraph: ItemGraph) {
    const { items, graph } = itemGraph;
    this.#items = items;
    this.#graph = graph;
    this.#scopes = scopesOf(itemGraph);
    const known = new Map<string, number>();
    this.#kinds = Int32Array.from(items, (item) => {
      const ranks = item.weights.map(({ shape }) => shape.length).sort();
      const key = `${item.kind} ${item.node?.domain ?? ""} ${item.node?.op ?? ""} ${ranks.join(" ")}`;
      const kind = known.get(key) ?? known.size + 1;
      known.set(key, kind);
      return kind;
    });
    this.#converting = Uint8Array.from(items, ({ node }) =>
      node && CONVERTING.has(node.op) ? 1 : 0,
    );
    const count = (kind: Item["kind"]): number => items.filter((item) => item.kind === kind).length;
    const inputs = count("input");
    const outputs = count("output");
    this.#keepOutside = Uint8Array.from(items, ({ kind }) =>
      (kind === "input" && inputs <= MANY_INPUTS) || (kind === "output" && outputs <= MANY_INPUTS)
        ? 1
        : 0,
    );
  }

  #whole: Blocks | null = null;

  /** Blocks among `members`; those of the whole graph are asked for more than once. */
  blocks(graph: Digraph, members: readonly number[]): Blocks {
    const whole = members.length === this.#items.length;
    if (whole && this.#whole) return this.#whole;
    const found = findBlocks({
      graph,
      kinds: Int32Array.from(members, (v) => this.#kinds[v] ?? 0),
      transparent: Uint8Array.from(members, (v) => this.#converting[v] ?? 0),
    });
    if (whole) this.#whole = found;
    return found;
  }

  /** `members` in groups; `byName`: scopes before repeats (inside a block), else the other way round. */
  fold(members: readonly number[], id: string, depth: number, byName: boolean): Member[] {
    if (members.length <= READABLE) return [...members];
    const repeats = byName ? null : this.#repeats(members, id);
    if (repeats) return repeats;
    const scoped = this.#scoped(members, members, id, depth);
    if (scoped) return scoped;
    if (members.length < SEARCH_FROM) return [...members];
    return (
      (byName ? this.#repeats(members, id) : null) ??
      (members.length > MAX_UNFOLDED ? this.#parts(members, id) : [...members])
    );
  }

  /** The edges among `members`, which are numbered anew in their order. */
  #induced(members: readonly number[]): Digraph {
    const local = new Int32Array(this.#graph.count).fill(-1);
    members.forEach((v, i) => (local[v] = i));
    const inside = filterEdges(
      this.#graph,
      (e) =>
        (local[this.#graph.from[e] ?? 0] ?? -1) >= 0 && (local[this.#graph.to[e] ?? 0] ?? -1) >= 0,
    );
    return {
      count: members.length,
      from: inside.from.map((v) => local[v] ?? 0),
      to: inside.to.map((v) => local[v] ?? 0),
    };
  }

  #repeats(members: readonly number[], id: string): Member[] | null {
    if (members.length < SEARCH_FROM) return null;
    const graph = this.#induced(members);
    const { segments, repeats } = this.blocks(graph, members);
    if (repeats.length === 0) return null;
    const inRepeat = new Uint8Array(members.length);
    const found = repeats.map((repeat, r): Group => {
      const blocks = Array.from({ length: repeat.count }, (): number[] => []);
      members.forEach((v, i) => {
        const s = (segments.segmentOf[i] ?? -1) - repeat.start;
        if (s < 0 || s >= repeat.period * repeat.count || this.#keepOutside[v]) return;
        blocks[Math.floor(s / repeat.period)]?.push(v);
        inRepeat[i] = 1;
      });
      const own = `${id}/repeat ${r + 1}`;
      const { titles, depth } = this.#blockTitles(blocks);
      const [first = ""] = titles;
      return group(
        own,
        first.replace(/([\s._-]?\d+)+$/, ""),
        blocks.map((block, b) =>
          group(
            `${own}/block ${b + 1}`,
            titles[b] ?? "",
            this.fold(block, `${own}/block ${b + 1}`, depth, true),
          ),
        ),
        blocks.length,
        repeat.kinds,
      );
    });
    const rest = members.filter((_, i) => !inRepeat[i]);
    const scoped = rest.length > READABLE ? this.#scoped(rest, members, `${id}/rest`, 0) : null;
    return [...found, ...(scoped ?? rest)];
  }

  /** The outermost scopes that tell the blocks apart, else the operator that weighs most. */
  #blockTitles(blocks: readonly (readonly number[])[]): { titles: string[]; depth: number } {
    const common = blocks.map((block) => commonScopes(block, this.#scopes));
    const depth = Math.min(...common.map((scopes) => scopes.length));
    for (let d = 0; d < depth; d++) {
      // Numbers alone are no title: `layers`, `3` is called layers.3.
      const titles = common.map((scopes) => {
        let from = d;
        while (from > 0 && /^\d+$/.test(scopes[from] ?? "")) from--;
        return scopes.slice(from, d + 1).join(".");
      });
      if (new Set(titles).size === blocks.length) return { titles, depth: d + 1 };
    }
    const op = this.#heaviest(blocks[0] ?? []);
    return { titles: blocks.map((_, b) => `${op} block ${b + 1}`), depth: 0 };
  }

  #scoped(
    members: readonly number[],
    context: readonly number[],
    id: string,
    depth: number,
  ): Member[] | null {
    const groups = groupByScope(members, context, this.#scopes, depth, this.#graph);
    if (groups.length === 0) return null;
    const grouped = new Set(groups.flatMap((g) => g.members));
    const titles = new Map<string, number>();
    return [
      ...groups.map((g) => {
        const same = titles.get(g.title) ?? 0;
        titles.set(g.title, same + 1);
        const own = `${id}/${g.title}${same === 0 ? "" : ` ${same + 1}`}`;
        return group(
          own,
          g.title,
          this.fold(g.members, own, g.depth, g.members.length < SEARCH_FROM),
        );
      }),
      ...members.filter((v) => !grouped.has(v)),
    ];
  }

  /** Runs of segments of about equal size: a cut node closes each, so no cycle can arise. */
  #parts(members: readonly number[], id: string): Member[] {
    const graph = this.#induced(members);
    const { segments } = this.blocks(graph, members);
    const parts: number[][] = [];
    let nodes = 0;
    const bySegment = Array.from(segments.sizes, (size) => (nodes += size));
    const loose: number[] = [];
    members.forEach((v, i) => {
      const s = segments.segmentOf[i] ?? -1;
      if (s < 0 || this.#keepOutside[v]) loose.push(v);
      else (parts[Math.floor(((bySegment[s] ?? 0) - 1) / PART)] ??= []).push(v);
    });
    const filled = parts.filter((part) => part.length > 0);
    if (filled.length < 3) return [...members];
    const large = filled.filter((part) => part.length >= MIN_PART);
    const title = (i: number): string =>
      large.length === 1 ? "Main part" : `Part ${i + 1} of ${large.length}`;
    return [
      ...large.map((part, i) => group(`${id}/part ${i + 1}`, title(i), part)),
      ...filled.filter((part) => part.length < MIN_PART).flat(),
      ...loose,
    ];
  }

  /** The operator with most weights in a block, else its most frequent one. */
  #heaviest(block: readonly number[]): string {
    const weight = new Map<string, number>();
    for (const v of block) {
      const item = this.#items[v];
      if (!item?.node) continue;
      const bytes = item.weights.reduce((sum, tensor) => sum + tensor.sizeBytes, 0);
      weight.set(item.node.op, (weight.get(item.node.op) ?? 0) + bytes + 1e-3);
    }
    return [...weight].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "";
  }
}
