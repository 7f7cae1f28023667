/** Statistics over the rows of X: means, moments, Grams, rows themselves. f64 sums over f32 chunks. */
import type { StatKind } from "../../core/statistics.ts";
import { addCrossGram, addGram } from "../../kernels/gram.ts";
import { block, mirrorUpper } from "../../kernels/linalg/matrix.ts";
import type { Blas, MatrixF32, MatrixF64 } from "../../shared/kernels.ts";
import { NotMeasurable } from "./elements.ts";
import type { Matrix } from "./matrix.ts";

export type RowStat = Extract<
  StatKind,
  "mean" | "absMean" | "moments" | "gram" | "crossGram" | "samples"
>;

/** `count` rows of X, row-major, in the first part of `data`; for a cross-Gram those of the other side too. */
export interface Chunk {
  readonly data: Float32Array;
  readonly other: Float32Array | null;
  readonly count: number;
}
export interface RowSum {
  add(chunk: Chunk): void | Promise<void>;
  /** The statistic without what it stands on. `rows` is how many were added. */
  finish(rows: number): object;
}

type Layout = Pick<Matrix, "columns" | "groups" | "k">;

/** Bytes that a sum holds while it is collected, and the answer after it. */
export function bytesOf(stat: RowStat, of: Layout, other: Layout | null, rows: number): number {
  const { groups, k, columns } = of;
  switch (stat) {
    // float64 sums and a float32 answer or chunk.
    case "gram":
      return groups * k * k * 12 + columns * 8;
    case "crossGram":
      return groups * k * (other?.k ?? k) * 12;
    case "samples":
      return rows * columns * 4;
    default:
      return columns * 24;
  }
}

export function rowSum(
  stat: RowStat,
  of: Layout,
  other: Layout | null,
  rows: number,
  blas: Blas,
): RowSum {
  switch (stat) {
    case "mean":
      return meanSum(of.columns, false);
    case "absMean":
      return meanSum(of.columns, true);
    case "moments":
      return momentsSum(of.columns);
    case "gram":
      return gramSum(of, blas);
    case "crossGram":
      return crossGramSum(of, other ?? of, blas);
    case "samples":
      return samplesSum(of.columns, rows);
  }
}

function addColumns(
  { data, count }: Chunk,
  columns: number,
  sums: Float64Array,
  absolute: boolean,
): void {
  for (let r = 0; r < count; r++) {
    const row = r * columns;
    for (let c = 0; c < columns; c++) {
      const value = data[row + c] ?? 0;
      sums[c] = (sums[c] ?? 0) + (absolute ? Math.abs(value) : value);
    }
  }
}

function scaled(sums: Float64Array, rows: number): Float64Array {
  for (let i = 0; i < sums.length; i++) {
    const value = (sums[i] ?? 0) / rows;
    if (value - value !== 0) throw new NotMeasurable("it is NaN or infinite for some sample");
    sums[i] = value;
  }
  return sums;
}

function meanSum(columns: number, absolute: boolean): RowSum {
  const sums = new Float64Array(columns);
  return {
    add: (chunk) => addColumns(chunk, columns, sums, absolute),
    finish: (rows) => ({ [absolute ? "absMean" : "mean"]: scaled(sums, rows) }),
  };
}

/** Merges the moments of chunks (Chan, Golub, LeVeque 1983). */
function momentsSum(columns: number): RowSum {
  const mean = new Float64Array(columns);
  const squares = new Float64Array(columns);
  let total = 0;
  return {
    add(chunk) {
      const { data, count } = chunk;
      const sums = new Float64Array(columns);
      addColumns(chunk, columns, sums, false);
      const around = new Float64Array(columns);
      for (let r = 0; r < count; r++)
        for (let c = 0; c < columns; c++) {
          const off = (data[r * columns + c] ?? 0) - (sums[c] ?? 0) / count;
          around[c] = (around[c] ?? 0) + off * off;
        }
      const after = total + count;
      for (let c = 0; c < columns; c++) {
        const delta = (sums[c] ?? 0) / count - (mean[c] ?? 0);
        squares[c] = (squares[c] ?? 0) + (around[c] ?? 0) + (delta * delta * total * count) / after;
        mean[c] = (mean[c] ?? 0) + (delta * count) / after;
      }
      total = after;
    },
    finish: (rows) => ({ mean: scaled(mean, 1), variance: scaled(squares, rows) }),
  };
}

/** Below this the runtime's call costs more than the product. */
const LEAST_BLAS = 24;

/** Columns [from, from + k) of a chunk, as a matrix of their own. */
function columnsOf(
  data: Float32Array,
  rows: number,
  stride: number,
  from: number,
  k: number,
): MatrixF32 {
  const all = { rows, cols: stride, data: data.subarray(0, rows * stride) };
  return k === stride ? all : block(all, 0, rows, from, from + k);
}

function gramSum({ groups, k, columns }: Layout, blas: Blas): RowSum {
  const sums = Array.from({ length: groups }, (): MatrixF64 => ({
    rows: k,
    cols: k,
    data: new Float64Array(k * k),
  }));
  const mean = new Float64Array(columns);
  return {
    async add(chunk) {
      addColumns(chunk, columns, mean, false);
      const { data, count } = chunk;
      for (const [group, sum] of sums.entries())
        if (k < LEAST_BLAS) addGram(data, count, columns, group * k, k, sum.data);
        else await blas.gram(columnsOf(data, count, columns, group * k, k), sum);
    },
    finish(rows) {
      const data = new Float32Array(groups * k * k);
      sums.forEach((sum, group) => {
        mirrorUpper(sum);
        data.set(scaled(sum.data, rows), group * k * k);
      });
      return { groups, k, data, mean: scaled(mean, rows) };
    },
  };
}

function crossGramSum(a: Layout, b: Layout, blas: Blas): RowSum {
  const { groups } = a;
  const size = a.k * b.k;
  const sums = Array.from({ length: groups }, () => new Float64Array(size));
  return {
    async add({ data, other, count }) {
      if (other === null) throw new Error("a cross-Gram has two sides");
      for (const [group, sum] of sums.entries()) {
        const left = columnsOf(data, count, a.columns, group * a.k, a.k);
        const right = columnsOf(other, count, b.columns, group * b.k, b.k);
        if (Math.min(a.k, b.k) < LEAST_BLAS) addCrossGram(left, right, sum);
        else {
          const product = await blas.gemm(left, right, { transA: true });
          for (let i = 0; i < size; i++) sum[i] = (sum[i] ?? 0) + (product.data[i] ?? 0);
        }
      }
    },
    finish(rows) {
      const data = new Float32Array(groups * size);
      sums.forEach((sum, group) => data.set(scaled(sum, rows), group * size));
      return { groups, kA: a.k, kB: b.k, data };
    },
  };
}

function samplesSum(columns: number, rows: number): RowSum {
  const data = new Float32Array(rows * columns);
  let at = 0;
  return {
    add(chunk) {
      data.set(chunk.data.subarray(0, chunk.count * columns), at);
      at += chunk.count * columns;
    },
    finish() {
      if (data.some((value) => value - value !== 0))
        throw new NotMeasurable("it is NaN or infinite for some sample");
      return { k: columns, data: data.subarray(0, at) };
    },
  };
}
