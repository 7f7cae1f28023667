/**
 * The steps that take channels out of a model: weights lose indices along their axes, and numbers
 * written down elsewhere (group counts, Reshape targets, Split sizes, Slice bounds, declared shapes)
 * follow.
 */
import { byteLength, elementCount } from "../../shared/dtype.ts";
import {
  MAIN,
  nodeKey,
  type Attribute,
  type Graph,
  type GraphNode,
  type Model,
  type Tensor,
} from "../model.ts";
import { scopeOf } from "../scope.ts";
import type { NewAttribute, Step } from "../step.ts";
import type { Tags } from "./atoms.ts";
import type { ChannelGroup } from "./channelGroups.ts";
import type { Edit, TracedTensor, Tracer } from "./tracer.ts";

/** A weight to be stored anew. */
export interface Take {
  readonly source: Tensor;
  /** For each axis the indices that stay; null where all do. */
  readonly kept: readonly (readonly number[] | null)[];
}

export interface Removal {
  /** In order. New weights have no bytes yet: `takes` says what they are made of, by their name. */
  readonly steps: readonly Step[];
  readonly takes: ReadonlyMap<string, Take>;
}

type PutTensor = Extract<Step, { kind: "putTensor" }>;

/**
 * Removes atoms (representatives, as groups list them).
 * @throws nothing: what cannot be removed is in no group.
 */
export function removalOf(tracer: Tracer, removed: ReadonlySet<number>): Removal {
  const { atoms, model, graph } = tracer;
  const gone = (tag: number): boolean => removed.has(atoms.find(tag));
  const left = (tags: Tags): number[] =>
    [...tags.keys()].filter((index) => !gone(tags[index] ?? -1));
  const steps: Step[] = [];
  const takes = new Map<string, Take>();
  for (const traced of tracer.tensors.values()) {
    const kept = traced.source.tensor.shape.map((size, axis) => {
      const tags = traced.axes[axis];
      const list = tags ? left(tags) : null;
      return list && list.length < size ? list : null;
    });
    if (kept.every((list) => list === null)) continue;
    steps.push(...takeSteps(graph, traced, kept));
    takes.set(traced.name, { source: traced.source.tensor, kept });
  }
  const names = new Set([
    ...graph.inputs,
    ...graph.tensors.keys(),
    ...graph.nodes.flatMap((node) => node.outputs),
  ]);
  steps.push(...editSteps(tracer, model, graph, names, gone, left));
  for (const [name, declared] of graph.values) {
    const tags = tracer.values.get(name);
    if (!tags || !declared.shape) continue;
    const shape = declared.shape.map((dim, axis) => {
      const own = tags[axis];
      return own && own.some(gone) ? left(own).length : dim;
    });
    if (shape.some((dim, axis) => dim !== declared.shape?.[axis]))
      steps.push({
        kind: "setValue",
        graph: MAIN,
        name,
        value: { name, dtype: declared.dtype?.name ?? null, shape },
      });
  }
  return { steps, takes };
}

function takeSteps(
  graph: Graph,
  { name, source }: TracedTensor,
  kept: readonly (readonly number[] | null)[],
): Step[] {
  const { tensor, node } = source;
  const shape = tensor.shape.map((size, axis) => kept[axis]?.length ?? size);
  const sizeBytes = byteLength(tensor.dtype, elementCount(shape)) ?? 0;
  const put: PutTensor = {
    kind: "putTensor",
    graph: MAIN,
    tensor: {
      name,
      dtype: tensor.dtype.name,
      shape,
      at: { file: "", offset: 0, length: sizeBytes },
      sizeBytes,
    },
  };
  const steps: Step[] = node ? [removeNodes([node]), put] : [put];
  // Declared as an input (before IR 4) or in value_info.
  if (graph.values.has(name))
    steps.push({
      kind: "setValue",
      graph: MAIN,
      name,
      value: { name, dtype: tensor.dtype.name, shape },
    });
  return steps;
}

const removeNodes = (nodes: readonly GraphNode[]): Step => ({
  kind: "replaceNodes",
  graph: MAIN,
  remove: nodes.map(nodeKey),
  insert: [],
  rewire: [],
});

/** All changes of attributes and of constant lists, node by node. */
function editSteps(
  tracer: Tracer,
  model: Model,
  graph: Graph,
  names: Set<string>,
  gone: (tag: number) => boolean,
  left: (tags: Tags) => number[],
): Step[] {
  const steps: Step[] = [];
  const inputs = new Map<GraphNode, Map<number, readonly number[]>>();
  const needed = (edit: Extract<Edit, { kind: "list" }>): boolean =>
    edit.entries.some((entry) => typeof entry !== "number" && entry.some(gone)) ||
    (edit.touched ?? []).some((tags) => tags?.some(gone) === true);
  for (const edit of tracer.edits) {
    const { node } = edit;
    if (edit.kind === "count") {
      if (edit.tags.some(gone))
        steps.push(setAttr(node, edit.attr, int(left(edit.tags).length / edit.per)));
      continue;
    }
    if (!needed(edit)) continue;
    const list = edit.entries.map((e) => (typeof e === "number" ? e : left(e).length));
    if (edit.attr !== null) steps.push(setAttr(node, edit.attr, { kind: "ints", value: list }));
    else {
      const own = inputs.get(node);
      if (own) own.set(edit.input, list);
      else inputs.set(node, new Map([[edit.input, list]]));
    }
  }
  for (const [node, lists] of inputs) steps.push(...listSteps(model, graph, node, lists, names));
  return steps;
}

const int = (value: number): NewAttribute => ({ kind: "int", value });
const setAttr = (node: GraphNode, attr: string, value: NewAttribute | null): Step => ({
  kind: "setAttr",
  graph: MAIN,
  node: nodeKey(node),
  attr,
  value,
});

/** What a list of sizes takes the place of, and what would forbid a 0 that takes a size over. */
const OVERRULED = new Set(["num_outputs", "allowzero"]);

/** Gives a node new lists of its own, and removes what only computed or held the old ones. */
function listSteps(
  model: Model,
  graph: Graph,
  node: GraphNode,
  lists: ReadonlyMap<number, readonly number[]>,
  names: Set<string>,
): Step[] {
  const steps: Step[] = [];
  const inputs = [...node.inputs];
  for (const [slot, list] of lists) {
    const old = node.inputs[slot] ?? "";
    const base = old === "" ? `${nodeKey(node)}_${node.op.toLowerCase()}` : `${old}_kept`;
    let name = base;
    for (let i = 1; names.has(name); i++) name = `${base}_${i}`;
    names.add(name);
    while (inputs.length <= slot) inputs.push("");
    inputs[slot] = name;
    const at = new Uint8Array(BigInt64Array.from(list, BigInt).buffer);
    steps.push({
      kind: "putTensor",
      graph: MAIN,
      tensor: { name, dtype: "int64", shape: [list.length], at, sizeBytes: at.length },
    });
  }
  const attrs = Object.fromEntries(
    Object.entries(node.attrs).filter(
      (pair): pair is [string, NewAttribute] => !OVERRULED.has(pair[0]) && isPlain(pair[1]),
    ),
  );
  const { name, op, domain, outputs } = node;
  steps.push({
    kind: "replaceNodes",
    graph: MAIN,
    remove: [nodeKey(node)],
    insert: [{ name, op, domain, inputs, outputs, attrs }],
    rewire: [],
  });
  const freed = node.inputs.filter((old, slot) => old !== "" && lists.has(slot));
  steps.push(...deadSteps(model, graph, node, freed));
  return steps;
}
const isPlain = (attr: Attribute): boolean =>
  attr.kind !== "tensor" && attr.kind !== "graph" && attr.kind !== "opaque";

/** Nodes and initializers that nothing reads once `user` does not read `names`. */
function deadSteps(model: Model, graph: Graph, user: GraphNode, names: readonly string[]): Step[] {
  const scope = scopeOf(model);
  const dead = new Set<GraphNode>();
  const tensors = new Set<string>();
  const freed = new Set(names);
  const unused = (name: string): boolean =>
    scope
      .uses(MAIN, name)
      .every(
        ({ node, input }) =>
          node !== null &&
          (dead.has(node) || (node === user && freed.has(node.inputs[input] ?? ""))),
      );
  const queue = [...names];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    const made = scope.define(MAIN, name);
    if (!made || made.graph !== graph || !unused(name)) continue;
    if (made.kind === "tensor") tensors.add(name);
    else if (made.kind === "node" && !dead.has(made.node) && made.node.outputs.every(unused)) {
      if (Object.values(made.node.attrs).some((attr) => attr.kind === "graph")) continue;
      dead.add(made.node);
      queue.push(...made.node.inputs.filter((input) => input !== ""));
    }
  }
  return [
    ...(dead.size > 0 ? [removeNodes([...dead])] : []),
    ...[...tensors].map((name): Step => ({ kind: "dropTensor", graph: MAIN, name })),
  ];
}

/** Bytes that the steps store. */
export const storedBytes = (steps: readonly Step[]): number =>
  steps.reduce((sum, step) => (step.kind === "putTensor" ? sum + step.tensor.sizeBytes : sum), 0);

/** The representatives of a group's atoms at these positions. */
export const atomsAt = (group: ChannelGroup, positions: Iterable<number>): number[] =>
  [...positions].flatMap((i) => group.atoms[i] ?? []);
