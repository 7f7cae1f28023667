/** Which IR version a file needs. Source: the ONNX project's table of released versions. */
import type { Model } from "../core/model.ts";
import type { DtypeName } from "../shared/dtype.ts";
import { originOf } from "./onnxOrigin.ts";

/** First opset of the default domain that came with each IR version. */
const IR_OF_OPSET: readonly (readonly [opset: number, ir: number])[] = [
  [28, 14],
  [25, 13],
  [24, 12],
  [23, 11],
  [21, 10],
  [19, 9],
  [15, 8],
  [12, 7],
  [11, 6],
  [10, 5],
  [9, 4],
  [1, 3],
];
export const irVersionOfOpset = (opset: number): number =>
  IR_OF_OPSET.find(([first]) => opset >= first)?.[1] ?? 3;

/** IR versions that brought element types. */
const IR_OF_DTYPE: Partial<Record<DtypeName, number>> = {
  float8e4m3fn: 9,
  float8e4m3fnuz: 9,
  float8e5m2: 9,
  float8e5m2fnuz: 9,
  uint4: 10,
  int4: 10,
  float4e2m1: 11,
  float8e8m0: 12,
  uint2: 13,
  int2: 13,
  float6e2m3: 14,
  float6e3m2: 14,
};

/** The model's own IR version, raised where a change asks for more. */
export function neededIrVersion(model: Model): number {
  const origin = originOf(model, "onnx model");
  const opset = model.opsets.get("") ?? 0;
  let needed = model.irVersion;
  if (!origin || (origin.opsets.get("") ?? 0) !== opset)
    needed = Math.max(needed, irVersionOfOpset(opset));
  for (const graph of model.graphs.values()) {
    const graphOrigin = originOf(graph, "onnx graph");
    const before = new Set(graphOrigin?.message.initializer.map((tensor) => tensor.name));
    const inputs = new Set(graph.inputs);
    for (const tensor of graph.tensors.values()) {
      if (!originOf(tensor, "onnx tensor"))
        needed = Math.max(needed, IR_OF_DTYPE[tensor.dtype.name] ?? 0);
      // Before IR 4 every initializer had to be an input of its graph.
      if (!before.has(tensor.name) && !inputs.has(tensor.name)) needed = Math.max(needed, 4);
    }
  }
  return needed;
}
