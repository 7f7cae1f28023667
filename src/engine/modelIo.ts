/** Inputs and outputs of a model as the runtime would report them, from the file alone. */
import { MAIN, mainGraph, type Model } from "../core/model.ts";
import { inferShapes } from "../core/shapeInference.ts";
import type { ModelIo } from "../data/dataset.ts";
import type { IoInfo } from "../shared/hostTensor.ts";

export function ioOf(model: Model): ModelIo {
  const { inputs, outputs, tensors } = mainGraph(model);
  const shapes = inferShapes(model);
  const info = (name: string): IoInfo => ({
    name,
    dtype: shapes.dtypeOf(MAIN, name)?.name ?? null,
    shape: shapes.shapeOf(MAIN, name) ?? [],
  });
  return {
    // Before IR 4 every initializer was listed as an input too.
    inputs: inputs.filter((name) => !tensors.has(name)).map(info),
    outputs: outputs.map(info),
  };
}
