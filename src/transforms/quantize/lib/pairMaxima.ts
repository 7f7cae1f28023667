/** Largest weights of pairs of channels, and of channels, for weights read piece by piece. */
import type { WorkContext } from "../../../core/context.ts";
import { forEachChannelPair, type LinearLayer } from "../../../core/linearLayer.ts";
import { rowsOf } from "../../../core/rows.ts";

/**
 * Visits the largest absolute value, over the kernel, of each pair of channels in stored order; NaN
 * where one of them is.
 */
export type PairMaxima = (
  visit: (max: number, input: number, output: number) => void,
) => Promise<void>;

/** Reads the weight on every walk. */
export const pairMaxima =
  (layer: LinearLayer, ctx: WorkContext): PairMaxima =>
  async (visit) => {
    const { inner } = layer;
    for await (const { from, values } of rowsOf(ctx, layer.weight.tensor))
      forEachChannelPair(
        layer,
        values,
        (start, input, output) => {
          let max = 0;
          for (let i = start; i < start + inner; i++) {
            const size = Math.abs(values[i] ?? 0);
            // NaN is larger than nothing, and must not get lost.
            if (size > max || Number.isNaN(size)) max = size;
          }
          visit(max, input, output);
        },
        from,
      );
  };

/** Reads the weight once: a float32 per pair is kept. */
export async function heldMaxima(layer: LinearLayer, ctx: WorkContext): Promise<PairMaxima> {
  const maxima = new Float32Array(layer.rows * layer.columns);
  let next = 0;
  await pairMaxima(
    layer,
    ctx,
  )((max) => {
    maxima[next++] = max;
  });
  const withoutKernel = { ...layer, inner: 1 };
  return (visit) => {
    forEachChannelPair(withoutKernel, maxima, (at, input, output) =>
      visit(maxima[at] ?? 0, input, output),
    );
    return Promise.resolve();
  };
}

/** Factors of the channels on both sides; null where they are 1. */
export interface SideFactors {
  /** Multiplied in; each stands for so many inputs as there are features of a channel. */
  readonly input: Float64Array | null;
  /** Divided by. */
  readonly output: Float64Array | null;
}
const UNSCALED: SideFactors = { input: null, output: null };

/**
 * Largest values by channel: outputs of a layer, or inputs, in `channels` groups of neighbouring
 * features. NaN where a value is.
 */
export async function rangesOf(
  layer: LinearLayer,
  pairs: PairMaxima,
  side: "input" | "output",
  channels: number,
  factors: SideFactors = UNSCALED,
): Promise<Float64Array> {
  const each = layer.inChannels / (side === "input" ? channels : (factors.input?.length ?? 1));
  const ranges = new Float64Array(channels);
  await pairs((max, input, output) => {
    const fed = Math.floor(input / each);
    const channel = side === "input" ? fed : output;
    const size = (max * (factors.input?.[fed] ?? 1)) / (factors.output?.[output] ?? 1);
    if (size > (ranges[channel] ?? 0) || Number.isNaN(size)) ranges[channel] = size;
  });
  return ranges;
}
