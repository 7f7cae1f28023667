/** Operators on [N, C, spatial…]: convolutions, their normalizations, pooling, resizing. */
import type { GraphNode } from "../../model.ts";
import type { Tags } from "../atoms.ts";
import type { Tracer } from "../tracer.ts";
import {
  at,
  input,
  output,
  pass,
  passAxes,
  passExcept,
  type Rule,
  type RuleTable,
} from "./rule.ts";

/** Channels whose position within their part is the same go together, so that parts stay equal. */
function unitePositions(t: Tracer, tags: Tags, size: number): void {
  for (let i = size; i < tags.length; i++) t.atoms.union(tags[i % size] ?? 0, tags[i] ?? 0);
}

/**
 * Input channel c and `each` outputs from c·each on go together, and the number of groups with
 * them: a depthwise convolution passes channels on.
 */
function depthwise(t: Tracer, node: GraphNode, from: Tags | null, to: Tags, each: number): void {
  if (!from || from.length * each !== to.length) {
    t.atoms.pin(from, `${at(t, node)} reads channels that do not match its groups`);
    t.atoms.pin(to, `${at(t, node)} works on channels that cannot go`);
    return;
  }
  to.forEach((tag, i) => t.atoms.union(from[Math.floor(i / each)] ?? 0, tag));
  t.edits.push({ kind: "count", node, attr: "group", tags: from, per: 1 });
}

/** One number per channel that the node makes. */
function bias(t: Tracer, node: GraphNode, made: Tags): void {
  const tags = t.tags(input(node, 2), 0);
  const wrong = tags ? "has another size" : "is computed (graph.clean may fold it)";
  t.atoms.unify(tags, made, `the bias of ${at(t, node)} ${wrong}`);
}

/** W is [M, C/group, kernel…]. */
const conv: Rule = (t, node) => {
  const [x, w, b] = [input(node, 0), input(node, 1), input(node, 2)];
  const group = t.int(node, "group", 1);
  const made = t.tags(w, 0);
  const read = t.tags(w, 1);
  const data = t.tags(x, 1);
  if (!made || !read) {
    t.pin(x, `the weight of ${at(t, node)} is computed`);
    t.computed.push(node);
    return;
  }
  if (b !== "") bias(t, node, made);
  if (group === 1) {
    t.atoms.unify(data, read, `${at(t, node)} reads channels that cannot go`);
    if (data) t.roles.push({ node, kind: "consumer", data: 0, weight: 1, axis: 1, tags: read });
  } else if (read.length === 1) depthwise(t, node, data, made, made.length / group);
  else {
    unitePositions(t, made, made.length / group);
    if (data?.length === read.length * group)
      data.forEach((tag, i) => t.atoms.union(read[i % read.length] ?? 0, tag));
    else t.atoms.unify(data, null, `${at(t, node)} reads channels that do not match its groups`);
    t.atoms.pin(data ? null : read, `${at(t, node)} reads channels that cannot go`);
    if (data) t.roles.push({ node, kind: "consumer", data: 0, weight: 1, axis: 1, tags: read });
  }
  if (group === 1 || read.length > 1)
    t.roles.push({ node, kind: "producer", data: 0, weight: 1, axis: 0, tags: made });
  t.set(output(node), [null, made]);
};

/** W is [C, M/group, kernel…]. */
const convTranspose: Rule = (t, node) => {
  const [x, w, b] = [input(node, 0), input(node, 1), input(node, 2)];
  const group = t.int(node, "group", 1);
  const read = t.tags(w, 0);
  const each = t.tags(w, 1);
  const data = t.tags(x, 1);
  if (!read || !each) {
    t.pin(x, `the weight of ${at(t, node)} is computed`);
    t.computed.push(node);
    return;
  }
  t.atoms.unify(data, read, `${at(t, node)} reads channels that cannot go`);
  // With groups an index of axis 1 stands for one output channel of each of them.
  const made = group === 1 ? each : t.atoms.fresh(each.length * group);
  if (group > 1 && read.length === group) depthwise(t, node, read, made, each.length);
  else if (group > 1) {
    unitePositions(t, read, read.length / group);
    made.forEach((tag, i) => t.atoms.union(each[i % each.length] ?? 0, tag));
  }
  if (b !== "") bias(t, node, made);
  if (group === 1 || read.length > group) {
    if (data) t.roles.push({ node, kind: "consumer", data: 0, weight: 1, axis: 0, tags: read });
    t.roles.push({ node, kind: "producer", data: 0, weight: 1, axis: 1, tags: made });
  }
  t.set(output(node), [null, made]);
};

/** One number per channel in each of the inputs from 1 on. */
const perChannel: Rule = (t, node) => {
  const x = input(node, 0);
  for (const name of node.inputs.slice(1))
    if (name !== "")
      t.atoms.unify(
        t.tags(x, 1),
        t.tags(name, 0),
        `${at(t, node)} has a parameter of another size`,
      );
  pass(t, node);
};

const pad: Rule = (t, node) => {
  const rank = t.rank(input(node, 0));
  const pads = t.ints(node, "pads", 1) ?? t.ints(node, "paddings", 1);
  const axes = input(node, 3) === "" ? null : t.ints(node, "", 3);
  const known = pads !== null && (input(node, 3) === "" || axes !== null);
  const order =
    axes?.map((a) => (a < 0 ? a + rank : a)) ?? Array.from({ length: rank }, (_, i) => i);
  const padded = (axis: number): boolean => {
    const i = order.indexOf(axis);
    return !known || (i >= 0 && (pads[i] !== 0 || pads[i + order.length] !== 0));
  };
  passExcept(t, node, padded, "pads along these channels");
};

/** Scales of 1 leave an axis alone; sizes are rewritten where they are constant. */
const resize: Rule = (t, node) => {
  const x = input(node, 0);
  const rank = t.rank(x);
  const scales = node.op === "Upsample" || node.inputs.length < 3 ? input(node, 1) : input(node, 2);
  const factors = t.shapes.elementsOf(t.graph.path, scales);
  const attr = node.attrs["scales"];
  const list = attr?.kind === "floats" ? attr.value : factors;
  const sizes = t.ints(node, "", 3);
  const all = t.allTags(x);
  const has = { axes: node.attrs["axes"] !== undefined, sizes: input(node, 3) !== "" };
  const same = (axis: number): boolean => {
    if (has.axes) return false;
    if (has.sizes) return sizes?.[axis] === t.dims(x)?.[axis];
    return list?.length === rank && list[axis] === 1;
  };
  if (has.sizes && sizes) {
    const entries = sizes.map((size, axis) => all[axis] ?? size);
    if (entries.some((e) => typeof e !== "number"))
      t.edits.push({ kind: "list", node, attr: null, input: 3, entries });
  }
  passExcept(t, node, (axis) => !same(axis), "may resize along these channels");
  const out = t.dims(output(node));
  t.set(
    output(node),
    all.map((tags, axis) => (out?.[axis] === tags?.length ? tags : null)),
  );
};

const maxPool: Rule = (t, node) => {
  if (output(node, 1) !== "") t.pin(input(node, 0), `${at(t, node)} gives indices into them`);
  passAxes(2)(t, node);
};

export const convolutionRules: RuleTable = {
  Conv: conv,
  ConvTranspose: convTranspose,
  BatchNormalization: (t, node) => {
    perChannel(t, { ...node, outputs: node.outputs.slice(0, 1) });
  },
  InstanceNormalization: perChannel,
  MaxPool: maxPool,
  AveragePool: passAxes(2),
  LpPool: passAxes(2),
  GlobalAveragePool: passAxes(2),
  GlobalMaxPool: passAxes(2),
  GlobalLpPool: passAxes(2),
  Pad: pad,
  Resize: resize,
  Upsample: resize,
};
