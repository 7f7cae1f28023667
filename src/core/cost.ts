/**
 * Multiply-accumulates (MACs) of one inference. Convention: 1 MAC = 2 FLOPs; only operators that
 * multiply matrices count, so elementwise work, normalization and pooling are 0. Quantized
 * operators count as their float namesakes.
 */
import { functionsOf } from "./functions.ts";
import type { Skip } from "../shared/report.ts";
import {
  graphKey,
  MAIN,
  nodeLabel,
  type Dim,
  type GraphNode,
  type GraphPath,
  type Model,
} from "./model.ts";
import { inferShapes, type ShapeTable } from "./shapeInference.ts";

export interface NodeCost {
  readonly graph: GraphPath;
  readonly node: GraphNode;
  /** Of one run of its own graph; null where a shape is not known. */
  readonly macs: number | null;
}

export interface ModelCost {
  /** Null when any operator's cost is not known; see `unknown`. */
  readonly macs: number | null;
  /** Every operator that multiplies, in the order of the graphs. */
  readonly nodes: readonly NodeCost[];
  readonly unknown: readonly Skip[];
}

/** The number to use for a symbolic dimension; null for one without a name. */
export type Binding = (symbol: string | null) => number;

const ONE: Binding = () => 1;

/**
 * Cost with symbolic dimensions as `bind` says, 1 by default: one sample, one token. Of an If the
 * dearer branch counts; a Scan or Loop counts its body once per turn.
 */
export function costOf(model: Model, bind: Binding = ONE): ModelCost {
  let table: ShapeTable | null = null;
  const shapes = (): ShapeTable => (table ??= inferShapes(model, { bind }));
  const nodes: NodeCost[] = [];
  const unknown: Skip[] = [];
  const macs = graphCost(
    { model, shapes, functionOf: functionsOf(model), nodes, unknown, open: new Set() },
    MAIN,
  );
  return { macs, nodes, unknown };
}

interface Count {
  readonly model: Model;
  /** Inferred when the first node asks: many graphs, large ones too, multiply nothing. */
  readonly shapes: () => ShapeTable;
  readonly functionOf: ReturnType<typeof functionsOf>;
  readonly nodes: NodeCost[];
  readonly unknown: Skip[];
  /** Graphs being counted: a body that contains itself must not recurse. */
  readonly open: Set<string>;
}

function graphCost(count: Count, path: GraphPath): number | null {
  const key = graphKey(path);
  const graph = count.model.graphs.get(key);
  if (!graph || count.open.has(key)) return null;
  count.open.add(key);
  let total: number | null = 0;
  for (const node of graph.nodes) {
    const cost = nodeCost(count, path, node);
    total = total === null || cost === null ? null : total + cost;
  }
  count.open.delete(key);
  return total;
}

function nodeCost(count: Count, path: GraphPath, node: GraphNode): number | null {
  const fail = (reason: string): null => {
    count.unknown.push({ name: nodeLabel(path, node), reason });
    return null;
  };
  const { domain, op } = node;
  if (!KNOWN_DOMAINS.has(domain)) return fail(`${domain}.${op} is not an operator Lathe knows`);
  if (count.functionOf(node)) return fail(`${op} is a function of the model itself`);
  const body = (attr: string): number | null => {
    const found = node.attrs[attr];
    return found?.kind === "graph" ? graphCost(count, found.path) : null;
  };
  if (op === "If") {
    const branches = [body("then_branch"), body("else_branch")];
    const condition = count.shapes().elementsOf(path, node.inputs[0] ?? "")?.[0];
    if (typeof condition === "number") return branches[condition === 0 ? 1 : 0] ?? null;
    const [yes = null, no = null] = branches;
    return yes === null || no === null ? null : Math.max(yes, no);
  }
  if (op === "Loop" || op === "Scan") {
    const once = body("body");
    if (once === 0 || once === null) return once;
    const turns = op === "Loop" ? loopTurns(count, path, node) : scanTurns(count, path, node);
    return turns === null ? fail("the number of turns is not known") : once * turns;
  }
  const rule = Object.hasOwn(RULES, op) ? RULES[op] : undefined;
  if (!rule) return 0;
  const macs = rule({
    node,
    input: (i) => concrete(count.shapes().shapeOf(path, node.inputs[i] ?? "")),
    output: concrete(count.shapes().shapeOf(path, node.outputs[0] ?? "")),
  });
  count.nodes.push({ graph: path, node, macs });
  return macs ?? fail(`a shape of this ${op} is not known`);
}

const KNOWN_DOMAINS = new Set([
  "",
  "ai.onnx",
  "ai.onnx.ml",
  "com.microsoft",
  "com.microsoft.nchwc",
]);

function loopTurns(count: Count, path: GraphPath, node: GraphNode): number | null {
  const trips = count.shapes().elementsOf(path, node.inputs[0] ?? "")?.[0];
  return typeof trips === "number" ? Math.max(0, trips) : null;
}
function scanTurns(count: Count, path: GraphPath, node: GraphNode): number | null {
  const sequences = node.attrs["num_scan_inputs"];
  if (sequences?.kind !== "int") return null;
  const first = node.inputs.length - sequences.value;
  const shape = count.shapes().shapeOf(path, node.inputs[first] ?? "");
  const axes = node.attrs["scan_input_axes"];
  const turns = shape?.at(axes?.kind === "ints" ? (axes.value[0] ?? 0) : 0);
  return typeof turns === "number" ? turns : null;
}

type Shape = readonly number[];
interface Operands {
  readonly node: GraphNode;
  input(index: number): Shape | null;
  readonly output: Shape | null;
}
type CostRule = (o: Operands) => number | null;

const concrete = (shape: readonly Dim[] | null): Shape | null =>
  shape !== null && shape.every((dim) => typeof dim === "number") ? shape : null;
const product = (shape: Shape): number => shape.reduce((a, b) => a * b, 1);
const int = (node: GraphNode, attr: string, fallback: number): number => {
  const found = node.attrs[attr];
  return found?.kind === "int" ? found.value : fallback;
};

/** Output elements × (C/group · kernel): W is [M, C/group, kernel…]. */
const conv =
  (weight: number): CostRule =>
  ({ input, output }) => {
    const w = input(weight);
    return w && output ? product(output) * product(w.slice(1)) : null;
  };
/** Each input element meets W [C, M/group, kernel…] once per output channel and kernel position. */
const convTranspose: CostRule = ({ input }) => {
  const x = input(0);
  const w = input(1);
  return x && w ? product(x) * product(w.slice(1)) : null;
};
/** Output elements × K, the last axis of A. */
const matmul: CostRule = ({ input, output }) => {
  const k = input(0)?.at(-1);
  return k === undefined || !output ? null : product(output) * k;
};
const gemm: CostRule = ({ node, input, output }) => {
  const k = input(0)?.[int(node, "transA", 0) === 1 ? 0 : 1];
  return k === undefined || !output ? null : product(output) * k;
};
const fusedMatMul: CostRule = ({ node, input, output }) => {
  const k = input(0)?.at(int(node, "transA", 0) === 1 ? -2 : -1);
  return k === undefined || !output ? null : product(output) * k;
};
/** X [seq, batch, in] times W [dirs, gates·hidden, in] and the state times R [dirs, gates·hidden, hidden]. */
const recurrent: CostRule = ({ input }) => {
  const [x, w, r] = [input(0), input(1), input(2)];
  return x && w && r ? (x[0] ?? 1) * (x[1] ?? 1) * (product(w) + product(r)) : null;
};
/** Two operands: one multiply-accumulate per combination of all their letters. */
const einsum: CostRule = ({ node, input }) => {
  const equation = node.attrs["equation"];
  const terms =
    equation?.kind === "string"
      ? (equation.value.replaceAll(" ", "").split("->")[0] ?? "").split(",")
      : [];
  if (terms.length === 1) return 0;
  if (terms.length !== 2 || terms.some((term) => term.includes("."))) return null;
  const sizes = new Map<string, number>();
  for (const [i, term] of terms.entries()) {
    const shape = input(i);
    if (shape?.length !== term.length) return null;
    [...term].forEach((letter, axis) =>
      sizes.set(letter, Math.max(sizes.get(letter) ?? 1, shape[axis] ?? 1)),
    );
  }
  return product([...sizes.values()]);
};
/** Q·Kᵀ and the product with V. Packed [batch, seq, hidden], or [batch, heads, seq, head]. */
const attention: CostRule = ({ node, input }) => {
  const [q, k, v] = [input(0), input(1), input(2)];
  if (!q || !k || !v || q.length !== k.length || q.length < 3) return null;
  const keys = k.at(-2) ?? 0;
  if (q.length === 4) return product(q) * keys + product(q.slice(0, 3)) * keys * (v[3] ?? 0);
  const [heads, kvHeads] = [int(node, "q_num_heads", 1), int(node, "kv_num_heads", 1)];
  const valueWidth = ((v[2] ?? 0) / kvHeads) * heads;
  return product(q) * keys + (q[0] ?? 0) * (q[1] ?? 0) * keys * valueWidth;
};

const RULES: Readonly<Record<string, CostRule>> = {
  Conv: conv(1),
  FusedConv: conv(1),
  ConvInteger: conv(1),
  QLinearConv: conv(3),
  ConvTranspose: convTranspose,
  MatMul: matmul,
  MatMulInteger: matmul,
  MatMulIntegerToFloat: matmul,
  DynamicQuantizeMatMul: matmul,
  QLinearMatMul: matmul,
  MatMulNBits: matmul,
  MatMulBnb4: matmul,
  FusedMatMul: fusedMatMul,
  Gemm: gemm,
  FusedGemm: gemm,
  QGemm: gemm,
  LSTM: recurrent,
  GRU: recurrent,
  RNN: recurrent,
  DynamicQuantizeLSTM: recurrent,
  Einsum: einsum,
  Attention: attention,
  MultiHeadAttention: attention,
  // Known to multiply, with too many forms to count: unknown rather than 0.
  GroupQueryAttention: () => null,
  DeformConv: () => null,
};
