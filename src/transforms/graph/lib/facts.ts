/** What several clean-up passes ask of a model. */
import {
  graphKey,
  isOverridable,
  nodeKey,
  type Graph,
  type GraphNode,
  type GraphPath,
  type Model,
} from "../../../core/model.ts";
import { inferShapes, type ShapeTable } from "../../../core/shapeInference.ts";

export const isStandard = (node: GraphNode): boolean =>
  node.domain === "" || node.domain === "ai.onnx";

export const opsetOf = (model: Model): number =>
  model.opsets.get("") ?? model.opsets.get("ai.onnx") ?? 1;

/** Operators that give different values for the same inputs. */
export const NOT_REPEATABLE: ReadonlySet<string> = new Set([
  "RandomNormal",
  "RandomNormalLike",
  "RandomUniform",
  "RandomUniformLike",
  "Multinomial",
  "Bernoulli",
  "Dropout",
]);

const tables = new WeakMap<Model, ShapeTable>();
/**
 * Shapes that follow from the graph inputs and constants alone: what a file declares about values
 * in between may be wrong, and here outputs must stay exactly the same. A default that callers may
 * replace is an input like any other.
 */
export function provenShapes(model: Model): ShapeTable {
  let table = tables.get(model);
  if (!table) {
    const graphs = new Map(
      [...model.graphs].map(([key, graph]) => {
        const values = new Map([...graph.values].filter(([name]) => graph.inputs.includes(name)));
        const tensors = new Map(
          [...graph.tensors].filter(([name]) => !isOverridable(model, graph, name)),
        );
        return [key, { ...graph, values, tensors }];
      }),
    );
    tables.set(model, (table = inferShapes({ ...model, graphs })));
  }
  return table;
}

/** The numbers of a shape, or null when some dimension is not known. */
export function numbersOf(shape: readonly unknown[] | null): readonly number[] | null {
  return shape?.every((dim): dim is number => typeof dim === "number") === true ? shape : null;
}

/** Nodes and what replaces their outputs, in one graph. */
export interface Removal {
  readonly path: GraphPath;
  readonly remove: readonly GraphNode[];
  readonly rewire: readonly (readonly [from: string, to: string])[];
  /** Values that take the name of what a removed node made of them: an output of the graph. */
  readonly rename?: readonly (readonly [from: string, to: string])[];
}

/** "Cast 3, Identity 21": operators by count. */
export function countOps(nodes: readonly GraphNode[]): string {
  const counts = new Map<string, number>();
  for (const { op } of nodes) counts.set(op, (counts.get(op) ?? 0) + 1);
  return [...counts]
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .map(([op, count]) => `${op} ${count}`)
    .join(", ");
}

/** The graph that a path leads to in this state of the model; null once its node is gone. */
export const graphIfPresent = (model: Model, path: GraphPath): Graph | null =>
  model.graphs.get(graphKey(path)) ?? null;

export const nodeKeys = (nodes: readonly GraphNode[]): string[] => nodes.map(nodeKey);
