/**
 * A changed weight against what it replaced, number by number: codes are turned back into values as
 * the graph or the operator does it. In chunks, so that memory does not grow with the tensor.
 */
import type { Tensor } from "../core/model.ts";
import type { WeightForm } from "../core/weightForm.ts";
import { elementCount } from "../shared/dtype.ts";
import type { Task } from "../shared/task.ts";
import type { EngineEnv } from "./env.ts";
import { decibels } from "./metrics/error.ts";
import { breathe } from "./saveWrite.ts";

type Reading = Pick<EngineEnv, "kernels" | "readBytes" | "readF32">;

/** Values per chunk: 4 MB as float32. */
const CHUNK = 1 << 20;
/** Values per chunk where an original is read by columns: longer runs mean fewer, larger reads. */
const TURNED_CHUNK = 1 << 23;
/** Columns read before they are compared, so that the rows they meet are walked in cache lines. */
const COLUMNS = 16;

/** Values in the form's own order; `read` gives elements [from, to), `from` a multiple of 8. */
interface Values {
  readonly rows: number;
  readonly columns: number;
  read(from: number, to: number): Float32Array;
}

/** As in `TensorChange`: what the new values are multiplied by, in all or each channel by its own. */
export interface Scaling {
  readonly factor: number;
  readonly perChannel: boolean;
}

/**
 * Signal to quantization noise in dB, 10·log10(Σx² / Σ(x−x̂)²), of the values in `form` against
 * `before`, which they stand for `factor` times over.
 * @param perChannel each slice of axis 0 may stand for the old one times a factor of its own, which is
 * fitted by least squares: a folded batch normalization is no error
 * @returns the reason, when there is nothing to compare number by number
 * @throws Cancelled; FormatError when the data cannot be read
 */
export async function sqnrDb(
  env: Reading,
  before: Tensor,
  form: WeightForm,
  { factor, perChannel }: Scaling,
  task: Task,
): Promise<number | string> {
  const after = valuesOf(env, form);
  if (typeof after === "string") return after;
  if (!isNumeric(before)) return `${before.dtype.name} values have no SQNR`;
  const reason = mismatch(before, form, after);
  if (reason !== null) return reason;
  const sums: Sums = { signal: 0, noise: 0 };
  const fit = perChannel && !form.transposed ? channelFit(after.rows, after.columns) : null;
  const total = after.rows * after.columns;
  // Whole rows where the original is read by columns, in eights so that packed rows start at a byte.
  const step = form.transposed
    ? Math.max(8, Math.floor(TURNED_CHUNK / after.columns / 8) * 8) * after.columns
    : CHUNK;
  for (let from = 0; from < total; from += step) {
    const is = after.read(from, Math.min(total, from + step));
    if (form.transposed) await addTurned(sums, env, before, after, from, is, factor, task);
    else {
      const was = readRange(env, before, from, from + is.length);
      if (fit) fit.add(from, was, is);
      else addRun(sums, was, is, factor);
    }
    task.progress((from + is.length) / total);
    await breathe(task);
  }
  const { signal, noise } = fit ? fit.sums() : sums;
  if (!Number.isFinite(signal) || !Number.isFinite(noise)) return "it holds NaN or infinite values";
  if (signal === 0 && noise > 0) return "all its old values are zero";
  return decibels(signal, noise);
}

/**
 * The values in `form` as what they stand for: in the layout of `before`, divided by `factor`, or
 * each channel by the factor that fits it best.
 * @returns or the reason why there are none
 */
export function denseValues(
  env: Reading,
  before: Tensor,
  form: WeightForm,
  { factor, perChannel }: Scaling,
): Float32Array | string {
  const after = valuesOf(env, form);
  if (typeof after === "string") return after;
  const reason = mismatch(before, form, after);
  if (reason !== null) return reason;
  const { rows, columns } = after;
  const stored = after.read(0, rows * columns);
  if (perChannel && !form.transposed) {
    const fit = channelFit(rows, columns);
    fit.add(0, readRange(env, before, 0, stored.length), stored);
    return stored.map((value, i) => value / fit.factor(Math.floor(i / columns)));
  }
  const values = new Float32Array(rows * columns);
  for (let i = 0; i < values.length; i++) {
    const at = form.transposed ? (i % columns) * rows + Math.floor(i / columns) : i;
    values[at] = (stored[i] ?? 0) / factor;
  }
  return values;
}

interface Sums {
  signal: number;
  noise: number;
}
function addRun(sums: Sums, was: Float32Array, is: Float32Array, factor: number): void {
  let { signal, noise } = sums;
  for (let i = 0; i < is.length; i++) {
    const x = (was[i] ?? 0) * factor;
    const d = x - (is[i] ?? 0);
    signal += x * x;
    noise += d * d;
  }
  sums.signal = signal;
  sums.noise = noise;
}

/** Sums for each row, so that what is left after the best factor for it is known in one pass. */
function channelFit(
  rows: number,
  columns: number,
): {
  add(from: number, was: Float32Array, is: Float32Array): void;
  /** The best factor of a row; 1 where the row is zero on either side. */
  factor(row: number): number;
  sums(): Sums;
} {
  const [xx, xy, yy] = [new Float64Array(rows), new Float64Array(rows), new Float64Array(rows)];
  return {
    add(from, was, is) {
      for (let i = 0; i < is.length; i++) {
        const row = Math.floor((from + i) / columns);
        const x = was[i] ?? 0;
        const y = is[i] ?? 0;
        xx[row] = (xx[row] ?? 0) + x * x;
        xy[row] = (xy[row] ?? 0) + x * y;
        yy[row] = (yy[row] ?? 0) + y * y;
      }
    },
    factor(row) {
      const [sxx, sxy] = [xx[row] ?? 0, xy[row] ?? 0];
      return sxx === 0 || sxy === 0 ? 1 : sxy / sxx;
    },
    /** In units of the new values: min over a of Σ(a·x − y)² against Σ(a·x)². */
    sums() {
      let signal = 0;
      let noise = 0;
      for (let row = 0; row < rows; row++) {
        const [sxx, sxy, syy] = [xx[row] ?? 0, xy[row] ?? 0, yy[row] ?? 0];
        const explained = sxx === 0 ? 0 : (sxy * sxy) / sxx;
        signal += explained;
        noise += Math.max(0, syy - explained);
      }
      return { signal, noise };
    },
  };
}

/** The rows `is` of the new values against the columns of a [columns, rows] original. */
async function addTurned(
  sums: Sums,
  env: Reading,
  before: Tensor,
  { rows, columns }: Values,
  from: number,
  is: Float32Array,
  factor: number,
  task: Task,
): Promise<void> {
  const first = from / columns;
  const count = is.length / columns;
  const block = new Float32Array(COLUMNS * count);
  for (let start = 0; start < columns; start += COLUMNS) {
    const width = Math.min(COLUMNS, columns - start);
    for (let i = 0; i < width; i++)
      block.set(readElements(env, before, (start + i) * rows + first, count), i * count);
    let { signal, noise } = sums;
    for (let row = 0; row < count; row++)
      for (let i = 0; i < width; i++) {
        const x = (block[i * count + row] ?? 0) * factor;
        const d = x - (is[row * columns + start + i] ?? 0);
        signal += x * x;
        noise += d * d;
      }
    sums.signal = signal;
    sums.noise = noise;
    if (start % (COLUMNS * 64) === 0) await breathe(task);
  }
}

const isNumeric = ({ dtype }: Tensor): boolean =>
  dtype.kind !== "string" && dtype.kind !== "complex";

function mismatch(before: Tensor, form: WeightForm, after: Values): string | null {
  const { shape } = before;
  const count = elementCount(shape);
  if (count === 0) return "it is empty";
  const plain = form.kind === "plain" ? form.values.shape : null;
  const fits = form.transposed
    ? shape.length === 2 && shape[0] === after.columns && shape[1] === after.rows
    : plain !== null
      ? plain.join() === shape.join()
      : count === after.rows * after.columns;
  return fits ? null : "old and new values have different shapes";
}

/** Elements [from, to) as float32; `from` a multiple of 8, so that every width starts at a byte. */
function readRange(env: Reading, tensor: Tensor, from: number, to: number): Float32Array {
  const { bits } = tensor.dtype;
  const bytes = env.readBytes(tensor, (from * bits) / 8, Math.ceil(((to - from) * bits) / 8));
  return env.kernels.toF32(tensor.dtype, bytes, to - from);
}

/** `count` elements from any position on, which may lie inside a byte. */
function readElements(env: Reading, tensor: Tensor, from: number, count: number): Float32Array {
  const skip = (from * tensor.dtype.bits) % 8 === 0 ? 0 : from % 8;
  return readRange(env, tensor, from - skip, from + count).subarray(skip);
}

function valuesOf(env: Reading, form: WeightForm): Values | string {
  switch (form.kind) {
    case "plain": {
      const { values } = form;
      if (!isNumeric(values)) return `${values.dtype.name} values have no SQNR`;
      const rows = values.shape[0] ?? 1;
      const count = elementCount(values.shape);
      return {
        rows,
        columns: rows === 0 ? 0 : count / rows,
        read: (from, to) => readRange(env, values, from, to),
      };
    }
    case "blocks":
      return blockValues(env, form);
    case "linear":
      return linearValues(env, form);
    case "codes":
      return "its scale is applied to the product, not to the weight";
  }
}

/** [N, K] from `MatMulNBits` codes, low bits first; without zero points codes are centred on 2^(bits−1). */
function blockValues(env: Reading, form: Extract<WeightForm, { kind: "blocks" }>): Values | string {
  const { n, k, bits, block, codes, zeroPoints } = form;
  const kBlocks = Math.ceil(k / block);
  const blob = (block * bits) / 8;
  const scales = env.readF32(form.scales);
  if (codes.sizeBytes < n * kBlocks * blob || scales.length < n * kBlocks)
    return "its codes do not have the size that its node says";
  const zeroBytes = zeroPoints ? env.readBytes(zeroPoints, 0, zeroPoints.sizeBytes) : null;
  const floatZeros = zeroPoints?.dtype.kind === "float" ? env.readF32(zeroPoints) : null;
  const zeroRow = Math.ceil((kBlocks * bits) / 8);
  const mask = (1 << bits) - 1;
  const zeroAt = (row: number, b: number): number => {
    if (floatZeros) return floatZeros[row * kBlocks + b] ?? 0;
    if (!zeroBytes) return 1 << (bits - 1);
    return ((zeroBytes[row * zeroRow + ((b * bits) >> 3)] ?? 0) >> ((b * bits) & 7)) & mask;
  };
  return {
    rows: n,
    columns: k,
    read: (from, to) => {
      // A chunk may begin and end inside a row.
      const [first, last] = [Math.floor(from / k), Math.ceil(to / k)];
      const rowBytes = kBlocks * blob;
      const packed = env.readBytes(codes, first * rowBytes, (last - first) * rowBytes);
      const out = new Float32Array((last - first) * k);
      for (let row = first; row < last; row++)
        for (let b = 0; b < kBlocks; b++) {
          const scale = scales[row * kBlocks + b] ?? 0;
          const zero = zeroAt(row, b);
          const source = (row - first) * rowBytes + b * blob;
          const target = (row - first) * k + b * block;
          const end = Math.min(block, k - b * block);
          for (let i = 0; i < end; i++) {
            const bit = i * bits;
            const code = ((packed[source + (bit >> 3)] ?? 0) >> (bit & 7)) & mask;
            out[target + i] = (code - zero) * scale;
          }
        }
      return out.subarray(from - first * k, to - first * k);
    },
  };
}

/** (code − zero point) · scale, with one scale in all, one per slice of `axis`, or one per block along it. */
function linearValues(
  env: Reading,
  form: Extract<WeightForm, { kind: "linear" }>,
): Values | string {
  const { codes, zeroPoints, axis, block } = form;
  const { shape } = codes;
  const scales = env.readF32(form.scales);
  const zeros = zeroPoints ? env.readF32(zeroPoints) : null;
  const size = shape[axis] ?? 1;
  const inner = elementCount(shape.slice(axis + 1));
  const perAxis = block > 0 ? Math.ceil(size / block) : size;
  const outer = elementCount(shape.slice(0, axis));
  const expected = block > 0 ? outer * perAxis * inner : size;
  if (scales.length !== 1 && scales.length !== expected) return "its scales do not fit its codes";
  const rows = shape[0] ?? 1;
  const count = elementCount(shape);
  return {
    rows,
    columns: rows === 0 ? 0 : count / rows,
    read: (from, to) => {
      const out = readRange(env, codes, from, to);
      for (let start = from; start < to;) {
        // One slice of the axis at a time: within it the scale's index is constant or runs along.
        const slice = Math.floor(start / inner);
        const end = Math.min(to, (slice + 1) * inner);
        const along = slice % size;
        const group = Math.floor(slice / size) * perAxis + Math.floor(along / (block || 1));
        for (let i = start; i < end; i++) {
          const index =
            scales.length === 1 ? 0 : block > 0 ? group * inner + (i - slice * inner) : along;
          const zero = zeros === null ? 0 : (zeros[zeros.length === 1 ? 0 : index] ?? 0);
          out[i - from] = ((out[i - from] ?? 0) - zero) * (scales[index] ?? 0);
        }
        start = end;
      }
      return out;
    },
  };
}
