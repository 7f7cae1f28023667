/** Weights of LSTM as int8 with one scale per gate row, for onnxruntime's DynamicQuantizeLSTM. */
import type { WorkContext } from "../../../core/context.ts";
import { nodeLabel, type GraphNode, type GraphPath, type Model } from "../../../core/model.ts";
import type { Transaction } from "../../../core/plugin.ts";
import { scopeOf } from "../../../core/scope.ts";
import { dtype } from "../../../shared/dtype.ts";
import type { Skip } from "../../../shared/report.ts";
import { quantizeChannels } from "./channels.ts";
import { renewed } from "./nodes.ts";
import { putValues, swapped } from "./tables.ts";
import { intAttr, sourceOf, weightLike, type Source } from "./weights.ts";

export interface Recurrent {
  readonly sites: readonly { readonly path: GraphPath; readonly node: GraphNode }[];
  /** [dirs, 4·hidden, input] and [dirs, 4·hidden, hidden]. */
  readonly weights: readonly [Source, Source];
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

function refusal(node: GraphNode, sources: readonly (Source | null)[]): string | null {
  if ((intAttr(node, "layout") ?? 0) !== 0)
    return "layout = 1 has no quantized form in onnxruntime";
  for (const source of sources) {
    if (!source)
      return "its weights are computed; graph.clean folds those that are computed from constants";
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

/** Null when done, else why not. */
export async function writeRecurrent(
  tx: Transaction,
  ctx: WorkContext,
  { sites, weights }: Recurrent,
): Promise<string | null> {
  const stored: string[][] = [];
  for (const { tensor, name, graph } of weights) {
    const [dirs = 1, gates = 1, inner = 1] = tensor.shape;
    const values = await ctx.readF32(tensor);
    if (!values.every(Number.isFinite)) return `its weight "${name}" has NaN or infinite values`;
    const format = { bits: 8, perChannel: true, reduceRange: false } as const;
    const layout = { outer: 1, channels: dirs * gates, inner };
    const { codes, scales } = quantizeChannels(values, layout, format, () => 0);
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
