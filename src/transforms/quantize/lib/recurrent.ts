/** Weights of LSTM as int8 with one scale per gate row, for onnxruntime's DynamicQuantizeLSTM. */
import type { WorkContext } from "../../../core/context.ts";
import { nodeLabel, type GraphNode, type GraphPath, type Model } from "../../../core/model.ts";
import type { Transaction } from "../../../core/plugin.ts";
import { scopeOf } from "../../../core/scope.ts";
import { dtype } from "../../../shared/dtype.ts";
import type { Skip } from "../../../shared/report.ts";
import { gptq } from "../../../kernels/quantize/gptq.ts";
import { fitRowScales } from "../../../kernels/quantize/rowScales.ts";
import type { MatrixF64 } from "../../../shared/kernels.ts";
import { channelScales, encodeChannels } from "./channels.ts";
import { renewed } from "./nodes.ts";
import type { RecurrentMoments } from "./recurrentMoments.ts";
import { putValues, swapped } from "./tables.ts";
import { intAttr } from "../../../core/attributes.ts";
import { sourceOf, weightLike, type WeightSource } from "../../../core/weightSource.ts";

export interface Recurrent {
  readonly sites: readonly { readonly path: GraphPath; readonly node: GraphNode }[];
  /** [dirs, 4·hidden, input] and [dirs, 4·hidden, hidden]. */
  readonly weights: readonly [WeightSource, WeightSource];
}

/** LSTMs by the pair of weights they use, in all graphs; refusals carry the label of their node. */
export function findRecurrent(model: Model): {
  readonly layers: readonly Recurrent[];
  readonly skipped: readonly Skip[];
} {
  const scope = scopeOf(model);
  const found = new Map<string, Recurrent & { sites: Recurrent["sites"][number][] }>();
  const skipped: Skip[] = [];
  for (const { path, nodes } of model.graphs.values())
    for (const node of nodes) {
      if (node.op !== "LSTM" || (node.domain !== "" && node.domain !== "ai.onnx")) continue;
      const sources = [1, 2].map((i) => sourceOf(scope, path, node.inputs[i] ?? ""));
      const [w, r] = sources;
      const reason = refusal(node, sources);
      if (reason !== null || !w || !r) {
        skipped.push({ name: nodeLabel(path, node), reason: reason ?? "it has no weights" });
        continue;
      }
      const key = JSON.stringify([w, r].map(({ graph, name }) => [graph.path, name]));
      const known = found.get(key);
      if (known) known.sites.push({ path, node });
      else found.set(key, { sites: [{ path, node }], weights: [w, r] });
    }
  return { layers: [...found.values()], skipped };
}

function refusal(node: GraphNode, sources: readonly (WeightSource | null)[]): string | null {
  if ((intAttr(node, "layout") ?? 0) !== 0)
    return "layout = 1 has no quantized form in onnxruntime";
  for (const source of sources) {
    if (!source)
      return "its weights are computed by the graph; graph.clean folds constant ones only where that does not enlarge the file";
    const { tensor, transposed } = source;
    if (transposed || tensor.shape.length !== 3)
      return "its weights are not stored as [directions, 4·hidden, input]";
    if (tensor.dtype.name !== "float32") return `its weights are ${tensor.dtype.name}, not float32`;
    if (!weightLike(tensor)) return "its weights are too small to gain from codes";
  }
  return null;
}

export const recurrentBytes = ({ weights }: Recurrent): number =>
  weights.reduce((sum, { tensor }) => {
    const [dirs = 1, gates = 1] = tensor.shape;
    return sum + tensor.sizeBytes / 4 + dirs * gates * (4 + 1);
  }, 0);

/** Null when done, else why not. Weights of known moments are rounded by them, others to nearest. */
export async function writeRecurrent(
  tx: Transaction,
  ctx: WorkContext,
  { sites, weights }: Recurrent,
  moments: RecurrentMoments,
): Promise<string | null> {
  const stored: string[][] = [];
  for (const [i, { tensor, name, graph }] of weights.entries()) {
    const [dirs = 1, gates = 1, inner = 1] = tensor.shape;
    const values = await ctx.readF32(tensor);
    if (!values.every(Number.isFinite)) return `its weight "${name}" has NaN or infinite values`;
    const { codes, scales } = await roundRows(ctx, values, dirs * gates, moments[i] ?? null);
    // The kernel wants [dirs, input, 4·hidden].
    const turned = new Float32Array(codes.length);
    for (let d = 0; d < dirs; d++)
      turned.set(
        swapped(codes.slice(d * gates * inner, (d + 1) * gates * inner), gates, inner),
        d * gates * inner,
      );
    const { path } = graph;
    const base = tx.uniqueName(path, `${name}_q`);
    await putValues(
      tx,
      ctx,
      path,
      { name: base, type: "int8", shape: [dirs, inner, gates] },
      turned,
    );
    const scale = tx.uniqueName(path, `${base}_s`);
    await putValues(tx, ctx, path, { name: scale, type: "float32", shape: [dirs, gates] }, scales);
    const zero = tx.uniqueName(path, `${base}_z`);
    const zeros = new Uint8Array(dirs * gates);
    await tx.putTensor(path, { name: zero, dtype: dtype("int8"), shape: [dirs, gates] }, zeros);
    stored.push([base, scale, zero]);
    await ctx.checkpoint();
  }
  tx.needOpset("com.microsoft", 1);
  const [[w = "", ...wScale] = [], [r = "", ...rScale] = []] = stored;
  for (const { path, node } of sites) {
    const optional = [3, 4, 5, 6, 7].map((i) => node.inputs[i] ?? "");
    tx.replaceNodes(path, {
      remove: [node],
      insert: [
        {
          ...renewed(node),
          op: "DynamicQuantizeLSTM",
          domain: "com.microsoft",
          inputs: [node.inputs[0] ?? "", w, r, ...optional, ...wScale, ...rScale],
        },
      ],
    });
    for (const i of [1, 2]) tx.dropIfUnused(path, node.inputs[i] ?? "");
  }
  return null;
}

/**
 * Damping of GPTQ, relative to the mean of the Gram's diagonal; more than the usual 0.01, since streams
 * are short: 202 frames for 257 inputs. A carried state scatters figures by several dB, so these are
 * means over six sets of scales, 0 to 1.5 % wider: on the half of a recording that was not calibrated
 * on, a denoiser had 27.3 and 24.1 dB to nearest, 29.3 and 26.7 with 0.01, 31.2 and 30.0 with 0.1, 31.5
 * and 30.8 with 0.3.
 */
const DAMPING = 0.1;

/** Symmetric 8-bit codes of [rows, K] with one scale per row, fitted to its values where no data says more. */
async function roundRows(
  ctx: WorkContext,
  values: Float32Array,
  rows: number,
  gram: MatrixF64 | null,
): Promise<{ readonly codes: Int8Array; readonly scales: Float32Array }> {
  const inner = values.length / rows;
  const format = { bits: 8, perChannel: true, reduceRange: false } as const;
  const all = { values, outer: 1, channels: rows, inner, first: 0 };
  const scales = await channelScales(
    () => [all],
    rows,
    format,
    () => 0,
  );
  if (!gram) {
    fitRowScales(values, scales);
    return { codes: encodeChannels(all, scales, format), scales };
  }
  const nearest = { codes: encodeChannels(all, scales, format), scales };
  const grid = { low: -127, high: 127, block: inner, scales, zeroPoints: null };
  const weight = { rows, cols: inner, data: Float64Array.from(values) };
  const result = await gptq(ctx.blas, weight, gram, grid, {
    damping: DAMPING,
    order: "activation",
  });
  return result.ok ? { codes: Int8Array.from(result.codes), scales } : nearest;
}
