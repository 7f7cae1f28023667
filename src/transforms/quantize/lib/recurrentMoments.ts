/** Second moments of what the weights of LSTMs are multiplied with, over the calibration data. */
import type { WorkContext } from "../../../core/context.ts";
import { nodeKey, type Model } from "../../../core/model.ts";
import { inferShapes } from "../../../core/shapeInference.ts";
import { useOf, valueAt, type Gram, type Place } from "../../../core/statistics.ts";
import { zerosF64 } from "../../../kernels/linalg/matrix.ts";
import { EngineError } from "../../../shared/errors.ts";
import type { MatrixF64 } from "../../../shared/kernels.ts";
import type { Recurrent } from "./recurrent.ts";

/** XᵀX / rows of the input [input, input], and of the hidden state [hidden, hidden]; null: not known. */
export type RecurrentMoments = readonly [MatrixF64 | null, MatrixF64 | null];

/** Asked for together, so that one pass over the data serves all layers. */
export async function recurrentMoments(
  ctx: WorkContext,
  model: Model,
  layers: readonly Recurrent[],
): Promise<ReadonlyMap<Recurrent, RecurrentMoments>> {
  const measured = layers.map(async (layer): Promise<[Recurrent, RecurrentMoments]> => {
    const [w, r] = layer.weights;
    const inputs = layer.sites.map(({ path, node }) => useOf(path, nodeKey(node)));
    return [
      layer,
      await Promise.all([
        pooled(ctx, inputs, w.tensor.shape[2] ?? 0),
        pooled(ctx, hiddenPlaces(model, layer), r.tensor.shape[2] ?? 0),
      ]),
    ];
  });
  return new Map(await Promise.all(measured));
}

/**
 * Where the hidden states are that R multiplies: the initial one, and where there are more steps
 * their results. A streaming model runs one step at a time and keeps its state outside: its
 * calibration data then says which states there are. Both directions of a layer lie in one value
 * as if they were of one R, so that nothing is known of either.
 */
function hiddenPlaces(model: Model, { sites, weights }: Recurrent): Place[] {
  if (weights[1].tensor.shape[0] !== 1) return [];
  const shapes = inferShapes(model);
  return sites.flatMap(({ path, node }) => {
    const places: Place[] = [];
    if ((node.inputs[5] ?? "") !== "") places.push(useOf(path, nodeKey(node), 5));
    if (shapes.shapeOf(path, node.inputs[0] ?? "")?.[0] === 1) return places;
    const [all = "", last = ""] = node.outputs;
    const later = all === "" ? last : all;
    return later === "" ? places : [...places, valueAt(path, later, -1)];
  });
}

/**
 * Over all places that can be measured, each by its number of rows. Null below half as many rows as
 * columns: a denoiser with 257 inputs, rounded on 5, 20 or 100 frames of the second half of a recording,
 * was worse on the first half (20.8, 23.4 and 25.8 dB) than rounded to nearest (26.0).
 */
async function pooled(
  ctx: WorkContext,
  places: readonly Place[],
  k: number,
): Promise<MatrixF64 | null> {
  const all = await Promise.all(places.map((at) => gramAt(ctx, at)));
  const grams = all.filter((gram) => gram?.k === k && gram.groups === 1 && gram.rows > 0);
  const sum = zerosF64(k, k);
  let rows = 0;
  for (const gram of grams) {
    if (!gram) continue;
    gram.data.forEach((value, i) => {
      sum.data[i] = (sum.data[i] ?? 0) + value * gram.rows;
    });
    rows += gram.rows;
  }
  return rows < k / 2 ? null : { ...sum, data: sum.data.map((value) => value / rows) };
}

async function gramAt(ctx: WorkContext, at: Place): Promise<Gram | null> {
  try {
    return await ctx.stat({ stat: "gram", at, of: "before" });
  } catch (error) {
    // A constant initial state, or a layer in the body of If or Loop: it is rounded to nearest.
    if (error instanceof EngineError && error.failure.code === "unmeasured") return null;
    throw error;
  }
}
