/**
 * How a weight is stored, seen from the node that uses it: plain, or as codes that the graph or the
 * operator turns back into numbers. Needed to compare a quantized weight with what it replaced.
 */
import { nodeKey, type GraphNode, type GraphPath, type Model, type Tensor } from "./model.ts";
import { scopeOf } from "./scope.ts";

interface Common {
  /** The weight's values come out as rows and columns swapped. */
  readonly transposed: boolean;
  /** Every tensor the form consists of, codes first. */
  readonly tensors: readonly NamedTensor[];
}
export interface NamedTensor {
  readonly graph: GraphPath;
  /** Initializer's name, or output of the Constant node that holds it. */
  readonly name: string;
  readonly tensor: Tensor;
}

export type WeightForm = Common &
  (
    | { readonly kind: "plain"; readonly values: Tensor }
    /**
     * `MatMulNBits`, and tables of `GatherBlockQuantized`: codes [N, K/block, block·bits/8] with
     * low bits first, scales [N, K/block], zero points packed along K. Gives [N, K].
     */
    | {
        readonly kind: "blocks";
        readonly codes: Tensor;
        readonly scales: Tensor;
        readonly zeroPoints: Tensor | null;
        readonly bits: number;
        readonly block: number;
        readonly n: number;
        readonly k: number;
      }
    /** `DequantizeLinear`: (code − zero point) · scale; per tensor, per slice of `axis`, or per block along it. */
    | {
        readonly kind: "linear";
        readonly codes: Tensor;
        readonly scales: Tensor;
        readonly zeroPoints: Tensor | null;
        readonly axis: number;
        /** 0: not blocked. */
        readonly block: number;
      }
    /** Codes whose scale is applied to the product, elsewhere. */
    | { readonly kind: "codes"; readonly codes: Tensor }
  );

/** Input positions of codes, scale and zero point in operators that dequantize for themselves. */
const FUSED: Readonly<Record<string, readonly Roles[]>> = {
  QLinearConv: [[3, 4, 5]],
  QLinearMatMul: [
    [0, 1, 2],
    [3, 4, 5],
  ],
  QGemm: [[3, 4, 5]],
  DynamicQuantizeMatMul: [[1, 2, 3]],
  MatMulIntegerToFloat: [[1, 3, 5]],
  GatherBlockQuantized: [[0, 2, 3]],
};

const int = (node: GraphNode, attr: string, fallback: number): number => {
  const found = node.attrs[attr];
  return found?.kind === "int" ? found.value : fallback;
};

/** The constant at `name`, under the name it is known by. */
export function constantAt(model: Model, path: GraphPath, name: string): NamedTensor | null {
  const source = name === "" ? null : scopeOf(model).constant(path, name);
  if (!source) return null;
  return {
    graph: source.graph.path,
    name: source.node ? nodeKey(source.node) : source.tensor.name,
    tensor: source.tensor,
  };
}

/** The constant behind input `slot` of a node, in whatever form; null when it is computed from data. */
export function weightForm(
  model: Model,
  path: GraphPath,
  node: GraphNode,
  slot: number,
): WeightForm | null {
  const name = node.inputs[slot] ?? "";
  if (node.op === "MatMulNBits" && slot === 1)
    return blocks(model, path, node, [1, 2, 3], { n: int(node, "N", 0), k: int(node, "K", 0) });
  const roles = Object.hasOwn(FUSED, node.op)
    ? FUSED[node.op]?.find(([codes]) => codes === slot)
    : undefined;
  if (node.op === "GatherBlockQuantized" && roles) return table(model, path, node, roles);
  if (roles) return linear(model, path, node, roles, 0);
  const codes = constantAt(model, path, name);
  if (codes && (node.op === "ConvInteger" || node.op === "MatMulInteger"))
    return { kind: "codes", codes: codes.tensor, transposed: false, tensors: [codes] };
  return valueForm(model, path, name, 8);
}

function valueForm(model: Model, path: GraphPath, name: string, hops: number): WeightForm | null {
  const plain = constantAt(model, path, name);
  if (plain) return { kind: "plain", values: plain.tensor, transposed: false, tensors: [plain] };
  const definition = name === "" ? null : scopeOf(model).define(path, name);
  if (definition?.kind !== "node" || hops === 0) return null;
  const { node, graph } = definition;
  if (node.op === "DequantizeLinear")
    return linear(model, graph.path, node, [0, 1, 2], int(node, "axis", 1));
  const inner = ["Cast", "Identity", "Transpose"].includes(node.op)
    ? valueForm(model, graph.path, node.inputs[0] ?? "", hops - 1)
    : null;
  if (!inner || node.op !== "Transpose") return inner;
  const perm = node.attrs["perm"];
  const order = perm?.kind === "ints" ? perm.value.join() : "1,0";
  return order === "1,0" ? { ...inner, transposed: !inner.transposed } : null;
}

type Roles = readonly [codes: number, scale: number, zero: number];

/** The constants in the given roles; null when one of them is computed. */
function parts(model: Model, path: GraphPath, node: GraphNode, roles: Roles): Parts | null {
  const [codes, scales, zeroPoints] = roles.map((slot) =>
    constantAt(model, path, node.inputs[slot] ?? ""),
  );
  if (!codes || !scales || ((node.inputs[roles[2]] ?? "") !== "" && !zeroPoints)) return null;
  return {
    codes: codes.tensor,
    scales: scales.tensor,
    zeroPoints: zeroPoints?.tensor ?? null,
    transposed: false,
    tensors: [codes, scales, ...(zeroPoints ? [zeroPoints] : [])],
  };
}
type Parts = Common & {
  readonly codes: Tensor;
  readonly scales: Tensor;
  readonly zeroPoints: Tensor | null;
};

function blocks(
  model: Model,
  path: GraphPath,
  node: GraphNode,
  roles: Roles,
  size: { readonly n: number; readonly k: number },
): WeightForm | null {
  const found = parts(model, path, node, roles);
  // A permutation of K (g_idx) is no form that is read here.
  if (!found || (node.op === "MatMulNBits" && (node.inputs[4] ?? "") !== "")) return null;
  return {
    kind: "blocks",
    ...found,
    ...size,
    bits: int(node, "bits", 4),
    block: int(node, "block_size", node.op === "MatMulNBits" ? 32 : 128),
  };
}

/** Codes of 4-bit type have the table's own shape; in uint8 they are packed along the last axis. */
function table(model: Model, path: GraphPath, node: GraphNode, roles: Roles): WeightForm | null {
  const codes = constantAt(model, path, node.inputs[roles[0]] ?? "")?.tensor;
  const axis = int(node, "quantize_axis", 1);
  if (codes?.dtype.bits !== 8) return linear(model, path, node, roles, axis, 128);
  const [n = 0, bytes = 0] = codes.shape;
  const last = axis === 1 || axis === -1;
  if (codes.shape.length !== 2 || !last) return null;
  return blocks(model, path, node, roles, { n, k: (bytes * 8) / int(node, "bits", 4) });
}

function linear(
  model: Model,
  path: GraphPath,
  node: GraphNode,
  roles: Roles,
  axis: number,
  block = 0,
): WeightForm | null {
  const found = parts(model, path, node, roles);
  if (!found) return null;
  return {
    kind: "linear",
    ...found,
    axis: axis < 0 ? axis + found.codes.shape.length : axis,
    block: int(node, "block_size", block),
  };
}
