/**
 * A real upgrade of the default operator set: every node whose operator changed meaning on the way
 * is rewritten, so that outputs stay the same. Operators without a way are refused by name.
 *
 * A technique that needs a newer operator set asks `canUpgrade` while planning and calls
 * `upgradeOpset` first thing in its `apply`; node objects taken from the model before are stale then.
 */
import type { Skip } from "../../shared/report.ts";
import { nodeLabel, type GraphNode, type GraphPath, type Model } from "../model.ts";
import type { Transaction } from "../plugin.ts";
import type { NewAttribute, NewNode } from "../step.ts";
import { adapterFor } from "./adapters.ts";
import { firstOpset, NEWEST_OPSET } from "./operators.ts";
import { GraphAdditions, Rewrite, type NewConstant } from "./rewrite.ts";

export interface OpsetUpgrade {
  readonly from: number;
  readonly to: number;
  readonly graphs: readonly {
    readonly path: GraphPath;
    readonly rewrites: readonly Rewrite[];
    readonly constants: readonly NewConstant[];
  }[];
  /** Why it cannot be done; empty when it can. */
  readonly refused: readonly Skip[];
  /** Bytes of the constants that come. */
  readonly addedBytes: number;
}

/** The version of the default operator set that the model imports. */
export const defaultOpset = (model: Model): number =>
  model.opsets.get("") ?? model.opsets.get("ai.onnx") ?? 1;

const isDefault = (node: GraphNode): boolean => node.domain === "" || node.domain === "ai.onnx";

const plans = new WeakMap<Model, Map<number, OpsetUpgrade>>();

/** What an upgrade to `target` would do; reads no weights but small constants. Kept while the model lives. */
export function planUpgrade(model: Model, target: number): OpsetUpgrade {
  const known = plans.get(model) ?? new Map<number, OpsetUpgrade>();
  plans.set(model, known);
  let plan = known.get(target);
  if (!plan) known.set(target, (plan = makePlan(model, target)));
  return plan;
}

/**
 * Why the model cannot be brought to operator set `target`: one entry per node or function in the
 * way. Empty when it can, also when it is there already or beyond.
 */
export const canUpgrade = (model: Model, target: number): readonly Skip[] =>
  planUpgrade(model, target).refused;

/**
 * Brings the model of the transaction to operator set `target`, or does nothing and says why not.
 * A model at `target` or beyond stays as it is.
 */
export async function upgradeOpset(tx: Transaction, target: number): Promise<readonly Skip[]> {
  const { from, to, graphs, refused } = planUpgrade(tx.model, target);
  if (refused.length > 0 || to <= from) return refused;
  for (const { path, rewrites, constants } of graphs) {
    for (const { name, dtype, shape, bytes } of constants)
      await tx.putTensor(path, { name, dtype, shape }, bytes);
    for (const rewrite of rewrites) record(tx, path, rewrite);
  }
  tx.setOpset("", to);
  return [];
}

function makePlan(model: Model, target: number): OpsetUpgrade {
  const from = defaultOpset(model);
  const to = Math.max(from, target);
  const done = { from, to, graphs: [], addedBytes: 0 };
  if (model.format !== "onnx")
    return { ...done, refused: [{ name: "the model", reason: "it has no operators" }] };
  if (to === from) return { ...done, refused: [] };
  if (to > NEWEST_OPSET) {
    const reason = `the changes up to operator set ${NEWEST_OPSET} are known here, not those up to ${to}`;
    return { ...done, refused: [{ name: "operator set", reason }] };
  }
  const refused: Skip[] = model.functions.map(({ domain, name }) => ({
    name: domain === "" ? name : `${domain}.${name}`,
    reason: "the model's own functions are not rewritten, and they may use operators that changed",
  }));
  const taken = namesIn(model);
  const graphs: OpsetUpgrade["graphs"][number][] = [];
  for (const graph of model.graphs.values()) {
    const additions = new GraphAdditions(taken);
    const rewrites: Rewrite[] = [];
    for (const node of graph.nodes) {
      if (!isDefault(node)) continue;
      const rewrite = new Rewrite(model, graph, node, to, additions);
      const result = adapt(rewrite, from);
      if (typeof result === "string")
        refused.push({ name: nodeLabel(graph.path, node), reason: `${node.op}: ${result}` });
      else if (result) rewrites.push(rewrite);
    }
    graphs.push({ path: graph.path, rewrites, constants: [...additions.constants.values()] });
  }
  const addedBytes = graphs
    .flatMap((graph) => graph.constants)
    .reduce((sum, { bytes }) => sum + bytes.length, 0);
  return { from, to, graphs, refused, addedBytes };
}

/** Runs the adapters of every version on the way. Answers whether the node changed, or why it cannot. */
function adapt(rewrite: Rewrite, from: number): boolean | string {
  const first = firstOpset(rewrite.op);
  if (first === null || first > from)
    return `an experimental operator, not part of operator set ${from}, so nothing newer takes its place`;
  let changed = false;
  for (let opset = from + 1; opset <= rewrite.target; opset++) {
    if (opset === 6 && rewrite.attrs.has("consumed_inputs")) {
      rewrite.drop("consumed_inputs");
      changed = true;
    }
    const adapter = adapterFor(rewrite.op, opset);
    if (!adapter) continue;
    const refusal = adapter(rewrite);
    if (refusal !== null) return refusal;
    changed = true;
  }
  if (!changed) return false;
  const kept = [...rewrite.attrs].find(([, attr]) => newAttribute(attr) === null);
  if (kept && !rewrite.sameShell) return `its attribute ${kept[0]} cannot be written anew`;
  return !rewrite.sameShell || attributeChanges(rewrite).length > 0;
}

const newAttribute = (attr: GraphNode["attrs"][string]): NewAttribute | null =>
  attr.kind === "tensor" || attr.kind === "graph" || attr.kind === "opaque" ? null : attr;

function attributeChanges({ node, attrs }: Rewrite): (readonly [string, NewAttribute | null])[] {
  const changes: (readonly [string, NewAttribute | null])[] = [];
  for (const [name, attr] of attrs) {
    const value = newAttribute(attr);
    if (node.attrs[name] !== attr && value) changes.push([name, value]);
  }
  for (const name of Object.keys(node.attrs)) if (!attrs.has(name)) changes.push([name, null]);
  return changes;
}

function record(tx: Transaction, path: GraphPath, rewrite: Rewrite): void {
  const { node, op, inputs, outputs, attrs, before, after } = rewrite;
  if (rewrite.sameShell) {
    for (const [name, value] of attributeChanges(rewrite)) tx.setAttr(path, node, name, value);
    return;
  }
  const kept = [...attrs].flatMap(([name, attr]): [string, NewAttribute][] => {
    const value = newAttribute(attr);
    return value ? [[name, value]] : [];
  });
  const changed: NewNode = {
    name: node.name,
    op,
    domain: "",
    inputs,
    outputs,
    attrs: Object.fromEntries(kept),
  };
  tx.replaceNodes(path, { remove: [node], insert: [...before, changed, ...after] });
}

/** Every name in the model: one that is free everywhere shadows nothing. */
function namesIn(model: Model): Set<string> {
  const names = new Set<string>();
  for (const graph of model.graphs.values()) {
    for (const name of [...graph.inputs, ...graph.tensors.keys()]) names.add(name);
    for (const node of graph.nodes)
      for (const name of [node.name, ...node.outputs]) names.add(name);
  }
  return names;
}
