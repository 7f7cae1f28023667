/**
 * Linear layers: nodes that multiply by a constant matrix. MatMul with a constant right operand,
 * Gemm, and Conv (whose weight [N, C/group, …] is a matrix per group, patches in its rows).
 */
import {
  nodeLabel,
  type Graph,
  type GraphNode,
  type GraphPath,
  type Model,
  type Tensor,
} from "./model.ts";
import { scopeOf, type ScopeIndex } from "./scope.ts";
import type { Skip } from "../shared/report.ts";

/** One use of a weight. */
export interface LinearSite {
  readonly path: GraphPath;
  readonly node: GraphNode;
  readonly op: "MatMul" | "Gemm" | "Conv";
  /** The matrix is stored [N, K] for this use, not [K, N]; always so for Conv. */
  readonly transposed: boolean;
}

export interface LinearWeight {
  /** Where the tensor is defined. */
  readonly graph: Graph;
  /** Name of the initializer, or of the Constant node's output. */
  readonly name: string;
  readonly tensor: Tensor;
  /** In file order; never empty. */
  readonly sites: readonly [LinearSite, ...LinearSite[]];
  /** A use that is none of the sites and keeps the tensor in the file; null when there is none. */
  readonly keptBy: string | null;
}

/** Slot of the weight among the inputs of all three operators. */
export const WEIGHT_SLOT = 1;

/**
 * Weights in file order of their first use, over all graphs; a node whose weight is constant but no
 * plain float matrix is skipped by name. Nodes without a constant operand are not mentioned.
 */
export function findLinear(model: Model): {
  readonly weights: readonly LinearWeight[];
  readonly skipped: readonly Skip[];
} {
  const scope = scopeOf(model);
  const found = new Map<Tensor, { source: Source; sites: [LinearSite, ...LinearSite[]] }>();
  const skipped: Skip[] = [];
  for (const graph of model.graphs.values())
    for (const node of graph.nodes) {
      const result = siteOf(model, scope, graph.path, node);
      if (result === null) continue;
      if (typeof result === "string") {
        skipped.push({ name: nodeLabel(graph.path, node), reason: result });
        continue;
      }
      const entry = found.get(result.source.tensor);
      if (entry) entry.sites.push(result.site);
      else found.set(result.source.tensor, { source: result.source, sites: [result.site] });
    }
  const weights = [...found.values()].map(({ source, sites }): LinearWeight => ({
    graph: source.graph,
    name: source.name,
    tensor: source.tensor,
    sites,
    keptBy: otherUse(scope, source.graph.path, source.name, sites),
  }));
  return { weights, skipped };
}

interface Source {
  readonly graph: Graph;
  readonly name: string;
  readonly tensor: Tensor;
  /** An odd number of transpositions lies between the tensor and its use. */
  readonly transposed: boolean;
}

/** Operators with weights that are matrices, but not of a product with rows. */
const OTHER_WEIGHTS = new Set(["ConvTranspose", "LSTM", "GRU", "RNN", "Einsum"]);
const STANDARD = new Set(["", "ai.onnx"]);

function siteOf(
  model: Model,
  scope: ScopeIndex,
  path: GraphPath,
  node: GraphNode,
): { source: Source; site: LinearSite } | string | null {
  const op = STANDARD.has(node.domain) ? node.op : "";
  if (op !== "MatMul" && op !== "Gemm" && op !== "Conv")
    return OTHER_WEIGHTS.has(op) && node.inputs.some((n) => weightLike(sourceOf(scope, path, n)))
      ? `weights of ${op} are no matrix of a linear layer`
      : null;
  const source = sourceOf(scope, path, node.inputs[WEIGHT_SLOT] ?? "");
  if (!source) {
    const computed = computedWeight(scope, path, node.inputs[WEIGHT_SLOT] ?? "");
    if (computed !== null) return computed;
    return op === "MatMul" && weightLike(sourceOf(scope, path, node.inputs[0] ?? ""))
      ? "its constant is the left operand of MatMul"
      : null;
  }
  const { tensor, name, graph } = source;
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
  // Before IR 4 every initializer had to be listed as an input, and onnxruntime treats it as constant.
  if (model.irVersion >= 4 && graph.inputs.includes(name))
    return `its weight "${name}" is also a graph input, so a caller may replace it (graph.clean can fix it)`;
  const opset = model.opsets.get("") ?? model.opsets.get("ai.onnx") ?? 0;
  if (op === "Gemm" && opset < 7)
    return `Gemm of opset ${opset} (before 7) broadcasts differently (graph.upgradeOpset can fix it)`;
  const flipped = op === "Conv" || (op === "Gemm" && intAttr(node, "transB") === 1);
  return { source, site: { path, node, op, transposed: source.transposed !== flipped } };
}

/** Why a weight that some node makes from constants is none; null when it is made from data. */
function computedWeight(scope: ScopeIndex, path: GraphPath, name: string): string | null {
  const maker = name === "" ? null : scope.define(path, name);
  if (maker?.kind !== "node") return null;
  const held = sourceOf(scope, maker.graph.path, maker.node.inputs[0] ?? "");
  if (held && maker.node.op === "DequantizeLinear") return "already quantized (DequantizeLinear)";
  return weightLike(held)
    ? `its weight is computed from a constant by ${maker.node.op} (graph.clean can fold it)`
    : null;
}

/** Smaller constants are masks, scales or position tables rather than weights. */
const MIN_WEIGHT_BYTES = 1024;
const weightLike = (source: Source | null): boolean =>
  source !== null &&
  source.tensor.dtype.kind === "float" &&
  source.tensor.shape.length >= 2 &&
  source.tensor.sizeBytes >= MIN_WEIGHT_BYTES;

/** The tensor behind a name, through Identity and matrix Transpose nodes. */
function sourceOf(scope: ScopeIndex, path: GraphPath, name: string): Source | null {
  let at = { path, name };
  let transposed = false;
  // Bounded: a cycle is not a valid graph but must not hang.
  for (let hops = 0; hops < 64 && at.name !== ""; hops++) {
    const definition = scope.define(at.path, at.name);
    if (!definition || definition.kind === "input") return null;
    const { graph } = definition;
    if (definition.kind === "tensor")
      return { graph, name: at.name, tensor: definition.tensor, transposed };
    const { node } = definition;
    if (!STANDARD.has(node.domain)) return null;
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
function otherUse(
  scope: ScopeIndex,
  path: GraphPath,
  name: string,
  sites: readonly LinearSite[],
): string | null {
  for (const { graph, node, input } of scope.uses(path, name)) {
    if (node === null) return "an output of the graph";
    if (input === WEIGHT_SLOT && sites.some((site) => site.node === node)) continue;
    if (node.op !== "Identity" && node.op !== "Transpose")
      return `"${nodeLabel(graph.path, node)}" (${node.op})`;
    const through = otherUse(scope, graph.path, node.outputs[0] ?? "", sites);
    if (through !== null) return through;
  }
  return null;
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

export function intAttr(node: GraphNode, name: string): number | null {
  const attr = node.attrs[name];
  return attr?.kind === "int" ? attr.value : null;
}
export function floatAttr(node: GraphNode, name: string): number | null {
  const attr = node.attrs[name];
  return attr?.kind === "float" ? attr.value : null;
}
