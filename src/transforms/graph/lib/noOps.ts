/** Nodes that give their input on unchanged: Identity, Cast to the same type, Dropout at inference … */
import { isOverridable, type Graph, type GraphNode, type Model } from "../../../core/model.ts";
import { scopeOf, isOutput } from "../../../core/scope.ts";
import { isStandard, numbersOf, opsetOf, provenShapes, type Removal } from "./facts.ts";

export function findNoOps(model: Model): readonly Removal[] {
  return [...model.graphs.values()].flatMap((graph) => {
    const remove: GraphNode[] = [];
    const same = new Map<string, string>();
    const renamed = new Map<string, string>();
    for (const node of graph.nodes) {
      const output = node.outputs[0] ?? "";
      const input = node.inputs[0] ?? "";
      if (input === "" || output === "" || !isNoOp(model, graph, node)) continue;
      const value = same.get(input) ?? input;
      if (isOutput(model, graph.path, output)) {
        // A graph's output keeps its name: what makes the value takes it, or the node stays.
        if (renamed.has(value) || !canBeCalled(model, graph, value, output)) continue;
        renamed.set(value, output);
        remove.push(node);
        continue;
      }
      remove.push(node);
      same.set(output, value);
    }
    if (remove.length === 0) return [];
    return [{ path: graph.path, remove, rewire: [...same], rename: [...renamed] }];
  });
}

/** Made by a node of this graph without bodies (they are known by its name), and no output itself. */
function canBeCalled(model: Model, graph: Graph, value: string, output: string): boolean {
  const scope = scopeOf(model);
  const maker = scope.define(graph.path, value);
  if (maker?.kind !== "node" || maker.graph !== graph) return false;
  if (Object.values(maker.node.attrs).some(({ kind }) => kind === "graph")) return false;
  // An output listed twice, or used by a body inside, needs no second name.
  const ends = scope.uses(graph.path, output).filter((use) => use.node === null);
  return !isOutput(model, graph.path, value) && ends.every((use) => use.graph === graph);
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
/**
 * From 0 in steps of 1 to the end of an axis of known size, or to an end that no size reaches. Starts,
 * ends, axes and steps are inputs since operator set 10, attributes before.
 */
const wholeSlice: Rule = (model, graph, node) => {
  const listOf = (slot: number, attr: string): readonly unknown[] | null => {
    const held = node.attrs[attr];
    if (held?.kind === "ints") return held.value;
    const name = node.inputs[slot] ?? "";
    if (name === "") return null;
    const source = scopeOf(model).constant(graph.path, name);
    if (!source || (!source.node && isOverridable(model, source.graph, source.tensor.name)))
      return null;
    return provenShapes(model).elementsOf(graph.path, name);
  };
  const starts = listOf(1, "starts");
  const ends = listOf(2, "ends");
  const unknown = [3, 4].some((i) => (node.inputs[i] ?? "") !== "" && listOf(i, "") === null);
  if (starts === null || ends === null || unknown) return false;
  if (!starts.every((x) => x === 0) || listOf(4, "steps")?.some((x) => x !== 1) === true)
    return false;
  const shape = provenShapes(model).shapeOf(graph.path, node.inputs[0] ?? "");
  const axes = listOf(3, "axes");
  return ends.every((end, i) => {
    const axis = axes === null ? i : axes[i];
    const size = typeof axis === "number" ? shape?.at(axis) : undefined;
    const least = typeof size === "number" ? size : Number.MAX_SAFE_INTEGER;
    return typeof end === "number" && end >= least;
  });
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
  Slice: wholeSlice,
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
