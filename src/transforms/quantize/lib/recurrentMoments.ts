/** Second moments of what the weights of LSTMs are multiplied with, over the calibration data. */
import type { WorkContext } from "../../../core/context.ts";
import { nodeKey, type Model } from "../../../core/model.ts";
import { inferShapes } from "../../../core/shapeInference.ts";
import { useOf, valueAt, type Place } from "../../../core/statistics.ts";
import type { MatrixF64 } from "../../../shared/kernels.ts";
import { pooledMoments } from "./inputMoments.ts";
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
        pooledMoments(ctx, inputs, w.tensor.shape[2] ?? 0),
        pooledMoments(ctx, hiddenPlaces(model, layer), r.tensor.shape[2] ?? 0),
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
