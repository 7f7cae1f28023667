/**
 * Range, moments, counts and histogram of a tensor in two passes over chunks, so that memory stays
 * the same for any size. Source of the merge of moments: Chan, Golub, LeVeque 1983.
 */
import type { Tensor } from "../../core/model.ts";
import { dtype, elementCount, type Dtype } from "../../shared/dtype.ts";
import { Cancelled } from "../../shared/errors.ts";
import type { TensorStats } from "../../shared/protocol.ts";
import type { Task } from "../../shared/task.ts";
import type { EngineEnv } from "../env.ts";

type Reading = Pick<EngineEnv, "kernels" | "readBytes">;

/** Elements per chunk: 4 MB as float32. A multiple of 8, so that chunks of any bit width start at a byte. */
const CHUNK = 1 << 20;
const BINS = 96;
const MAX_CHANNELS = 512;
const MAX_HEAD = 32;

/** A tensor whose bytes hold `bits`-bit codes is read as those codes. */
interface Values {
  readonly tensor: Tensor;
  readonly type: Dtype;
  readonly count: number;
  /** Elements of one slice along axis 0. */
  readonly perChannel: number;
  readonly channels: number;
}

function valuesOf(tensor: Tensor, bits: 2 | 4 | null): Values {
  const perByte = bits === null ? 1 : 8 / bits;
  const count = elementCount(tensor.shape) * perByte;
  const rows = tensor.shape[0] ?? 1;
  const type = bits === null ? tensor.dtype : dtype(bits === 4 ? "uint4" : "uint2");
  const perChannel = rows === 0 ? 0 : count / rows;
  // One slice, or one value per slice, says nothing that the whole does not.
  const useful = tensor.shape.length > 1 && rows > 1 && rows <= MAX_CHANNELS;
  return { tensor, type, count, perChannel, channels: useful ? rows : 0 };
}

/**
 * @param bits width of the codes packed into a uint8 tensor, low bits first; null for plain values
 * @throws Cancelled; FormatError when the data cannot be read
 */
export async function statisticsOf(
  env: Reading,
  name: string,
  tensor: Tensor,
  bits: 2 | 4 | null,
  task: Task,
): Promise<TensorStats> {
  const values = valuesOf(tensor, bits);
  const moments = new Moments(values);
  const head: number[] = [];
  for await (const { data, from } of chunks(env, values, task, 0, 0.5)) {
    if (from === 0) head.push(...data.subarray(0, MAX_HEAD));
    moments.add(data, from);
  }
  const { min, max, finite } = moments;
  const measured = finite > 0;
  return {
    name,
    count: values.count,
    min: measured ? min : null,
    max: measured ? max : null,
    mean: measured ? moments.mean : null,
    std: measured ? Math.sqrt(moments.squares / finite) : null,
    zeros: moments.zeros,
    nan: moments.nan,
    inf: moments.inf,
    histogram: measured && max > min ? await histogram(env, values, min, max, task) : [],
    channels: moments.ranges(),
    // JSON has no NaN: a null would be no number, so what is not finite is left out.
    head: head.filter(Number.isFinite),
    note:
      bits === null
        ? null
        : `${bits}-bit codes, unpacked: ${8 / bits} to a byte, padding to whole blocks included.`,
  };
}

export const unmeasured = (name: string, tensor: Tensor, note: string): TensorStats => ({
  name,
  count: elementCount(tensor.shape),
  min: null,
  max: null,
  mean: null,
  std: null,
  zeros: 0,
  nan: 0,
  inf: 0,
  histogram: [],
  channels: [],
  head: [],
  note,
});

async function* chunks(
  env: Reading,
  { tensor, type, count }: Values,
  task: Task,
  progressFrom: number,
  progressTo: number,
): AsyncIterable<{ readonly data: Float32Array; readonly from: number }> {
  for (let from = 0; from < count; from += CHUNK) {
    if (task.signal.aborted) throw new Cancelled();
    const length = Math.min(CHUNK, count - from);
    const bytes = env.readBytes(
      tensor,
      (from * type.bits) / 8,
      Math.ceil((length * type.bits) / 8),
    );
    yield { data: env.kernels.toF32(type, bytes, length), from };
    task.progress(progressFrom + ((from + length) / count) * (progressTo - progressFrom));
    // A turn of the event loop between chunks, so that a cancellation can arrive.
    if (from + length < count) await new Promise((resolve) => setImmediate(resolve));
  }
}

class Moments {
  min = Infinity;
  max = -Infinity;
  mean = 0;
  /** Sum of squared deviations from the mean. */
  squares = 0;
  /** Values that are neither NaN nor infinite; only these enter range and moments. */
  finite = 0;
  zeros = 0;
  nan = 0;
  inf = 0;
  readonly #values: Values;
  readonly #low: Float32Array;
  readonly #high: Float32Array;

  constructor(values: Values) {
    this.#values = values;
    this.#low = new Float32Array(values.channels).fill(Infinity);
    this.#high = new Float32Array(values.channels).fill(-Infinity);
  }

  add(data: Float32Array, from: number): void {
    const { perChannel, channels } = this.#values;
    if (channels === 0) return this.#addRun(data, -1);
    for (let start = 0; start < data.length;) {
      const channel = Math.floor((from + start) / perChannel);
      const end = Math.min(data.length, (channel + 1) * perChannel - from);
      this.#addRun(data.subarray(start, end), channel);
      start = end;
    }
  }

  #addRun(data: Float32Array, channel: number): void {
    let [min, max, sum, finite, zeros] = [Infinity, -Infinity, 0, 0, 0];
    for (const value of data) {
      if (value - value !== 0) {
        if (value === value) this.inf++;
        else this.nan++;
        continue;
      }
      if (value < min) min = value;
      if (value > max) max = value;
      if (value === 0) zeros++;
      sum += value;
      finite++;
    }
    this.zeros += zeros;
    if (finite === 0) return;
    this.min = Math.min(this.min, min);
    this.max = Math.max(this.max, max);
    if (channel >= 0) {
      this.#low[channel] = Math.min(this.#low[channel] ?? Infinity, min);
      this.#high[channel] = Math.max(this.#high[channel] ?? -Infinity, max);
    }
    const mean = sum / finite;
    let squares = 0;
    for (const value of data) if (value - value === 0) squares += (value - mean) ** 2;
    const total = this.finite + finite;
    const delta = mean - this.mean;
    this.squares += squares + (delta * delta * this.finite * finite) / total;
    this.mean += (delta * finite) / total;
    this.finite = total;
  }

  /** A slice without a finite value has no range; it is left at 0 so that positions stay right. */
  ranges(): { readonly min: number; readonly max: number }[] {
    return Array.from(this.#low, (low, i) => {
      const high = this.#high[i] ?? 0;
      return low <= high ? { min: low, max: high } : { min: 0, max: 0 };
    });
  }
}

/** Equal-width bins from min to max; one bin per value where the values are few integers. */
async function histogram(
  env: Reading,
  values: Values,
  min: number,
  max: number,
  task: Task,
): Promise<number[]> {
  const integer = values.type.kind !== "float";
  const bins = integer && max - min < BINS ? max - min + 1 : BINS;
  const counts = new Float64Array(bins);
  const scale = bins / (max - min);
  for await (const { data } of chunks(env, values, task, 0.5, 1))
    for (const value of data) {
      if (value - value !== 0) continue;
      const bin = Math.min(bins - 1, Math.floor((value - min) * scale));
      counts[bin] = (counts[bin] ?? 0) + 1;
    }
  return Array.from(counts);
}
