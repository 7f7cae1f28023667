/** A piece of a graph that computes on integers, and the chains of nodes it may consist of. */
import { MAIN, type GraphNode, type Model, type Tensor } from "../../../core/model.ts";
import type { ScopeIndex } from "../../../core/scope.ts";
import { dtype, elementCount } from "../../../shared/dtype.ts";
import { intAttr } from "../../../core/attributes.ts";
import { type WeightSource } from "../../../core/weightSource.ts";

export interface Layer {
  /** `share` moves values at one scale, `join` is a Concat whose inputs keep theirs, `op` is any other operator. */
  readonly kind:
    | "conv"
    | "gemm"
    | "matmul"
    | "embedding"
    | "share"
    | "join"
    | "pool"
    | "add"
    | "mul"
    | "unary"
    | "product"
    | "op";
  readonly node: GraphNode;
  /** BatchNormalization and constant Add after a convolution: they vanish in its weight and bias. */
  readonly affine: readonly GraphNode[];
  /** Relu or Clip; stays in the file, and the runtime drops it where the output's codes cannot leave its range. */
  readonly activation: GraphNode | null;
  /** Values taken in as codes. */
  readonly inputs: readonly string[];
  /** Constants that are no weights, taken in as codes with a scale of their own: a bias added apart, a factor. */
  readonly constants: readonly string[];
  readonly output: string;
  /** Whether the output is turned into codes too. */
  readonly rounds: boolean;
  readonly weight: LayerWeight | null;
}
export interface LayerWeight {
  readonly source: WeightSource;
  /** The tensor is used with rows and columns swapped against what the operator multiplies with. */
  readonly transposed: boolean;
  /** Output channels' axis in the operator's layout. */
  readonly axis: 0 | 1;
  readonly channels: number;
  /** Name of the constant bias as the node uses it; "" for none. */
  readonly bias: string;
}

export const bare = (
  node: GraphNode,
  kind: Layer["kind"],
  inputs: readonly string[],
  weight: LayerWeight | null,
): Layer => ({
  kind,
  node,
  affine: [],
  activation: null,
  inputs,
  constants: [],
  output: node.outputs[0] ?? "",
  rounds: false,
  weight,
});

const FLOAT32 = dtype("float32");

/** A constant with exactly one value per channel, whatever its leading ones. */
export function isVector(scope: ScopeIndex, name: string, channels: number): boolean {
  const tensor = scope.constant(MAIN, name)?.tensor;
  return (
    tensor?.dtype === FLOAT32 &&
    tensor.shape.length > 0 &&
    elementCount(tensor.shape) === channels &&
    tensor.shape.at(-1) === channels
  );
}

/** The one node that uses a value, if nothing else does. */
export function onlyUse(scope: ScopeIndex, value: string): GraphNode | null {
  const [use, ...others] = scope.uses(MAIN, value);
  return use && others.length === 0 && use.graph.path.length === 0 ? use.node : null;
}

export function activationAfter(scope: ScopeIndex, value: string): GraphNode | null {
  const next = onlyUse(scope, value);
  if (!next || (next.domain !== "" && next.domain !== "ai.onnx") || next.inputs[0] !== value)
    return null;
  if (next.op === "Relu") return next;
  const limits = next.inputs.slice(1).filter((name) => name !== "");
  return next.op === "Clip" && limits.every((name) => scope.constant(MAIN, name)) ? next : null;
}

export function isAffine(
  model: Model,
  scope: ScopeIndex,
  node: GraphNode,
  value: string,
  channels: number,
  rank: number,
): boolean {
  if (node.domain !== "" && node.domain !== "ai.onnx") return false;
  if (node.op === "BatchNormalization")
    return (
      node.inputs[0] === value &&
      node.outputs.filter((o) => o !== "").length === 1 &&
      (intAttr(node, "training_mode") ?? 0) === 0 &&
      (intAttr(node, "spatial") ?? 1) === 1 &&
      node.inputs.slice(1, 5).every((name) => isVector(scope, name, channels))
    );
  if (node.op !== "Add") return false;
  if ((model.opsets.get("") ?? model.opsets.get("ai.onnx") ?? 0) < 7) return false;
  const other = node.inputs.find((name) => name !== value);
  const tensor: Tensor | undefined =
    other === undefined ? undefined : scope.constant(MAIN, other)?.tensor;
  if (tensor?.dtype !== FLOAT32 || elementCount(tensor.shape) !== channels) return false;
  // [C, 1, 1] or [1, C, 1, 1]: the channel axis stands where the convolution's output has it.
  const fromRight = rank - 2;
  return tensor.shape.length <= rank && tensor.shape.at(-1 - fromRight) === channels;
}
