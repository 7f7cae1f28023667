/** What differs between two models: nodes and tensors, in words. Reads no weights. */
import type { GraphDiff } from "../shared/protocol.ts";
import { attributeKey, matchModels, type Matching, type Placed } from "./matching.ts";
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
  for (const group of matching.replaced)
    for (const { node } of group.before)
      standIn.set(node, new Set(group.after.map((placed) => placed.node)));
  const changed = matching.pairs.flatMap((pair) => {
    const what = [
      ...attributeChanges(pair.before.node, pair.after.node),
      ...inputChanges(before, after, pair.before, pair.after, partner, standIn),
    ];
    return what.length === 0
      ? []
      : [{ name: label(pair.before), op: pair.before.node.op, what: what.join("; ") }];
  });
  const replaced = matching.replaced.map((group) => {
    const last = group.before.at(-1);
    return {
      name: last ? label(last) : "",
      op: last?.node.op ?? "",
      what: replacementText(group.before, group.after),
    };
  });
  const named = (placed: Placed) => ({ name: label(placed), op: placed.node.op });
  return {
    matched: matching.pairs.length,
    added: matching.added.map(named),
    removed: matching.removed.map(named),
    changed: [...changed, ...replaced],
  };
}

function replacementText(before: readonly Placed[], after: readonly Placed[]): string {
  const ops = (side: readonly Placed[]): string => side.map(({ node }) => node.op).join(" + ");
  const last = after.at(-1)?.node;
  const settings = Object.entries(last?.attrs ?? {})
    .filter(([, attr]) => attr.kind === "int" || attr.kind === "string" || attr.kind === "ints")
    .map(([name, attr]) => `${name} ${attributeText(attr)}`);
  return `${ops(before)} replaced by ${ops(after)}${settings.length === 0 ? "" : ` (${settings.join(", ")})`}`;
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

/** Inputs that now come from elsewhere, or constants that are now stored another way. */
function inputChanges(
  before: Model,
  after: Model,
  a: Placed,
  b: Placed,
  partner: ReadonlyMap<GraphNode, GraphNode>,
  standIn: ReadonlyMap<GraphNode, ReadonlySet<GraphNode>>,
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
