/** What the passes found, as steps: recorded in a transaction, or played on a model while planning. */
import type { ConstantValue, WorkContext } from "../../../core/context.ts";
import { MAIN, mainGraph, type GraphPath, type Model } from "../../../core/model.ts";
import type { Transaction } from "../../../core/plugin.ts";
import type { Step, StepTensor } from "../../../core/step.ts";
import { asReason, EngineError } from "../../../shared/errors.ts";
import type { Skip } from "../../../shared/report.ts";
import type { HeldConstant } from "./constantNodes.ts";
import { byGraph, type Duplicate } from "../../../core/duplicates.ts";
import { currentNodes, type Subexpression } from "./folding.ts";
import { graphIfPresent, nodeKeys, provenShapes, type Removal } from "./facts.ts";
import type { StaticValues } from "./staticValues.ts";
import type { Declarations, Unused } from "./unused.ts";

/** Inputs of the main graph that have a value of their own; before IR 4 the format demands them. */
export function fixedInputs(model: Model): readonly string[] {
  const { inputs, tensors } = mainGraph(model);
  return model.irVersion < 4 ? [] : inputs.filter((name) => tensors.has(name));
}
export function inputSteps(model: Model, fixed: readonly string[]): Step[] {
  const { inputs, outputs } = mainGraph(model);
  if (fixed.length === 0) return [];
  const kept = inputs.filter((name) => !fixed.includes(name));
  return [
    { kind: "setIo", graph: MAIN, inputs: kept, outputs },
    ...fixed.map((name): Step => ({ kind: "setValue", graph: MAIN, name, value: null })),
  ];
}

type Remove = Extract<Step, { kind: "replaceNodes" }>;

export const removalStep = ({ path, remove, rewire }: Removal): Remove => ({
  kind: "replaceNodes",
  graph: path,
  remove: nodeKeys(remove),
  insert: [],
  rewire,
});

/** The removal, then the new names; a declaration of the graph's output stays as it is. */
export const removalSteps = (removal: Removal): Step[] => [
  removalStep(removal),
  ...(removal.rename ?? []).flatMap(([from, to]): Step[] => [
    { kind: "setValue", graph: removal.path, name: from, value: null },
    { kind: "rename", graph: removal.path, from, to },
  ]),
];

export const duplicateSteps = (duplicates: readonly Duplicate[]): Step[] =>
  byGraph(duplicates).flatMap((group): Step[] => [
    {
      kind: "replaceNodes",
      graph: group[0]?.path ?? [],
      remove: [],
      insert: [],
      rewire: group.map(({ name, keep }) => [name, keep]),
    },
    ...group.map(({ path, name }): Step => ({ kind: "dropTensor", graph: path, name })),
  ]);

export const unusedSteps = ({ path, nodes, tensors }: Unused): Step[] => [
  ...(nodes.length > 0 ? [removalStep({ path, remove: nodes, rewire: [] })] : []),
  ...tensors.map(({ name }): Step => ({ kind: "dropTensor", graph: path, name })),
];

export const declarationSteps = ({ values, domains }: Declarations): Step[] => [
  ...values.map(({ path, name }): Step => ({ kind: "setValue", graph: path, name, value: null })),
  ...domains.map((domain): Step => ({ kind: "setOpset", graph: [], domain, version: null })),
];

/** While planning a new tensor has a size and no bytes, unless they are known already. */
const planned = (tensor: Omit<StepTensor, "at">, at?: Uint8Array): StepTensor => ({
  ...tensor,
  at: at ?? { file: "", offset: 0, length: tensor.sizeBytes },
});

/** All of a graph's Constant nodes go in one step: node by node, every step would find the others anew. */
const withoutNodes = (held: readonly HeldConstant[]): Removal[] => {
  const byPath = new Map<GraphPath, HeldConstant[]>();
  for (const one of held) {
    const others = byPath.get(one.path);
    if (others) others.push(one);
    else byPath.set(one.path, [one]);
  }
  return [...byPath].map(([path, all]) => ({ path, remove: all.map((h) => h.node), rewire: [] }));
};

export const constantSteps = (held: readonly HeldConstant[]): Step[] => [
  ...withoutNodes(held).map(removalStep),
  ...held.map(({ path, name, dtype, shape, source, sizeBytes }): Step => {
    const at = source instanceof Uint8Array ? source : source.at;
    const tensor = { name, dtype: dtype.name, shape, at, sizeBytes };
    return { kind: "putTensor", graph: path, tensor };
  }),
];

export const staticSteps = ({ path, remove, values }: StaticValues): Step[] => [
  removalStep({ path, remove, rewire: [] }),
  ...values.map(({ name, dtype, shape, bytes }): Step => {
    const tensor = { name, dtype: dtype.name, shape, sizeBytes: bytes.length };
    return { kind: "putTensor", graph: path, tensor: planned(tensor, bytes) };
  }),
];

export function foldSteps(model: Model, { path, nodes, outputs }: Subexpression): Step[] {
  const shapes = provenShapes(model);
  return [
    removalStep({ path, remove: nodes, rewire: [] }),
    ...outputs.flatMap(({ name, sizeBytes }): Step[] => {
      const dtype = shapes.dtypeOf(path, name)?.name;
      const shape = (shapes.shapeOf(path, name) ?? []).map(Number);
      if (dtype === undefined) return [];
      return [
        { kind: "putTensor", graph: path, tensor: planned({ name, dtype, shape, sizeBytes }) },
      ];
    }),
  ];
}

/** Records steps that need no new bytes; a Skip when there are none after all. */
export function replay(tx: Transaction, unit: string, steps: readonly Step[]): Skip | undefined {
  if (steps.length === 0) return { name: unit, reason: "nothing of the kind was found" };
  for (const step of steps)
    if (step.kind === "dropTensor") tx.dropTensor(step.graph, step.name);
    else if (step.kind === "setValue") tx.setValue(step.graph, step.name, step.value);
    else if (step.kind === "rename") tx.rename(step.graph, step.from, step.to);
    else if (step.kind === "setIo") tx.setIo(step.graph, step.inputs, step.outputs);
    else if (step.kind === "setOpset") tx.setOpset(step.domain, step.version);
    else if (step.kind === "replaceNodes") {
      const nodes = graphIfPresent(tx.model, step.graph)?.nodes ?? [];
      const keys = new Set(step.remove);
      const remove = nodes.filter((node) => nodeKeys([node]).some((key) => keys.has(key)));
      tx.replaceNodes(step.graph, { remove, insert: [], rewire: step.rewire });
    }
  return undefined;
}

/** Bytes copied at once. */
const PIECE_BYTES = 8 * 1024 * 1024;

export async function storeConstants(
  tx: Transaction,
  held: readonly HeldConstant[],
  ctx: WorkContext,
): Promise<void> {
  for (const { path, remove } of withoutNodes(held)) tx.replaceNodes(path, { remove, insert: [] });
  for (const { path, name, dtype, shape, source } of held) {
    const spec = { name, dtype, shape };
    if (source instanceof Uint8Array) await tx.putTensor(path, spec, source);
    else if (source.sizeBytes <= PIECE_BYTES)
      await tx.putTensor(path, spec, await ctx.readBytes(source, 0, source.sizeBytes));
    else {
      const pieces = async function* (): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < source.sizeBytes; at += PIECE_BYTES)
          yield ctx.readBytes(source, at, Math.min(PIECE_BYTES, source.sizeBytes - at));
      };
      await tx.putTensor(path, spec, pieces());
    }
  }
}

export async function storeStatic(tx: Transaction, known: StaticValues): Promise<void> {
  tx.replaceNodes(known.path, { remove: known.remove, insert: [] });
  for (const { name, dtype, shape, bytes } of known.values)
    await tx.putTensor(known.path, { name, dtype, shape }, bytes);
}

export async function storeFolded(
  tx: Transaction,
  unit: string,
  sub: Subexpression,
  ctx: WorkContext,
): Promise<Skip | undefined> {
  const nodes = currentNodes(tx.model, sub);
  if (!nodes) return { name: unit, reason: "part of it is gone after the passes before" };
  let values: readonly ConstantValue[];
  try {
    values = await ctx.evaluateConstant(tx.model, sub.path, nodes);
  } catch (error) {
    // An operator without a kernel here: the model may still run elsewhere, so this is no failure.
    if (error instanceof EngineError) return { name: unit, reason: asReason(error) };
    throw error;
  }
  const wanted = sub.outputs.flatMap((o) => values.find((value) => value.name === o.name) ?? []);
  if (wanted.length < sub.outputs.length)
    return { name: unit, reason: "the runtime gave no value for one of its outputs" };
  tx.replaceNodes(sub.path, { remove: nodes, insert: [] });
  for (const { name, dtype, shape, bytes } of wanted)
    await tx.putTensor(sub.path, { name, dtype, shape }, bytes);
  return undefined;
}
