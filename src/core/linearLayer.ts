/**
 * Layers that are linear in their input, seen alike: which element of the stored weight belongs to
 * which input and output channel, whatever the operator, its groups and its transposition.
 */
import { floatAttr, intAttr } from "./attributes.ts";
import {
  graphKey,
  isOverridable,
  nodeKey,
  type GraphNode,
  type GraphPath,
  type Model,
} from "./model.ts";
import { scopeOf, type ConstantSource, type ScopeIndex } from "./scope.ts";

export type LinearOp = "Conv" | "ConvTranspose" | "Gemm" | "MatMul";

export interface LinearLayer {
  readonly path: GraphPath;
  readonly node: GraphNode;
  readonly op: LinearOp;
  readonly weight: StoredConstant;
  /** Null when the layer has none. */
  readonly bias: StoredConstant | null;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly groups: number;
  /** The stored weight's first two dimensions; further ones (a kernel) are `inner` values together. */
  readonly rows: number;
  readonly columns: number;
  readonly inner: number;
  /** The first dimension counts output channels; else input channels. */
  readonly outFirst: boolean;
  /** Gemm's factors; 1 elsewhere. */
  readonly alpha: number;
  readonly beta: number;
}

/** A constant input, and whether it may be written in place. */
export interface StoredConstant extends ConstantSource {
  /** The name the node uses. */
  readonly name: string;
  /** Nothing else uses the tensor, and it is an initializer under that name in the node's graph. */
  readonly own: boolean;
}

const OPS: ReadonlySet<string> = new Set(["Conv", "ConvTranspose", "Gemm", "MatMul"]);
export const isLinearOp = (node: GraphNode): boolean =>
  (node.domain === "" || node.domain === "ai.onnx") && OPS.has(node.op);

/**
 * The constant behind an input of a node in the graph at `path`.
 * @returns a reason in words when it is none or may be replaced
 */
export function storedConstant(
  model: Model,
  path: GraphPath,
  name: string,
  what: string,
): StoredConstant | string {
  const scope = scopeOf(model);
  const source = scope.constant(path, name);
  if (!source) {
    const maker = scope.define(path, name);
    if (maker?.kind === "node") return `its ${what} is made by ${maker.node.op}, not stored`;
    return `its ${what} is ${maker ? "an input of the graph" : "missing"}, not stored`;
  }
  const { graph, tensor } = source;
  if (!source.node && isOverridable(model, graph, tensor.name))
    return `its ${what} is also a graph input, so a caller may replace it (graph.clean can fix it)`;
  if (!["float32", "float16", "bfloat16"].includes(tensor.dtype.name))
    return `its ${what} is ${tensor.dtype.name}; float32, float16 and bfloat16 can be changed`;
  const own =
    source.node === null &&
    graphKey(graph.path) === graphKey(path) &&
    tensor.name === name &&
    scope.uses(path, name).length === 1;
  return { ...source, name, own };
}

/** Uses of the tensor itself, those through Identity nodes counted each. */
export function usesOfConstant(scope: ScopeIndex, { graph, tensor, node }: ConstantSource): number {
  const count = (path: GraphPath, name: string, hops: number): number =>
    scope
      .uses(path, name)
      .reduce(
        (sum, use) =>
          use.node?.op === "Identity" && hops > 0
            ? sum + count(use.graph.path, nodeKey(use.node), hops - 1)
            : sum + 1,
        0,
      );
  return count(graph.path, node ? nodeKey(node) : tensor.name, 64);
}

/** Whether a value depends on what the graph is fed; a weight that is only unpacked or turned does not. */
function isComputed(model: Model, path: GraphPath, value: string): boolean {
  const scope = scopeOf(model);
  const seen = new Set<string>();
  const open = [value];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (name === "" || seen.has(name) || scope.constant(path, name)) continue;
    seen.add(name);
    const maker = scope.define(path, name);
    if (maker?.kind === "input") return true;
    if (maker?.kind === "node") open.push(...maker.node.inputs);
  }
  return false;
}

/** The layer that a node is; a reason in words when its weight or bias cannot be changed. */
export function linearLayer(model: Model, path: GraphPath, node: GraphNode): LinearLayer | string {
  const kept = Object.entries(node.attrs).find(([, { kind }]) =>
    ["tensor", "graph", "opaque"].includes(kind),
  );
  if (kept) return `its attribute ${kept[0]} cannot be written anew`;
  const weight = storedConstant(model, path, node.inputs[1] ?? "", "weight");
  if (typeof weight === "string")
    return node.inputs.slice(0, 2).every((name) => isComputed(model, path, name))
      ? "it multiplies two computed values and has no weight"
      : weight;
  const { shape } = weight.tensor;
  const op = node.op as LinearOp;
  const convolution = op === "Conv" || op === "ConvTranspose";
  if (convolution ? shape.length < 3 : shape.length !== 2)
    return `its weight has ${shape.length} dimensions`;
  const biasName = node.inputs[2] ?? "";
  const bias = biasName === "" ? null : storedConstant(model, path, biasName, "bias");
  if (typeof bias === "string") return bias;
  const [rows = 0, columns = 0, ...kernel] = shape;
  const groups = convolution ? (intAttr(node, "group") ?? 1) : 1;
  if (rows * columns === 0 || groups < 1 || rows % groups !== 0)
    return `its weight [${shape.join(", ")}] does not fit ${groups} groups`;
  const outFirst = op === "Conv" || (op === "Gemm" && (intAttr(node, "transB") ?? 0) === 1);
  const layer = {
    path,
    node,
    op,
    weight,
    bias,
    groups,
    rows,
    columns,
    inner: kernel.reduce((a, b) => a * b, 1),
    outFirst,
    inChannels: outFirst ? columns * groups : rows,
    outChannels: outFirst ? rows : columns * groups,
    alpha: op === "Gemm" ? (floatAttr(node, "alpha") ?? 1) : 1,
    beta: op === "Gemm" ? (floatAttr(node, "beta") ?? 1) : 1,
  };
  const biasShape = bias?.tensor.shape.filter((dim, i, all) => !(dim === 1 && i < all.length - 1));
  if (biasShape && biasShape.length > 1) return `its bias [${biasShape.join(", ")}] is no vector`;
  const count = biasShape?.[0] ?? 1;
  if (bias && count !== layer.outChannels && count !== 1)
    return `its bias has ${count} values for ${layer.outChannels} channels`;
  return layer;
}

/**
 * Calls `visit` with each run of `inner` values of the weight: where in `values` it starts, and its
 * channels. @param values whole rows of the weight as it is stored, from row `first` on
 */
export function forEachChannelPair(
  layer: LinearLayer,
  values: Float32Array,
  visit: (start: number, input: number, output: number) => void,
  first = 0,
): void {
  const { rows, columns, inner, groups, outFirst } = layer;
  const perGroup = rows / groups;
  const count = values.length / (columns * inner);
  for (let row = first; row < first + count; row++) {
    const base = Math.floor(row / perGroup) * columns;
    for (let column = 0; column < columns; column++) {
      const start = ((row - first) * columns + column) * inner;
      if (outFirst) visit(start, base + column, row);
      else visit(start, row, base + column);
    }
  }
}

/** Multiplies rows of the weight in place by a factor per channel of one side. */
export function scaleChannels(
  layer: LinearLayer,
  values: Float32Array,
  side: "input" | "output",
  factors: ArrayLike<number>,
  first = 0,
): void {
  const { inner } = layer;
  forEachChannelPair(
    layer,
    values,
    (start, input, output) => {
      const factor = factors[side === "input" ? input : output] ?? 1;
      for (let i = start; i < start + inner; i++) values[i] = (values[i] ?? 0) * factor;
    },
    first,
  );
}

/**
 * Adds to `sums`, by output, what a constant input vector gives there, where no padding is:
 * Σ W·shift over inputs and kernel, of some rows of the weight.
 */
export function addResponse(
  layer: LinearLayer,
  values: Float32Array,
  shift: ArrayLike<number>,
  sums: Float64Array,
  first = 0,
): void {
  const { inner } = layer;
  forEachChannelPair(
    layer,
    values,
    (start, input, output) => {
      let sum = 0;
      for (let i = start; i < start + inner; i++) sum += values[i] ?? 0;
      sums[output] = (sums[output] ?? 0) + sum * (shift[input] ?? 0);
    },
    first,
  );
}

/** The bias as one value per output channel, Gemm's beta applied; zeros where there is none. */
export function fullBias(layer: LinearLayer, values: Float32Array | null): Float64Array {
  const { outChannels, beta } = layer;
  return Float64Array.from({ length: outChannels }, (_, i) => {
    const value = values ? (values.length === 1 ? values[0] : values[i]) : 0;
    return beta * (value ?? 0);
  });
}
