/**
 * Variants of a model that differ in which layers a technique changed. Where a technique's units do
 * not depend on each other, all are computed once and a variant takes the steps of its own units;
 * else each variant is computed by itself.
 */
import type { Change } from "../core/change.ts";
import { applySteps, StepError } from "../core/draft.ts";
import type { Model } from "../core/model.ts";
import { enclosingPaths, graphKey } from "../core/model.ts";
import type { Step } from "../core/step.ts";
import type { Doc, Entry } from "../shared/doc.ts";
import type { Task } from "../shared/task.ts";
import { findTransform, matchesScope } from "./compute.ts";
import type { EngineEnv } from "./env.ts";

/** The document's model with `entries` applied. @throws ParamError, EngineError, Cancelled */
export async function variantOf(
  env: EngineEnv,
  doc: Doc,
  entries: readonly Entry[],
  task: Task,
): Promise<Model> {
  const last = entries.at(-1);
  const before: Doc = { ...doc, recipe: [...doc.recipe, ...entries.slice(0, -1)] };
  if (last?.scope && isIndependent(last)) {
    const model = await fromWhole(env, before, last, last.scope, task);
    if (model) return model;
  }
  return (await env.open({ ...doc, recipe: [...doc.recipe, ...entries] }, task)).model;
}

/** What is prepared for all units together (thresholds, ranks) depends on which they are. */
const isIndependent = ({ transform }: Entry): boolean =>
  findTransform(transform).prepare === undefined;

async function fromWhole(
  env: EngineEnv,
  before: Doc,
  entry: Entry,
  scope: readonly string[],
  task: Task,
): Promise<Model | null> {
  const whole: Entry = {
    transform: entry.transform,
    params: entry.params,
    ...(entry.seed === undefined ? {} : { seed: entry.seed }),
  };
  const { model } = await env.open(before, task);
  const all = await env.open({ ...before, recipe: [...before.recipe, whole] }, task);
  const change = all.changes.at(-1);
  return change ? subset(model, change, scope) : null;
}

/** Null when the chosen units' steps do not stand on their own. */
function subset(model: Model, change: Change, scope: readonly string[]): Model | null {
  const isShared = (step: Step): boolean => step.kind === "setOpset" || step.kind === "setMeta";
  const [own, others] = [true, false].map((chosen) =>
    change.units.filter(({ name }) => matchesScope(name, scope) === chosen),
  );
  const written = weightsOf(own ?? []);
  if ([...weightsOf(others ?? [])].some((name) => written.has(name))) return null;
  const steps = change.units.flatMap(({ name, steps: own }) =>
    matchesScope(name, scope) ? own : own.filter(isShared),
  );
  try {
    const result = applySteps(model, steps);
    return isClosed(result) ? result : null;
  } catch (error) {
    if (error instanceof StepError) return null;
    throw error;
  }
}

/**
 * The tensors that units put in place of others. Where two units write one, as those that remove the
 * outputs of a layer and its inputs do, what the later one writes builds on what the earlier one did.
 */
const weightsOf = (units: Change["units"]): ReadonlySet<string> =>
  new Set(
    units.flatMap(({ steps }) =>
      steps.flatMap((step) =>
        step.kind === "putTensor" ? [JSON.stringify([step.graph, step.tensor.name])] : [],
      ),
    ),
  );

/** Whether every name that is used is made somewhere. */
function isClosed(model: Model): boolean {
  const made = new Map<string, Set<string>>();
  for (const graph of model.graphs.values())
    made.set(
      graphKey(graph.path),
      new Set([
        ...graph.inputs,
        ...graph.tensors.keys(),
        ...graph.nodes.flatMap((node) => node.outputs),
      ]),
    );
  for (const graph of model.graphs.values()) {
    const scopes = enclosingPaths(graph.path).map((path) => made.get(graphKey(path)));
    const isKnown = (name: string): boolean =>
      name === "" || scopes.some((names) => names?.has(name) === true);
    if (!graph.nodes.every((node) => node.inputs.every(isKnown))) return false;
    if (!graph.outputs.every(isKnown)) return false;
  }
  return true;
}
