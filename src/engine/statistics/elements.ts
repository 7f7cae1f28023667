/** Statistics over every element of a value: ranges, ranges per channel, histograms. */
import { axisOf, type Numbers } from "./matrix.ts";

/** What a measurement finds wrong with the values; said with the place's name by the caller. */
export class NotMeasurable extends Error {}

export interface ElementSum {
  /** @param count elements that count, from the beginning. @throws NotMeasurable */
  add(data: Numbers, count: number, shape: readonly number[]): void;
}

const notFinite = (value: number): NotMeasurable =>
  new NotMeasurable(
    Number.isNaN(value)
      ? "it is NaN for some sample"
      : "it is infinite for some sample, so it has no range",
  );

export class RangeSum implements ElementSum {
  min = Infinity;
  max = -Infinity;
  count = 0;

  add(data: Numbers, count: number): void {
    let { min, max } = this;
    for (let i = 0; i < count; i++) {
      const value = data[i] ?? 0;
      if (value - value !== 0) throw notFinite(value);
      if (value < min) min = value;
      if (value > max) max = value;
    }
    this.min = min;
    this.max = max;
    this.count += count;
  }
  finish(): { readonly min: number; readonly max: number } {
    if (this.count === 0) throw new NotMeasurable("it has no elements");
    return { min: this.min, max: this.max };
  }
}

export class ChannelRangeSum implements ElementSum {
  count = 0;
  #min: Float32Array | null = null;
  #max: Float32Array | null = null;
  readonly #axis: number;
  constructor(axis: number) {
    this.#axis = axis;
  }

  add(data: Numbers, count: number, shape: readonly number[]): void {
    const at = axisOf(this.#axis, shape.length);
    if (at === null) throw new NotMeasurable(`it has no axis ${this.#axis}`);
    const channels = shape[at] ?? 1;
    const inner = shape.slice(at + 1).reduce((a, b) => a * b, 1);
    const low = (this.#min ??= new Float32Array(channels).fill(Infinity));
    const high = (this.#max ??= new Float32Array(channels).fill(-Infinity));
    if (low.length !== channels) throw new NotMeasurable("its number of channels varies");
    for (let start = 0, run = 0; start < count; start += inner, run++) {
      const channel = run % channels;
      let min = low[channel] ?? Infinity;
      let max = high[channel] ?? -Infinity;
      const end = Math.min(count, start + inner);
      for (let i = start; i < end; i++) {
        const value = data[i] ?? 0;
        if (value - value !== 0) throw notFinite(value);
        if (value < min) min = value;
        if (value > max) max = value;
      }
      low[channel] = min;
      high[channel] = max;
    }
    this.count += count;
  }
  finish(): { readonly min: Float32Array; readonly max: Float32Array } {
    if (!this.#min || !this.#max || this.#min.some((value) => value === Infinity))
      throw new NotMeasurable("it has no elements");
    return { min: this.#min, max: this.#max };
  }
}

export const BINS = 2048;

/** Counts over a range known beforehand. A constant value falls into the first bin. */
export class HistogramSum implements ElementSum {
  readonly counts = new Float64Array(BINS);
  zeros = 0;
  readonly #min: number;
  readonly #scale: number;
  constructor(min: number, max: number) {
    this.#min = min;
    this.#scale = max > min ? BINS / (max - min) : 0;
  }

  add(data: Numbers, count: number): void {
    const { counts } = this;
    const min = this.#min;
    const scale = this.#scale;
    let zeros = 0;
    for (let i = 0; i < count; i++) {
      const value = data[i] ?? 0;
      if (value === 0) zeros++;
      const bin = Math.min(BINS - 1, Math.max(0, ((value - min) * scale) | 0));
      counts[bin] = (counts[bin] ?? 0) + 1;
    }
    this.zeros += zeros;
  }
}
