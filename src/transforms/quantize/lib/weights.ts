/** Finds the constant matrices a model multiplies with, and says of everything else why it is none. */
import { floatAttr, intAttr } from "../../../core/attributes.ts";
import type { Graph, GraphNode, GraphPath, Model, Tensor } from "../../../core/model.ts";
import type { ScopeIndex } from "../../../core/scope.ts";
import {
  collectWeights,
  replacedByCallers,
  sourceOf,
  standardOpset,
  weightLike,
  type UsedWeight,
  type WeightSite,
  type WeightSource,
} from "../../../core/weightSource.ts";
import type { Skip } from "../../../shared/report.ts";

/** One use of a weight by an operator that can take it quantized. */
export interface Site extends WeightSite {
  readonly path: GraphPath;
  readonly op: "MatMul" | "Gemm" | "Gather";
  /** The tensor is stored `[N, K]`, not `[K, N]`; an embedding table's rows are its N. */
  readonly transposed: boolean;
  /** Gemm's alpha; 1 elsewhere. */
  readonly alpha: number;
}

export type Weight = UsedWeight<Site>;

/** Weights in file order of their first use, over all graphs; refusals carry the label of their node. */
export const findWeights = (
  model: Model,
  embeddings: boolean,
): { readonly weights: readonly Weight[]; readonly skipped: readonly Skip[] } =>
  collectWeights(model, (scope, graph, node) => siteOf(model, scope, graph, node, embeddings));

/** A site, the reason why there is none, or null for a node that has no weight at all. */
function siteOf(
  model: Model,
  scope: ScopeIndex,
  graph: Graph,
  node: GraphNode,
  embeddings: boolean,
): { source: WeightSource; site: Site } | string | null {
  const { path } = graph;
  if (QUANTIZED_OPS.has(node.op)) return `already quantized (${node.op})`;
  const op = node.domain === "" || node.domain === "ai.onnx" ? node.op : "";
  const input = op === "Gather" ? 0 : 1;
  const source = sourceOf(scope, path, node.inputs[input] ?? "");
  if (op !== "MatMul" && op !== "Gemm" && op !== "Gather") return refuseOther(scope, path, node);
  if (!source) {
    const maker = scope.define(path, node.inputs[input] ?? "");
    if (maker?.kind === "node") {
      const held = sourceOf(scope, maker.graph.path, maker.node.inputs[0] ?? "")?.tensor;
      if (held && maker.node.op === "DequantizeLinear")
        return "already quantized (DequantizeLinear)";
      if (weightLike(held))
        return `its weight is computed from a constant by ${maker.node.op}; only stored matrices are quantized`;
    }
    return op === "MatMul" && weightLike(sourceOf(scope, path, node.inputs[0] ?? "")?.tensor)
      ? "its constant is the left operand; only constant right operands have a quantized product"
      : null;
  }
  if (op === "Gather") {
    if (!isTable(source.tensor)) return null;
    if (!embeddings) return "an embedding table; set the parameter embedding to quantize it";
    if ((intAttr(node, "axis") ?? 0) !== 0) return "gathers along another axis than 0";
  }
  const refusal =
    refuseTensor(model, source) ?? (op === "Gemm" ? refuseGemm(model, scope, path, node) : null);
  if (refusal !== null) return refusal;
  const flipped = op === "Gemm" ? intAttr(node, "transB") === 1 : op === "Gather";
  const site: Site = {
    path,
    node,
    op,
    input,
    transposed: source.transposed !== flipped,
    alpha: op === "Gemm" ? (floatAttr(node, "alpha") ?? 1) : 1,
  };
  return { source, site };
}

export const QUANTIZED_OPS: ReadonlySet<string> = new Set([
  "MatMulNBits",
  "MatMulBnb4",
  "GatherBlockQuantized",
  "MatMulInteger",
  "QLinearMatMul",
  "QLinearConv",
  "QGemm",
  "ConvInteger",
  "DynamicQuantizeLSTM",
  "DynamicQuantizeMatMul",
]);

/** Operators with weights of other shapes than a matrix of a product. */
const OTHER_WEIGHTS: ReadonlyMap<string, string> = new Map([
  ["Conv", "weights of Conv are not matrices of a MatMul; 4-bit products exist for MatMul only"],
  ["ConvTranspose", "weights of ConvTranspose are not matrices of a MatMul"],
  ["LSTM", "recurrent weights have no weight-only product"],
  ["GRU", "recurrent weights have no weight-only product"],
  ["RNN", "recurrent weights have no weight-only product"],
  ["Einsum", "a constant of Einsum has no weight-only product; write it as MatMul"],
]);

function refuseOther(scope: ScopeIndex, path: GraphPath, node: GraphNode): string | null {
  const constants = node.inputs.map((name) => sourceOf(scope, path, name)?.tensor);
  if (!constants.some(weightLike)) return null;
  const known = OTHER_WEIGHTS.get(node.op);
  if (known !== undefined && (node.domain === "" || node.domain === "ai.onnx")) return known;
  return node.domain === "" || node.domain === "ai.onnx" || node.domain === "ai.onnx.ml"
    ? null
    : `${node.domain}.${node.op} has no weight-only form known here`;
}

/** Rows shorter than this gain little beside a scale of their own. */
const LEAST_ROW = 8;
export const isTable = (tensor: Tensor): boolean =>
  weightLike(tensor) && (tensor.shape.length !== 2 || (tensor.shape[1] ?? 0) >= LEAST_ROW);

function refuseTensor(model: Model, source: WeightSource): string | null {
  const { dtype, shape } = source.tensor;
  if (dtype.kind !== "float") return `its constant is ${dtype.name}, not float`;
  if (dtype.name !== "float32" && dtype.name !== "float16")
    return `its weight is ${dtype.name}; quantized products take float32 and float16 activations`;
  if (shape.length < 2) return `its constant has ${shape.length} dimensions, a weight has 2`;
  if (shape.length > 2)
    return `its weight [${shape.join(", ")}] is a batch of matrices; quantized products take one matrix`;
  if (shape.includes(0)) return `its weight [${shape.join(", ")}] is empty`;
  return replacedByCallers(model, source);
}

function refuseGemm(
  model: Model,
  scope: ScopeIndex,
  path: GraphPath,
  node: GraphNode,
): string | null {
  if (intAttr(node, "transA") === 1) return "transA = 1 has no quantized form";
  const opset = standardOpset(model);
  if (opset < 7) return `Gemm of opset ${opset} (before 7) broadcasts differently`;
  const bias = node.inputs[2] ?? "";
  const beta = floatAttr(node, "beta") ?? 1;
  if (bias !== "" && beta !== 1 && beta !== 0 && scope.constant(path, bias) === null)
    return `beta = ${beta} scales a bias that is computed`;
  return null;
}
