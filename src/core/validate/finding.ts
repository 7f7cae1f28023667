/** What is wrong with a model, where, and what would be right. */
import { nodeKey, nodeLabel, type Graph, type GraphNode, type GraphPath } from "../model.ts";

export interface Finding {
  /** Of a closed list, for scripts: "missing-input", "duplicate-name" … */
  readonly code: string;
  /**
   * "error": by the ONNX specification this is no model. "type": the graph is well-formed, but types
   * or shapes contradict each other, which only shape inference sees. "warning": a model all the same.
   */
  readonly severity: "error" | "type" | "warning";
  readonly place: Place;
  /** What is wrong, with name and value. */
  readonly message: string;
  /** What would be right. */
  readonly fix: string;
}

export interface Place {
  readonly graph: GraphPath;
  /** "domain.name" of the function whose body this is in, with ":overload" where it has one. */
  readonly inFunction: string | null;
  /** The graph of `training_info` that this is in: "algorithm 1". */
  readonly inTraining: string | null;
  /** The key that a node is known by inside its graph, and the name it is called by. */
  readonly node: string | null;
  readonly label: string | null;
  readonly op: string | null;
  /** The value or initializer it is about. */
  readonly value: string | null;
}

export const NOWHERE: Place = {
  graph: [],
  inFunction: null,
  inTraining: null,
  node: null,
  label: null,
  op: null,
  value: null,
};

export const inGraph = (graph: Graph, inFunction: string | null, value: string | null): Place => ({
  ...NOWHERE,
  graph: graph.path,
  inFunction,
  value,
});

export const atNode = (
  path: GraphPath,
  inFunction: string | null,
  node: GraphNode,
  value: string | null = null,
): Place => ({
  graph: path,
  inFunction,
  inTraining: null,
  node: nodeKey(node),
  label: nodeLabel(path, node),
  op: node.op,
  value,
});

/** Takes findings in the order in which they are made. */
export type Report = (
  severity: Finding["severity"],
  code: string,
  place: Place,
  message: string,
  fix: string,
) => void;
