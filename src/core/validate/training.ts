/**
 * `training_info`: graphs that start and carry out the training of a model, and which of its
 * initializers they set (onnx.proto, TrainingInfoProto). The ONNX checker does not look at it; its
 * graphs are held to the same rules as any other.
 */
import { graphKey, MAIN, type Graph, type Model } from "../model.ts";
import { NOWHERE, type Report } from "./finding.ts";
import type { CheckScope } from "./functions.ts";
import type { Outer, Shared } from "./graphs.ts";

export interface TrainingGraph {
  /** The graph at `MAIN`, and its subgraphs. */
  readonly graphs: Model["graphs"];
  /** Names of initializers that it does not show. */
  readonly hidden: readonly string[];
  /** What it sets: names of initializers, each with the output that becomes its value. */
  readonly bindings: readonly (readonly [initializer: string, output: string])[];
}
export interface TrainingInfo {
  /** Counted from 1. */
  readonly number: number;
  readonly initialization: TrainingGraph;
  readonly algorithm: TrainingGraph;
}

/**
 * @param hidden names of the model's initializers that it does not show
 * @param updated what earlier steps update; each variable has one that does
 */
export function checkTraining(
  shared: Shared,
  { number, initialization, algorithm }: TrainingInfo,
  hidden: readonly string[],
  updated: Set<string>,
  report: Report,
  checkScope: CheckScope,
): void {
  const { model } = shared;
  const main = model.graphs.get(graphKey(MAIN));
  const made = new Set<string>();
  const inside = (part: string): Report => {
    const inTraining = `${part} ${number}`;
    return (severity, code, place, message, fix) =>
      report(severity, code, { ...place, inTraining }, message, fix);
  };
  const scope = { ...shared, opsets: model.opsets, inFunction: null, isTraining: true };
  const check = (graph: TrainingGraph, outer: Outer | null, say: Report): void =>
    checkScope(
      {
        ...scope,
        graphs: graph.graphs,
        hidden: (path) => (path.length === 0 ? graph.hidden : []),
      },
      null,
      say,
      outer,
    );
  const start = inside("initialization");
  check(initialization, null, start);
  const [input] = mainOf(initialization)?.inputs ?? [];
  if (input !== undefined)
    start(
      "error",
      "training-input",
      { ...NOWHERE, value: input },
      `The graph that initializes the training has the input "${input}", and it must have none.`,
      "Make it an initializer.",
    );
  if (main) for (const name of namesOf(main, hidden)) made.add(name);
  const step = inside("algorithm");
  check(algorithm, { names: made, around: null }, step);

  const settable = new Set([
    ...(main?.tensors.keys() ?? []),
    ...hidden,
    ...(mainOf(algorithm)?.tensors.keys() ?? []),
    ...algorithm.hidden,
  ]);
  checkBindings(
    initialization,
    settable,
    new Set(mainOf(initialization)?.outputs),
    new Set(),
    start,
  );
  const outputs = new Set([...(mainOf(algorithm)?.outputs ?? []), ...(main?.outputs ?? [])]);
  checkBindings(algorithm, settable, outputs, updated, step);
}

const mainOf = ({ graphs }: TrainingGraph): Graph | undefined => graphs.get(graphKey(MAIN));

function* namesOf(graph: Graph, hidden: readonly string[]): Generator<string> {
  yield* graph.inputs;
  yield* graph.tensors.keys();
  yield* hidden;
  for (const node of graph.nodes) for (const name of node.outputs) if (name !== "") yield name;
}

function checkBindings(
  { bindings }: TrainingGraph,
  settable: ReadonlySet<string>,
  outputs: ReadonlySet<string>,
  once: Set<string>,
  report: Report,
): void {
  for (const [initializer, output] of bindings) {
    const say = (message: string, fix: string): void =>
      report("error", "training-binding", { ...NOWHERE, value: initializer }, message, fix);
    if (once.has(initializer))
      say(`The initializer "${initializer}" is set twice.`, "Remove one of the bindings.");
    once.add(initializer);
    if (!settable.has(initializer))
      say(
        `Training sets "${initializer}", and neither the model nor the algorithm has an initializer of that name.`,
        "Correct the binding's key, or remove the binding.",
      );
    if (!outputs.has(output))
      say(
        `Training sets "${initializer}" to "${output}", which is no output of the graph.`,
        "Correct the binding's value, or add the output.",
      );
  }
}
