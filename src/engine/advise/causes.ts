/**
 * What a change consists of, layer by layer, so that any part of it can be tried: from a recipe, whose
 * units are the layers, or from two files, whose changed weights are.
 */
import { diffModels } from "../../core/diff.ts";
import { applySteps } from "../../core/draft.ts";
import { nodeLabel, type GraphPath, type Model } from "../../core/model.ts";
import { scopeOf } from "../../core/scope.ts";
import type { Step } from "../../core/step.ts";
import { tensorTable } from "../../core/tensorTable.ts";
import type { Doc, Entry } from "../../shared/doc.ts";
import type { Skip } from "../../shared/report.ts";
import type { Task } from "../../shared/task.ts";
import { findTransform } from "../compute.ts";
import { denseValues } from "../diffValues.ts";
import type { EngineEnv } from "../env.ts";
import { breathe } from "../saveWrite.ts";
import { variantOf } from "../variants.ts";

export interface Cause {
  readonly name: string;
  /** Nodes whose outputs show its error. */
  readonly nodes: readonly string[];
  /** Bytes that the change saves at this layer. */
  readonly savedBytes: number;
}

export interface Causes {
  readonly layers: readonly Cause[];
  readonly skipped: readonly Skip[];
  /** The model with only these layers changed. */
  variant(names: ReadonlySet<string>, task: Task): Promise<Model>;
  /** The recipe that changes only these; null where there is none. */
  entries(names: ReadonlySet<string>): readonly Entry[] | null;
}

/** @param added the entries that were added to `before` */
export async function causesOfRecipe(
  env: EngineEnv,
  before: Doc,
  added: readonly Entry[],
  task: Task,
): Promise<Causes> {
  const { changes } = await env.open({ ...before, recipe: [...before.recipe, ...added] }, task);
  const own = changes.slice(before.recipe.length);
  const layers = new Map<string, { nodes: string[]; savedBytes: number }>();
  for (const { entry, units } of own)
    if (!keepsOutputs(entry))
      for (const { name, sizeBefore, sizeAfter } of units) {
        const known = layers.get(name) ?? { nodes: [name], savedBytes: 0 };
        known.savedBytes += sizeBefore - sizeAfter.max;
        layers.set(name, known);
      }
  const entries = (names: ReadonlySet<string>): readonly Entry[] =>
    own.flatMap(({ entry, units }): readonly Entry[] => {
      if (keepsOutputs(entry)) return [entry];
      const scope = units.map(({ name }) => name).filter((name) => names.has(name));
      if (scope.length === 0) return [];
      return scope.length === units.length ? [entry] : [{ ...entry, scope }];
    });
  return {
    layers: [...layers].map(([name, layer]) => ({ name, ...layer })),
    skipped: [],
    variant: (names, share) => variantOf(env, before, entries(names), share),
    entries,
  };
}

/** Preparations that change no output are no cause of a loss; they stay in every variant. */
const keepsOutputs = ({ transform }: Entry): boolean => findTransform(transform).meta.exact;

/** Weights that differ, put into the model before one by one: whatever made them. */
export async function causesOfFiles(
  env: EngineEnv,
  before: Model,
  after: Model,
  task: Task,
): Promise<Causes> {
  const places = placesOf(before);
  const layers: (Cause & { readonly step: Step })[] = [];
  const skipped: Skip[] = [];
  for (const change of diffModels(before, after).tensors) {
    await breathe(task);
    const { name, before: tensor, form, status } = change;
    if (status === "added") continue;
    const place = tensor ? places.get(tensor) : undefined;
    if (!tensor || !form || !place) {
      skipped.push({ name, reason: `${status}: nothing of the second file stands for it` });
      continue;
    }
    const values =
      tensor.dtype.kind === "float" ? denseValues(env, tensor, form, change) : "it holds no floats";
    if (typeof values === "string") {
      skipped.push({ name, reason: values });
      continue;
    }
    if (tensor.dtype.name !== "float32") {
      skipped.push({ name, reason: `${tensor.dtype.name} weights are not tried one by one` });
      continue;
    }
    if (sameValues(env.readF32(tensor), values)) continue;
    layers.push({
      name: place.node,
      nodes: [place.node],
      savedBytes: tensor.sizeBytes - change.after.reduce((sum, one) => sum + one.sizeBytes, 0),
      step: {
        kind: "putTensor",
        graph: place.graph,
        tensor: {
          name: tensor.name,
          dtype: "float32",
          shape: tensor.shape,
          at: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
          sizeBytes: values.byteLength,
        },
      },
    });
  }
  return {
    layers: merged(layers),
    skipped,
    variant: (names) =>
      Promise.resolve(
        applySteps(
          before,
          layers.filter(({ name }) => names.has(name)).map(({ step }) => step),
        ),
      ),
    entries: () => null,
  };
}

/** A layer's weight and bias are one cause. */
function merged(layers: readonly Cause[]): readonly Cause[] {
  const out = new Map<string, { name: string; nodes: readonly string[]; savedBytes: number }>();
  for (const { name, nodes, savedBytes } of layers) {
    const known = out.get(name);
    if (known) known.savedBytes += savedBytes;
    else out.set(name, { name, nodes, savedBytes });
  }
  return [...out.values()];
}

function sameValues(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((value, i) => Object.is(value, b[i] ?? 0));
}

/** Of every initializer: its graph, and the first node that uses it. Constants in attributes stay. */
function placesOf(
  model: Model,
): ReadonlyMap<unknown, { readonly graph: GraphPath; readonly node: string }> {
  const scope = scopeOf(model);
  const places = new Map<unknown, { graph: GraphPath; node: string }>();
  for (const { graph, name, tensor, node } of tensorTable(model).entries) {
    const use = scope.uses(graph.path, name).find((one) => one.node !== null);
    if (node === null && use?.node)
      places.set(tensor, { graph: graph.path, node: nodeLabel(use.graph.path, use.node) });
  }
  return places;
}
