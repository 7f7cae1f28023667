/**
 * Element type and shape of every value: what the file declares, completed by one rule per operator
 * (src/core/shapes), with the arithmetic that exporters write around Shape evaluated on the way.
 * What cannot be known is null; nothing is guessed.
 */
import { type Dtype } from "../shared/dtype.ts";
import {
  enclosingPaths,
  graphKey,
  MAIN,
  type Dim,
  type Graph,
  type GraphNode,
  type GraphPath,
  type Model,
  type Tensor,
  type Value,
} from "./model.ts";
import { constantRules } from "./shapes/constants.ts";
import { controlRules } from "./shapes/control.ts";
import { convolutionRules } from "./shapes/convolution.ts";
import { elementwiseRules } from "./shapes/elementwise.ts";
import { indexingRules } from "./shapes/indexing.ts";
import { layerRules, microsoftLayerRules } from "./shapes/layers.ts";
import { matrixRules, microsoftMatrixRules } from "./shapes/matrix.ts";
import { reductionRules } from "./shapes/reduction.ts";
import { reshapingRules } from "./shapes/reshaping.ts";
import {
  elementsOf,
  UNKNOWN,
  value,
  type Info,
  type RuleContext,
  type RuleTable,
} from "./shapes/rule.ts";

export interface ShapeTable {
  /** Shape of `name` as seen from the graph at `path`; null where the rank is not known. */
  shapeOf(path: GraphPath, name: string): readonly Dim[] | null;
  dtypeOf(path: GraphPath, name: string): Dtype | null;
  /** Elements of a small value that follow from constants and shapes, row-major; null when not known. */
  elementsOf(path: GraphPath, name: string): readonly Dim[] | null;
}

export interface InferOptions {
  /**
   * The number to use for a symbolic dimension of a graph input (null: one without a name). With it
   * every size that follows is a number, which an expression of symbols may not give.
   */
  readonly bind?: (symbol: string | null) => number | null;
}

/** Deeper nesting than any real model; a body that is its own ancestor must not recurse forever. */
const MAX_DEPTH = 64;

const standard: RuleTable = {
  ...elementwiseRules,
  ...convolutionRules,
  ...matrixRules,
  ...reshapingRules,
  ...indexingRules,
  ...constantRules,
  ...reductionRules,
  ...layerRules,
  ...controlRules,
};
const microsoft: RuleTable = { ...microsoftMatrixRules, ...microsoftLayerRules };
/** Quantized and fused operators keep their float namesakes' rules in onnxruntime's own domain. */
const ruleFor = (node: GraphNode): ((c: RuleContext) => readonly Info[]) | undefined => {
  if (node.domain === "" || node.domain === "ai.onnx") return own(standard, node.op);
  if (node.domain === "com.microsoft") return own(microsoft, node.op) ?? own(standard, node.op);
  return undefined;
};
const own = (table: RuleTable, op: string): RuleTable[string] | undefined =>
  Object.hasOwn(table, op) ? table[op] : undefined;

const tables = new WeakMap<Model, ShapeTable>();

/** Linear in the number of nodes; the answer without options is kept for as long as the model lives. */
export function inferShapes(model: Model, options: InferOptions = {}): ShapeTable {
  if (options.bind) return infer(model, options);
  let table = tables.get(model);
  if (!table) tables.set(model, (table = infer(model, options)));
  return table;
}

type Infos = Map<string, Map<string, Info>>;

/** One inference under way. */
interface Run {
  readonly model: Model;
  readonly infos: Infos;
  readonly options: InferOptions;
  /** Node visits left: loops inside loops are entered again and again until their shapes settle. */
  visitsLeft: number;
}

function infer(model: Model, options: InferOptions): ShapeTable {
  const infos: Infos = new Map();
  const nodes = [...model.graphs.values()].reduce((sum, graph) => sum + graph.nodes.length, 0);
  // Three turns settle an ordinary loop; 64 visits per node leave room for three such levels.
  const run: Run = { model, infos, options, visitsLeft: 64 * nodes + 1000 };
  inferGraph(run, MAIN, null, 0);
  // Bodies of operators without a rule are still worth what they declare and what follows from it.
  for (const { path } of model.graphs.values())
    if (!infos.has(graphKey(path))) inferGraph(run, path, null, path.length / 2);
  const find = (path: GraphPath, name: string): Info => lookUp(infos, path, name);
  return {
    shapeOf: (path, name) => find(path, name).shape,
    dtypeOf: (path, name) => find(path, name).dtype,
    elementsOf: (path, name) => find(path, name).data,
  };
}

function lookUp(infos: Infos, path: GraphPath, name: string): Info {
  if (name === "") return UNKNOWN;
  for (const scope of enclosingPaths(path)) {
    const found = infos.get(graphKey(scope))?.get(name);
    if (found) return found;
  }
  return UNKNOWN;
}

/** Infers one graph, with its inputs given when it is a body that is entered; answers its outputs. */
function inferGraph(
  run: Run,
  path: GraphPath,
  inputs: readonly Info[] | null,
  depth: number,
): readonly Info[] | null {
  const { infos, options } = run;
  const graph = run.model.graphs.get(graphKey(path));
  if (!graph || depth > MAX_DEPTH || run.visitsLeft < 0) return null;
  run.visitsLeft -= graph.nodes.length;
  const known = new Map<string, Info>();
  infos.set(graphKey(path), known);
  graph.inputs.forEach((name, i) =>
    known.set(
      name,
      complete(inputs?.[i] ?? UNKNOWN, graph.values.get(name), options, path === MAIN),
    ),
  );
  for (const [name, tensor] of graph.tensors) known.set(name, tensorInfo(tensor));
  for (const node of graph.nodes) {
    const outputs = applyRule(run, graph, node, depth);
    node.outputs.forEach((name, i) => {
      if (name !== "")
        known.set(name, complete(outputs[i] ?? UNKNOWN, graph.values.get(name), options, false));
    });
  }
  return graph.outputs.map((name) => lookUp(infos, path, name));
}

/** Inferred facts win; where there are none the file's declaration counts. */
function complete(
  info: Info,
  declared: Value | undefined,
  options: InferOptions,
  isInput: boolean,
): Info {
  if (!declared) return info;
  const dims = declared.shape?.map((dim): Dim => {
    if (typeof dim === "number" && dim >= 0) return dim;
    const symbol = typeof dim === "string" && dim !== "" ? dim : null;
    if (!options.bind) return symbol;
    // An inner symbol may stand for an expression that binding would get wrong.
    return isInput ? options.bind(symbol) : null;
  });
  const usable = declared.type === "tensor" ? (dims ?? null) : null;
  const shape =
    info.shape === null
      ? usable
      : info.shape.length === usable?.length
        ? info.shape.map((dim, i) => dim ?? usable[i] ?? null)
        : info.shape;
  return { dtype: info.dtype ?? declared.dtype, shape, data: info.data };
}

const tensorInfo = (tensor: Tensor): Info =>
  value(
    tensor.dtype,
    tensor.shape,
    tensor.at instanceof Uint8Array ? elementsOf(tensor, tensor.at) : null,
  );

function applyRule(run: Run, graph: Graph, node: GraphNode, depth: number): readonly Info[] {
  const rule = ruleFor(node);
  if (!rule) return [];
  const attr = (name: string): GraphNode["attrs"][string] | undefined =>
    Object.hasOwn(node.attrs, name) ? node.attrs[name] : undefined;
  return rule({
    node,
    opset: run.model.opsets.get(node.domain === "ai.onnx" ? "" : node.domain) ?? 1,
    inputCount: node.inputs.length,
    input: (i) => lookUp(run.infos, graph.path, node.inputs[i] ?? ""),
    has: (i) => (node.inputs[i] ?? "") !== "",
    int: (name, fallback) => {
      const found = attr(name);
      return found?.kind === "int" ? found.value : fallback;
    },
    ints: (name) => {
      const found = attr(name);
      return found?.kind === "ints" ? found.value : null;
    },
    floats: (name) => {
      const found = attr(name);
      if (found?.kind === "float") return [found.value];
      return found?.kind === "floats" ? found.value : null;
    },
    text: (name, fallback) => {
      const found = attr(name);
      return found?.kind === "string" ? found.value : fallback;
    },
    constant: (name) => {
      const found = attr(name);
      return found?.kind === "tensor" ? tensorInfo(found.value) : null;
    },
    body: (name, inputs) => {
      const found = attr(name);
      if (found?.kind !== "graph") return null;
      return inferGraph(run, found.path, inputs, depth + 1);
    },
  });
}
