/**
 * Pairs of layers between which channels may be rescaled without a change of the result, and how far
 * their weights are from balance.
 */
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
  nodeLabel,
  type Graph,
  type GraphNode,
  type Model,
} from "../../../core/model.ts";
import { scopeOf } from "../../../core/scope.ts";
import { inferShapes } from "../../../core/shapeInference.ts";
import type { Skip } from "../../../shared/report.ts";
import { clipRefusal, type ClipBetween, type ClipMode } from "./clips.ts";
import { pairMaxima, rangesOf } from "./pairMaxima.ts";

/** A layer of a chain, with the bias that an Add behind it holds. */
export interface ChainLayer {
  readonly layer: LinearLayer;
  readonly added: { readonly node: GraphNode; readonly bias: StoredConstant } | null;
  /** Operators on the way to the next layer; none for the last. */
  readonly between: readonly GraphNode[];
  readonly clips: readonly ClipBetween[];
}

/** Layers one after the other; between each two lies nothing that a factor per channel does not pass. */
export interface Chain {
  /** Label of the first layer. */
  readonly name: string;
  readonly layers: readonly ChainLayer[];
}

/** f(x·s) = f(x)·s for every s > 0, channel by channel. */
const PASSES = new Set(["Relu", "LeakyRelu", "PRelu", "Identity", "Dropout"]);
const POOLS = new Set(["MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"]);

/** All chains of the model, main graph first; of every layer that starts no pair the reason. */
export function findChains(
  model: Model,
  clip: ClipMode = "keep",
): {
  readonly chains: readonly Chain[];
  readonly skipped: readonly Skip[];
} {
  const chains: Chain[] = [];
  const skipped: Skip[] = [];
  for (const graph of model.graphs.values()) {
    const usable = new Map<string, LinearLayer>();
    for (const node of graph.nodes) {
      if (!isLinearOp(node)) continue;
      const layer = usableLayer(model, graph, node);
      if (typeof layer === "string")
        skipped.push({ name: nodeLabel(graph.path, node), reason: layer });
      else usable.set(nodeKey(node), layer);
    }
    const next = new Map<string, Link>();
    for (const [key, layer] of usable) {
      const link = followed(model, graph, layer, usable, clip);
      if (typeof link === "string")
        skipped.push({ name: nodeLabel(graph.path, layer.node), reason: link });
      else next.set(key, link);
    }
    const second = new Set([...next.values()].map(({ to }) => nodeKey(to.node)));
    for (const [key, layer] of usable) {
      if (second.has(key) || !next.has(key)) continue;
      const layers: ChainLayer[] = [];
      let at: LinearLayer | undefined = layer;
      while (at) {
        const link: Link | undefined = next.get(nodeKey(at.node));
        const { added = null, between = [], clips = [] } = link ?? {};
        layers.push({ layer: at, added, between, clips });
        at = link?.to;
      }
      chains.push({ name: nodeLabel(graph.path, layer.node), layers });
    }
  }
  return { chains, skipped };
}

interface Link extends Pick<ChainLayer, "added" | "between" | "clips"> {
  readonly to: LinearLayer;
}

function usableLayer(model: Model, graph: Graph, node: GraphNode): LinearLayer | string {
  const layer = linearLayer(model, graph.path, node);
  if (typeof layer === "string") return layer;
  const { dtype } = layer.weight.tensor;
  if (dtype.name !== "float32")
    return `its weight is ${dtype.name}, which factors would round anew`;
  const scope = scopeOf(model);
  const uses = usesOfConstant(scope, layer.weight);
  if (uses > 1) return `its weight is used ${uses} times, and a factor would change all of them`;
  const shared = layer.bias ? usesOfConstant(scope, layer.bias) : 0;
  return shared > 1 ? `its bias is used ${shared} times` : layer;
}

/** The layer that takes a layer's result, channel by channel; else the reason why there is none. */
function followed(
  model: Model,
  graph: Graph,
  from: LinearLayer,
  usable: ReadonlyMap<string, LinearLayer>,
  clip: ClipMode,
): Link | string {
  const scope = scopeOf(model);
  const convolution = from.op === "Conv" || from.op === "ConvTranspose";
  /** Where the channels are: the second dimension of images, else the last. */
  let side: "second" | "last" = convolution ? "second" : "last";
  let added: ChainLayer["added"] = null;
  const between: GraphNode[] = [];
  const clips: ClipBetween[] = [];
  let name = nodeKey(from.node);
  for (let steps = 0; steps < 16; steps++) {
    const uses = scope.uses(graph.path, name);
    const [use] = uses;
    if (!use || uses.length > 1)
      return uses.length === 0
        ? "nothing uses its result"
        : `its result goes to ${uses.length} places`;
    const { node } = use;
    if (!node) return "its result is an output of the graph";
    if (graphKey(use.graph.path) !== graphKey(graph.path)) return "its result is used in a branch";
    if (isLinearOp(node)) {
      if (use.input !== 0) return `its result is no left operand of ${node.op}`;
      const to = usable.get(nodeKey(node));
      if (!to) return `the weights of the ${node.op} after it cannot be changed`;
      return fits(from, to, side) ?? { to, added, between, clips };
    }
    const standard = node.domain === "" || node.domain === "ai.onnx";
    if (!standard) return `${node.domain}.${node.op} follows it`;
    if (node.op === "BatchNormalization")
      return "BatchNormalization follows it: fold it first (graph.foldBatchNorm)";
    if (node.op === "Clip") {
      const refusal = clipRefusal(model, graph.path, node, clip);
      if (refusal !== null) return refusal;
      if (convolution !== (side === "second"))
        return "Clip follows it behind flattening, where a channel is several features";
      const spatial = convolution ? from.weight.tensor.shape.length - 2 : 0;
      const shape = [from.outChannels, ...new Array<number>(spatial).fill(1)];
      clips.push({ path: graph.path, node, shape });
    } else if (node.op === "Add" && !convolution && !added && side === "last") {
      const bias = addedBias(model, graph, node, use.input, from.outChannels);
      if (typeof bias === "string") return bias;
      added = { node, bias };
    } else if (node.op === "Flatten" || node.op === "Reshape") {
      if (side === "last" || !isFlattening(model, graph, node))
        return `${node.op} follows it, and does not keep channels together`;
      side = "last";
    } else if (!PASSES.has(node.op) && !(POOLS.has(node.op) && side === "second"))
      return `${node.op} follows it, which a factor per channel does not pass`;
    if (use.input !== 0 && node.op !== "Add") return `its result is a parameter of ${node.op}`;
    between.push(node);
    name = nodeKey(node);
  }
  return "too many operators follow it before the next layer";
}

/** Null when the next layer's inputs are the channels, each as one or as several features. */
function fits(from: LinearLayer, to: LinearLayer, side: "second" | "last"): string | null {
  const convolution = to.op === "Conv" || to.op === "ConvTranspose";
  if (convolution !== (side === "second")) return `the ${to.op} after it works along another axis`;
  const trans = to.node.attrs["transA"];
  if (trans?.kind === "int" && trans.value === 1) return "the Gemm after it transposes its result";
  const each = to.inChannels / from.outChannels;
  return Number.isInteger(each) && (each === 1 || !convolution)
    ? null
    : `the ${to.op} after it takes ${to.inChannels} channels, not ${from.outChannels}`;
}

function addedBias(
  model: Model,
  graph: Graph,
  node: GraphNode,
  input: number,
  channels: number,
): StoredConstant | string {
  const found = storedConstant(model, graph.path, node.inputs[1 - input] ?? "", "addend");
  if (typeof found === "string") return "Add follows it, with no constant: branches meet there";
  const { shape } = found.tensor;
  if (!found.own) return "Add follows it, with a constant that is used elsewhere too";
  return shape.at(-1) === channels && shape.slice(0, -1).every((dim) => dim === 1)
    ? found
    : "Add follows it, with a constant that is not one value per channel";
}

/** [N, C, …] → [N, C·…], so that features of one channel lie side by side. */
function isFlattening(model: Model, graph: Graph, node: GraphNode): boolean {
  if (node.op === "Flatten") {
    const axis = node.attrs["axis"];
    return axis?.kind !== "int" || axis.value === 1;
  }
  const shapes = inferShapes(model);
  const before = shapes.shapeOf(graph.path, node.inputs[0] ?? "");
  const after = shapes.shapeOf(graph.path, nodeKey(node));
  return before !== null && after?.length === 2 && after[0] !== null && after[0] === before[0];
}

/** √(r1/r2) where both are ordinary numbers; a channel without weights on one side stays. */
export const balance = (first: number, second: number): number => {
  const ratio = Math.sqrt(first / second);
  return ratio > 0 && Number.isFinite(ratio) ? ratio : 1;
};

/** How far a pair of layers is from balance. */
export interface Imbalance {
  /** Label of the first layer. */
  readonly name: string;
  /**
   * Largest distance of a channel's factor from the middle one, in octaves: with per-tensor ranges
   * that many bits of resolution are lost for that channel.
   */
  readonly octaves: number;
}

/**
 * From here on equalization is worth it. Trained networks as found: at most 1.94 in resnet8,
 * mobilenet, lenet, SqueezeNet and a face detector, 3.57 in a super-resolution network; resnet8 with
 * channels scaled by 2^-5 to 2^5 has 5.5 to 6.3 and falls from 80.3 to 20.6 % in 8 bits per tensor
 * (80.6 % once equalized).
 */
export const UNBALANCED_OCTAVES = 3;

/** The imbalance between every two layers that could be equalized, from weights alone. */
export async function imbalance(model: Model, ctx: WorkContext): Promise<readonly Imbalance[]> {
  const out: Imbalance[] = [];
  for (const { layers } of findChains(model).chains)
    for (const [i, { layer }] of layers.slice(0, -1).entries()) {
      const next = layers[i + 1]?.layer;
      if (!next) continue;
      const channels = layer.outChannels;
      const r1 = await rangesOf(layer, pairMaxima(layer, ctx), "output", channels);
      const r2 = await rangesOf(next, pairMaxima(next, ctx), "input", channels);
      out.push({ name: nodeLabel(layer.path, layer.node), octaves: spread(r1, r2) });
    }
  return out;
}

function spread(first: Float64Array, second: Float64Array): number {
  const octaves = Array.from(first, (r1, i) => Math.log2(balance(r1, second[i] ?? 0)));
  const sorted = [...octaves].sort((a, b) => a - b);
  const middle = sorted[sorted.length >> 1] ?? 0;
  return Math.max(0, ...octaves.map((x) => Math.abs(x - middle)));
}
