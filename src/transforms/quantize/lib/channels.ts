/**
 * Symmetric codes of a weight with one scale per output channel or one for all, as QuantizeLinear
 * rounds them (half to even). At 8 bit a scale spans the largest magnitude; at 4 bit it is the one of
 * 31 clips with the least squared error (resnet8 W4A8: 79.3 instead of 77.85).
 */
import { roundHalfEven } from "../../../kernels/quantize/rounding.ts";

export interface ChannelFormat {
  readonly bits: 8 | 4;
  readonly perChannel: boolean;
  /** 7-bit codes, so that sums of two u8·s8 products fit int16 on processors without VNNI. */
  readonly reduceRange: boolean;
}
/** Some of the values, [outer, channels, inner]: of all channels, or all values of some. */
export interface ChannelPiece {
  readonly values: Float32Array;
  readonly outer: number;
  readonly channels: number;
  readonly inner: number;
  /** Which channel is the piece's first. */
  readonly first: number;
}
/** The values in pieces, the same each time. */
export type ChannelPieces = () => AsyncIterable<ChannelPiece> | Iterable<ChannelPiece>;

const { fround } = Math;
const CLIPS = 31;

const limitsOf = ({ bits, reduceRange }: ChannelFormat): readonly [low: number, high: number] =>
  bits === 4 ? [-8, 7] : reduceRange ? [-64, 64] : [-127, 127];

/**
 * The scale of each channel; the same for all where the format has one.
 * @param leastScale smallest scale of a channel, where its bias needs it
 */
export async function channelScales(
  pieces: ChannelPieces,
  channels: number,
  format: ChannelFormat,
  leastScale: (channel: number) => number,
): Promise<Float32Array> {
  const limits = limitsOf(format);
  const largest = new Float64Array(channels);
  for await (const piece of pieces()) addLargest(piece, largest);
  const best = Float32Array.from(largest, (size) => fround(size / limits[1]));
  if (format.bits === 4 && format.perChannel) await fitClips(pieces, best, limits);
  if (!format.perChannel) best.fill(best.reduce((a, b) => Math.max(a, b), 0));
  let floor = 0;
  for (let c = 0; c < channels; c++) {
    const least = leastScale(c);
    floor = Math.max(floor, least);
    if (!((best[c] ?? 0) >= least)) best[c] = least;
  }
  if (!format.perChannel) best.fill(Math.max(best[0] ?? 0, floor));
  for (let c = 0; c < channels; c++) if (!((best[c] ?? 0) > 0)) best[c] = 1;
  return best;
}

/** The piece's codes, in the order of its values. @param scales of all channels */
export function encodeChannels(
  { values, outer, channels, inner, first }: ChannelPiece,
  scales: Float32Array,
  format: ChannelFormat,
): Int8Array {
  const [low, high] = limitsOf(format);
  const codes = new Int8Array(values.length);
  // Loops of their own: a function called for each value takes four times as long.
  let at = 0;
  for (let o = 0; o < outer; o++)
    for (let c = first; c < first + channels; c++) {
      const scale = scales[c] ?? 1;
      for (const end = at + inner; at < end; at++)
        codes[at] = Math.min(high, Math.max(low, roundHalfEven((values[at] ?? 0) / scale)));
    }
  return codes;
}

function addLargest(
  { values, outer, channels, inner, first }: ChannelPiece,
  largest: Float64Array,
): void {
  let at = 0;
  for (let o = 0; o < outer; o++)
    for (let c = first; c < first + channels; c++) {
      let most = largest[c] ?? 0;
      for (const end = at + inner; at < end; at++) {
        const size = Math.abs(values[at] ?? 0);
        if (size > most) most = size;
      }
      largest[c] = most;
    }
}

/** Sums each clip's errors in one walk over the pieces. */
async function fitClips(
  pieces: ChannelPieces,
  scales: Float32Array,
  [low, high]: readonly [low: number, high: number],
): Promise<void> {
  const clips = Array.from({ length: CLIPS }, (_, step) => {
    const clip = 1.05 - (0.65 * step) / (CLIPS - 1);
    return {
      tried: scales.map((s) => fround(s * clip)),
      error: new Float64Array(scales.length),
    };
  });
  for await (const { values, outer, channels, inner, first } of pieces())
    for (const { tried, error } of clips) {
      let at = 0;
      for (let o = 0; o < outer; o++)
        for (let c = first; c < first + channels; c++) {
          const scale = tried[c] ?? 1;
          const end = at + inner;
          let sum = error[c] ?? 0;
          if (scale !== 0)
            for (let i = at; i < end; i++) {
              const x = values[i] ?? 0;
              const code = Math.min(high, Math.max(low, roundHalfEven(x / scale)));
              sum += (code * scale - x) ** 2;
            }
          error[c] = sum;
          at = end;
        }
    }
  const least = new Float64Array(scales.length).fill(Infinity);
  for (const { tried, error } of clips)
    error.forEach((e, c) => {
      if (e < (least[c] ?? 0)) [least[c], scales[c]] = [e, tried[c] ?? 0];
    });
}
