/**
 * Dependency groups: channels of a model that can be removed, with everything that must shrink with
 * them. Two channels belong to one group when they lie on the same axes of the same weights; an
 * *atom* is what must go at once: one channel of an ordinary layer, one position of every part of a
 * grouped convolution, one head of an attention.
 *
 * Fang et al. 2023, DepGraph: Towards Any Structural Pruning (arXiv:2301.12900).
 */
import { isLinearOp } from "../linearLayer.ts";
import { nodeLabel, type GraphNode, type Model } from "../model.ts";
import type { Skip } from "../../shared/report.ts";
import { traceChannels } from "./trace.ts";
import type { TracedTensor, Tracer } from "./tracer.ts";

export interface AxisSlice {
  readonly tensor: TracedTensor;
  readonly axis: number;
  /** For each atom of the group, its indices along the axis; all of one length. */
  readonly indices: readonly (readonly number[])[];
}

/** A node that makes the channels, or sums over them, with the weight's axis that they lie on. */
export interface GroupUse {
  readonly node: GraphNode;
  /** Inputs that hold the channels as data and as weight. */
  readonly data: number;
  readonly weight: number;
  readonly axis: number;
  /** For each atom, its indices along the weight's axis. */
  readonly indices: readonly (readonly number[])[];
}

export interface ChannelGroup {
  /** The weights and axes it lies on: the same group of the model in which other groups have shrunk. */
  readonly key: string;
  /** The first node that makes these channels; with their range where it makes several groups. */
  readonly name: string;
  /** Representatives, in the order of the channels. */
  readonly atoms: readonly number[];
  readonly slices: readonly AxisSlice[];
  readonly producers: readonly GroupUse[];
  readonly consumers: readonly GroupUse[];
  /** A sum of two activations joins producers (residual). */
  readonly residual: boolean;
}

export interface ChannelGroups {
  readonly tracer: Tracer;
  readonly groups: readonly ChannelGroup[];
  readonly skipped: readonly Skip[];
}

/** Groups of the main graph, in the order of the nodes that make them; what cannot go, by name. */
export function findChannelGroups(model: Model): ChannelGroups {
  const tracer = traceChannels(model);
  const { atoms } = tracer;
  const places = new Map<number, Map<string, number[]>>();
  const axes = new Map<string, { readonly tensor: TracedTensor; readonly axis: number }>();
  for (const [key, tensor] of tracer.tensors)
    tensor.axes.forEach((tags, axis) => {
      const place = `${axis} ${key}`;
      if (tags) axes.set(place, { tensor, axis });
      tags?.forEach((tag, i) => {
        const root = atoms.find(tag);
        let own = places.get(root);
        if (!own) places.set(root, (own = new Map<string, number[]>()));
        const list = own.get(place);
        if (list) list.push(i);
        else own.set(place, [i]);
      });
    });

  const taken = new Set<number>();
  const groups: ChannelGroup[] = [];
  const skipped: Skip[] = [];
  for (const node of tracer.computed)
    skipped.push({ name: nodeLabel(tracer.graph.path, node), reason: "its weight is computed" });
  for (const { path, nodes } of model.graphs.values())
    for (const node of nodes)
      if (path.length > 0 && isLinearOp(node))
        skipped.push({
          name: nodeLabel(path, node),
          reason: "it is inside a subgraph, where channels are not followed",
        });
  const names = new Map<string, number>();
  for (const role of tracer.roles) {
    if (role.kind !== "producer") continue;
    const label = nodeLabel(tracer.graph.path, role.node);
    const bySignature = new Map<string, number[]>();
    for (const tag of role.tags) {
      const root = atoms.find(tag);
      if (taken.has(root)) continue;
      taken.add(root);
      const own = places.get(root);
      const signature = [...(own ?? [])].map(([place, list]) => `${place} ${list.length}`);
      const key = [atoms.pinned(root) ?? "", atoms.isResidual(root), ...signature.sort()].join(
        "\n",
      );
      const list = bySignature.get(key);
      if (list) list.push(root);
      else bySignature.set(key, [root]);
    }
    for (const roots of bySignature.values()) {
      const name = uniqueName(names, label, role.tags, roots, tracer);
      const found = makeGroup(tracer, name, roots, places, axes);
      if (typeof found === "string") skipped.push({ name, reason: found });
      else groups.push(found);
    }
  }
  return { tracer, groups, skipped };
}

function uniqueName(
  names: Map<string, number>,
  label: string,
  tags: Int32Array,
  roots: readonly number[],
  { atoms }: Tracer,
): string {
  const wanted = new Set(roots);
  const own = [...tags.keys()].filter((i) => wanted.has(atoms.find(tags[i] ?? -1)));
  const [first = 0, last = 0] = [own[0], own.at(-1)];
  const whole = own.length === tags.length;
  const base = whole ? label : `${label}[${first}-${last}]`;
  const seen = names.get(base) ?? 0;
  names.set(base, seen + 1);
  return seen === 0 ? base : `${base}#${seen + 1}`;
}

/** The group of these atoms, or the reason why they have to stay. */
function makeGroup(
  tracer: Tracer,
  name: string,
  roots: readonly number[],
  places: ReadonlyMap<number, ReadonlyMap<string, readonly number[]>>,
  axes: ReadonlyMap<string, { readonly tensor: TracedTensor; readonly axis: number }>,
): ChannelGroup | string {
  const [first] = roots;
  if (first === undefined) return "it makes no channels";
  const { atoms } = tracer;
  const pinned = atoms.pinned(first);
  if (pinned !== null) return `its channels stay: ${pinned}`;
  if (roots.length < 2) return "its channels depend on one another and can only go all at once";
  const order = new Map(roots.map((root, i) => [root, i]));
  const usesOf = (kind: "producer" | "consumer"): GroupUse[] =>
    tracer.roles.flatMap((role): GroupUse[] => {
      if (role.kind !== kind) return [];
      const indices: number[][] = roots.map(() => []);
      role.tags.forEach((tag, i) => indices[order.get(atoms.find(tag)) ?? -1]?.push(i));
      if (indices.every((list) => list.length === 0)) return [];
      const { node, data, weight, axis } = role;
      return [{ node, data, weight, axis, indices }];
    });
  const consumers = usesOf("consumer");
  if (consumers.length === 0) return "no layer reads its channels";
  const slices = [...(places.get(first)?.keys() ?? [])].flatMap((place): AxisSlice[] => {
    const held = axes.get(place);
    if (!held) return [];
    return [{ ...held, indices: roots.map((root) => places.get(root)?.get(place) ?? []) }];
  });
  return {
    key: [...(places.get(first)?.keys() ?? [])].sort().join("\n"),
    name,
    atoms: roots,
    slices,
    producers: usesOf("producer"),
    consumers,
    residual: atoms.isResidual(first),
  };
}
