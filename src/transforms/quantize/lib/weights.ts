/** Finds the constant matrices a model multiplies with, and says of everything else why it is none. */
import {
  nodeLabel,
  type Graph,
  type GraphNode,
  type GraphPath,
  type Model,
  type Tensor,
} from "../../../core/model.ts";
import { scopeOf, type ScopeIndex } from "../../../core/scope.ts";
import type { Skip } from "../../../shared/report.ts";

/** One use of a weight by an operator that can take it quantized. */
export interface Site {
  readonly path: GraphPath;
  readonly node: GraphNode;
  readonly op: "MatMul" | "Gemm" | "Gather";
  /** The node's input that is the weight. */
  readonly input: number;
  /** The tensor is stored `[N, K]`, not `[K, N]`; an embedding table's rows are its N. */
  readonly transposed: boolean;
  /** Gemm's alpha; 1 elsewhere. */
  readonly alpha: number;
}

export interface Weight {
  /** Where the tensor is defined; quantized tensors go there too. */
  readonly graph: Graph;
  /** Name of the initializer, or of the Constant node's output. */
  readonly name: string;
  readonly tensor: Tensor;
  readonly sites: readonly Site[];
  /** A use that keeps the float tensor in the file although all sites change; null when nothing does. */
  readonly keptBy: string | null;
}

export interface Source {
  readonly graph: Graph;
  readonly name: string;
  readonly tensor: Tensor;
  /** An odd number of transpositions lies between the tensor and its use. */
  readonly transposed: boolean;
}

/** Weights in file order of their first use, over all graphs; refusals carry the label of their node. */
export function findWeights(
  model: Model,
  embeddings: boolean,
): { readonly weights: readonly Weight[]; readonly skipped: readonly Skip[] } {
  const scope = scopeOf(model);
  const found = new Map<Tensor, { source: Source; sites: Site[] }>();
  const skipped: Skip[] = [];
  for (const graph of model.graphs.values())
    for (const node of graph.nodes) {
      const result = siteOf(model, scope, graph, node, embeddings);
      if (result === null) continue;
      if (typeof result === "string") {
        skipped.push({ name: nodeLabel(graph.path, node), reason: result });
        continue;
      }
      const { source, site } = result;
      const entry = found.get(source.tensor);
      if (entry) entry.sites.push(site);
      else found.set(source.tensor, { source, sites: [site] });
    }
  const weights = [...found.values()].map(({ source, sites }) => ({
    graph: source.graph,
    name: source.name,
    tensor: source.tensor,
    sites,
    keptBy: otherUse(scope, source.graph.path, source.name, sites),
  }));
  return { weights, skipped };
}

/** A site, the reason why there is none, or null for a node that has no weight at all. */
function siteOf(
  model: Model,
  scope: ScopeIndex,
  graph: Graph,
  node: GraphNode,
  embeddings: boolean,
): { source: Source; site: Site } | string | null {
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

/** Smaller constants are masks, scales or position tables rather than weights. */
const MIN_WEIGHT_BYTES = 1024;
export const weightLike = (tensor: Tensor | undefined): boolean =>
  tensor !== undefined &&
  tensor.dtype.kind === "float" &&
  tensor.shape.length >= 2 &&
  tensor.sizeBytes >= MIN_WEIGHT_BYTES;

/** Rows shorter than this gain little beside a scale of their own. */
const LEAST_ROW = 8;
export const isTable = (tensor: Tensor): boolean =>
  weightLike(tensor) && (tensor.shape.length !== 2 || (tensor.shape[1] ?? 0) >= LEAST_ROW);

function refuseTensor(model: Model, { graph, tensor, name }: Source): string | null {
  const { dtype, shape } = tensor;
  if (dtype.kind !== "float") return `its constant is ${dtype.name}, not float`;
  if (dtype.name !== "float32" && dtype.name !== "float16")
    return `its weight is ${dtype.name}; quantized products take float32 and float16 activations`;
  if (shape.length < 2) return `its constant has ${shape.length} dimensions, a weight has 2`;
  if (shape.length > 2)
    return `its weight [${shape.join(", ")}] is a batch of matrices; quantized products take one matrix`;
  if (shape.includes(0)) return `its weight [${shape.join(", ")}] is empty`;
  // Before IR 4 every initializer had to be listed as an input, and onnxruntime treats it as constant.
  if (model.irVersion >= 4 && graph.inputs.includes(name))
    return `its weight "${name}" is also a graph input, so a caller may replace it (graph.clean can fix it)`;
  return null;
}

function refuseGemm(
  model: Model,
  scope: ScopeIndex,
  path: GraphPath,
  node: GraphNode,
): string | null {
  if (intAttr(node, "transA") === 1) return "transA = 1 has no quantized form";
  const opset = model.opsets.get("") ?? model.opsets.get("ai.onnx") ?? 0;
  if (opset < 7) return `Gemm of opset ${opset} (before 7) broadcasts differently`;
  const bias = node.inputs[2] ?? "";
  const beta = floatAttr(node, "beta") ?? 1;
  if (bias !== "" && beta !== 1 && beta !== 0 && scope.constant(path, bias) === null)
    return `beta = ${beta} scales a bias that is computed`;
  return null;
}

/** The tensor behind a name, through Identity and matrix Transpose nodes. */
export function sourceOf(scope: ScopeIndex, path: GraphPath, name: string): Source | null {
  let at = { path, name };
  let transposed = false;
  // Bounded: a cycle is not a valid graph but must not hang.
  for (let hops = 0; hops < 64; hops++) {
    const definition = scope.define(at.path, at.name);
    if (!definition || definition.kind === "input") return null;
    const { graph } = definition;
    if (definition.kind === "tensor")
      return { graph, name: at.name, tensor: definition.tensor, transposed };
    const { node } = definition;
    if (node.domain !== "" && node.domain !== "ai.onnx") return null;
    if (node.op === "Constant") {
      const value = node.attrs["value"];
      return value?.kind === "tensor"
        ? { graph, name: at.name, tensor: value.value, transposed }
        : null;
    }
    if (node.op === "Transpose") {
      const perm = node.attrs["perm"];
      const order = perm?.kind === "ints" ? perm.value.join() : "1,0";
      if (order !== "1,0" && order !== "0,1") return null;
      transposed = transposed !== (order === "1,0");
    } else if (node.op !== "Identity") return null;
    at = { path: graph.path, name: node.inputs[0] ?? "" };
  }
  return null;
}

/** Label of a use of `name` that is none of the sites, looking through Identity and Transpose. */
export function otherUse(
  scope: ScopeIndex,
  path: GraphPath,
  name: string,
  sites: readonly Site[],
): string | null {
  for (const { graph, node, input } of scope.uses(path, name)) {
    if (node === null) return "an output of the graph";
    if (sites.some((site) => site.node === node && site.input === input)) continue;
    if (node.op !== "Identity" && node.op !== "Transpose")
      return `"${nodeLabel(graph.path, node)}" (${node.op})`;
    const through = otherUse(scope, graph.path, node.outputs[0] ?? "", sites);
    if (through !== null) return through;
  }
  return null;
}

export function intAttr(node: GraphNode, name: string): number | null {
  const attr = node.attrs[name];
  return attr?.kind === "int" ? attr.value : null;
}
export function floatAttr(node: GraphNode, name: string): number | null {
  const attr = node.attrs[name];
  return attr?.kind === "float" ? attr.value : null;
}
