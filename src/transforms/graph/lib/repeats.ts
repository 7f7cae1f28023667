/** Nodes that compute what an earlier node of their graph has computed (common subexpressions). */
import type { Attribute, Graph, GraphNode, Model } from "../../../core/model.ts";
import { isOutput } from "../../../core/scope.ts";
import { isStandard, NOT_REPEATABLE, provenShapes, type Removal } from "./facts.ts";

export function findRepeats(model: Model): readonly Removal[] {
  return [...model.graphs.values()].flatMap((graph) => {
    const first = new Map<string, GraphNode>();
    const same = new Map<string, string>();
    const remove: GraphNode[] = [];
    for (const node of graph.nodes) {
      const key = symbolicKey(model, graph, node) ?? keyOf(node, (name) => same.get(name) ?? name);
      if (key === null) continue;
      const earlier = first.get(key);
      if (!earlier) {
        first.set(key, node);
        continue;
      }
      if (node.outputs.some((output) => isOutput(model, graph.path, output))) continue;
      remove.push(node);
      node.outputs.forEach((output, i) => {
        if (output !== "") same.set(output, earlier.outputs[i] ?? "");
      });
    }
    return remove.length === 0 ? [] : [{ path: graph.path, remove, rewire: [...same] }];
  });
}

/**
 * Sizes of dynamic dimensions, by what they are: exporters ask many values of the same size for it.
 * One symbol is one size throughout a model (ONNX), and only those of graph inputs count here.
 */
function symbolicKey(model: Model, graph: Graph, node: GraphNode): string | null {
  const [name = "", ...others] = node.outputs;
  if (!isStandard(node) || others.length > 0 || name === "") return null;
  const shapes = provenShapes(model);
  const elements = shapes.elementsOf(graph.path, name);
  if (!elements?.some((e) => typeof e === "string") || elements.includes(null)) return null;
  const type = shapes.dtypeOf(graph.path, name)?.name;
  return JSON.stringify([type, shapes.shapeOf(graph.path, name), elements]);
}

/** Equal for nodes that give equal values; null for those that cannot be compared. */
function keyOf(node: GraphNode, resolve: (name: string) => string): string | null {
  if (!isStandard(node) || NOT_REPEATABLE.has(node.op)) return null;
  const attrs: string[] = [];
  for (const [name, attr] of Object.entries(node.attrs)) {
    const text = attributeText(attr);
    if (text === null) return null;
    attrs.push(`${name}=${text}`);
  }
  const outputs = node.outputs.map((output) => output !== "");
  return JSON.stringify([node.op, attrs.sort(), node.inputs.map(resolve), outputs]);
}

function attributeText(attr: Attribute): string | null {
  if (attr.kind === "graph" || attr.kind === "opaque") return null;
  if (attr.kind !== "tensor") return `${attr.kind} ${JSON.stringify(attr.value)}`;
  const { dtype, shape, at } = attr.value;
  return at instanceof Uint8Array ? `${dtype.name} ${shape.join()} ${at.join()}` : null;
}
