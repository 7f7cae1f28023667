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
  type Attribute,
  type Dim,
  type ElementType,
  type FunctionInfo,
  type Graph,
  type GraphNode,
  type GraphPath,
  type Model,
  type Tensor,
  type Value,
} from "./model.ts";
import { functionName, functionsOf } from "./functions.ts";
import { ruleFor } from "./shapes/registry.ts";
import {
  elementsOf,
  infoOfType,
  UNKNOWN,
  value,
  type Info,
  type RuleContext,
} from "./shapes/rule.ts";

export interface ShapeTable {
  /** All that is known of `name`, of sequences and optionals too. */
  infoOf(path: GraphPath, name: string): Info;
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
  /** What is known of an input of the main graph beyond its declaration: its elements, say. */
  readonly given?: (input: string) => Info | null;
  /** Ignores what the file declares of anything but inputs, so that only the rules speak. */
  readonly onlyRules?: boolean;
  /** Hears what cannot be: a node that fails whatever its data, a declaration that is not so. */
  readonly report?: (contradiction: Contradiction) => void;
}

export interface Contradiction {
  readonly path: GraphPath;
  /** Null for a graph input or initializer. */
  readonly node: GraphNode | null;
  /** The function whose body has the node. */
  readonly inFunction: string | null;
  readonly what:
    | { readonly kind: "node"; readonly text: string }
    | {
        readonly kind: "declared";
        readonly name: string;
        readonly inferred: Info;
        readonly declared: Value;
      };
}

/** Deeper nesting than any real model; a body that is its own ancestor must not recurse forever. */
const MAX_DEPTH = 64;

const tables = new WeakMap<Model, ShapeTable>();

/** Linear in the number of nodes; the answer without options is kept for as long as the model lives. */
export function inferShapes(model: Model, options?: InferOptions): ShapeTable {
  if (options) return infer(model, options);
  let table = tables.get(model);
  if (!table) tables.set(model, (table = infer(model, {})));
  return table;
}

const MAIN_KEY = graphKey(MAIN);
type Infos = Map<string, Map<string, Info>>;

/** One inference under way, of a model or of the body of a function that is called. */
interface Run {
  readonly graphs: Model["graphs"];
  readonly opsets: Model["opsets"];
  readonly functionOf: (node: GraphNode) => FunctionInfo | undefined;
  readonly infos: Infos;
  readonly options: InferOptions;
  readonly budget: Budget;
  readonly call: Call | null;
}
interface Budget {
  /** Node visits left: loops inside loops are entered again and again until their shapes settle. */
  visitsLeft: number;
}
/** Where a function is called from: what its references to attributes stand for. */
interface Call {
  readonly name: string;
  readonly attrs: GraphNode["attrs"];
  readonly depth: number;
}

function infer(model: Model, options: InferOptions): ShapeTable {
  const infos: Infos = new Map();
  const nodes = [...model.graphs.values()].reduce((sum, graph) => sum + graph.nodes.length, 0);
  const inFunctions = model.functions.reduce((sum, f) => sum + f.nodes, 0);
  const run: Run = {
    graphs: model.graphs,
    opsets: model.opsets,
    functionOf: functionsOf(model),
    infos,
    options,
    // Three turns settle an ordinary loop; 64 visits per node leave room for three such levels.
    budget: { visitsLeft: 64 * (nodes + inFunctions) + 1000 },
    call: null,
  };
  inferGraph(run, MAIN, null, 0);
  // Bodies of operators without a rule are still worth what they declare and what follows from it.
  for (const { path } of model.graphs.values())
    if (!infos.has(graphKey(path))) inferGraph(run, path, null, path.length / 2);
  const find = (path: GraphPath, name: string): Info => lookUp(infos, path, name);
  return {
    infoOf: find,
    shapeOf: (path, name) => find(path, name).shape,
    dtypeOf: (path, name) => find(path, name).dtype,
    elementsOf: (path, name) => find(path, name).data,
  };
}

function lookUp(infos: Infos, path: GraphPath, name: string): Info {
  if (name === "") return UNKNOWN;
  if (path.length === 0) return infos.get(MAIN_KEY)?.get(name) ?? UNKNOWN;
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
  const { infos, options, budget } = run;
  const graph = run.graphs.get(graphKey(path));
  if (!graph || depth > MAX_DEPTH || budget.visitsLeft < 0) return null;
  budget.visitsLeft -= graph.nodes.length;
  const known = new Map<string, Info>();
  infos.set(graphKey(path), known);
  const isMain = path === MAIN && run.call === null;
  const put = (name: string, info: Info, isInput: boolean, node: GraphNode | null): void => {
    const declared = graph.values.get(name);
    if (declared && options.report && !isMeant(info, declared))
      options.report({
        path,
        node,
        inFunction: run.call?.name ?? null,
        what: { kind: "declared", name, inferred: info, declared },
      });
    known.set(
      name,
      complete(
        info,
        isInput || !options.onlyRules ? declared : undefined,
        options,
        isMain && isInput,
      ),
    );
  };
  graph.inputs.forEach((name, i) => {
    const given = inputs?.[i] ?? (isMain ? options.given?.(name) : null) ?? UNKNOWN;
    put(name, given, true, null);
  });
  // An initializer listed as an input is a default: its elements may be others, its type is declared.
  for (const [name, tensor] of graph.tensors) put(name, tensorInfo(tensor), true, null);
  for (const node of graph.nodes) {
    const outputs = applyRule(run, graph, node, depth);
    node.outputs.forEach((name, i) => {
      if (name !== "") put(name, outputs[i] ?? UNKNOWN, false, node);
    });
  }
  return graph.outputs.map((name) => lookUp(infos, path, name));
}

/** A declaration may know more or less than what is inferred, but nothing else. Symbols may be renamed. */
function isMeant(info: Info, declared: ElementType): boolean {
  if (info.dtype !== null && declared.type !== "tensor" && declared.type !== "sparse_tensor")
    return false;
  if (info.holds && declared.dtype !== null) return false;
  if (info.holds && declared.element && declared.type !== info.holds.kind) return false;
  if (info.holds && declared.element) return isMeant(info.holds.of, declared.element);
  if (info.dtype !== null && declared.dtype !== null && info.dtype !== declared.dtype) return false;
  if (info.shape === null || declared.shape === null) return true;
  return (
    info.shape.length === declared.shape.length &&
    info.shape.every((dim, i) => {
      const other = declared.shape?.[i] ?? null;
      return typeof dim !== "number" || typeof other !== "number" || dim === other;
    })
  );
}

/** Inferred facts win; where there are none the file's declaration counts. */
function complete(
  info: Info,
  declared: Value | undefined,
  options: InferOptions,
  isInput: boolean,
): Info {
  if (!declared || info.holds) return info;
  if (declared.type !== "tensor")
    return info.dtype === null && info.shape === null ? infoOfType(declared) : info;
  const dims = declared.shape?.map((dim): Dim => {
    if (typeof dim === "number" && dim >= 0) return dim;
    const symbol = typeof dim === "string" && dim !== "" ? dim : null;
    if (!options.bind) return symbol;
    // An inner symbol may stand for an expression that binding would get wrong.
    return isInput ? options.bind(symbol) : null;
  });
  const usable = dims ?? null;
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

function applyRule(run: Run, graph: Graph, found: GraphNode, depth: number): readonly Info[] {
  const node = run.call ? resolved(found, run.call.attrs) : found;
  const body = run.functionOf(node);
  if (body) return callFunction(run, graph, node, body, depth);
  const rule = ruleFor(node.domain, node.op);
  if (!rule) return [];
  return rule(new NodeView(run, graph, found, node, depth));
}

/** What a rule asks of one node. A class: of a million nodes, closures for each took half a second. */
class NodeView implements RuleContext {
  readonly node: GraphNode;
  readonly #run: Run;
  readonly #graph: Graph;
  /** As the file has it, before a call's attributes were put in. */
  readonly #found: GraphNode;
  readonly #depth: number;

  constructor(run: Run, graph: Graph, found: GraphNode, node: GraphNode, depth: number) {
    this.node = node;
    this.#run = run;
    this.#graph = graph;
    this.#found = found;
    this.#depth = depth;
  }
  get opset(): number {
    const { domain } = this.node;
    return this.#run.opsets.get(domain === "ai.onnx" ? "" : domain) ?? 1;
  }
  get inputCount(): number {
    return this.node.inputs.length;
  }
  input(index: number): Info {
    return lookUp(this.#run.infos, this.#graph.path, this.node.inputs[index] ?? "");
  }
  has(index: number): boolean {
    return (this.node.inputs[index] ?? "") !== "";
  }
  int(name: string, fallback: number): number {
    const found = this.#attr(name);
    return found?.kind === "int" ? found.value : fallback;
  }
  ints(name: string): readonly number[] | null {
    const found = this.#attr(name);
    return found?.kind === "ints" ? found.value : null;
  }
  floats(name: string): readonly number[] | null {
    const found = this.#attr(name);
    if (found?.kind === "float") return [found.value];
    return found?.kind === "floats" ? found.value : null;
  }
  text(name: string, fallback: string): string {
    const found = this.#attr(name);
    return found?.kind === "string" ? found.value : fallback;
  }
  constant(name: string): Info | null {
    const found = this.#attr(name);
    return found?.kind === "tensor" ? tensorInfo(found.value) : null;
  }
  body(name: string, inputs: readonly Info[]): readonly Info[] | null {
    const found = this.#attr(name);
    if (found?.kind !== "graph") return null;
    const takes = this.#run.graphs.get(graphKey(found.path))?.inputs.length ?? 0;
    if (takes !== inputs.length)
      this.problem(`The body in "${name}" takes ${takes} inputs, and it gets ${inputs.length}.`);
    return inferGraph(this.#run, found.path, inputs, this.#depth + 1);
  }
  problem(text: string): void {
    this.#run.options.report?.({
      path: this.#graph.path,
      node: this.#found,
      inFunction: this.#run.call?.name ?? null,
      what: { kind: "node", text },
    });
  }
  #attr(name: string): GraphNode["attrs"][string] | undefined {
    return Object.hasOwn(this.node.attrs, name) ? this.node.attrs[name] : undefined;
  }
}

/** The node with the attributes that its references stand for; one that the call leaves out is absent. */
function resolved(node: GraphNode, given: GraphNode["attrs"]): GraphNode {
  const entries = Object.entries(node.attrs);
  if (!entries.some(([, attr]) => attr.kind === "opaque" && attr.refersTo !== undefined))
    return node;
  const attrs = entries.flatMap(([name, attr]): [string, Attribute][] => {
    if (attr.kind !== "opaque" || attr.refersTo === undefined) return [[name, attr]];
    const meant = Object.hasOwn(given, attr.refersTo) ? given[attr.refersTo] : undefined;
    return meant ? [[name, meant]] : [];
  });
  return { ...node, attrs: Object.fromEntries(attrs) };
}

/** The outputs of a model's own function, from its body with the inputs and attributes of this call. */
function callFunction(
  run: Run,
  graph: Graph,
  node: GraphNode,
  body: FunctionInfo,
  depth: number,
): readonly Info[] {
  const call: Call = {
    name: functionName(body),
    attrs: { ...body.defaults, ...node.attrs },
    depth: (run.call?.depth ?? 0) + 1,
  };
  if (call.depth > MAX_DEPTH) return [];
  const inner: Run = {
    ...run,
    graphs: body.graphs,
    opsets: body.opsets,
    infos: new Map(),
    call,
  };
  const inputs = node.inputs.map((name) => lookUp(run.infos, graph.path, name));
  return inferGraph(inner, MAIN, inputs, depth + 1) ?? [];
}
