/** Ifs whose condition never changes: the branch that is taken can stand in their place. */
import { inlineStep, namesMade } from "../../../core/inlineBody.ts";
import {
  graphKey,
  isOverridable,
  nodeKey,
  type GraphNode,
  type GraphPath,
  type Model,
} from "../../../core/model.ts";
import { applySteps } from "../../../core/draft.ts";
import { scopeOf } from "../../../core/scope.ts";
import type { Step } from "../../../core/step.ts";
import { isStandard, NOT_REPEATABLE, provenShapes } from "./facts.ts";

export interface ConstantBranch {
  readonly path: GraphPath;
  readonly node: GraphNode;
  /** The body that runs. */
  readonly attr: "then_branch" | "else_branch";
}

/** Nesting deeper than any real model's. */
const MAX_ROUNDS = 64;

/** Outermost ones; those inside them, and those whose condition follows, are found once these are gone. */
export function findConstantBranches(model: Model): readonly ConstantBranch[] {
  // Before IR 4 the initializers of a body would have to become graph inputs.
  if (model.irVersion < 4) return [];
  const found: ConstantBranch[] = [];
  const inside = (path: GraphPath): boolean =>
    found.some(
      (outer) =>
        path.length > outer.path.length &&
        [...outer.path, nodeKey(outer.node)].every((part, i) => path[i] === part),
    );
  const graphs = [...model.graphs.values()].sort((a, b) => a.path.length - b.path.length);
  for (const { path, nodes } of graphs)
    for (const node of nodes) {
      if (node.op !== "If" || !isStandard(node) || inside(path)) continue;
      const taken = conditionOf(model, path, node.inputs[0] ?? "");
      if (taken === null) continue;
      const attr = taken ? "then_branch" : "else_branch";
      if (canStandOutside(model, node, attr)) found.push({ path, node, attr });
    }
  return found;
}

/** The value of a condition that follows exactly from shapes and constants, else null. */
function conditionOf(model: Model, path: GraphPath, name: string): boolean | null {
  const data = provenShapes(model).elementsOf(path, name);
  if (data?.length !== 1 || typeof data[0] !== "number") return null;
  return isExact(model, path, name, 64) ? data[0] !== 0 : null;
}

/**
 * Inferred elements are computed in double precision, which is exact for integers and conditions that
 * stay in its range; a float in between might be rounded otherwise by the runtime.
 */
function isExact(model: Model, path: GraphPath, name: string, hops: number): boolean {
  const type = provenShapes(model).dtypeOf(path, name);
  const data = provenShapes(model).elementsOf(path, name);
  if (hops === 0 || type === null || !["int", "uint", "bool"].includes(type.kind)) return false;
  if (data?.every((x) => typeof x !== "number" || Number.isSafeInteger(x)) !== true) return false;
  const definition = scopeOf(model).define(path, name);
  if (definition?.kind === "tensor")
    return !isOverridable(model, definition.graph, definition.tensor.name);
  if (definition?.kind !== "node") return false;
  const { node, graph } = definition;
  if (!isStandard(node) || NOT_REPEATABLE.has(node.op)) return false;
  if (["Constant", "Shape", "Size"].includes(node.op)) return true;
  if (Object.values(node.attrs).some(({ kind }) => kind === "graph")) return false;
  return node.inputs.every((input) => input === "" || isExact(model, graph.path, input, hops - 1));
}

/** All that the body uses is known, and no graph inside it gives one of its names another meaning. */
function canStandOutside(model: Model, node: GraphNode, attr: string): boolean {
  const held = node.attrs[attr];
  const body = held?.kind === "graph" ? model.graphs.get(graphKey(held.path)) : undefined;
  if (!body || body.inputs.length > 0 || body.outputs.length < node.outputs.length) return false;
  const own = namesMade(body);
  const scope = scopeOf(model);
  return [...model.graphs.values()]
    .filter(({ path }) => body.path.every((part, i) => path[i] === part))
    .every((graph) => {
      if (graph !== body && [...namesMade(graph)].some((name) => own.has(name))) return false;
      const used = [...graph.nodes.flatMap(({ inputs }) => inputs), ...graph.outputs];
      return used.every((name) => name === "" || scope.define(graph.path, name) !== null);
    });
}

/** All of them, round after round. @param inline puts a body in its node's place and gives the model after it */
export function inlineAll(
  model: Model,
  inline: (model: Model, branch: ConstantBranch) => Model,
): readonly ConstantBranch[] {
  const all: ConstantBranch[] = [];
  let at = model;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const found = findConstantBranches(at);
    if (found.length === 0) break;
    for (const branch of found) at = inline(at, branch);
    all.push(...found);
  }
  return all;
}

/** What `inlineAll` would do, as steps. */
export function branchSteps(model: Model): {
  readonly branches: readonly ConstantBranch[];
  readonly steps: readonly Step[];
} {
  const steps: Step[] = [];
  const branches = inlineAll(model, (at, { path, node, attr }) => {
    const taken = new Set([...at.graphs.values()].flatMap((graph) => [...namesMade(graph)]));
    const unique = (base: string): string => {
      let name = base;
      for (let i = 1; taken.has(name); i++) name = `${base}_${i}`;
      taken.add(name);
      return name;
    };
    const step = inlineStep(at, path, node, attr, unique);
    steps.push(step);
    return applySteps(at, [step]);
  });
  return { branches, steps };
}
