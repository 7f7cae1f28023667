/** Subexpressions of constants, computed by the runtime itself so that folding changes no value. */
import type { ConstantValue } from "../core/context.ts";
import {
  graphKey,
  MAIN,
  type Graph,
  type GraphNode,
  type GraphPath,
  type Model,
  type Tensor,
} from "../core/model.ts";
import { scopeOf } from "../core/scope.ts";
import { encodeModel } from "../formats/index.ts";
import { dtype } from "../shared/dtype.ts";
import { engineErrors } from "../shared/errors.ts";
import type { HostTensor } from "../shared/hostTensor.ts";
import { readRange } from "./files.ts";
import { createSession } from "./ort.ts";

/** Constants that go in, and values that come out, of one call. Plans ask for far less. */
const MAX_BYTES = 2 ** 30;

/**
 * Runs `nodes` of one graph, whose inputs are constants or outputs of each other, with all
 * optimizations off. Gives the values that anything outside `nodes` uses.
 * @throws EngineError when an input is not constant, the runtime refuses, or values are too large.
 */
export async function evaluateConstant(
  model: Model,
  path: GraphPath,
  nodes: readonly GraphNode[],
): Promise<readonly ConstantValue[]> {
  const outputs = usedOutside(model, path, nodes);
  if (outputs.length === 0) return [];
  const session = await createSession(smallModel(model, path, nodes, outputs), {
    threads: 1,
    optimization: "disabled",
    exactWeights: true,
  });
  try {
    const values = await session.run(new Map(), outputs);
    return outputs.map((name) => constantValue(name, values.get(name)));
  } finally {
    await session.release();
  }
}

function usedOutside(model: Model, path: GraphPath, nodes: readonly GraphNode[]): string[] {
  const scope = scopeOf(model);
  const inside = new Set(nodes);
  return nodes
    .flatMap(({ outputs }) => outputs)
    .filter(
      (name) =>
        name !== "" &&
        scope.uses(path, name).some(({ node }) => node === null || !inside.has(node)),
    );
}

/** A model of those nodes alone, the constants they use embedded. */
function smallModel(
  model: Model,
  path: GraphPath,
  nodes: readonly GraphNode[],
  outputs: readonly string[],
): Uint8Array {
  const tensors = new Map<string, Tensor>();
  const constants = new Set<GraphNode>();
  const made = new Set(nodes.flatMap((node) => node.outputs));
  for (const name of nodes.flatMap((node) => node.inputs)) {
    if (name === "" || made.has(name)) continue;
    const definition = scopeOf(model).define(path, name);
    if (definition?.kind === "tensor") tensors.set(name, definition.tensor);
    else if (definition?.kind === "node" && definition.node.op === "Constant")
      constants.add(definition.node);
    else throw engineErrors.notConstant(name);
  }
  const graph: Graph = {
    path: MAIN,
    name: "constants",
    nodes: [...constants, ...nodes],
    inputs: [],
    outputs,
    values: new Map(),
    tensors,
  };
  const small: Model = {
    ...model,
    meta: new Map(),
    graphs: new Map([...model.graphs, [graphKey(MAIN), graph]]),
  };
  const [file, ...more] = encodeModel(small, { externalData: "never", dataName: "" });
  if (!file || more.length > 0) throw new Error("constants are embedded in one file");
  if (file.sizeBytes > MAX_BYTES)
    throw engineErrors.constantTooLarge(outputs[0] ?? "", file.sizeBytes, MAX_BYTES);
  const bytes = new Uint8Array(file.sizeBytes);
  let at = 0;
  for (const piece of file.pieces) {
    const part = piece instanceof Uint8Array ? piece : readRange(piece);
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function constantValue(name: string, tensor: HostTensor | undefined): ConstantValue {
  if (!tensor || Array.isArray(tensor.data)) throw engineErrors.notConstant(name);
  const { buffer, byteOffset, byteLength } = tensor.data;
  if (byteLength > MAX_BYTES) throw engineErrors.constantTooLarge(name, byteLength, MAX_BYTES);
  return {
    name,
    dtype: dtype(tensor.dtype),
    shape: tensor.shape,
    bytes: new Uint8Array(buffer, byteOffset, byteLength),
  };
}
