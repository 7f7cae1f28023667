/**
 * Which operators of a model can compute on integers, and which values have to be quantized for it:
 * convolutions with what vanishes in them, products with a constant matrix, embedding tables, and
 * the operators between convolutions that would otherwise force a way back to float.
 *
 * The rule is structural. Products of transformers take a quantized input and give float, so that
 * masks, normalizations and softmax are never rounded (perplexity 5.62 instead of 22 where the
 * runtime's own default rounds the attention mask too); additions, pools and concatenations become
 * integer only where all they take in already is.
 */
import { MAIN, mainGraph, nodeLabel, type GraphNode, type Model } from "../../../core/model.ts";
import { scopeOf, type ScopeIndex } from "../../../core/scope.ts";
import { elementCount } from "../../../shared/dtype.ts";
import type { Skip } from "../../../shared/report.ts";
import { glue, settled, withGlue } from "./glue.ts";
import { activationAfter, bare, isAffine, isVector, onlyUse, type Layer } from "./layer.ts";
import { floatAttr, intAttr } from "../../../core/attributes.ts";
import { sourceOf, weightLike, type WeightSource } from "../../../core/weightSource.ts";
import { isTable, QUANTIZED_OPS } from "./weights.ts";

/** Layers in the order of the file, and why other weights stay float. */
export function findLayers(model: Model): {
  readonly layers: readonly Layer[];
  readonly skipped: readonly Skip[];
} {
  const scope = scopeOf(model);
  const graph = mainGraph(model);
  const skipped: Skip[] = [];
  const found: Layer[] = [];
  const claimed = new Set<GraphNode>();
  for (const node of graph.nodes) {
    if (claimed.has(node)) continue;
    const result = layerOf(model, scope, node);
    if (result === null) continue;
    if (typeof result === "string") {
      skipped.push({ name: nodeLabel(MAIN, node), reason: result });
      continue;
    }
    for (const part of [...result.affine, ...(result.activation ? [result.activation] : [])])
      claimed.add(part);
    found.push(result);
  }
  for (const inner of model.graphs.values())
    if (inner.path.length > 0)
      for (const node of inner.nodes)
        if (node.inputs.some((name) => weightLike(sourceOf(scope, inner.path, name)?.tensor)))
          skipped.push({
            name: nodeLabel(inner.path, node),
            reason: "it is inside a subgraph, where no range of activations is measured",
          });
  return { layers: settled(scope, withGlue(found)), skipped };
}

/** A layer, the reason why a weight stays float, or null for what has no weight. */
function layerOf(model: Model, scope: ScopeIndex, node: GraphNode): Layer | string | null {
  const standard = node.domain === "" || node.domain === "ai.onnx";
  if (QUANTIZED_OPS.has(node.op)) return `already quantized (${node.op})`;
  if (node.op === "QuantizeLinear" || node.op === "DequantizeLinear") return null;
  if (!standard) {
    const held = node.inputs.some((name) => weightLike(sourceOf(scope, MAIN, name)?.tensor));
    return held ? `${node.domain}.${node.op} has no integer form known here` : null;
  }
  switch (node.op) {
    case "Conv":
    case "Gemm":
    case "MatMul":
    case "Gather":
      return product(model, scope, node);
    case "Add":
      return glue(scope, node, "add", node.inputs);
    case "Concat":
      return glue(scope, node, "share", node.inputs);
    case "AveragePool":
    case "GlobalAveragePool":
      return glue(scope, node, "pool", node.inputs.slice(0, 1));
    default:
      if (SHARING.has(node.op)) return glue(scope, node, "share", node.inputs.slice(0, 1));
      return otherWeight(scope, node);
  }
}

/** Operators that only move or select values: the same codes come out. */
export const SHARING: ReadonlySet<string> = new Set([
  "MaxPool",
  "Reshape",
  "Flatten",
  "Transpose",
  "Squeeze",
  "Unsqueeze",
  "Identity",
  "Dropout",
]);

/** Weights whose operators have no integer kernel that is fed by QuantizeLinear. */
const FLOAT_ONLY: ReadonlyMap<string, string> = new Map([
  ["LSTM", "recurrent weights have no static form; quantize.dynamic takes them"],
  ["GRU", "recurrent weights of GRU have no integer kernel in onnxruntime"],
  ["RNN", "recurrent weights of RNN have no integer kernel in onnxruntime"],
  ["ConvTranspose", "ConvTranspose has no integer kernel in onnxruntime"],
  ["Einsum", "a constant of Einsum has no integer product; write it as MatMul"],
]);
function otherWeight(scope: ScopeIndex, node: GraphNode): string | null {
  const reason = FLOAT_ONLY.get(node.op);
  if (reason === undefined) return null;
  return node.inputs.some((name) => weightLike(sourceOf(scope, MAIN, name)?.tensor))
    ? reason
    : null;
}

function product(model: Model, scope: ScopeIndex, node: GraphNode): Layer | string | null {
  const at = node.op === "Gather" ? 0 : 1;
  const source = sourceOf(scope, MAIN, node.inputs[at] ?? "");
  if (!source) return computedWeight(scope, node, at);
  const { tensor } = source;
  const isConv = node.op === "Conv";
  if (node.op === "Gather" && (!isTable(tensor) || tensor.shape.length !== 2)) return null;
  if (tensor.dtype.kind !== "float")
    return node.op === "Gather" ? null : `its weight is ${tensor.dtype.name}, not float`;
  if (tensor.dtype.name !== "float32")
    return `its weight is ${tensor.dtype.name}; integer products are made from float32`;
  if (isConv ? tensor.shape.length < 3 : tensor.shape.length < 2)
    return `its weight has ${tensor.shape.length} dimensions`;
  if (!isConv && tensor.shape.length > 2)
    return `its weight [${tensor.shape.join(", ")}] is a batch of matrices; integer products take one`;
  if (elementCount(tensor.shape) === 0) return `its weight [${tensor.shape.join(", ")}] is empty`;
  if (model.irVersion >= 4 && source.graph.inputs.includes(source.name))
    return `its weight "${source.name}" is also a graph input, so a caller may replace it (graph.clean can fix it)`;
  if (node.op === "Gather")
    return (intAttr(node, "axis") ?? 0) === 0
      ? bare(node, "embedding", [], {
          source,
          transposed: source.transposed,
          axis: 0,
          channels: tensor.shape[source.transposed ? 1 : 0] ?? 1,
          bias: "",
        })
      : "gathers along another axis than 0";
  const input = node.inputs[0] ?? "";
  if (scope.constant(MAIN, input)) return "both of its factors are constant";
  if (isConv) {
    if (source.transposed) return "its weight is transposed in the graph";
    return convolution(model, scope, node, source);
  }
  if (node.op === "MatMul") {
    const channels = tensor.shape[source.transposed ? 0 : 1] ?? 1;
    return bare(node, "matmul", [input], {
      source,
      transposed: source.transposed,
      axis: 1,
      channels,
      bias: "",
    });
  }
  return gemm(scope, node, source);
}

function computedWeight(scope: ScopeIndex, node: GraphNode, at: number): string | null {
  const maker = scope.define(MAIN, node.inputs[at] ?? "");
  if (maker?.kind === "node") {
    const held = sourceOf(scope, maker.graph.path, maker.node.inputs[0] ?? "")?.tensor;
    if (held && maker.node.op === "DequantizeLinear") return "already quantized (DequantizeLinear)";
    if (held && maker.node.op === "Cast" && held.dtype.bits < 32)
      return `its weight is stored as ${held.dtype.name}; integer products are made from float32`;
  }
  if (node.op === "Conv" || node.op === "Gemm") return "its weight is computed, not a constant";
  return node.op === "MatMul" && weightLike(sourceOf(scope, MAIN, node.inputs[0] ?? "")?.tensor)
    ? "its constant is the left operand; only constant right operands have an integer product"
    : null;
}

function convolution(
  model: Model,
  scope: ScopeIndex,
  node: GraphNode,
  source: WeightSource,
): Layer | string {
  const bias = node.inputs[2] ?? "";
  const channels = source.tensor.shape[0] ?? 1;
  if (bias !== "" && !isVector(scope, bias, channels))
    return "its bias is computed, not a constant";
  const affine: GraphNode[] = [];
  let output = node.outputs[0] ?? "";
  for (;;) {
    const next = onlyUse(scope, output);
    if (!next || !isAffine(model, scope, next, output, channels, source.tensor.shape.length)) break;
    affine.push(next);
    output = next.outputs[0] ?? "";
  }
  const activation = activationAfter(scope, output);
  return {
    ...bare(node, "conv", [node.inputs[0] ?? ""], {
      source,
      transposed: false,
      axis: 0,
      channels,
      bias,
    }),
    affine,
    activation,
    output: activation?.outputs[0] ?? output,
    rounds: true,
  };
}

function gemm(scope: ScopeIndex, node: GraphNode, source: WeightSource): Layer | string {
  if (intAttr(node, "transA") === 1) return "transA = 1 has no integer form";
  const [alpha, beta] = [floatAttr(node, "alpha") ?? 1, floatAttr(node, "beta") ?? 1];
  const bias = node.inputs[2] ?? "";
  if (alpha !== 1 || (bias !== "" && beta !== 1))
    return `alpha = ${alpha}, beta = ${beta}: only plain products have an integer form`;
  const rows = intAttr(node, "transB") === 1;
  const axis = rows ? 0 : 1;
  const channels = source.tensor.shape[source.transposed ? 1 - axis : axis] ?? 1;
  if (bias !== "" && !isVector(scope, bias, channels))
    return "its bias is not a constant with one value per output";
  const activation = activationAfter(scope, node.outputs[0] ?? "");
  return {
    ...bare(node, "gemm", [node.inputs[0] ?? ""], {
      source,
      transposed: source.transposed,
      axis,
      channels,
      bias,
    }),
    activation,
    output: activation?.outputs[0] ?? node.outputs[0] ?? "",
  };
}
