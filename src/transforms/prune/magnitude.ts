/**
 * Sets the weights of smallest magnitude to zero: a share of every layer, a share of all layers
 * together, or all but N of every M inputs (2:4).
 *
 * This finds out how much sparsity a model bears, and prepares it for hardware and formats that use
 * zeros. It makes nothing faster and the file no smaller: onnxruntime multiplies with zeros as with
 * any number (a file that is compressed shrinks). Embedding tables, biases and normalization stay.
 * Refused by name: weights with NaN, weights also used otherwise, computed weights.
 *
 * Han et al. 2015 (arXiv:1506.02626); Mishra et al. 2021 (arXiv:2104.08378) for N:M.
 */
import type { WorkContext } from "../../core/context.ts";
import {
  isLinearOp,
  linearLayer,
  usesOfConstant,
  type LinearLayer,
} from "../../core/linearLayer.ts";
import { nodeKey, nodeLabel, type Model, type Tensor } from "../../core/model.ts";
import type { Unit } from "../../core/plan.ts";
import { defineTransform } from "../../core/plugin.ts";
import { rowsOf } from "../../core/rows.ts";
import { scopeOf } from "../../core/scope.ts";
import {
  binOf,
  countLower,
  countUpper,
  sizeCounts,
  thresholdOf,
  zeroBelow,
  zeroGroups,
  type Threshold,
} from "../../kernels/prune/magnitude.ts";
import { elementCount } from "../../shared/dtype.ts";
import { choice, number } from "../../shared/params.ts";
import { plural } from "../../shared/format.ts";
import { exactSize, type Skip } from "../../shared/report.ts";

interface WeightUnit extends Unit {
  readonly layer: LinearLayer;
}
/** Global threshold: bits of |w|, and for each unit how many equal ones go; null per layer. */
interface Global {
  readonly bits: number;
  readonly equal: Readonly<Record<string, number>>;
  readonly broken: readonly string[];
  readonly done: boolean;
}

export default defineTransform({
  meta: {
    id: "prune.magnitude",
    title: "Zero small weights",
    summary: "Sets the weights of smallest magnitude to zero, without removing anything.",
    papers: ["arXiv:1506.02626", "arXiv:2104.08378"],
    formats: ["onnx"],
    ops: ["Conv", "ConvTranspose", "Gemm", "MatMul"],
    data: "none",
    cost: "seconds",
    exact: false,
    warnings: [
      "No speed-up on CPU: zeros are multiplied like any number. prune.channels makes models faster.",
      "The file keeps its size; only compressed (zip, gzip) is it smaller.",
    ],
    covers: ["unstructured-pruning", "prune-magnitude", "nm-sparsity"],
    version: 1,
    suffix: "sparse",
    api: 1,
    needsRuntime: false,
    params: {
      sparsity: number({
        title: "Share of zeros",
        help: "Share of the weights that is zero afterwards. Ignored by N:M patterns, which fix it.",
        default: 0.5,
        min: 0.01,
        max: 0.99,
        search: [0.3, 0.5, 0.7],
      }),
      pattern: choice({
        title: "Pattern",
        help: "Any weights of each layer, any weights of all layers together, or all but N of every M inputs of each output.",
        of: ["layer", "global", "2:4", "1:4", "4:8", "2:8"],
        default: "layer",
        search: ["layer", "global", "2:4"],
      }),
    },
  },

  plan(model, { pattern, sparsity }) {
    const units: WeightUnit[] = [];
    const skipped: Skip[] = [];
    for (const [tensor, layers] of layersByWeight(model, skipped)) {
      const [layer] = layers;
      if (!layer) continue;
      const name = nodeLabel(layer.path, layer.node);
      const others = usesOfConstant(scopeOf(model), layer.weight) - layers.length;
      if (others > 0) {
        skipped.push({ name, reason: "its weight is also used otherwise (an embedding table)" });
        continue;
      }
      const zeros = pattern.includes(":")
        ? `${pattern} kept`
        : `${(100 * sparsity).toFixed(0)} % zeros`;
      units.push({
        name,
        layer,
        graph: layer.weight.graph.path,
        nodes: layers.map((one) => one.node),
        tensors: [tensor],
        sizeBefore: tensor.sizeBytes,
        sizeAfter: exactSize(tensor.sizeBytes),
        detail: `[${tensor.shape.join(", ")}], ${zeros}${pattern === "global" ? " of all layers" : ""}`,
      });
    }
    return { units, skipped };
  },

  async prepare(_model, units, { pattern, sparsity }, ctx): Promise<Global | null> {
    if (pattern !== "global") return null;
    const upper = sizeCounts();
    const broken: string[] = [];
    for (const { name, layer } of units) {
      const own = sizeCounts();
      for await (const { values } of pieces(layer, ctx)) countUpper(values, own);
      // A weight that is refused does not count.
      if (own.broken > 0) broken.push(name);
      else {
        own.counts.forEach((n, bin) => (upper.counts[bin] = (upper.counts[bin] ?? 0) + n));
        upper.zeros += own.zeros;
      }
    }
    const total = upper.counts.reduce((a, b) => a + b, 0);
    const count = Math.round(total * sparsity);
    const high = binOf(upper, count);
    const lower = sizeCounts();
    const used = units.filter(({ name }) => !broken.includes(name));
    for (const { layer } of used)
      for await (const { values } of pieces(layer, ctx)) countLower(values, high.bin, lower);
    const low = binOf(lower, count - high.below);
    const { bits, equal } = thresholdOf(high.bin, low.bin, count - high.below - low.below);
    // Equal ones go in the order of the layers.
    let left = equal;
    const shares: Record<string, number> = {};
    for (const { name, layer } of used) {
      let here = 0;
      for await (const { values } of pieces(layer, ctx)) {
        const same = sizeCounts();
        countLower(values, bits >>> 16, same);
        here += same.counts[bits & 0xffff] ?? 0;
      }
      shares[name] = Math.min(left, here);
      left -= shares[name] ?? 0;
    }
    return { bits, equal: shares, broken, done: upper.zeros >= count };
  },

  async apply(tx, unit, { pattern, sparsity }, ctx, global) {
    const { layer, name } = unit;
    const { tensor, node, graph } = layer.weight;
    const counts = sizeCounts();
    for await (const { values } of pieces(layer, ctx)) countUpper(values, counts);
    if (counts.broken > 0)
      return { name, reason: `it has ${counts.broken} NaN or infinite values` };
    const total = elementCount(tensor.shape);
    const already = `${((100 * counts.zeros) / total).toFixed(1)} % of it is zero already`;
    const [keep = 0, of = 0] = pattern.split(":").map(Number);
    let threshold: Threshold | null = null;
    if (global) {
      if (global.done) return { name, reason: already };
      threshold = { bits: global.bits, equal: global.equal[name] ?? 0 };
    } else if (pattern === "layer") {
      const count = Math.round(total * sparsity);
      if (counts.zeros >= count) return { name, reason: already };
      const high = binOf(counts, count);
      const lower = sizeCounts();
      for await (const { values } of pieces(layer, ctx)) countLower(values, high.bin, lower);
      const low = binOf(lower, count - high.below);
      threshold = thresholdOf(high.bin, low.bin, count - high.below - low.below);
    }
    let changed = 0;
    const stored = node ? nodeKey(node) : tensor.name;
    const sparse = async function* (): AsyncGenerator<Uint8Array> {
      for await (const { values, rows } of pieces(layer, ctx, of)) {
        const zerosBefore = values.reduce((sum, x) => sum + (x === 0 ? 1 : 0), 0);
        if (threshold) zeroBelow(values, threshold);
        else zeroInputGroups(layer, values, rows, keep, of);
        changed += values.reduce((sum, x) => sum + (x === 0 ? 1 : 0), 0) - zerosBefore;
        yield ctx.kernels.fromF32(tensor.dtype, values);
      }
    };
    if (node) tx.replaceNodes(graph.path, { remove: [node], insert: [] });
    const { dtype, shape } = tensor;
    await tx.putTensor(graph.path, { name: stored, dtype, shape }, sparse());
    return changed === 0
      ? { name, reason: (counts.zeros > 0 ? null : whyNone(layer, of)) ?? already }
      : undefined;
  },
});

/** Why no weight of a layer without zeros became zero. @param of inputs per group; 0 without groups */
function whyNone({ inChannels, groups }: LinearLayer, of: number): string | null {
  if (!(of > 0)) return "all of its weights are larger than those of other layers, which go first";
  const inputs = inChannels / groups;
  return inputs < of ? `it has ${plural(inputs, "input")}, less than a group of ${of}` : null;
}

/** Linear layers of all graphs by the weight they use. */
function layersByWeight(model: Model, skipped: Skip[]): Map<Tensor, LinearLayer[]> {
  const found = new Map<Tensor, LinearLayer[]>();
  for (const graph of model.graphs.values())
    for (const node of graph.nodes) {
      if (!isLinearOp(node)) continue;
      const layer = linearLayer(model, graph.path, node);
      if (typeof layer === "string") {
        skipped.push({ name: nodeLabel(graph.path, node), reason: layer });
        continue;
      }
      const own = found.get(layer.weight.tensor);
      if (own) own.push(layer);
      else found.set(layer.weight.tensor, [layer]);
    }
  return found;
}

/** The weight in runs of whole rows; a multiple of `multiple` rows each but for the last. */
async function* pieces(
  { weight: { tensor }, rows: all }: LinearLayer,
  ctx: WorkContext,
  multiple = 1,
): AsyncGenerator<{ readonly values: Float32Array; readonly rows: number }> {
  for await (const { from, to, values } of rowsOf(ctx, tensor, Math.max(1, multiple))) {
    yield { values, rows: to - from };
    ctx.progress(to / all);
  }
}

/** N of every M inputs of each output and kernel position. */
function zeroInputGroups(
  { outFirst, columns, inner }: LinearLayer,
  values: Float32Array,
  rows: number,
  keep: number,
  of: number,
): void {
  const perRow = columns * inner;
  const lines = function* (): Generator<number> {
    if (!outFirst) for (let i = 0; i < perRow; i++) yield i;
    else
      for (let row = 0; row < rows; row++) for (let i = 0; i < inner; i++) yield row * perRow + i;
  };
  const line = outFirst ? { length: columns, stride: inner } : { length: rows, stride: perRow };
  zeroGroups(values, lines(), line, keep, of);
}
