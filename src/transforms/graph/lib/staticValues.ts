/**
 * Integer values that follow from shapes alone, whatever the inputs hold: Shape of a value of fixed
 * size, and the arithmetic that exporters build on it.
 */
import type { Graph, GraphNode, GraphPath, Model } from "../../../core/model.ts";
import { scopeOf, isOutput } from "../../../core/scope.ts";
import type { Dtype } from "../../../shared/dtype.ts";
import { isStandard, numbersOf, provenShapes } from "./facts.ts";

export interface StaticValue {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}
export interface StaticValues {
  readonly path: GraphPath;
  /** All of these become unnecessary. */
  readonly remove: readonly GraphNode[];
  /** Those of their outputs that other nodes use. */
  readonly values: readonly StaticValue[];
}

export function findStaticValues(model: Model): readonly StaticValues[] {
  if (model.irVersion < 4) return [];
  return [...model.graphs.values()].flatMap((graph) => {
    const known = new Map<GraphNode, StaticValue>();
    for (const node of graph.nodes) {
      const value = staticValue(model, graph, node);
      if (value) known.set(node, value);
    }
    if (known.size === 0) return [];
    const values = [...known.values()].filter(({ name }) =>
      scopeOf(model)
        .uses(graph.path, name)
        .some((use) => use.node === null || !known.has(use.node)),
    );
    return [{ path: graph.path, remove: [...known.keys()], values }];
  });
}

function staticValue(model: Model, graph: Graph, node: GraphNode): StaticValue | null {
  const [name = "", ...others] = node.outputs;
  if (!isStandard(node) || node.op === "Constant" || name === "" || others.length > 0) return null;
  if (Object.values(node.attrs).some((attr) => attr.kind === "graph")) return null;
  const shapes = provenShapes(model);
  const type = shapes.dtypeOf(graph.path, name);
  const shape = numbersOf(shapes.shapeOf(graph.path, name));
  const elements = numbersOf(shapes.elementsOf(graph.path, name));
  if (!type || !shape || !elements || isOutput(model, graph.path, name)) return null;
  const bytes = integerBytes(type, elements);
  return bytes && { name, dtype: type, shape, bytes };
}

/** Null for types other than 32- and 64-bit integers, and for values that a number cannot hold. */
function integerBytes(type: Dtype, elements: readonly number[]): Uint8Array | null {
  if (!elements.every((x) => Number.isSafeInteger(x))) return null;
  if (type.name === "int64") return new Uint8Array(BigInt64Array.from(elements, BigInt).buffer);
  if (type.name === "int32") return new Uint8Array(Int32Array.from(elements).buffer);
  return null;
}
