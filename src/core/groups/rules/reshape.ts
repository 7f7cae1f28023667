/**
 * Reshape and Flatten: runs of axes that hold the same elements before and after are matched, and
 * channels followed through each run.
 */
import type { Dim, GraphNode } from "../../model.ts";
import type { Tags } from "../atoms.ts";
import type { Tracer } from "../tracer.ts";
import { at, input, output, type Rule, type RuleTable } from "./rule.ts";

interface Run {
  /** Half-open ranges of axes with the same number of elements. */
  readonly from: readonly [number, number];
  readonly to: readonly [number, number];
}

const same = (a: Dim | undefined, b: Dim | undefined): boolean =>
  a !== undefined && a !== null && a === b;

/** Null where a symbolic size is merged or cut, so that channels cannot be followed. */
export function matchRuns(from: readonly Dim[], to: readonly Dim[]): readonly Run[] | null {
  const runs: Run[] = [];
  let [i, j] = [0, 0];
  while (i < from.length && j < to.length) {
    const [i0, j0] = [i, j];
    if (same(from[i], to[j])) {
      i++;
      j++;
    } else {
      let [a, b] = [from[i++], to[j++]];
      if (typeof a !== "number" || typeof b !== "number") return null;
      while (a !== b) {
        const next: Dim | undefined = a < b ? from[i++] : to[j++];
        if (typeof next !== "number") return null;
        if (a < b) a *= next;
        else b *= next;
      }
    }
    runs.push({ from: [i0, i], to: [j0, j] });
  }
  // Axes of size 1 at the end belong to the last run.
  const rest = [...from.slice(i), ...to.slice(j)];
  const last = runs.pop();
  if (!last || rest.some((dim) => dim !== 1)) return null;
  return [...runs, { from: [last.from[0], from.length], to: [last.to[0], to.length] }];
}

/** The runs before and after a stretch whose sizes are not known, when nothing in it carries channels. */
function matchEnds(from: readonly Dim[], to: readonly Dim[]): readonly Run[] {
  const runs: Run[] = [];
  let head = 0;
  while (head < Math.min(from.length, to.length) && same(from[head], to[head])) {
    runs.push({ from: [head, head + 1], to: [head, head + 1] });
    head++;
  }
  let tail = 0;
  while (
    head + tail < Math.min(from.length, to.length) &&
    same(from.at(-1 - tail), to.at(-1 - tail))
  ) {
    const [i, j] = [from.length - 1 - tail, to.length - 1 - tail];
    runs.push({ from: [i, i + 1], to: [j, j + 1] });
    tail++;
  }
  return runs;
}

/**
 * Which of several new axes stands for the channels. A transposition that swaps two of them right
 * after is a channel shuffle: the position within a part counts. Otherwise the outermost one does
 * (heads of an attention), but for packed query, key and value, which are three of each.
 */
function unitAxis(t: Tracer, node: GraphNode, dims: readonly number[], first: number): number {
  const wide = dims.flatMap((dim, i) => (dim > 1 ? [i] : []));
  const [outer = 0, inner = 0] = wide;
  if (wide.length === 2) {
    const uses = t.scope.uses(t.graph.path, output(node));
    const shuffled = uses.every((use) => {
      const perm = use.node?.op === "Transpose" ? t.ints(use.node, "perm", -1) : null;
      const [a, b] = [perm?.indexOf(first + outer), perm?.indexOf(first + inner)];
      return a !== undefined && b !== undefined && a === b + 1;
    });
    if (uses.length > 0 && shuffled) return inner;
  }
  return wide.length >= 3 && dims[outer] === 3 ? inner : outer;
}

const count = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** Channels of one run: one per element of its input axes, then one per index of one output axis. */
function follow(
  t: Tracer,
  node: GraphNode,
  given: readonly (Tags | null)[],
  from: readonly number[],
  to: readonly number[],
  firstTo: number,
): (Tags | null)[] {
  const [axis, ...others] = given.flatMap((tags, i) => (tags ? [i] : []));
  for (const other of others)
    t.atoms.pin(given[other], `${at(t, node)} merges them with other channels`);
  const tags = axis === undefined ? null : given[axis];
  const none = to.map(() => null);
  if (!tags || axis === undefined) return none;
  const inner = count(from.slice(axis + 1));
  const flat = Int32Array.from(
    { length: count(from) },
    (_, i) => tags[Math.floor(i / inner) % tags.length] ?? 0,
  );
  const unit = unitAxis(t, node, to, firstTo);
  const size = to[unit] ?? 1;
  const step = count(to.slice(unit + 1));
  const out = new Int32Array(size).fill(-1);
  flat.forEach((tag, i) => {
    const index = Math.floor(i / step) % size;
    if (out[index] === -1) out[index] = tag;
    else t.atoms.union(out[index] ?? tag, tag);
  });
  return to.map((_, i) => (i === unit ? out : null));
}

const reshape: Rule = (t, node) => {
  const x = input(node, 0);
  const [from, to] = [t.dims(x), t.dims(output(node))];
  const all = t.allTags(x);
  const pinAll = (reason: string): void => {
    for (const tags of all) t.atoms.pin(tags, reason);
  };
  if (!from || !to) return pinAll(`a shape at ${at(t, node)} is not known`);
  const out: (Tags | null)[] = to.map(() => null);
  const whole = matchRuns(from, to);
  const runs = whole ?? matchEnds(from, to);
  const covered = new Set<number>();
  for (const run of runs) {
    const axes = from.slice(...run.from);
    for (let axis = run.from[0]; axis < run.from[1]; axis++) covered.add(axis);
    const given = all.slice(...run.from);
    if (given.every((tags) => tags === null)) continue;
    const target = to.slice(...run.to);
    const made =
      axes.length === 1 && target.length === 1
        ? given
        : follow(t, node, given, axes.map(Number), target.map(Number), run.to[0]);
    made.forEach((tags, i) => (out[run.to[0] + i] = tags));
  }
  all.forEach((tags, axis) => {
    if (!covered.has(axis)) t.atoms.pin(tags, `${at(t, node)} merges or cuts an unknown size`);
  });
  if (node.op === "Reshape" && out.some((tags) => tags !== null))
    writeShape(t, node, from, to, out);
  t.set(output(node), out);
};

/** The new target: what is left of channels, fixed sizes, 0 for a size taken over, one −1. */
function writeShape(
  t: Tracer,
  node: GraphNode,
  from: readonly Dim[],
  to: readonly Dim[],
  out: readonly (Tags | null)[],
): void {
  const old = t.ints(node, "shape", 1);
  let open = old?.includes(-1) ?? false;
  const entries = to.map((dim, axis): number | Tags | null => {
    const written = old?.[axis];
    if (written === -1 || (written === 0 && same(from[axis], dim))) return written;
    const tags = out[axis];
    if (tags) return tags;
    if (typeof dim === "number") return dim;
    if (same(from[axis], dim)) return 0;
    if (open) return null;
    open = true;
    return -1;
  });
  if (entries.every((entry) => entry !== null)) {
    const attr = node.attrs["shape"] === undefined ? null : "shape";
    t.edits.push({ kind: "list", node, attr, input: 1, entries });
  } else for (const tags of out) t.atoms.pin(tags, `${at(t, node)} computes its target shape`);
}

export const reshapeRules: RuleTable = { Reshape: reshape, Flatten: reshape };
