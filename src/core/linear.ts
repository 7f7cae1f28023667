/**
 * Linear layers: nodes that multiply by a constant matrix. MatMul with a constant right operand,
 * Gemm, and Conv (whose weight [N, C/group, …] is a matrix per group, patches in its rows).
 */
import { intAttr } from "./attributes.ts";
import type { GraphNode, GraphPath, Model } from "./model.ts";
import type { ScopeIndex } from "./scope.ts";
import type { Skip } from "../shared/report.ts";
import {
  collectWeights,
  replacedByCallers,
  sourceOf,
  standardOpset,
  weightLike,
  type UsedWeight,
  type WeightSite,
  type WeightSource,
} from "./weightSource.ts";

/** One use of a weight. */
export interface LinearSite extends WeightSite {
  readonly path: GraphPath;
  readonly op: "MatMul" | "Gemm" | "Conv";
  /** The matrix is stored [N, K] for this use, not [K, N]; always so for Conv. */
  readonly transposed: boolean;
}

export type LinearWeight = UsedWeight<LinearSite>;

/** Slot of the weight among the inputs of all three operators. */
export const WEIGHT_SLOT = 1;

/**
 * Weights in file order of their first use, over all graphs; a node whose weight is constant but no
 * plain float matrix is skipped by name. Nodes without a constant operand are not mentioned.
 */
export const findLinear = (
  model: Model,
): { readonly weights: readonly LinearWeight[]; readonly skipped: readonly Skip[] } =>
  collectWeights(model, (scope, { path }, node) => siteOf(model, scope, path, node));

/** Operators with weights that are matrices, but not of a product with rows. */
const OTHER_WEIGHTS = new Set(["ConvTranspose", "LSTM", "GRU", "RNN", "Einsum"]);
const STANDARD = new Set(["", "ai.onnx"]);

function siteOf(
  model: Model,
  scope: ScopeIndex,
  path: GraphPath,
  node: GraphNode,
): { source: WeightSource; site: LinearSite } | string | null {
  const op = STANDARD.has(node.domain) ? node.op : "";
  if (op !== "MatMul" && op !== "Gemm" && op !== "Conv")
    return OTHER_WEIGHTS.has(op) &&
      node.inputs.some((n) => weightLike(sourceOf(scope, path, n)?.tensor))
      ? `weights of ${op} are no matrix of a linear layer`
      : null;
  const source = sourceOf(scope, path, node.inputs[WEIGHT_SLOT] ?? "");
  if (!source) {
    const computed = computedWeight(scope, path, node.inputs[WEIGHT_SLOT] ?? "");
    if (computed !== null) return computed;
    return op === "MatMul" && weightLike(sourceOf(scope, path, node.inputs[0] ?? "")?.tensor)
      ? "its constant is the left operand of MatMul"
      : null;
  }
  const { tensor } = source;
  const shape = `[${tensor.shape.join(", ")}]`;
  if (tensor.dtype.kind !== "float" || tensor.dtype.bits < 16)
    return `its weight is ${tensor.dtype.name}, not float`;
  if (tensor.shape.includes(0)) return `its weight ${shape} is empty`;
  if (op === "Conv") {
    if (tensor.shape.length < 3) return `its weight ${shape} is none of a Conv`;
  } else if (tensor.shape.length !== 2)
    return tensor.shape.length < 2
      ? `its weight ${shape} is a vector`
      : `its weight ${shape} is a batch of matrices`;
  const replaced = replacedByCallers(model, source);
  if (replaced !== null) return replaced;
  const opset = standardOpset(model);
  if (op === "Gemm" && opset < 7)
    return `Gemm of opset ${opset} (before 7) broadcasts differently (graph.upgradeOpset can fix it)`;
  const flipped = op === "Conv" || (op === "Gemm" && intAttr(node, "transB") === 1);
  return {
    source,
    site: { path, node, input: WEIGHT_SLOT, op, transposed: source.transposed !== flipped },
  };
}

/** Why a weight that some node makes from constants is none; null when it is made from data. */
function computedWeight(scope: ScopeIndex, path: GraphPath, name: string): string | null {
  const maker = name === "" ? null : scope.define(path, name);
  if (maker?.kind !== "node") return null;
  const held = sourceOf(scope, maker.graph.path, maker.node.inputs[0] ?? "");
  if (held && maker.node.op === "DequantizeLinear") return "already quantized (DequantizeLinear)";
  return weightLike(held?.tensor)
    ? `its weight is computed from a constant by ${maker.node.op} (graph.clean can fold it)`
    : null;
}

export interface MatrixSize {
  /** Inputs of the layer (of one group, times the kernel's positions). */
  readonly k: number;
  /** Outputs. */
  readonly n: number;
}

/** The layer's matrix as it is used: rows times [k, n]. */
export function linearSize({ tensor, sites: [site] }: LinearWeight): MatrixSize {
  const [first = 0, ...rest] = tensor.shape;
  const others = rest.reduce((a, b) => a * b, 1);
  return site.transposed ? { k: others, n: first } : { k: first, n: others };
}

export const groupsOf = (node: GraphNode): number => intAttr(node, "group") ?? 1;
