/** What should be known of what a model is fed with, told without running it. */
import { mainGraph, type Model } from "../core/model.ts";
import { inferShapes } from "../core/shapeInference.ts";
import type { ModelIo, Split } from "../data/dataset.ts";
import { openData } from "../data/open.ts";
import type { IoInfo } from "../shared/hostTensor.ts";

/** Notes of parts of the data, in sentences, each once. @throws DataError when it does not fit */
export async function dataNotes(
  model: Model,
  data: string,
  splits: readonly Split[],
): Promise<readonly string[]> {
  const io = ioOf(model);
  const notes = new Set<string>();
  for (const split of splits)
    for (const note of (await openData(data, io, split)).notes) notes.add(note);
  return [...notes];
}

/** Inputs and outputs as the runtime would report them, from the file alone. */
export function ioOf(model: Model): ModelIo {
  const graph = mainGraph(model);
  const shapes = inferShapes(model);
  const info = (name: string): IoInfo => ({
    name,
    dtype: shapes.dtypeOf([], name)?.name ?? null,
    shape: shapes.shapeOf([], name) ?? [],
  });
  return {
    // Before IR 4 every initializer was listed as an input too.
    inputs: graph.inputs.filter((name) => !graph.tensors.has(name)).map(info),
    outputs: graph.outputs.map(info),
  };
}
