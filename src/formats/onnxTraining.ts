/** The graphs of `training_info`, which a Model does not show. */
import { graphKey, MAIN, type Graph, type Model } from "../core/model.ts";
import type { TrainingGraph, TrainingInfo } from "../core/validate/index.ts";
import { originOf, type ModelOrigin } from "./onnxOrigin.ts";
import type { GraphProto, StringStringEntryProto } from "./onnx_pb.ts";
import { readGraph } from "./onnxRead.ts";

/** Read when it is asked for. @throws FormatError for tensors of which data is missing or out of place */
export function trainingOf(model: Model): TrainingInfo[] {
  const origin = originOf(model, "onnx model");
  if (!origin) return [];
  return origin.skeleton.message.trainingInfo.map((info, i) => ({
    number: i + 1,
    initialization: readPart(origin, info.initialization, info.initializationBinding),
    algorithm: readPart(origin, info.algorithm, info.updateBinding),
  }));
}

/** Nodes of its graphs, and how many initializers each sets; reads no tensor. */
export function trainingSizes(
  model: Model,
): { readonly initialization: Size; readonly algorithm: Size }[] {
  const infos = originOf(model, "onnx model")?.skeleton.message.trainingInfo ?? [];
  const size = (graph: GraphProto | undefined, bindings: readonly unknown[]): Size => ({
    nodes: graph?.node.length ?? 0,
    sets: bindings.length,
  });
  return infos.map((info) => ({
    initialization: size(info.initialization, info.initializationBinding),
    algorithm: size(info.algorithm, info.updateBinding),
  }));
}
interface Size {
  readonly nodes: number;
  readonly sets: number;
}

function readPart(
  { reader }: ModelOrigin,
  message: GraphProto | undefined,
  bindings: readonly StringStringEntryProto[],
): TrainingGraph {
  const graphs = new Map<string, Graph>();
  if (message)
    readGraph({ path: reader.path, tensors: reader, graphs, warnings: [] }, MAIN, message);
  const main = graphs.get(graphKey(MAIN));
  return {
    graphs,
    hidden: main ? hiddenIn(main) : [],
    bindings: bindings.map(({ key, value }) => [key, value] as const),
  };
}

/** Names of initializers that a graph does not show: sparse ones, and those of unknown types. */
export function hiddenIn(graph: Graph): string[] {
  const origin = originOf(graph, "onnx graph");
  if (!origin) return [];
  const sparse = origin.message.sparseInitializer.flatMap(({ values }) => values ?? []);
  return [...sparse, ...origin.unread].map(({ name }) => name);
}
