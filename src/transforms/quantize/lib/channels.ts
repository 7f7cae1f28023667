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
export interface ChannelCodes {
  /** In the order of the values. */
  readonly codes: Int8Array;
  /** [channels], or [1]. */
  readonly scales: Float32Array;
}
/** Layout of the values: [outer, channels, inner]. */
export interface ChannelShape {
  readonly outer: number;
  readonly channels: number;
  readonly inner: number;
}

const { fround } = Math;
const CLIPS = 31;

export function quantizeChannels(
  values: Float32Array,
  shape: ChannelShape,
  format: ChannelFormat,
  /** Smallest scale of a channel, where its bias needs it. */
  leastScale: (channel: number) => number,
): ChannelCodes {
  const { channels } = shape;
  const [low, high] = format.bits === 4 ? [-8, 7] : format.reduceRange ? [-64, 64] : [-127, 127];
  const largest = new Float64Array(channels);
  each(values, shape, (x, channel) => {
    const size = Math.abs(x);
    if (size > (largest[channel] ?? 0)) largest[channel] = size;
  });
  const best = Float32Array.from(largest, (size) => fround(size / high));
  if (format.bits === 4 && format.perChannel) fitClips(values, shape, best, low, high);
  if (!format.perChannel) best.fill(best.reduce((a, b) => Math.max(a, b), 0));
  let floor = 0;
  for (let c = 0; c < channels; c++) {
    const least = leastScale(c);
    floor = Math.max(floor, least);
    if (!((best[c] ?? 0) >= least)) best[c] = least;
  }
  if (!format.perChannel) best.fill(Math.max(best[0] ?? 0, floor));
  for (let c = 0; c < channels; c++) if (!((best[c] ?? 0) > 0)) best[c] = 1;
  const codes = new Int8Array(values.length);
  each(values, shape, (x, channel, i) => {
    codes[i] = Math.min(high, Math.max(low, roundHalfEven(x / (best[channel] ?? 1))));
  });
  return { codes, scales: format.perChannel ? best : best.slice(0, 1) };
}

function each(
  values: Float32Array,
  { outer, channels, inner }: ChannelShape,
  visit: (x: number, channel: number, at: number) => void,
): void {
  let at = 0;
  for (let o = 0; o < outer; o++)
    for (let c = 0; c < channels; c++)
      for (let i = 0; i < inner; i++, at++) visit(values[at] ?? 0, c, at);
}

function fitClips(
  values: Float32Array,
  shape: ChannelShape,
  scales: Float32Array,
  low: number,
  high: number,
): void {
  const whole = scales.slice();
  const least = new Float64Array(shape.channels).fill(Infinity);
  for (let step = 0; step < CLIPS; step++) {
    const clip = 1.05 - (0.65 * step) / (CLIPS - 1);
    const tried = whole.map((s) => fround(s * clip));
    const error = new Float64Array(shape.channels);
    each(values, shape, (x, channel) => {
      const scale = tried[channel] ?? 1;
      if (scale === 0) return;
      const code = Math.min(high, Math.max(low, roundHalfEven(x / scale)));
      error[channel] = (error[channel] ?? 0) + (code * scale - x) ** 2;
    });
    error.forEach((e, c) => {
      if (e < (least[c] ?? 0)) [least[c], scales[c]] = [e, tried[c] ?? 0];
    });
  }
}
