/** What differs between two models: nodes and tensors, in words. Reads no weights. */
import type { GraphDiff } from "../shared/protocol.ts";
import {
  attributeKey,
  matchModels,
  type MatchedGroup,
  type Matching,
  type Placed,
} from "./matching.ts";
import { nodeLabel, type Attribute, type GraphNode, type Model } from "./model.ts";
import { scopeOf } from "./scope.ts";
import { formText, tensorChanges, type TensorChange } from "./tensorDiff.ts";
import { weightForm } from "./weightForm.ts";

export type { TensorChange } from "./tensorDiff.ts";

export interface ModelDiff {
  readonly graph: GraphDiff;
  /**
   * In order of the model before, then what was added. "changed" tensors of one dtype and shape in
   * two files may still hold equal bytes: only reading them tells.
   */
  readonly tensors: readonly TensorChange[];
}

export function diffModels(before: Model, after: Model): ModelDiff {
  const matching = matchModels(before, after);
  return {
    graph: graphDiff(before, after, matching),
    tensors: tensorChanges(before, after, matching),
  };
}

const label = ({ graph, node }: Placed): string => nodeLabel(graph.path, node);

function graphDiff(before: Model, after: Model, matching: Matching): GraphDiff {
  const partner = new Map(matching.pairs.map((pair) => [pair.before.node, pair.after.node]));
  const standIn = new Map<GraphNode, ReadonlySet<GraphNode>>();
  const folded = new Set<GraphNode>();
  const absorbed = new Map<GraphNode, MatchedGroup>();
  for (const group of matching.groups) {
    const after = new Set(group.after.map((placed) => placed.node));
    for (const { node } of group.before) {
      if (group.kind === "folded") folded.add(node);
      else standIn.set(node, after);
      if (group.kind === "absorbed") absorbed.set(node, group);
    }
  }
  const changed = matching.pairs.flatMap((pair) => {
    const group = absorbed.get(pair.before.node);
    const what = [
      ...(group ? [`${opsText(group.before)} → ${opsText(group.after)}`] : []),
      ...attributeChanges(pair.before.node, pair.after.node),
      ...inputChanges(before, after, pair.before, pair.after, { partner, standIn, folded }),
    ];
    return what.length === 0
      ? []
      : [{ name: label(pair.before), op: pair.before.node.op, what: what.join("; ") }];
  });
  const replaced = matching.groups.flatMap((group) => {
    const last = group.before.at(-1);
    return group.kind === "replaced" && last
      ? [{ name: label(last), op: last.node.op, what: replacementText(group) }]
      : [];
  });
  const isNode = ({ node }: Placed): boolean => node.op !== "Constant";
  const named = (placed: Placed) => ({ name: label(placed), op: placed.node.op });
  const added = matching.added.filter(isNode);
  const removed = matching.removed.filter(isNode);
  return {
    matched: matching.pairs.length,
    added: added.map(named),
    removed: removed.map(named),
    changed: [...changed, ...replaced],
    groups: groupViews(matching.groups),
    constants: {
      added: matching.added.length - added.length,
      removed: matching.removed.length - removed.length,
    },
  };
}

/** Groups of the same operators counted together, the most frequent first. */
function groupViews(groups: readonly MatchedGroup[]): GraphDiff["groups"] {
  const views = new Map<string, GroupView & { readonly names: string[] }>();
  for (const { kind, before, after } of groups) {
    const [was, is] = [opsText(before), opsText(after)];
    const key = JSON.stringify([kind, was, is]);
    const view = views.get(key) ?? { kind, before: was, after: is, count: 0, names: [] };
    const last = before.at(-1) ?? after.at(-1);
    if (last && view.names.length < MAX_NAMES) view.names.push(label(last));
    views.set(key, { ...view, count: view.count + 1 });
  }
  return [...views.values()].sort((a, b) => b.count - a.count);
}
type GroupView = GraphDiff["groups"][number];
const MAX_NAMES = 3;

/** "Conv + BatchNormalization", "2 MatMul"; constants are no work. "constant" when there is nothing else. */
export function opsText(side: readonly Placed[]): string {
  const counts = new Map<string, number>();
  for (const { node } of side)
    if (node.op !== "Constant") counts.set(node.op, (counts.get(node.op) ?? 0) + 1);
  if (counts.size === 0) return "constant";
  return [...counts].map(([op, count]) => (count === 1 ? op : `${count} ${op}`)).join(" + ");
}

function replacementText({ before, after }: MatchedGroup): string {
  const last = after.at(-1)?.node;
  const settings = Object.entries(last?.attrs ?? {})
    .filter(([, attr]) => attr.kind === "int" || attr.kind === "string" || attr.kind === "ints")
    .map(([name, attr]) => `${name} ${attributeText(attr)}`);
  return `${opsText(before)} replaced by ${opsText(after)}${settings.length === 0 ? "" : ` (${settings.join(", ")})`}`;
}

/** Longest attribute text in a description. */
const MAX_TEXT = 80;
function attributeText(attr: Attribute): string {
  const text = attributeKey(attr);
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}…`;
}

function attributeChanges(a: GraphNode, b: GraphNode): string[] {
  if (a.attrs === b.attrs) return [];
  const names = new Set([...Object.keys(a.attrs), ...Object.keys(b.attrs)]);
  return [...names].flatMap((name) => {
    const [x, y] = [a.attrs[name], b.attrs[name]];
    if (x && y) {
      if (attributeKey(x) === attributeKey(y)) return [];
      return [`${name} ${attributeText(x)} → ${attributeText(y)}`];
    }
    if (y) return [`${name} set to ${attributeText(y)}`];
    return x ? [`${name} no longer set (was ${attributeText(x)})`] : [];
  });
}

interface Counterparts {
  readonly partner: ReadonlyMap<GraphNode, GraphNode>;
  readonly standIn: ReadonlyMap<GraphNode, ReadonlySet<GraphNode>>;
  /** Nodes whose value is a constant afterwards. */
  readonly folded: ReadonlySet<GraphNode>;
}

/** Inputs that now come from elsewhere, or constants that are now stored another way. */
function inputChanges(
  before: Model,
  after: Model,
  a: Placed,
  b: Placed,
  { partner, standIn, folded }: Counterparts,
): string[] {
  const out: string[] = [];
  for (let slot = 0; slot < Math.max(a.node.inputs.length, b.node.inputs.length); slot++) {
    const [x = "", y = ""] = [a.node.inputs[slot], b.node.inputs[slot]];
    if (x === "" && y === "") continue;
    if (x === "" || y === "") {
      out.push(x === "" ? `input ${slot} added: ${y}` : `input ${slot} removed: ${x}`);
      continue;
    }
    const weights = [
      weightForm(before, a.graph.path, a.node, slot),
      weightForm(after, b.graph.path, b.node, slot),
    ] as const;
    if (weights[0] && weights[1]) {
      const [was, is] = [formText(weights[0]), formText(weights[1])];
      if (was !== is) out.push(`input ${slot} (${x}): ${was} → ${is}`);
      continue;
    }
    const from = scopeOf(before).define(a.graph.path, x);
    const to = scopeOf(after).define(b.graph.path, y);
    if (from?.kind === "node" && folded.has(from.node) && weights[1]) continue;
    const known =
      from?.kind === "node" && to?.kind === "node"
        ? partner.get(from.node) === to.node || standIn.get(from.node)?.has(to.node) === true
        : from?.kind === to?.kind &&
          (x === y || a.graph.inputs.indexOf(x) === b.graph.inputs.indexOf(y));
    if (!known)
      out.push(`input ${slot} comes from ${originText(to, y)} instead of ${originText(from, x)}`);
  }
  return out;
}
function originText(
  definition: ReturnType<ReturnType<typeof scopeOf>["define"]>,
  name: string,
): string {
  if (definition?.kind === "node")
    return `${definition.node.op} "${nodeLabel(definition.graph.path, definition.node)}"`;
  return definition?.kind === "input" ? `the input "${name}"` : `"${name}"`;
}
