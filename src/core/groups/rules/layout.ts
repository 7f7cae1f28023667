/** Operators that move, join, cut and copy without computing. */
import type { Tags } from "../atoms.ts";
import { meet } from "./elementwise.ts";
import { at, input, output, pinInputs, type Rule, type RuleTable } from "./rule.ts";

const normalize = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

const transpose: Rule = (t, node) => {
  const all = t.allTags(input(node, 0));
  const perm = t.ints(node, "perm", -1) ?? all.map((_, i) => all.length - 1 - i);
  t.set(
    output(node),
    perm.map((axis) => all[axis] ?? null),
  );
};

const unsqueeze: Rule = (t, node) => {
  const all = t.allTags(input(node, 0));
  const axes = t.ints(node, "axes", 1);
  if (!axes) return pinInputs(t, node, `${at(t, node)} computes its axes`);
  const rank = all.length + axes.length;
  const added = new Set(axes.map((axis) => normalize(axis, rank)));
  let from = 0;
  t.set(
    output(node),
    Array.from({ length: rank }, (_, i) => (added.has(i) ? null : (all[from++] ?? null))),
  );
};
const squeeze: Rule = (t, node) => {
  const x = input(node, 0);
  const all = t.allTags(x);
  const listed = t.ints(node, "axes", 1);
  if (!listed && input(node, 1) !== "")
    return pinInputs(t, node, `${at(t, node)} computes its axes`);
  const gone = new Set(
    listed?.map((axis) => normalize(axis, all.length)) ??
      (t.dims(x) ?? []).flatMap((dim, axis) => (dim === 1 ? [axis] : [])),
  );
  all.forEach((tags, axis) => {
    if (gone.has(axis)) t.atoms.pin(tags, `${at(t, node)} needs exactly one of them`);
  });
  t.set(
    output(node),
    all.filter((_, axis) => !gone.has(axis)),
  );
};

const concat: Rule = (t, node) => {
  const names = node.inputs.filter((name) => name !== "");
  const dims = t.dims(output(node));
  if (!dims) return pinInputs(t, node, `a shape at ${at(t, node)} is not known`);
  const axis = normalize(t.int(node, "axis", 1), dims.length);
  const parts = names.map((name) => t.tags(name, axis));
  const sizes = names.map((name) => t.dims(name)?.[axis]);
  const joined = (): Tags | null => {
    if (parts.every((part) => part === null)) return null;
    const tags: number[] = [];
    for (const [i, part] of parts.entries()) {
      const size = sizes[i];
      if (typeof size !== "number") return null;
      const own = part ?? t.atoms.fresh(size);
      if (!part) t.atoms.pin(own, `${at(t, node)} joins them with values that are no channels`);
      for (const tag of own) tags.push(tag);
    }
    return Int32Array.from(tags);
  };
  const along = joined();
  if (!along) for (const part of parts) t.atoms.pin(part, `a shape at ${at(t, node)} is not known`);
  t.set(
    output(node),
    dims.map((dim, i) => (i === axis ? along : meet(t, node, names, dims.length - i, dim))),
  );
};

const split: Rule = (t, node) => {
  const x = input(node, 0);
  const all = t.allTags(x);
  const axis = normalize(t.int(node, "axis", 0), all.length);
  const tags = all[axis] ?? null;
  const entries: (number | Tags)[] = [];
  let from = 0;
  for (const name of node.outputs) {
    const size = t.dims(name)?.[axis];
    const part = tags && typeof size === "number" ? tags.subarray(from, from + size) : null;
    if (typeof size === "number") from += size;
    if (tags && !part) t.atoms.pin(tags, `a shape at ${at(t, node)} is not known`);
    if (part) entries.push(part);
    t.set(
      name,
      all.map((one, i) => (i === axis ? part : one)),
    );
  }
  if (!tags || entries.length < node.outputs.length) return;
  if (from !== tags.length) t.atoms.pin(tags, `${at(t, node)} does not use all of them`);
  const attr = (t.model.opsets.get("") ?? 1) < 13 ? "split" : null;
  t.edits.push({ kind: "list", node, attr, input: 1, entries });
};

/** Ends at "the last" are written as numbers beyond any size. */
const FAR = 2 ** 31 - 1;

const slice: Rule = (t, node) => {
  const x = input(node, 0);
  const all = t.allTags(x);
  const [starts, ends] = [t.ints(node, "starts", 1), t.ints(node, "ends", 2)];
  const listed = t.ints(node, "axes", 3);
  const steps = t.ints(node, "steps", 4);
  const known = (list: unknown, i: number): boolean => list !== null || input(node, i) === "";
  if (!known(listed, 3) || !known(steps, 4))
    return pinInputs(t, node, `${at(t, node)} computes what it cuts`);
  const count = starts?.length ?? ends?.length ?? listed?.length ?? all.length;
  const axes = (listed ?? Array.from({ length: count }, (_, i) => i)).map((axis) =>
    normalize(axis, all.length),
  );
  const out = [...all];
  const cut: { starts: (number | Tags)[]; ends: (number | Tags)[] } = {
    starts: [...(starts ?? [])],
    ends: (ends ?? []).map((end) => Math.min(end, FAR)),
  };
  let edited = false;
  axes.forEach((axis, i) => {
    const tags = all[axis];
    if (!tags) return;
    const [start, end, step] = [starts?.[i], ends?.[i], steps?.[i] ?? 1];
    if (start === undefined || end === undefined || step !== 1) {
      t.atoms.pin(tags, `${at(t, node)} computes what it cuts, or leaves some out in between`);
      out[axis] = null;
      return;
    }
    const bound = (n: number): number =>
      Math.max(0, Math.min(tags.length, n < 0 ? n + tags.length : n));
    const [from, to] = [bound(start), Math.max(bound(start), bound(end))];
    cut.starts[i] = tags.subarray(0, from);
    cut.ends[i] = tags.subarray(0, to);
    out[axis] = tags.subarray(from, to);
    edited = true;
  });
  if (edited) {
    const old = node.attrs["starts"] !== undefined;
    for (const [i, name] of (["starts", "ends"] as const).entries())
      t.edits.push({
        kind: "list",
        node,
        attr: old ? name : null,
        input: i + 1,
        entries: cut[name],
      });
  }
  t.set(output(node), out);
};

/** Broadcasting keeps an axis of equal size; the target says 1 there, so that it follows the input. */
const expand: Rule = (t, node) => {
  const [x, shape] = [input(node, 0), input(node, 1)];
  const [from, to] = [t.dims(x), t.dims(output(node))];
  if (!from || !to) return pinInputs(t, node, `a shape at ${at(t, node)} is not known`);
  const all = t.allTags(x);
  const shift = to.length - from.length;
  const out = to.map((dim, axis) => {
    const tags = all[axis - shift] ?? null;
    if (tags && tags.length === dim) return tags;
    t.atoms.pin(tags, `${at(t, node)} copies them`);
    return null;
  });
  if (out.some((tags) => tags !== null)) {
    const target = t.shapes.elementsOf(t.graph.path, shape);
    const entries = to.map((dim, axis): number | null => {
      const same = from[axis - shift];
      if (out[axis] || (same !== undefined && same !== null && same === dim)) return 1;
      return typeof dim === "number" ? dim : null;
    });
    if (entries.every((e) => e !== null)) {
      // Where the target says 1 already nothing has to change.
      const touched = out.map((tags, axis) => (target?.[axis] === 1 ? null : tags));
      t.edits.push({ kind: "list", node, attr: null, input: 1, entries, touched });
    } else for (const tags of out) t.atoms.pin(tags, `${at(t, node)} computes its target shape`);
  }
  t.set(output(node), out);
};

export const layoutRules: RuleTable = {
  Transpose: transpose,
  Unsqueeze: unsqueeze,
  Squeeze: squeeze,
  Concat: concat,
  Split: split,
  Slice: slice,
  Expand: expand,
};
