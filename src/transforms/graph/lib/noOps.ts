/** Nodes that give their input on unchanged: Identity, Cast to the same type, Dropout at inference … */
import type { Graph, GraphNode, Model } from "../../../core/model.ts";
import { scopeOf, isOutput } from "../../../core/scope.ts";
import { isStandard, numbersOf, opsetOf, provenShapes, type Removal } from "./facts.ts";

export function findNoOps(model: Model): readonly Removal[] {
  return [...model.graphs.values()].flatMap((graph) => {
    const remove: GraphNode[] = [];
    const same = new Map<string, string>();
    for (const node of graph.nodes) {
      const output = node.outputs[0] ?? "";
      const input = node.inputs[0] ?? "";
      if (input === "" || output === "" || !isNoOp(model, graph, node)) continue;
      // A graph's output keeps its name, so the node that gives it stays.
      if (isOutput(model, graph.path, output)) continue;
      remove.push(node);
      same.set(output, same.get(input) ?? input);
    }
    return remove.length === 0 ? [] : [{ path: graph.path, remove, rewire: [...same] }];
  });
}

function isNoOp(model: Model, graph: Graph, node: GraphNode): boolean {
  if (!isStandard(node)) return false;
  const rule = RULES[node.op];
  return rule !== undefined && rule(model, graph, node);
}

type Rule = (model: Model, graph: Graph, node: GraphNode) => boolean;

/** Only the shape could change, and it is known to stay; the values keep their order. */
const sameShape: Rule = (model, graph, node) => {
  const shapes = provenShapes(model);
  const before = numbersOf(shapes.shapeOf(graph.path, node.inputs[0] ?? ""));
  const after = numbersOf(shapes.shapeOf(graph.path, node.outputs[0] ?? ""));
  return before !== null && after !== null && before.join() === after.join();
};
const single: Rule = (_model, _graph, node) => node.inputs.length === 1;

const RULES: Readonly<Record<string, Rule>> = {
  Identity: () => true,
  Concat: single,
  Sum: single,
  Max: single,
  Min: single,
  Mean: single,
  Reshape: sameShape,
  Expand: sameShape,
  Flatten: sameShape,
  Squeeze: sameShape,
  Cast: (model, graph, node) => {
    const to = node.attrs["to"];
    const from = provenShapes(model).dtypeOf(graph.path, node.inputs[0] ?? "");
    return to?.kind === "int" && from !== null && from.onnx === to.value;
  },
  Transpose: (_model, _graph, node) => {
    const perm = node.attrs["perm"];
    return perm?.kind === "ints" && perm.value.every((axis, i) => axis === i);
  },
  Dropout: (model, graph, node) => {
    const mask = node.outputs[1] ?? "";
    if (mask !== "" && scopeOf(model).uses(graph.path, mask).length > 0) return false;
    const opset = opsetOf(model);
    if (opset < 7) {
      const isTest = node.attrs["is_test"];
      return isTest?.kind === "int" && isTest.value === 1;
    }
    const training = node.inputs[2] ?? "";
    if (opset < 12 || training === "") return true;
    const known = scopeOf(model).constant(graph.path, training)?.tensor.at;
    return known instanceof Uint8Array && known[0] === 0;
  },
};
