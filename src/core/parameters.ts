/** What counts as a parameter of a model, before and after quantization. */
import { type Graph, type GraphNode, type Model } from "./model.ts";
import { scopeOf, type Use } from "./scope.ts";
import { tensorTable, type TensorEntry } from "./tensorTable.ts";
import { elementCount } from "../shared/dtype.ts";

/** Where each quantized operator takes codes, and the scales and zero points that belong to them. */
interface Quantized {
  readonly codes: readonly number[];
  readonly scaling: readonly number[];
}
const QUANTIZED: Readonly<Record<string, Quantized>> = {
  DequantizeLinear: { codes: [0], scaling: [1, 2] },
  QuantizeLinear: { codes: [], scaling: [1, 2] },
  QLinearConv: { codes: [0, 3], scaling: [1, 2, 4, 5, 6, 7] },
  QLinearMatMul: { codes: [0, 3], scaling: [1, 2, 4, 5, 6, 7] },
  QGemm: { codes: [0, 3], scaling: [1, 2, 4, 5, 7, 8] },
  ConvInteger: { codes: [0, 1], scaling: [2, 3] },
  MatMulInteger: { codes: [0, 1], scaling: [2, 3] },
  MatMulIntegerToFloat: { codes: [0, 1], scaling: [2, 3, 4, 5] },
  DynamicQuantizeMatMul: { codes: [1], scaling: [2, 3] },
  MatMulNBits: { codes: [1], scaling: [2, 3, 4] },
  GatherBlockQuantized: { codes: [0], scaling: [2, 3] },
};

const roleOf = ({ node, input }: Use): "codes" | "scaling" | "other" => {
  const roles = node && Object.hasOwn(QUANTIZED, node.op) ? QUANTIZED[node.op] : undefined;
  if (roles?.codes.includes(input)) return "codes";
  return roles?.scaling.includes(input) ? "scaling" : "other";
};

/** Codes per byte of the 8-bit tensor that `MatMulNBits` reads as packed codes; null otherwise. */
export function packedBits(model: Model, graph: Graph, name: string): 2 | 4 | null {
  for (const use of scopeOf(model).uses(graph.path, name)) {
    const bits = use.node?.op === "MatMulNBits" && use.input === 1 ? intOf(use.node, "bits", 4) : 8;
    if (bits === 4 || bits === 2) return bits;
  }
  return null;
}

const intOf = (node: GraphNode, attr: string, fallback: number): number => {
  const found = node.attrs[attr];
  return found?.kind === "int" ? found.value : fallback;
};

/**
 * Parameters of a model, such that quantizing the weights leaves the number as it is:
 * - elements of every floating-point initializer, and of every floating-point Constant with more
 *   than one element, except scales and zero points of quantized operators;
 * - elements of integer tensors that quantized operators read as codes (for `MatMulNBits` N·K, not
 *   the padded packed bytes);
 * - in a file without a graph, elements of all floating-point tensors and of 8-bit and smaller
 *   integers. Integers of 16 bits and more are shapes, indices or ids, and never count.
 */
export function countParameters(model: Model): number {
  return tensorTable(model).entries.reduce((sum, entry) => sum + parametersOf(model, entry), 0);
}

/** What one tensor adds to the parameters. */
export function parametersOf(model: Model, { graph, name, tensor, node }: TensorEntry): number {
  const count = elementCount(tensor.shape);
  const { kind, bits } = tensor.dtype;
  if (model.format === "safetensors")
    return kind === "float" || (bits <= 8 && (kind === "int" || kind === "uint")) ? count : 0;
  if (node && (node.op !== "Constant" || count <= 1)) return 0;
  const uses = scopeOf(model).uses(graph.path, name);
  // A tensor may have a million uses, and one tells enough.
  if (kind === "float")
    return uses.length > 0 && uses.every((use) => roleOf(use) === "scaling") ? 0 : count;
  const codes = uses.find((use) => roleOf(use) === "codes");
  if (!codes?.node || (kind !== "int" && kind !== "uint")) return 0;
  if (codes.node.op === "MatMulNBits") return intOf(codes.node, "N", 0) * intOf(codes.node, "K", 0);
  return count;
}

/** Operators of this list say that a model is quantized already. */
export const isQuantizedOp = (op: string): boolean =>
  Object.hasOwn(QUANTIZED, op) || op.startsWith("QLinear") || op === "DynamicQuantizeLSTM";
