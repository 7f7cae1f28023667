/** Second moments of what goes into a layer, over the calibration data. */
import type { WorkContext } from "../../../core/context.ts";
import type { LinearSite } from "../../../core/linear.ts";
import { nodeKey } from "../../../core/model.ts";
import { useOf, type Need } from "../../../core/statistics.ts";
import { zerosF64 } from "../../../kernels/linalg/matrix.ts";
import type { MatrixF64 } from "../../../shared/kernels.ts";
import type { Candidate } from "./candidates.ts";
import type { InputMoments } from "./factors.ts";

export type Order = "parallel" | "sequential";

interface Needs {
  readonly gram: Need<"gram">;
  readonly cross?: Need<"crossGram">;
}
/** What a use of the weight needs measured. */
export function needsOf(site: LinearSite, order: Order): readonly Need[] {
  const { gram, cross } = measured(site, order);
  return cross ? [gram, cross] : [gram];
}

function measured({ path, node }: LinearSite, order: Order): Needs {
  const at = useOf(path, nodeKey(node));
  if (order === "parallel") return { gram: { stat: "gram", at, of: "before" } };
  return {
    gram: { stat: "gram", at, of: "current" },
    cross: { stat: "crossGram", at, of: "current", against: { at, of: "before" } },
  };
}

/**
 * What the layer before was weighted by: query, key and value have one input, so that one pass over
 * the data serves the three. Units come in the order of the graph, so no layer changes its own input.
 */
export interface LastMoments {
  input: string | null;
  moments: InputMoments | null;
}

export async function momentsFor(
  ctx: WorkContext,
  candidate: Candidate,
  order: Order,
  last: LastMoments,
): Promise<InputMoments> {
  const [{ path, node, op }, ...more] = candidate.weight.sites;
  // Convolutions differ in strides and pads too; weights with several uses in what changed between.
  const shareable = op === "MatMul" && more.length === 0;
  const input = shareable ? JSON.stringify([path, node.inputs[0]]) : null;
  if (last.moments !== null && input !== null && last.input === input) return last.moments;
  const moments = await inputMoments(ctx, candidate, order);
  last.input = input;
  last.moments = moments;
  return moments;
}

/** Moments over all uses of the weight, each by its number of rows. */
async function inputMoments(
  ctx: WorkContext,
  { weight, k }: Candidate,
  order: Order,
): Promise<InputMoments> {
  const gram = zerosF64(k, k);
  const cross = order === "sequential" ? zerosF64(k, k) : null;
  let total = 0;
  for (const site of weight.sites) {
    const needs = measured(site, order);
    // Asked for together, so that one pass over the data answers both.
    const [own, against] = await Promise.all([
      ctx.stat(needs.gram),
      needs.cross ? ctx.stat(needs.cross) : null,
    ]);
    addScaled(gram, own.data, own.rows);
    if (cross && against) addScaled(cross, against.data, against.rows);
    total += own.rows;
  }
  for (const sum of cross ? [gram, cross] : [gram])
    for (let i = 0; i < sum.data.length; i++) sum.data[i] = (sum.data[i] ?? 0) / Math.max(1, total);
  return { gram, cross };
}

function addScaled(sum: MatrixF64, values: Float32Array, scale: number): void {
  for (let i = 0; i < sum.data.length; i++)
    sum.data[i] = (sum.data[i] ?? 0) + scale * (values[i] ?? 0);
}
