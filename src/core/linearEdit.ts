/** Writes new numbers into a linear layer, in place where nothing else sees them. */
import type { WorkContext } from "./context.ts";
import type { LinearLayer, StoredConstant } from "./linearLayer.ts";
import type { GraphNode } from "./model.ts";
import type { TensorData, Transaction } from "./plugin.ts";
import { editedRows, type Rows } from "./rows.ts";
import type { NewAttribute, NewNode } from "./step.ts";

export interface LayerChange {
  /** Changes rows of the stored weight in place; null leaves the weight as it is. */
  readonly weight: ((piece: Rows) => void) | null;
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
  ctx: WorkContext,
  layer: LinearLayer,
  { weight, bias, input, output, remove = [] }: LayerChange,
): Promise<void> {
  const { path, node } = layer;
  const { tensor } = layer.weight;
  const { dtype } = tensor;
  const store = async (
    old: StoredConstant | null,
    base: string,
    shape: readonly number[],
    data: TensorData,
  ): Promise<string> => {
    const name = old?.own === true ? old.name : tx.uniqueName(path, old?.name ?? base);
    await tx.putTensor(path, { name, dtype, shape }, data);
    return name;
  };
  const [x = ""] = node.inputs;
  const weightName = weight
    ? await store(layer.weight, "weight", tensor.shape, editedRows(ctx, tensor, dtype, weight))
    : layer.weight.name;
  const biasName = bias
    ? await store(
        layer.bias,
        `${layer.weight.name}_bias`,
        [layer.outChannels],
        ctx.kernels.fromF32(dtype, Float32Array.from(bias)),
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
