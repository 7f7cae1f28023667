/** The factors that balance the channels between the layers of a chain, from the weights alone. */
import type { WorkContext } from "../../../core/context.ts";
import { balance, type ChainLayer } from "./equalization.ts";
import { heldMaxima, pairMaxima, rangesOf, type SideFactors } from "./pairMaxima.ts";

const MAX_SWEEPS = 100;
/** No factor moves by more than this any more. */
const SETTLED = 1e-4;
/** A channel that all but vanishes on one side would take the other beyond what float32 holds well. */
const MAX_FACTOR = 1e4;

/**
 * Pairs of channels that are kept in memory for layers between two others, in pieces' values: 64 MB.
 * Larger weights are read anew on every sweep.
 */
const HELD_PIECES = 16;

/** What a layer's weights are at most, by channel, after the factors so far. */
interface Side {
  ranges(factors: SideFactors): Promise<Float64Array>;
}
/** Of a layer at an end of the chain, whose other side never changes: one walk over it is enough. */
function endSide(ranges: Float64Array): Side {
  return {
    ranges: ({ input, output }) =>
      Promise.resolve(ranges.map((x, c) => (x * (input?.[c] ?? 1)) / (output?.[c] ?? 1))),
  };
}

/** What each two layers have on the side of the other; a reason where weights are no numbers. */
async function sidesOf(
  layers: readonly ChainLayer[],
  ctx: WorkContext,
): Promise<(readonly [output: Side, input: Side])[] | string> {
  const outputs: Side[] = [];
  const inputs: Side[] = [];
  let held = HELD_PIECES * ctx.pieceValues;
  for (const [i, { layer }] of layers.entries()) {
    const before = layers[i - 1]?.layer.outChannels;
    const isLast = i === layers.length - 1;
    const isBetween = before !== undefined && !isLast;
    const fits = isBetween && layer.rows * layer.columns <= held;
    if (fits) held -= layer.rows * layer.columns;
    const pairs = fits ? await heldMaxima(layer, ctx) : pairMaxima(layer, ctx);
    const find = (side: "input" | "output", channels: number) => (factors?: SideFactors) =>
      rangesOf(layer, pairs, side, channels, factors);
    const add = async (sides: Side[], find: (f?: SideFactors) => Promise<Float64Array>) => {
      const first = await find();
      sides.push(isBetween ? { ranges: find } : endSide(first));
      await ctx.checkpoint();
      return first.every(Number.isFinite);
    };
    const isNumbers =
      before === undefined
        ? await add(outputs, find("output", layer.outChannels))
        : (await add(inputs, find("input", before))) &&
          (isLast || (await add(outputs, find("output", layer.outChannels))));
    if (!isNumbers) return `the weight ${layer.weight.name} has NaN or infinite values`;
  }
  return outputs.flatMap((output, i) => {
    const input = inputs[i];
    return input ? [[output, input] as const] : [];
  });
}

/** The factors between each two layers of a chain, by channel; a reason where weights are no numbers. */
export async function balanceFactors(
  layers: readonly ChainLayer[],
  ctx: WorkContext,
): Promise<Float64Array[] | string> {
  const sides = await sidesOf(layers, ctx);
  if (typeof sides === "string") return sides;
  const factors = layers
    .slice(0, -1)
    .map(({ layer }) => new Float64Array(layer.outChannels).fill(1));
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    let moved = 0;
    for (const [i, total] of factors.entries()) {
      const [one, two] = sides[i] ?? [];
      if (!one || !two) continue;
      const r1 = await one.ranges({ input: factors[i - 1] ?? null, output: total });
      const r2 = await two.ranges({ input: total, output: factors[i + 1] ?? null });
      total.forEach((sofar, c) => {
        const wanted = sofar * balance(r1[c] ?? 0, r2[c] ?? 0);
        const step = Math.min(MAX_FACTOR, Math.max(1 / MAX_FACTOR, wanted)) / sofar;
        moved = Math.max(moved, Math.abs(Math.log(step)));
        total[c] = sofar * step;
      });
    }
    if (moved < SETTLED) break;
  }
  return factors;
}
