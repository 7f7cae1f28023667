/** Groups by the scopes in names (`/encoder/layers.3/attention/MatMul`), where that makes no cycle. */
import { adjacency, components, neighbours, producersOf, type Digraph } from "./digraph.ts";
import type { Item, ItemGraph } from "./items.ts";

/**
 * Scopes of each item from outermost to innermost, without its own name; [] where names say nothing. An
 * item without a name belongs to what feeds it, if that is one thing (an activation after a Conv).
 */
export function scopesOf({ items, graph }: ItemGraph): (readonly string[])[] {
  const producers = producersOf(graph);
  const scopes: (readonly string[])[] = [];
  items.forEach((item, v) => {
    const own = ownScopes(item);
    const sources = new Set(neighbours(producers, v));
    const [source] = sources;
    const follows = own.length === 0 && item.node !== null && sources.size === 1;
    scopes.push(follows ? (scopes[source ?? -1] ?? []) : own);
  });
  return scopes;
}

function ownScopes(item: Item): readonly string[] {
  if (!item.node) return [];
  const split = (text: string, by: string): string[] =>
    text.split(by).filter((part) => part !== "");
  // Optimizers rename nodes but keep tensors; weights keep their names longest.
  for (const name of [item.node.name, item.node.outputs[0] ?? ""]) {
    const parts = split(name, "/");
    if (parts.length > 1) return parts.slice(0, -1);
  }
  for (const { name } of item.weights) {
    const parts = split(name, name.includes("/") ? "/" : ".");
    if (parts.length > 2) return parts.slice(0, -1);
  }
  return [];
}

export interface ScopeGroup {
  readonly title: string;
  /** Scopes that all members have in front. */
  readonly depth: number;
  readonly members: readonly number[];
}

/** A group of fewer nodes hides less than its box costs. */
const MIN_GROUP = 4;
const MAX_ROUNDS = 12;

/**
 * Groups of `members` by their next scope after the first `depth` (single scopes are passed through),
 * none of them in a cycle with what of `context` is outside it; members in no group are left out.
 */
export function groupByScope(
  members: readonly number[],
  context: readonly number[],
  scopes: readonly (readonly string[])[],
  depth: number,
  graph: Digraph,
): ScopeGroup[] {
  const byScope = new Map<string, number[]>();
  for (const v of members) {
    const scope = scopes[v]?.[depth];
    if (scope === undefined) continue;
    const list = byScope.get(scope);
    if (list) list.push(v);
    else byScope.set(scope, [v]);
  }
  const only = [...byScope.values()][0];
  if (byScope.size === 1 && only?.length === members.length)
    return groupByScope(members, context, scopes, depth + 1, graph);
  const groups = [...byScope]
    .filter(([, list]) => list.length >= MIN_GROUP)
    .map(([title, list]) => ({ title, depth: depth + 1, members: list }));
  return withoutCycles(context, groups, graph);
}

/**
 * A group that feeds a node outside which feeds it again is split: what that node needs becomes a group
 * of its own ("… (setup)"). Groups that still are in a cycle after some rounds are given up.
 */
function withoutCycles(
  members: readonly number[],
  found: readonly ScopeGroup[],
  graph: Digraph,
): ScopeGroup[] {
  let groups = [...found];
  for (let round = 0; ; round++) {
    const cycles = cyclesOf(members, groups, graph);
    if (cycles.length === 0) return groups;
    const hit = cycles.flatMap(({ groups: inCycle }) => inCycle);
    if (round >= MAX_ROUNDS) return groups.filter((group) => !hit.includes(group));
    groups = groups.flatMap((group) => {
      const cycle = cycles.find(({ groups: inCycle }) => inCycle[0] === group);
      return cycle ? splitGroup(group, cycle.outside(group), graph) : [group];
    });
  }
}

interface Cycle {
  /** The groups in it, largest first. */
  readonly groups: readonly ScopeGroup[];
  /** Nodes in the cycle that are not in `group`. */
  outside(group: ScopeGroup): number[];
}

function cyclesOf(
  members: readonly number[],
  groups: readonly ScopeGroup[],
  graph: Digraph,
): Cycle[] {
  const unit = new Int32Array(graph.count).fill(-1);
  groups.forEach((group, g) => {
    for (const v of group.members) unit[v] = g;
  });
  let units = groups.length;
  for (const v of members) if ((unit[v] ?? -1) < 0) unit[v] = units++;
  const from: number[] = [];
  const to: number[] = [];
  graph.from.forEach((u, i) => {
    const a = unit[u] ?? -1;
    const b = unit[graph.to[i] ?? 0] ?? -1;
    if (a < 0 || b < 0 || a === b) return;
    from.push(a);
    to.push(b);
  });
  const component = components(units, adjacency(units, Int32Array.from(from), Int32Array.from(to)));
  const byComponent = new Map<number, number[]>();
  component.forEach((c, u) => {
    const list = byComponent.get(c);
    if (list) list.push(u);
    else byComponent.set(c, [u]);
  });
  return [...byComponent.entries()]
    .filter(([, list]) => list.length > 1)
    .map(([id, list]) => ({
      groups: list
        .flatMap((u) => groups[u] ?? [])
        .sort((a, b) => b.members.length - a.members.length),
      outside: (group: ScopeGroup) => {
        const own = new Set(group.members);
        return members.filter((v) => component[unit[v] ?? 0] === id && !own.has(v));
      },
    }))
    .filter((cycle) => cycle.groups.length > 0);
}

function splitGroup(group: ScopeGroup, outside: readonly number[], graph: Digraph): ScopeGroup[] {
  const producers = adjacency(graph.count, graph.to, graph.from);
  const needed = new Set(outside);
  const queue = [...outside];
  for (let v = queue.pop(); v !== undefined; v = queue.pop())
    for (const u of neighbours(producers, v))
      if (!needed.has(u)) {
        needed.add(u);
        queue.push(u);
      }
  const setup = group.members.filter((v) => needed.has(v));
  const rest = group.members.filter((v) => !needed.has(v));
  const title = group.title.endsWith(" (setup)") ? group.title : `${group.title} (setup)`;
  return [
    { ...group, title, members: setup },
    { ...group, members: rest },
  ].filter(
    (part) => part.members.length >= MIN_GROUP && part.members.length < group.members.length,
  );
}

/** Scopes that most of the named members share, from the outermost. */
export function commonScopes(
  members: readonly number[],
  scopes: readonly (readonly string[])[],
): string[] {
  let inside = members.filter((v) => (scopes[v]?.length ?? 0) > 0);
  const enough = Math.max(2, inside.length * MOST);
  const common: string[] = [];
  for (;;) {
    const counts = new Map<string, number>();
    for (const v of inside) {
      const scope = scopes[v]?.[common.length];
      if (scope !== undefined) counts.set(scope, (counts.get(scope) ?? 0) + 1);
    }
    const [top] = [...counts].sort((a, b) => b[1] - a[1]);
    if (!top || top[1] < enough) return common;
    const at = common.push(top[0]) - 1;
    inside = inside.filter((v) => scopes[v]?.[at] === top[0]);
  }
}
const MOST = 0.6;
