/** Writes new numbers into a linear layer, in place where nothing else sees them. */
import type { Kernels } from "../shared/kernels.ts";
import type { LinearLayer, StoredConstant } from "./linearLayer.ts";
import type { GraphNode } from "./model.ts";
import type { Transaction } from "./plugin.ts";
import type { NewAttribute, NewNode } from "./step.ts";

export interface LayerChange {
  /** In the layout of the stored weight. */
  readonly weight: Float32Array;
  /** One value per output channel, Gemm's beta applied already; null leaves the bias as it is. */
  readonly bias: Float64Array | null;
  /** Other names for what the layer takes and gives. */
  readonly input?: string;
  readonly output?: string;
  /** Nodes that the layer takes the place of. */
  readonly remove?: readonly GraphNode[];
}

/**
 * A MatMul that gets a bias becomes a Gemm: its input must have two dimensions. The layer is stale
 * afterwards.
 */
export async function writeLayer(
  tx: Transaction,
  kernels: Kernels,
  layer: LinearLayer,
  { weight, bias, input, output, remove = [] }: LayerChange,
): Promise<void> {
  const { path, node } = layer;
  const store = async (
    old: StoredConstant | null,
    base: string,
    shape: readonly number[],
    values: Float32Array,
  ): Promise<string> => {
    const name = old?.own === true ? old.name : tx.uniqueName(path, old?.name ?? base);
    const { dtype } = layer.weight.tensor;
    await tx.putTensor(path, { name, dtype, shape }, kernels.fromF32(dtype, values));
    return name;
  };
  const [x = ""] = node.inputs;
  const weightName = await store(layer.weight, "weight", layer.weight.tensor.shape, weight);
  const biasName = bias
    ? await store(
        layer.bias,
        `${layer.weight.name}_bias`,
        [layer.outChannels],
        Float32Array.from(bias),
      )
    : (node.inputs[2] ?? "");
  const inputs = [input ?? x, weightName, ...(biasName === "" ? [] : [biasName])];
  const outputs = [output ?? node.outputs[0] ?? ""];
  const same = inputs.join("\n") === node.inputs.join("\n") && outputs[0] === node.outputs[0];
  if (!same || remove.length > 0 || (bias && layer.beta !== 1)) {
    const op = layer.op === "MatMul" && biasName !== "" ? "Gemm" : layer.op;
    const attrs = Object.fromEntries(
      Object.entries(node.attrs).filter(
        (entry): entry is [string, NewAttribute] => !(bias && entry[0] === "beta"),
      ),
    );
    const changed: NewNode = { name: node.name, op, domain: "", inputs, outputs, attrs };
    tx.replaceNodes(path, { remove: [...remove, node], insert: [changed] });
  }
  for (const old of node.inputs.slice(1)) if (old !== "") tx.dropIfUnused(path, old);
}
