/**
 * Every operator between QuantizeLinear and DequantizeLinear, as accelerators want it that have no
 * float units to go back to: constants are codes too, products give codes, and what is left float is
 * named.
 */
import {
  isOverridable,
  MAIN,
  mainGraph,
  nodeLabel,
  type GraphNode,
  type Model,
} from "../../../core/model.ts";
import { scopeOf, type ScopeIndex } from "../../../core/scope.ts";
import { inferShapes, type ShapeTable } from "../../../core/shapeInference.ts";
import { formatShape } from "../../../shared/format.ts";
import type { Skip } from "../../../shared/report.ts";
import { activationAfter, bare, type Layer } from "./layer.ts";
import { SHARING } from "./layers.ts";
import { weightLike, sourceOf } from "../../../core/weightSource.ts";

/** Besides those of `SHARING`: the codes that come out are some of those that go in. */
const MOVING: ReadonlySet<string> = new Set([
  ...SHARING,
  "DepthToSpace",
  "Expand",
  "Slice",
  "SpaceToDepth",
  "Tile",
]);

/** Which inputs are values; the others are sizes, axes and limits and stay as they are. Null: all. */
const TAKES = new Map<string, readonly number[] | null>([
  ...["Add", "Sub", "Mul", "Div", "Min", "Max", "Sum", "Mean", "PRelu", "MatMul", "Concat"].map(
    (op) => [op, null] as const,
  ),
  ...["LayerNormalization", "InstanceNormalization"].map((op) => [op, null] as const),
  ["Where", [1, 2]],
  ["Pow", [0, 1]],
  ...[
    ...MOVING,
    "Abs",
    "AveragePool",
    "Ceil",
    "Clip",
    "Cos",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gather",
    "Gelu",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "HardSigmoid",
    "HardSwish",
    "LRN",
    "LeakyRelu",
    "Log",
    "LogSoftmax",
    "LpNormalization",
    "Neg",
    "Pad",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceSum",
    "Relu",
    "Resize",
    "Sigmoid",
    "Sin",
    "Softmax",
    "Softplus",
    "Sqrt",
    "Tanh",
    "Upsample",
  ].map((op) => [op, [0]] as const),
]);

/** What makes no values of its own, or makes them from integers. */
const NO_VALUES: ReadonlySet<string> = new Set([
  "Cast",
  "Constant",
  "ConstantOfShape",
  "DequantizeLinear",
  "QuantizeLinear",
  "Range",
]);

/** Why a model has no shapes that an accelerator can compile; null when it does. */
export function openShape(model: Model): Skip | null {
  const graph = mainGraph(model);
  const shapes = inferShapes(model);
  for (const name of graph.inputs) {
    if (graph.tensors.has(name)) continue;
    const shape = shapes.shapeOf(MAIN, name);
    if (shape?.every((dim) => typeof dim === "number")) continue;
    const found = shape === null ? "no known shape" : `the shape ${formatShape(shape)}`;
    return {
      name: "the model",
      reason: `QNN compiles static shapes only, and the input "${name}" has ${found}: export the model with every size as a number`,
    };
  }
  return null;
}

/**
 * The structural layers with everything between them.
 * @param found what `findLayers` gives
 */
export function withEverything(
  model: Model,
  found: { readonly layers: readonly Layer[]; readonly skipped: readonly Skip[] },
): { readonly layers: readonly Layer[]; readonly skipped: readonly Skip[] } {
  const scope = scopeOf(model);
  const shapes = inferShapes(model);
  const own = new Map(
    found.layers
      .filter(({ weight, kind }) => weight && kind !== "embedding")
      .map((l) => [l.node, l]),
  );
  const claimed = new Set(
    [...own.values()].flatMap(({ affine, activation }) => [
      ...affine,
      ...(activation ? [activation] : []),
    ]),
  );
  const layers: Layer[] = [];
  const skipped = [...found.skipped];
  const named = new Set(skipped.map(({ name }) => name));
  for (const node of mainGraph(model).nodes) {
    if (claimed.has(node)) continue;
    const layer = own.get(node);
    const result = layer ? { ...layer, rounds: true } : operator(model, scope, shapes, node);
    const name = nodeLabel(MAIN, node);
    const reason = typeof result === "string" ? result : result && openValue(shapes, result);
    if (reason) {
      if (!named.has(name)) skipped.push({ name, reason });
    } else if (result && typeof result !== "string") {
      layers.push(result);
      if (result.activation) claimed.add(result.activation);
    }
  }
  return { layers, skipped };
}

/** A layer, the reason why the operator stays float, or null where there is nothing to round. */
function operator(
  model: Model,
  scope: ScopeIndex,
  shapes: ShapeTable,
  node: GraphNode,
): Layer | string | null {
  if (NO_VALUES.has(node.op)) return null;
  const isFloat = (name: string): boolean => shapes.dtypeOf(MAIN, name)?.name === "float32";
  const [output = "", ...more] = node.outputs;
  if (!isFloat(output)) return null;
  if (node.domain !== "" && node.domain !== "ai.onnx")
    return `${node.domain}.${node.op} has no form in standard operators`;
  const taken = TAKES.get(node.op);
  if (taken === undefined) return `${node.op} has no integer form known here`;
  if (more.some((name) => name !== "")) return `${node.op} has several results`;
  const values = node.inputs.filter(
    (name, i) => name !== "" && (taken === null || taken.includes(i)) && isFloat(name),
  );
  const constants = values.filter((name) => scope.constant(MAIN, name) !== null);
  const inputs = [...new Set(values.filter((name) => scope.constant(MAIN, name) === null))];
  const held = constants.find((name) => isOverridable(model, mainGraph(model), name));
  if (held !== undefined)
    return `its constant "${held}" is also a graph input, so a caller may replace it (graph.clean can fix it)`;
  // Gather and Where make values of constants, by what their other inputs say.
  const steered = node.inputs.some((name) => name !== "" && scope.constant(MAIN, name) === null);
  if (!steered) return null;
  if (inputs.length > 0 && inputs.every((name) => isCoded(scope, name)))
    return "already quantized (DequantizeLinear)";
  const computed = node.op === "Gather" && sourceOf(scope, MAIN, values[0] ?? "");
  if (computed && constants.length === 0 && weightLike(computed.tensor))
    return "its table is transposed in the graph";
  const kind = MOVING.has(node.op) ? "share" : node.op === "MatMul" ? "product" : "op";
  const activation = kind === "share" ? null : activationAfter(scope, output);
  return {
    ...bare(node, kind, inputs, null),
    constants,
    activation,
    output: activation?.outputs[0] ?? output,
    rounds: true,
  };
}

const isCoded = (scope: ScopeIndex, name: string): boolean => {
  const maker = scope.define(MAIN, name);
  return maker?.kind === "node" && maker.node.op === "DequantizeLinear";
};

function openValue(shapes: ShapeTable, { inputs, output }: Layer): string | null {
  for (const name of [...inputs, output]) {
    const shape = shapes.shapeOf(MAIN, name);
    if (!shape?.every((dim) => typeof dim === "number"))
      return `the shape of "${name}" is not known before it runs, and QNN compiles static shapes only`;
  }
  return null;
}

/** What is left when some values stay float: all that does not touch them; products give float there. */
export const withoutFloat = (
  layers: readonly Layer[],
  float: ReadonlySet<string>,
): readonly Layer[] =>
  layers.flatMap((layer) => {
    if (layer.weight)
      return [{ ...layer, rounds: !float.has(layer.output) || layer.kind === "conv" }];
    return [...layer.inputs, layer.output].some((name) => float.has(name)) ? [] : [layer];
  });
