/**
 * A model as techniques see it: immutable, and without any weight in memory.
 *
 * Values are known by name within a graph, as in ONNX itself; a subgraph sees the names of the graphs
 * around it. Outside one Model (recipes, messages, caches) a node is known by its graph's path and
 * the name of its first output, because node names may be empty or repeated.
 */
import type { Dtype } from "../shared/dtype.ts";

/** [] is the main graph; each pair (node key, attribute) leads into a subgraph of If, Loop or Scan. */
export type GraphPath = readonly string[];

const MAIN_KEY = "[]";
/** Asked for with every name that is looked up, and mostly of the main graph. */
export const graphKey = (path: GraphPath): string =>
  path.length === 0 ? MAIN_KEY : JSON.stringify(path);
export const MAIN: GraphPath = [];

/** `length` bytes at `offset` of a file: the model's, its external data, or a scratch file. */
export interface ByteRange {
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

export interface Tensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /**
   * Little-endian packed values; bytes in memory only when small (at most 64 KiB), or when the file
   * stores numbers one by one (`int64_data`). Strings: each as its length (uint32) and its bytes.
   */
  readonly at: ByteRange | Uint8Array;
  /** Size of `at` in bytes. */
  readonly sizeBytes: number;
  /** The message this tensor came from; only `formats/` looks inside. */
  readonly original?: unknown;
}

export type Dim = number | string | null;

export interface Value {
  readonly name: string;
  /** Null where the file does not say. */
  readonly dtype: Dtype | null;
  /** Null where the rank is not known; a dimension is a number, a symbol, or null. */
  readonly shape: readonly Dim[] | null;
  /** "tensor", or what ONNX calls it: "sequence", "map", "optional", "sparse_tensor". */
  readonly type: "tensor" | "sequence" | "map" | "optional" | "sparse_tensor";
  /** What a sequence or an optional holds, where the file says. */
  readonly element?: ElementType;
  /** The message this declaration came from; only `formats/` looks inside. */
  readonly original?: unknown;
}

export type ElementType = Pick<Value, "dtype" | "shape" | "type" | "element">;

export type Attribute =
  | { readonly kind: "int"; readonly value: number }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "ints"; readonly value: readonly number[] }
  | { readonly kind: "floats"; readonly value: readonly number[] }
  | { readonly kind: "strings"; readonly value: readonly string[] }
  | { readonly kind: "tensor"; readonly value: Tensor }
  /** The subgraph's contents are `model.graphs.get(graphKey(path))`. */
  | { readonly kind: "graph"; readonly path: GraphPath }
  /** Types without a reading of ours (lists of tensors or graphs, sparse tensors); kept as found. */
  | {
      readonly kind: "opaque";
      readonly type: string;
      /** Inside a function: the attribute of the calling node that stands here. */
      readonly refersTo?: string;
      /** A type proto. */
      readonly element?: ElementType;
    };

export interface GraphNode {
  readonly name: string;
  readonly op: string;
  /** "" is ai.onnx. */
  readonly domain: string;
  /** Which of the model's own functions of that name is called; absent where it has no overload. */
  readonly overload?: string;
  /** "" marks an omitted optional input or output. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attrs: Readonly<Record<string, Attribute>>;
  /**
   * The message this node came from, kept when the node is edited: the writer takes the fields above
   * from here, attributes whose object is unchanged and everything unknown from the original.
   */
  readonly original?: unknown;
}

export interface Graph {
  readonly path: GraphPath;
  readonly name: string;
  readonly nodes: readonly GraphNode[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** What the file declares about values: graph inputs, outputs and value_info. */
  readonly values: ReadonlyMap<string, Value>;
  /** Initializers by name, in file order. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly original?: unknown;
}

export interface FunctionInfo {
  readonly domain: string;
  readonly name: string;
  /** Tells functions of one name apart (from IR 10 on); "" for the others. */
  readonly overload: string;
  readonly nodes: number;
  /** Names of the attributes a call may set; those with a default are in `defaults`. */
  readonly attributes: readonly string[];
  readonly defaults: Readonly<Record<string, Attribute>>;
  readonly opsets: ReadonlyMap<string, number>;
  /** Its graph at `MAIN`, and the subgraphs inside, by `graphKey`. */
  readonly graphs: ReadonlyMap<string, Graph>;
}

export interface ModelFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly role: "model" | "external" | "shard" | "scratch";
}

export interface Model {
  readonly format: "onnx" | "safetensors";
  /** By `graphKey`; the main graph and every subgraph. A safetensors model has a main graph without nodes. */
  readonly graphs: ReadonlyMap<string, Graph>;
  /** 0 for safetensors. */
  readonly irVersion: number;
  readonly producer: string;
  readonly opsets: ReadonlyMap<string, number>;
  /** `metadata_props` or `__metadata__`. */
  readonly meta: ReadonlyMap<string, string>;
  readonly functions: readonly FunctionInfo[];
  /** What parts that a Model does not show (training information) use of it; absent without such parts. */
  readonly usedElsewhere?: {
    /** Values and initializers of the main graph; some more names may be among them. */
    readonly names: ReadonlySet<string>;
    readonly domains: ReadonlySet<string>;
  };
  readonly files: readonly ModelFile[];
  /** Findings of reading: unknown dtypes, duplicate names, ignored fields. */
  readonly warnings: readonly string[];
  readonly original?: unknown;
}

export function graphAt(model: Model, path: GraphPath): Graph {
  const graph = model.graphs.get(graphKey(path));
  if (!graph) throw new Error(`no graph at ${graphKey(path)}`);
  return graph;
}
export const mainGraph = (model: Model): Graph => graphAt(model, MAIN);

/** The name a node is known by within its graph: its first named output. */
export const nodeKey = (node: GraphNode): string => node.outputs.find((o) => o !== "") ?? node.name;

/** Unit and skip names: the node's own name where it has one, with the way into its subgraph. */
export function nodeLabel(path: GraphPath, node: GraphNode): string {
  const own = node.name === "" ? nodeKey(node) : node.name;
  return path.length === 0 ? own : `${path.join("/")}/${own}`;
}

/** From IR 4 an initializer listed as an input is a default that callers may replace. */
export const isOverridable = (model: Model, graph: Graph, name: string): boolean =>
  model.irVersion >= 4 && inputsOf(graph).has(name);
const inputSets = new WeakMap<Graph, ReadonlySet<string>>();
/** Asked for every initializer, and files of old exporters list each as an input too. */
function inputsOf(graph: Graph): ReadonlySet<string> {
  let names = inputSets.get(graph);
  if (!names) inputSets.set(graph, (names = new Set(graph.inputs)));
  return names;
}

/** Outer graphs first. */
export const graphsOutsideIn = (model: Model): readonly Graph[] =>
  [...model.graphs.values()].sort((a, b) => a.path.length - b.path.length);

/** Graph paths from `path` outwards to the main graph, nearest first: the scopes a name is looked up in. */
export function enclosingPaths(path: GraphPath): GraphPath[] {
  const out: GraphPath[] = [];
  for (let length = path.length; length >= 0; length -= 2) out.push(path.slice(0, length));
  return out;
}

/** Sum of initializer bytes and of constants held in attributes, over all graphs. */
export function tensorsOf(
  model: Model,
): { readonly graph: Graph; readonly tensor: Tensor; readonly node: GraphNode | null }[] {
  const out: { graph: Graph; tensor: Tensor; node: GraphNode | null }[] = [];
  for (const graph of model.graphs.values()) {
    for (const tensor of graph.tensors.values()) out.push({ graph, tensor, node: null });
    for (const node of graph.nodes)
      for (const attr of Object.values(node.attrs))
        if (attr.kind === "tensor") out.push({ graph, tensor: attr.value, node });
  }
  return out;
}
