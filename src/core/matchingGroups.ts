/**
 * What became of nodes that are no node of the other model: replaced by others, absorbed by a
 * neighbour (BatchNormalization by its Conv, one MatMul split into two factors), computed once for
 * several, or folded into a constant.
 */
import { alike, dataInputs, isConstant, sameOp, type Side } from "./matchingSide.ts";
import type { GraphNode } from "./model.ts";

/**
 * - `replaced`: unmatched nodes that others took the place of; the last of each side makes the value
 *   that is used on.
 * - `absorbed`: one matched pair, and unmatched neighbours whose work it took over or gave away.
 * - `shared`: a value that several nodes computed comes from one node that is matched elsewhere.
 * - `folded`: nodes whose value is a constant of the other model.
 */
export type GroupKind = "replaced" | "absorbed" | "shared" | "folded";
export interface NodeGroup {
  readonly kind: GroupKind;
  readonly before: readonly GraphNode[];
  readonly after: readonly GraphNode[];
}
type Pairs = ReadonlyMap<GraphNode, GraphNode>;

/** A replacement is a local affair: a wider one would explain nothing. */
const MAX_GROUP = 16;

/** @param partner of nodes of `a`, and `taken` the same the other way */
export function groupNodes(a: Side, b: Side, partner: Pairs, taken: Pairs): readonly NodeGroup[] {
  const successors = new Map<GraphNode, GraphNode>();
  const standing = new Set<GraphNode>();
  // From the end, so that the node whose value is used on gathers what led to it.
  for (const node of [...a.graph.nodes].reverse()) {
    const successor = partner.has(node) ? null : successorOf(a, b, partner, taken, node);
    if (!successor || standing.has(successor)) continue;
    successors.set(node, successor);
    standing.add(successor);
  }
  const claimed = new Set<GraphNode>();
  const isOpen = (node: GraphNode): boolean =>
    !partner.has(node) &&
    !taken.has(node) &&
    !successors.has(node) &&
    !standing.has(node) &&
    !claimed.has(node);
  const absorbed = absorbedGroups(a, b, partner, isOpen, claimed);
  const shared = sharedGroups(a, b, partner, isOpen, claimed);
  const turned = sharedGroups(b, a, taken, isOpen, claimed).map(({ kind, before, after }) => ({
    kind,
    before: after,
    after: before,
  }));
  const replaced: NodeGroup[] = [];
  for (const [was, is] of successors)
    if (!claimed.has(was) && !claimed.has(is))
      replaced.push({
        kind: "replaced",
        before: withAncestors(a, was, isOpen, claimed),
        after: withAncestors(b, is, isOpen, claimed),
      });
  return [...replaced.reverse(), ...absorbed, ...shared, ...turned];
}

/** The unmatched node that now makes the value of an unmatched node. */
function successorOf(
  a: Side,
  b: Side,
  partner: Pairs,
  taken: Pairs,
  node: GraphNode,
): GraphNode | null {
  const free = (found: GraphNode | undefined): GraphNode | null =>
    found && !taken.has(found) ? found : null;
  for (const output of node.outputs) {
    if (output === "") continue;
    const same = free(b.producers.get(output));
    if (same) return same;
    for (const { node: consumer, slot } of a.consumers.get(output) ?? []) {
      const user = partner.get(consumer);
      const found = user ? free(b.producers.get(user.inputs[slot] ?? "")) : null;
      if (found) return found;
    }
    const found = free(b.producers.get(b.graph.outputs[a.outputs.get(output) ?? -1] ?? ""));
    if (found) return found;
  }
  return null;
}

/** `node` and the open nodes its value comes from, at most `limit`; `node` last. Claims them. */
function withAncestors(
  side: Side,
  node: GraphNode,
  isOpen: (node: GraphNode) => boolean,
  claimed: Set<GraphNode>,
  limit = MAX_GROUP,
): GraphNode[] {
  const group = [node];
  claimed.add(node);
  for (let i = 0; i < group.length; i++)
    for (const input of group[i]?.inputs ?? []) {
      const producer = side.producers.get(input);
      if (!producer || !isOpen(producer)) continue;
      if (group.length === limit) return group.reverse();
      claimed.add(producer);
      group.push(producer);
    }
  return group.reverse();
}

const LINEAR = new Set(
  "Conv ConvTranspose ConvInteger Gemm MatMul MatMulInteger MatMulNBits QLinearConv QLinearMatMul".split(
    " ",
  ),
);
/** What a linear operator can take into its weight, bias or padding. */
const AFFINE = new Set("BatchNormalization Add Sub Mul Div Pad".split(" "));
/** Changes how a value is stored, not what it is. */
const CONVERSION = new Set(
  "Cast QuantizeLinear DequantizeLinear DynamicQuantizeLinear Identity".split(" "),
);
/** With conversions: how a weight is stored. */
const LAYOUT = new Set("Transpose Reshape Squeeze Unsqueeze".split(" "));

/** Open nodes one after the other that lead to a value, the nearest first; and what they start from. */
interface Chain {
  readonly nodes: readonly GraphNode[];
  /** Null for a constant; the node, or the name of a graph's input, that the data comes from. */
  readonly anchor: GraphNode | string | null;
}
function chainTo(side: Side, name: string, isOpen: (node: GraphNode) => boolean): Chain {
  const nodes: GraphNode[] = [];
  for (let at = name; ;) {
    if (isConstant(side, at)) return { nodes, anchor: null };
    const producer = side.producers.get(at);
    if (!producer || !isOpen(producer) || nodes.length === MAX_GROUP)
      return { nodes, anchor: producer ?? at };
    const data = producer.inputs.filter((input) => input !== "" && !isConstant(side, input));
    nodes.push(producer);
    if (data.length === 0) return { nodes, anchor: null };
    // More than one way leads here, or an output that is not the only one: no chain.
    if (data.length > 1) return { nodes: [], anchor: producer };
    at = data[0] ?? "";
  }
}

type Pair = readonly [GraphNode, GraphNode];

function absorbedGroups(
  a: Side,
  b: Side,
  partner: Pairs,
  isOpen: (node: GraphNode) => boolean,
  claimed: Set<GraphNode>,
): NodeGroup[] {
  const groups = new Map<GraphNode, { readonly after: GraphNode; readonly extra: GraphNode[] }>();
  const inputs = new Map(alike(dataInputs(a), dataInputs(b)));
  const isAlike = (x: Chain["anchor"], y: Chain["anchor"]): boolean =>
    x === null || y === null
      ? x === y
      : typeof x === "string"
        ? inputs.get(x) === y
        : partner.get(x) === y;
  const visit = (x: string, y: string, consumer: Pair | null): void => {
    const [was, is] = [chainTo(a, x, isOpen), chainTo(b, y, isOpen)];
    const nodes = [...was.nodes, ...is.nodes];
    if (nodes.length === 0 || !isAlike(was.anchor, is.anchor)) return;
    const producer: Pair | null =
      was.anchor !== null &&
      is.anchor !== null &&
      typeof was.anchor !== "string" &&
      typeof is.anchor !== "string"
        ? [was.anchor, is.anchor]
        : null;
    const isCoding = nodes.every(({ op }) => CONVERSION.has(op) || LAYOUT.has(op));
    const host =
      was.anchor !== null ? hostOf(a, b, nodes, producer, consumer) : isCoding ? consumer : null;
    if (!host) return;
    const group = groups.get(host[0]) ?? { after: host[1], extra: [] };
    groups.set(host[0], group);
    group.extra.push(...nodes);
    for (const node of nodes) claimed.add(node);
  };
  for (const pair of partner) {
    const [was, is] = pair;
    for (let slot = 0; slot < Math.min(was.inputs.length, is.inputs.length); slot++) {
      const [x = "", y = ""] = [was.inputs[slot], is.inputs[slot]];
      if (x !== "" && y !== "") visit(x, y, pair);
    }
  }
  for (const [x, y] of alike(a.graph.outputs, b.graph.outputs)) visit(x, y, null);
  const place = new Map([a, b].flatMap(({ graph }) => graph.nodes.map((node, i) => [node, i])));
  const ordered = (nodes: GraphNode[]): GraphNode[] =>
    nodes.sort((x, y) => (place.get(x) ?? 0) - (place.get(y) ?? 0));
  const old = new Set(a.graph.nodes);
  return [...groups].map(([was, { after, extra }]) => ({
    kind: "absorbed",
    before: ordered([was, ...extra.filter((node) => old.has(node))]),
    after: ordered([after, ...extra.filter((node) => !old.has(node))]),
  }));
}

/** Which neighbour took the nodes in, or gave them away; null when they are simply there or gone. */
function hostOf(
  a: Side,
  b: Side,
  nodes: readonly GraphNode[],
  producer: Pair | null,
  consumer: Pair | null,
): Pair | null {
  const isLinear = (pair: Pair | null): pair is Pair => pair !== null && LINEAR.has(pair[0].op);
  if (nodes.every(({ op }) => CONVERSION.has(op)))
    // One Identity or Cast more or less says nothing of its neighbours.
    return nodes.some(({ op }) => op.endsWith("QuantizeLinear") || op === "DequantizeLinear")
      ? (consumer ?? producer)
      : null;
  if (nodes.every(({ op }) => AFFINE.has(op)))
    return isLinear(producer) ? producer : isLinear(consumer) ? consumer : null;
  // One linear operator became two, each with a factor of its weight, or the other way round.
  const [factor] = nodes;
  if (nodes.length !== 1 || !factor || !LINEAR.has(factor.op)) return null;
  const isFactored = (pair: Pair | null): pair is Pair =>
    isLinear(pair) && weightShape(a, pair[0]) !== weightShape(b, pair[1]);
  return isFactored(consumer) ? consumer : isFactored(producer) ? producer : null;
}

function weightShape({ graph, producers }: Side, node: GraphNode): string {
  const name = node.inputs[1] ?? "";
  const value = producers.get(name)?.attrs["value"];
  const tensor = graph.tensors.get(name) ?? (value?.kind === "tensor" ? value.value : undefined);
  return tensor?.shape.join() ?? "";
}

/** Nodes of `a` whose value the other model takes from a node matched elsewhere, or from a constant. */
function sharedGroups(
  a: Side,
  b: Side,
  partner: Pairs,
  isOpen: (node: GraphNode) => boolean,
  claimed: Set<GraphNode>,
): NodeGroup[] {
  const groups: NodeGroup[] = [];
  const same = new Map<GraphNode, GraphNode>();
  /** Null for a constant. */
  const counterpart = (node: GraphNode): GraphNode | null | undefined => {
    for (const output of node.outputs)
      for (const { node: consumer, slot } of a.consumers.get(output) ?? []) {
        const user = partner.get(consumer) ?? same.get(consumer);
        const name = user && sameOp(user, consumer) ? (user.inputs[slot] ?? "") : "";
        if (name === "") continue;
        if (isConstant(b, name)) return null;
        const producer = b.producers.get(name);
        // Only inserted or left out: its own neighbour is no stand-in.
        if (
          producer &&
          !node.inputs.some((input) => partner.get(a.producers.get(input) ?? node) === producer)
        )
          return producer;
      }
    return undefined;
  };
  // Consumers first: what they are tells what their inputs are.
  for (const node of [...a.graph.nodes].reverse()) {
    if (!isOpen(node) || node.op === "Constant") continue;
    const found = counterpart(node);
    if (found === undefined) continue;
    if (found !== null && sameOp(node, found)) {
      same.set(node, found);
      claimed.add(node);
      groups.push({ kind: "shared", before: [node], after: [found] });
    } else if (found !== null)
      groups.push({
        kind: "shared",
        before: withAncestors(a, node, isOpen, claimed),
        after: [found],
      });
    else
      groups.push({
        kind: "folded",
        before: withAncestors(a, node, isOpen, claimed, Infinity),
        after: [],
      });
  }
  return groups.reverse();
}
