/** One node: its attributes, and its inputs and outputs with element type and shape. */
import {
  enclosingPaths,
  graphKey,
  nodeKey,
  nodeLabel,
  type Attribute,
  type Graph,
  type GraphNode,
  type GraphPath,
  type Model,
} from "../../core/model.ts";
import { scopeOf } from "../../core/scope.ts";
import { inferShapes } from "../../core/shapeInference.ts";
import { tensorId, tensorTable } from "../../core/tensorTable.ts";
import { usageErrors } from "../../shared/errors.ts";
import type { IoView, NodeView, Params, Queries, TensorRow } from "../../shared/protocol.ts";
import { formatShape } from "../../shared/format.ts";
import type { Task } from "../../shared/task.ts";
import type { EngineEnv, Materialized } from "../env.ts";
import { clip, fitting, ioView } from "./answer.ts";
import { opName } from "./nodes.ts";
import { tensorRow } from "./tensorRow.ts";

/** Characters of one attribute's value: lists of thousands of numbers occur. */
const MAX_ATTRIBUTE_CHARS = 2000;

export async function node(
  { doc, graph: graphId, key }: Params<Queries, "node">,
  env: EngineEnv,
  task: Task,
): Promise<NodeView> {
  const state = await env.open(doc, task);
  const graph = state.model.graphs.get(graphId);
  const found = graph?.nodes.find((candidate) => nodeKey(candidate) === key);
  if (!graph || !found) throw usageErrors.unknownNode(doc.base.path, key);
  const shapes = inferShapes(state.model);
  const view = (name: string): IoView =>
    ioView(shapes, graph.path, name, declaration(state.model, graph.path, name));
  return {
    label: nodeLabel(graph.path, found),
    op: opName(found),
    domain: found.domain,
    inputs: fitting(found.inputs.filter((name) => name !== "").map(view)),
    outputs: fitting(found.outputs.filter((name) => name !== "").map(view)),
    attributes: fitting(
      Object.entries(found.attrs).map(([name, attribute]) => ({
        name,
        value: clip(attributeText(attribute), MAX_ATTRIBUTE_CHARS),
      })),
    ),
    tensors: fitting(constantsOf(state, graph, found)),
    change: nodeChange(state, graphId, key, found),
  };
}

function declaration(
  model: Model,
  path: GraphPath,
  name: string,
): ReturnType<Graph["values"]["get"]> {
  for (const scope of enclosingPaths(path)) {
    const found = model.graphs.get(graphKey(scope))?.values.get(name);
    if (found) return found;
  }
  return undefined;
}

/** Initializers and Constant nodes among the inputs, and tensors in the node's own attributes. */
function* constantsOf(state: Materialized, graph: Graph, node: GraphNode): Iterable<TensorRow> {
  const table = tensorTable(state.model);
  const seen = new Set<string>();
  for (const name of node.inputs) {
    const source = name === "" ? null : scopeOf(state.model).constant(graph.path, name);
    if (!source) continue;
    const id = graphKey(source.graph.path);
    const entry = table.get(tensorId(id, source.node ? nodeKey(source.node) : source.tensor.name));
    if (!entry || seen.has(entry.id)) continue;
    seen.add(entry.id);
    yield tensorRow(state, entry);
  }
  for (const entry of table.entries) if (entry.node === node) yield tensorRow(state, entry);
}

function nodeChange(
  state: Materialized,
  graphId: string,
  key: string,
  node: GraphNode,
): "new" | "replaced" | null {
  if (state.model === state.base) return null;
  const before = state.base.graphs
    .get(graphId)
    ?.nodes.find((candidate) => nodeKey(candidate) === key);
  if (!before) return "new";
  return before === node ? null : "replaced";
}

export function attributeText(attribute: Attribute): string {
  switch (attribute.kind) {
    case "int":
    case "float":
      return String(attribute.value);
    case "string":
      return attribute.value;
    case "ints":
    case "floats":
      return `[${attribute.value.join(", ")}]`;
    case "strings":
      return `[${attribute.value.map((text) => JSON.stringify(text)).join(", ")}]`;
    case "tensor":
      return `${attribute.value.dtype.name} ${formatShape(attribute.value.shape)}`;
    case "graph":
      return "a subgraph";
    case "opaque":
      return attribute.type;
  }
}
