/** Where in a model a statistic is measured: the value to take out, and how its rows are cut. */
import { nodeKey, type Dim, type Graph, type GraphNode, type Model } from "../../core/model.ts";
import { scopeOf } from "../../core/scope.ts";
import { inferShapes } from "../../core/shapeInference.ts";
import type { Place } from "../../core/statistics.ts";
import { engineErrors } from "../../shared/errors.ts";
import { hostData } from "../../shared/hostTensor.ts";

/** Sliding window of a convolution over [N, C, spatial…], its spatial axes filled up to three. */
export interface Window {
  readonly groups: number;
  readonly spatial: number;
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Explicit begin and end per axis; or how they follow from the input's size. */
  readonly pads: readonly number[] | "SAME_UPPER" | "SAME_LOWER";
}

export type View =
  | { readonly kind: "axis"; /** Negative: from the end. */ readonly axis: number }
  | { readonly kind: "window"; readonly window: Window };

export interface Source {
  /** A value of the main graph. */
  readonly value: string;
  readonly view: View;
  /** The axis of its channels, for ranges per channel. */
  readonly channelAxis: number;
}

const nodesByKey = new WeakMap<Graph, ReadonlyMap<string, GraphNode>>();
function nodeAt(graph: Graph, key: string): GraphNode | undefined {
  let known = nodesByKey.get(graph);
  if (!known)
    nodesByKey.set(graph, (known = new Map(graph.nodes.map((node) => [nodeKey(node), node]))));
  return known.get(key);
}

/** @throws EngineError `unmeasured` with the reason */
export function sourceOf(model: Model, place: Place): Source {
  const label = place.kind === "use" ? place.node : place.name;
  const refuse = (reason: string): never => {
    throw engineErrors.unmeasured(label, reason);
  };
  const graph = model.graphs.get(JSON.stringify(place.graph));
  if (!graph) return refuse("the model has no such graph");
  if (place.kind === "value") {
    const value = capturable(model, graph, place.name, refuse);
    return {
      value,
      view: { kind: "axis", axis: place.axis },
      channelAxis: place.axis,
    };
  }
  const node = nodeAt(graph, place.node);
  if (!node) return refuse("the model has no such node");
  const name = node.inputs[place.input] ?? "";
  if (name === "") return refuse(`${node.op} has no input ${place.input}`);
  const value = capturable(model, graph, name, refuse);
  const shape = inferShapes(model).shapeOf(graph.path, name);
  return { value, ...viewOf(model, graph, node, place.input, shape, refuse) };
}

function capturable(
  model: Model,
  graph: Graph,
  name: string,
  refuse: (reason: string) => never,
): string {
  const scope = scopeOf(model);
  const definition = scope.define(graph.path, name);
  if (definition === null) return refuse(`the graph has no value "${name}"`);
  if (definition.kind === "tensor" || scope.constant(graph.path, name) !== null)
    return refuse(`"${name}" is a constant`);
  const { path } = definition.graph;
  if (path.length > 0)
    return refuse(`"${name}" is computed inside a subgraph, at ${path.join("/")}`);
  const kind = definition.graph.values.get(name)?.type ?? "tensor";
  if (kind !== "tensor") return refuse(`"${name}" is no tensor but ${kind}`);
  const type = inferShapes(model).dtypeOf(path, name);
  if (type !== null && (type.kind === "string" || hostData(type.name, 0) === null))
    return refuse(`values of type ${type.name} cannot be taken out of onnxruntime`);
  return name;
}

const CONVOLUTIONS = new Set(["Conv", "FusedConv"]);
const PRODUCTS = new Set(["MatMul", "MatMulNBits", "FusedMatMul"]);
const CODES = new Set(["QLinearConv", "ConvInteger", "QLinearMatMul", "MatMulInteger", "QGemm"]);
const GEMMS = new Set(["Gemm", "FusedGemm"]);
const RECURRENT = new Set(["LSTM", "GRU", "RNN", "DynamicQuantizeLSTM"]);

function viewOf(
  model: Model,
  graph: Graph,
  node: GraphNode,
  input: number,
  shape: readonly Dim[] | null,
  refuse: (reason: string) => never,
): Omit<Source, "value"> {
  const axis = (at: number): Omit<Source, "value"> => ({
    view: { kind: "axis", axis: at },
    channelAxis: at,
  });
  if (node.op === "ConvTranspose") return refuse("ConvTranspose multiplies no matrix of patches");
  if (CODES.has(node.op)) return refuse(`${node.op} takes codes in, not values`);
  if (CONVOLUTIONS.has(node.op) && input === 0) {
    const weight = inferShapes(model).shapeOf(graph.path, node.inputs[1] ?? "");
    const window = windowOf(node, weight, refuse);
    return { view: { kind: "window", window }, channelAxis: 1 };
  }
  if (PRODUCTS.has(node.op) && input <= 1) {
    const transposed = flag(node, input === 0 ? "transA" : "transB");
    return axis((input === 0) === transposed ? -2 : -1);
  }
  if (GEMMS.has(node.op) && input <= 1) {
    const transposed = flag(node, input === 0 ? "transA" : "transB");
    return axis((input === 0) === transposed ? 0 : 1);
  }
  if (RECURRENT.has(node.op)) return axis(-1);
  // Without a known rank: an axis of 1 where there are three, which only the values will show.
  return axis(shape === null || shape.length >= 3 ? 1 : -1);
}

const flag = (node: GraphNode, name: string): boolean => {
  const attr = node.attrs[name];
  return attr?.kind === "int" && attr.value === 1;
};
const ints = (node: GraphNode, name: string): readonly number[] | null => {
  const attr = node.attrs[name];
  return attr?.kind === "ints" ? attr.value : null;
};

function windowOf(
  node: GraphNode,
  weight: readonly Dim[] | null,
  refuse: (reason: string) => never,
): Window {
  const kernel = ints(node, "kernel_shape") ?? weight?.slice(2) ?? null;
  if (!kernel?.every((size) => typeof size === "number"))
    return refuse("the size of its kernel is not known");
  const spatial = kernel.length;
  if (spatial < 1 || spatial > 3) return refuse(`its kernel has ${spatial} dimensions`);
  const group = node.attrs["group"];
  const auto = node.attrs["auto_pad"];
  const mode = auto?.kind === "string" ? auto.value : "NOTSET";
  const front = <T>(list: readonly T[], fill: T): T[] => [
    ...Array<T>(3 - spatial).fill(fill),
    ...list,
  ];
  const given = ints(node, "pads") ?? Array<number>(2 * spatial).fill(0);
  const explicit =
    mode === "VALID"
      ? Array<number>(6).fill(0)
      : [...front(given.slice(0, spatial), 0), ...front(given.slice(spatial), 0)];
  return {
    groups: group?.kind === "int" ? group.value : 1,
    spatial,
    kernel: front(kernel, 1),
    strides: front(ints(node, "strides") ?? Array<number>(spatial).fill(1), 1),
    dilations: front(ints(node, "dilations") ?? Array<number>(spatial).fill(1), 1),
    pads: mode === "SAME_UPPER" || mode === "SAME_LOWER" ? mode : explicit,
  };
}
