/**
 * A batch of a value as the matrix X [rows, columns] of its place. Rows are numbered in the value's
 * own order, sample after sample where its first axis is the batch, and copied out as asked for.
 */
import type { View, Window } from "./source.ts";

export type Numbers = Float32Array | Float64Array;

export interface Matrix {
  readonly rows: number;
  /** groups · k. */
  readonly columns: number;
  readonly groups: number;
  readonly k: number;
  /** Copies rows `which[from…to)` to the beginning of `out`, `columns` values each. */
  gather(
    data: Numbers,
    which: ArrayLike<number>,
    from: number,
    to: number,
    out: Float32Array,
  ): void;
}

/** Null when a value of this shape has no such axis or patches. */
export function matrixOf(view: View, shape: readonly number[]): Matrix | null {
  return view.kind === "axis" ? axisMatrix(view.axis, shape) : windowMatrix(view.window, shape);
}

const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** Position of `axis` in a shape; null where there is none. A last axis stands in for a missing channel axis. */
export function axisOf(axis: number, rank: number): number | null {
  if (rank === 0) return null;
  const at = axis < 0 ? rank + axis : axis;
  // A matrix of unknown rank when it was asked for: its last axis holds the channels.
  if (axis === 1 && rank < 2) return rank - 1;
  return at >= 0 && at < rank ? at : null;
}

function axisMatrix(axis: number, shape: readonly number[]): Matrix | null {
  // A vector times a matrix is one row.
  const at = axis === -2 && shape.length === 1 ? 0 : axisOf(axis, shape.length);
  if (at === null) return null;
  const columns = shape[at] ?? 1;
  const inner = product(shape.slice(at + 1));
  return {
    rows: product(shape.slice(0, at)) * inner,
    columns,
    groups: 1,
    k: columns,
    gather(data, which, from, to, out) {
      if (inner === 1) {
        for (let r = from; r < to; r++) {
          const start = (which[r] ?? 0) * columns;
          out.set(data.subarray(start, start + columns), (r - from) * columns);
        }
        return;
      }
      const starts = new Float64Array(to - from);
      for (let r = from; r < to; r++) {
        const row = which[r] ?? 0;
        const outer = Math.floor(row / inner);
        starts[r - from] = outer * columns * inner + (row - outer * inner);
      }
      // Channel by channel: neighbouring rows are neighbours in memory.
      for (let c = 0; c < columns; c++)
        for (let r = 0; r < starts.length; r++)
          out[r * columns + c] = data[(starts[r] ?? 0) + c * inner] ?? 0;
    },
  };
}

function windowMatrix(window: Window, shape: readonly number[]): Matrix | null {
  if (shape.length !== window.spatial + 2) return null;
  const { groups } = window;
  const [batch = 0, channels = 0] = shape;
  const size = [1, 1, 1, ...shape.slice(2)].slice(-3);
  const geometry = size.map((length, i) => lineOf(window, i, length));
  const [z, y, x] = geometry;
  if (!z || !y || !x || channels % groups !== 0) return null;
  const patch = z.kernel * y.kernel * x.kernel;
  const columns = channels * patch;
  const perSample = z.output * y.output * x.output;
  const plane = y.length * x.length;
  const volume = z.length * plane;
  return {
    rows: batch * perSample,
    columns,
    groups,
    k: columns / groups,
    gather(data, which, from, to, out) {
      out.fill(0, 0, (to - from) * columns);
      for (let r = from; r < to; r++) {
        const row = which[r] ?? 0;
        const sample = Math.floor(row / perSample);
        const position = row - sample * perSample;
        const oz = Math.floor(position / (y.output * x.output));
        const oy = Math.floor(position / x.output) % y.output;
        const ox = position % x.output;
        const z0 = oz * z.stride - z.padBegin;
        const y0 = oy * y.stride - y.padBegin;
        const x0 = ox * x.stride - x.padBegin;
        let at = (r - from) * columns;
        for (let c = 0; c < channels; c++) {
          const channel = (sample * channels + c) * volume;
          for (let kz = 0; kz < z.kernel; kz++) {
            const iz = z0 + kz * z.dilation;
            if (iz < 0 || iz >= z.length) {
              at += y.kernel * x.kernel;
              continue;
            }
            for (let ky = 0; ky < y.kernel; ky++) {
              const iy = y0 + ky * y.dilation;
              if (iy < 0 || iy >= y.length) {
                at += x.kernel;
                continue;
              }
              const line = channel + iz * plane + iy * x.length;
              for (let kx = 0; kx < x.kernel; kx++, at++) {
                const ix = x0 + kx * x.dilation;
                if (ix >= 0 && ix < x.length) out[at] = data[line + ix] ?? 0;
              }
            }
          }
        }
      }
    },
  };
}

interface Line {
  readonly length: number;
  readonly output: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padBegin: number;
}

/** One spatial axis, with the padding that `auto_pad` gives it (ONNX Conv). */
function lineOf(window: Window, i: number, length: number): Line | null {
  const kernel = window.kernel[i] ?? 1;
  const stride = window.strides[i] ?? 1;
  const dilation = window.dilations[i] ?? 1;
  const extent = dilation * (kernel - 1) + 1;
  if (stride < 1 || kernel < 1) return null;
  if (typeof window.pads !== "string") {
    const padBegin = window.pads[i] ?? 0;
    const output =
      Math.floor((length + padBegin + (window.pads[i + 3] ?? 0) - extent) / stride) + 1;
    return output < 1 ? null : { length, output, kernel, stride, dilation, padBegin };
  }
  const output = Math.ceil(length / stride);
  const total = Math.max(0, (output - 1) * stride + extent - length);
  const less = Math.floor(total / 2);
  const padBegin = window.pads === "SAME_UPPER" ? less : total - less;
  return { length, output, kernel, stride, dilation, padBegin };
}
