/** What a BatchNormalization does at inference, and the linear layer it can be folded into. */
import type { WorkContext } from "../../../core/context.ts";
import {
  isLinearOp,
  linearLayer,
  storedConstant,
  usesOfConstant,
  type LinearLayer,
  type StoredConstant,
} from "../../../core/linearLayer.ts";
import {
  graphKey,
  nodeKey,
  type GraphNode,
  type GraphPath,
  type Model,
} from "../../../core/model.ts";
import { scopeOf } from "../../../core/scope.ts";
import { inferShapes } from "../../../core/shapeInference.ts";
import { isStandard, opsetOf } from "./facts.ts";

export interface BatchNorm {
  readonly path: GraphPath;
  readonly node: GraphNode;
  /** Scale, bias, mean and variance, one value per channel each. */
  readonly constants: readonly StoredConstant[];
  readonly epsilon: number;
}

export const isBatchNorm = (node: GraphNode): boolean =>
  node.op === "BatchNormalization" && isStandard(node);

/** A reason in words when it does not compute a fixed scale and shift. */
export function batchNorm(model: Model, path: GraphPath, node: GraphNode): BatchNorm | string {
  const int = (name: string, fallback: number): number => {
    const found = node.attrs[name];
    return found?.kind === "int" ? found.value : fallback;
  };
  if (int("training_mode", 0) === 1 || (opsetOf(model) < 7 && int("is_test", 0) === 0))
    return "it is in training mode: it normalizes by each batch";
  if (int("spatial", 1) === 0) return "it normalizes each position by itself (spatial 0)";
  const scope = scopeOf(model);
  if (node.outputs.slice(1).some((name) => name !== "" && scope.uses(path, name).length > 0))
    return "its statistics are used as outputs";
  const constants: StoredConstant[] = [];
  for (const [i, what] of ["scale", "bias", "mean", "variance"].entries()) {
    const found = storedConstant(model, path, node.inputs[i + 1] ?? "", what);
    if (typeof found === "string") return found;
    constants.push(found);
  }
  const epsilon = node.attrs["epsilon"];
  return { path, node, constants, epsilon: epsilon?.kind === "float" ? epsilon.value : 1e-5 };
}

/** Scale and shift per channel: y = a·x + b. A reason in words where they are no numbers. */
export async function scaleAndShift(
  { constants, epsilon }: BatchNorm,
  ctx: WorkContext,
): Promise<{ readonly scale: Float64Array; readonly shift: Float64Array } | string> {
  const [gain, bias, mean, variance] = await Promise.all(
    constants.map(({ tensor }) => ctx.readF32(tensor)),
  );
  const channels = gain?.length ?? 0;
  const scale = new Float64Array(channels);
  const shift = new Float64Array(channels);
  for (let i = 0; i < channels; i++) {
    const a = (gain?.[i] ?? NaN) / Math.sqrt((variance?.[i] ?? NaN) + epsilon);
    scale[i] = a;
    shift[i] = (bias?.[i] ?? NaN) - (mean?.[i] ?? NaN) * a;
    if (!Number.isFinite(scale[i]) || !Number.isFinite(shift[i]))
      return `channel ${i} is scaled by ${a}, with variance ${variance?.[i]}`;
  }
  return { scale, shift };
}

/** Which layer a BatchNormalization goes into: the one it follows, or the one that follows it. */
export interface Fold {
  readonly layer: LinearLayer;
  readonly side: "behind" | "ahead";
}

/** @param folded layers whose outputs other BatchNormalizations, to be folded before, give under their own names */
export function findFold(
  model: Model,
  { path, node }: BatchNorm,
  folded: ReadonlyMap<string, LinearLayer>,
): Fold | string {
  const behind = layerBehind(model, path, node, folded);
  if (typeof behind !== "string") return { layer: behind, side: "behind" };
  const ahead = layerAhead(model, path, node);
  if (typeof ahead !== "string") return { layer: ahead, side: "ahead" };
  return `${behind}; ${ahead}`;
}

/** The key of a value in one graph, for maps. */
export const valueKey = (path: GraphPath, name: string): string => `${graphKey(path)}\n${name}`;

function layerBehind(
  model: Model,
  path: GraphPath,
  node: GraphNode,
  folded: ReadonlyMap<string, LinearLayer>,
): LinearLayer | string {
  const scope = scopeOf(model);
  const [x = ""] = node.inputs;
  const maker = scope.define(path, x);
  if (maker?.kind !== "node") return "its input is no result of a layer";
  const before = folded.get(valueKey(maker.graph.path, x));
  if (!before && !isLinearOp(maker.node)) return `it follows ${maker.node.op}`;
  if (graphKey(maker.graph.path) !== graphKey(path))
    return `it follows a ${maker.node.op} outside its branch`;
  if (scope.uses(path, x).length > 1)
    return `the result of the ${(before?.node ?? maker.node).op} before it is used elsewhere too`;
  if (before) return before;
  const layer = usable(model, path, maker.node);
  if (typeof layer === "string") return layer;
  // Behind a product of more dimensions the channels are not the columns.
  if (layer.op === "MatMul" && inferShapes(model).shapeOf(path, x)?.length !== 2)
    return "it follows a MatMul whose result is not known to have 2 dimensions";
  return layer;
}

function layerAhead(model: Model, path: GraphPath, node: GraphNode): LinearLayer | string {
  const uses = scopeOf(model).uses(path, nodeKey(node));
  const [use] = uses;
  if (uses.length !== 1 || !use) return `its result is used ${uses.length} times`;
  if (!use.node) return "its result is an output of the graph";
  const { op } = use.node;
  if (!isLinearOp(use.node) || op === "ConvTranspose" || use.input !== 0) return `${op} follows it`;
  if (graphKey(use.graph.path) !== graphKey(path)) return `the ${op} after it is in a branch`;
  const trans = use.node.attrs["transA"];
  if (trans?.kind === "int" && trans.value === 1) return "the Gemm after it transposes its result";
  const layer = usable(model, path, use.node);
  if (typeof layer === "string") return layer;
  if (op === "MatMul" && inferShapes(model).shapeOf(path, nodeKey(node))?.length !== 2)
    return "the MatMul after it is not known to work on 2 dimensions";
  return layer;
}

function usable(model: Model, path: GraphPath, node: GraphNode): LinearLayer | string {
  const layer = linearLayer(model, path, node);
  if (typeof layer === "string") return `of the ${node.op} beside it: ${layer}`;
  const uses = usesOfConstant(scopeOf(model), layer.weight);
  return uses > 1
    ? `the weight of the ${node.op} beside it is used ${uses} times; folding would store it once for each`
    : layer;
}

/** Zeros around a convolution's input, which a shift ahead of it would have to change too. */
export function isPadded({ op, node }: LinearLayer): boolean {
  if (op !== "Conv") return false;
  const auto = node.attrs["auto_pad"];
  if (auto?.kind === "string" && auto.value.startsWith("SAME")) return true;
  const pads = node.attrs["pads"];
  return pads?.kind === "ints" && pads.value.some((pad) => pad !== 0);
}
