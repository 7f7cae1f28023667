/** Who reads the size of an axis that carries channels, and may therefore notice that it changes. */
import type { GraphNode } from "../model.ts";
import type { Tags } from "./atoms.ts";
import { at, input, output } from "./rules/rule.ts";
import type { Tracer } from "./tracer.ts";

/** Pins channels whose number is used for anything but the target of a Reshape, Expand or Resize. */
export function dimensionUses(t: Tracer): void {
  for (const node of t.graph.nodes) {
    if (node.op === "Size" && node.domain === "")
      t.pin(input(node, 0), `${at(t, node)} counts them`);
    if (node.op !== "Shape" || node.domain !== "") continue;
    const all = t.allTags(input(node, 0));
    const start = bound(t.int(node, "start", 0), all.length);
    const end = bound(t.int(node, "end", all.length), all.length);
    follow(t, output(node), all.slice(start, end), 0);
  }
}

const bound = (n: number, rank: number): number =>
  Math.max(0, Math.min(rank, n < 0 ? n + rank : n));

/** Deeper chains of such glue do not occur; a hostile one must not exhaust the stack. */
const MAX_DEPTH = 64;

/** `sizes`: for each element of the value, the channels whose number it is, or null. */
function follow(t: Tracer, name: string, sizes: readonly (Tags | null)[], depth: number): void {
  if (name === "" || sizes.every((tags) => tags === null)) return;
  const pinAll = (reason: string): void => {
    for (const tags of sizes) t.atoms.pin(tags, reason);
  };
  for (const { node, input: slot, graph } of t.scope.uses(t.graph.path, name)) {
    if (!node || graph !== t.graph || depth > MAX_DEPTH)
      pinAll(`their number is read from "${name}"`);
    else if (!step(t, node, slot, sizes, depth))
      pinAll(`${at(t, node)} computes with their number`);
  }
}

/** False where the node does something else with the sizes. */
function step(
  t: Tracer,
  node: GraphNode,
  slot: number,
  sizes: readonly (Tags | null)[],
  depth: number,
): boolean {
  const on = (next: readonly (Tags | null)[]): true => {
    follow(t, output(node), next, depth + 1);
    return true;
  };
  switch (node.op) {
    case "Identity":
    case "Cast":
    case "Unsqueeze":
    case "Squeeze":
      return slot === 0 && on(sizes);
    case "Gather": {
      const picks = t.shapes.elementsOf(t.graph.path, input(node, 1));
      if (slot !== 0 || !picks?.every((pick) => typeof pick === "number")) return false;
      return on(picks.map((pick) => sizes[pick < 0 ? pick + sizes.length : pick] ?? null));
    }
    case "Slice": {
      const [start] = t.ints(node, "starts", 1) ?? [];
      const [end] = t.ints(node, "ends", 2) ?? [];
      const [step = 1] = t.ints(node, "steps", 4) ?? [];
      if (slot !== 0 || start === undefined || end === undefined || step !== 1) return false;
      return on(sizes.slice(bound(start, sizes.length), bound(end, sizes.length)));
    }
    case "Concat": {
      const next: (Tags | null)[] = [];
      for (const [i, name] of node.inputs.entries()) {
        const length = t.dims(name)?.[0] ?? 1;
        if (typeof length !== "number") return false;
        const own = i === slot ? sizes : [];
        for (let k = 0; k < length; k++) next.push(own[k] ?? null);
      }
      return on(next);
    }
    case "Reshape":
    case "Expand":
      return slot === 1 && reaches(t, node, sizes);
    case "Resize":
      return slot === 3 && reaches(t, node, sizes);
    // Tests of sizes that only assert, and their folded remains, hold for any number.
    default:
      return false;
  }
}

/** Whether each size is the target of an axis that carries the same channels. */
function reaches(t: Tracer, node: GraphNode, sizes: readonly (Tags | null)[]): boolean {
  const out = t.values.get(output(node)) ?? [];
  return sizes.every((tags, axis) => {
    const got = out[axis];
    return tags === null || (got?.length === tags.length && alike(t, got, tags));
  });
}
const alike = (t: Tracer, a: Tags, b: Tags): boolean =>
  a.every((tag, i) => t.atoms.find(tag) === t.atoms.find(b[i] ?? -1));
