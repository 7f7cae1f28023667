/**
 * Householder reflections to a tridiagonal matrix, in panels whose rank-two updates are one product,
 * and the reflections applied back in blocks (compact WY form). Dongarra, Sorensen and Hammarling
 * 1989; Schreiber and Van Loan 1989.
 */
import type { Blas, MatrixF64 } from "../../shared/kernels.ts";
import { block, zerosF64 } from "./matrix.ts";

export interface Tridiagonal {
  readonly diagonal: Float64Array;
  /** [n]; the last is 0. */
  readonly offDiagonal: Float64Array;
  /** Row k holds reflector k from column k + 1 on, zeros before. */
  readonly reflectors: MatrixF64;
  /** H_k = I − factors[k]·v·vᵀ. */
  readonly factors: Float64Array;
}

/** Columns that are reduced between two updates of what remains. */
const PANEL = 32;
/** A column this small next to a matrix of size 1 is zero: its squares would vanish. */
const TINY = 1e-140;

/** `a` [n, n] symmetric, its largest entry near 1. */
export async function tridiagonalize(blas: Blas, a: MatrixF64): Promise<Tridiagonal> {
  const n = a.rows;
  const out: Tridiagonal = {
    diagonal: new Float64Array(n),
    offDiagonal: new Float64Array(n),
    reflectors: zerosF64(n, n),
    factors: new Float64Array(n),
  };
  let rest = a;
  for (let from = 0; from < n; from += PANEL) {
    const size = n - from;
    const width = Math.min(PANEL, size);
    // Rows of both: what A − VᵀW − WᵀV takes off, for the columns done so far.
    const v = zerosF64(width, size);
    const w = zerosF64(width, size);
    for (let j = 0; j < width; j++) await reduceColumn(blas, rest, j, v, w, from, out);
    if (width === size) break;
    const left = stacked(v, w, width);
    const right = stacked(w, v, width);
    const next = block(rest, width, size, width, size);
    rest = await blas.gemm(left, right, { transA: true, into: next, subtract: true });
  }
  return out;
}

/** Rows of both, one below the other, without their first `skip` columns. */
function stacked(top: MatrixF64, bottom: MatrixF64, skip: number): MatrixF64 {
  const out = zerosF64(top.rows + bottom.rows, top.cols - skip);
  [top, bottom].forEach((part, i) =>
    out.data.set(block(part, 0, part.rows, skip, part.cols).data, i * part.rows * out.cols),
  );
  return out;
}

/** Column j of the panel: its entries of the result, and row j of `v` and `w`. */
async function reduceColumn(
  blas: Blas,
  rest: MatrixF64,
  j: number,
  v: MatrixF64,
  w: MatrixF64,
  from: number,
  out: Tridiagonal,
): Promise<void> {
  const size = rest.cols;
  const column = rest.data.slice(j * size, (j + 1) * size);
  for (let p = 0; p < j; p++) {
    const vp = v.data.subarray(p * size, (p + 1) * size);
    const wp = w.data.subarray(p * size, (p + 1) * size);
    const vj = vp[j] ?? 0;
    const wj = wp[j] ?? 0;
    for (let i = j; i < size; i++)
      column[i] = (column[i] ?? 0) - (vj * (wp[i] ?? 0) + wj * (vp[i] ?? 0));
  }
  out.diagonal[from + j] = column[j] ?? 0;
  const start = j + 1;
  if (start >= size) return;
  const first = column[start] ?? 0;
  let tail = 0;
  for (let i = start + 1; i < size; i++) tail += (column[i] ?? 0) ** 2;
  const norm = Math.sqrt(tail + first * first);
  out.offDiagonal[from + j] = first;
  if (!(Math.sqrt(tail) > TINY)) return;
  const alpha = first > 0 ? -norm : norm;
  const head = first - alpha;
  const factor = 2 / (tail + head * head);
  out.offDiagonal[from + j] = alpha;
  out.factors[from + j] = factor;
  const vector = v.data.subarray(j * size, (j + 1) * size);
  const image = w.data.subarray(j * size, (j + 1) * size);
  vector.set(column.subarray(start), start);
  vector[start] = head;
  const n = out.reflectors.cols;
  out.reflectors.data.set(vector.subarray(start), (from + j) * n + from + start);
  await timesColumn(blas, rest, vector, start, image);
  for (let p = 0; p < j; p++) {
    const vp = v.data.subarray(p * size, (p + 1) * size);
    const wp = w.data.subarray(p * size, (p + 1) * size);
    let byV = 0;
    let byW = 0;
    for (let i = start; i < size; i++) {
      byV += (vp[i] ?? 0) * (vector[i] ?? 0);
      byW += (wp[i] ?? 0) * (vector[i] ?? 0);
    }
    for (let i = start; i < size; i++)
      image[i] = (image[i] ?? 0) - (byW * (vp[i] ?? 0) + byV * (wp[i] ?? 0));
  }
  let dot = 0;
  for (let i = start; i < size; i++) dot += (image[i] ?? 0) * (vector[i] ?? 0);
  const half = (factor * dot) / 2;
  for (let i = start; i < size; i++)
    image[i] = factor * ((image[i] ?? 0) - half * (vector[i] ?? 0));
}

/** From here on the runtime's product of a matrix and one column is faster than plain loops. */
const RUNTIME = 256;

/** A·x on rows and columns from `start` on, into `out`; x is zero before. */
async function timesColumn(
  blas: Blas,
  a: MatrixF64,
  x: Float64Array,
  start: number,
  out: Float64Array,
): Promise<void> {
  const size = a.cols;
  if (size >= RUNTIME) {
    const image = await blas.gemm(a, { rows: size, cols: 1, data: x });
    out.set(image.data.subarray(start), start);
    return;
  }
  for (let i = start; i < size; i++) {
    const row = a.data.subarray(i * size, (i + 1) * size);
    let even = 0;
    let odd = 0;
    let j = start;
    for (; j + 1 < size; j += 2) {
      even += (row[j] ?? 0) * (x[j] ?? 0);
      odd += (row[j + 1] ?? 0) * (x[j + 1] ?? 0);
    }
    if (j < size) even += (row[j] ?? 0) * (x[j] ?? 0);
    out[i] = even + odd;
  }
}

/** Reflectors that are applied in one product. */
const BLOCK = 64;

/** Rows x of `rows` become (H_0·H_1·…·x)ᵀ. */
export async function applyReflectors(blas: Blas, t: Tridiagonal, rows: MatrixF64): Promise<void> {
  const n = rows.cols;
  const count = Math.max(0, n - 2);
  for (let from = Math.floor((count - 1) / BLOCK) * BLOCK; from >= 0; from -= BLOCK) {
    const to = Math.min(count, from + BLOCK);
    const v = block(t.reflectors, from, to, from + 1, n);
    const factor = await blockFactor(blas, v, t.factors.subarray(from, to));
    // R·(I − V·T·Vᵀ)ᵀ on the columns that V reaches.
    const reached = block(rows, 0, rows.rows, from + 1, n);
    const products = await blas.gemm(reached, v, { transB: true });
    const mixed = await blas.gemm(products, factor, { transB: true });
    await blas.gemm(mixed, v, { into: reached, subtract: true });
    for (let i = 0; i < rows.rows; i++)
      rows.data.set(reached.data.subarray(i * v.cols, (i + 1) * v.cols), i * n + from + 1);
  }
}

/** Upper triangular T of H_0·…·H_{b−1} = I − V·T·Vᵀ, with the vectors in the rows of `v`. */
async function blockFactor(blas: Blas, v: MatrixF64, factors: Float64Array): Promise<MatrixF64> {
  const b = v.rows;
  const inner = await blas.gemm(v, v, { transB: true });
  const t = zerosF64(b, b);
  for (let j = 0; j < b; j++) {
    const factor = factors[j] ?? 0;
    t.data[j * b + j] = factor;
    for (let i = 0; i < j; i++) {
      let sum = 0;
      for (let k = i; k < j; k++) sum += (t.data[i * b + k] ?? 0) * (inner.data[k * b + j] ?? 0);
      t.data[i * b + j] = -factor * sum;
    }
  }
  return t;
}
