/**
 * Eigenvectors of a symmetric tridiagonal matrix by divide and conquer, in float64: halves apart,
 * then a rank-one update, whose eigenvectors cost two products. Cuppen 1981; Gu and Eisenstat 1995;
 * deflation as LAPACK's dlaed2.
 */
import type { Blas, MatrixF64 } from "../../shared/kernels.ts";
import { zerosF64 } from "./matrix.ts";
import { implicitQL } from "./implicitQL.ts";
import { exactUpdate, secularRoots } from "./secular.ts";

export interface TridiagonalEigen {
  /** Ascending. */
  readonly values: Float64Array;
  /** Row i is the unit eigenvector of `values[i]`. */
  readonly rows: MatrixF64;
}

/** Up to this size plain QL is faster. */
const LEAF = 32;

/** `diagonal` [n], `offDiagonal` [≥ n − 1], entries near 1 in size; both are written over. */
export async function divideAndConquer(
  blas: Blas,
  diagonal: Float64Array,
  offDiagonal: Float64Array,
): Promise<TridiagonalEigen> {
  const n = diagonal.length;
  if (n <= LEAF) {
    const rows = zerosF64(n, n);
    for (let i = 0; i < n; i++) rows.data[i * n + i] = 1;
    implicitQL(diagonal, offDiagonal, rows.data);
    const order = ascending(diagonal);
    return { values: permute(diagonal, order), rows: gather(rows, order, 0, n) };
  }
  const half = n >> 1;
  const coupling = offDiagonal[half - 1] ?? 0;
  const size = Math.abs(coupling);
  diagonal[half - 1] = (diagonal[half - 1] ?? 0) - size;
  diagonal[half] = (diagonal[half] ?? 0) - size;
  const top = await divideAndConquer(blas, diagonal.subarray(0, half), offDiagonal);
  const bottom = await divideAndConquer(blas, diagonal.subarray(half), offDiagonal.subarray(half));
  return merge(blas, top, bottom, coupling);
}

/** Which columns of its row are not zero. */
type Reach = 0 | 1 | 2;
const TOP = 0;
const BOTH = 1;
const BOTTOM = 2;

/** Eigenvectors of both halves as rows over all columns, ascending by value. */
interface Parts {
  readonly values: Float64Array;
  /** What the coupling has in the direction of each. */
  readonly z: Float64Array;
  readonly reach: Reach[];
  readonly rows: Float64Array[];
}

async function merge(
  blas: Blas,
  top: TridiagonalEigen,
  bottom: TridiagonalEigen,
  coupling: number,
): Promise<TridiagonalEigen> {
  const half = top.values.length;
  const n = half + bottom.values.length;
  const parts = joined(top, bottom, Math.sign(coupling));
  // z has the norm √2.
  const rho = 2 * Math.abs(coupling);
  const { kept, settled } = deflate(parts, rho);
  const values = new Float64Array(n);
  const rows = zerosF64(n, n);
  if (kept.length > 0) {
    // Rows of one reach stand together, so that products pass over no zeros.
    const d = permute(parts.values, kept);
    const z = permute(parts.z, kept);
    const norm = Math.sqrt(z.reduce((sum, x) => sum + x * x, 0));
    const { roots, gaps } = secularRoots(
      d,
      z.map((x) => x / norm),
      rho * norm * norm,
    );
    values.set(roots);
    const reachOf = (i: number): Reach => parts.reach[kept[i] ?? 0] ?? BOTH;
    const grouped = kept.map((_, i) => i).sort((i, j) => reachOf(i) - reachOf(j) || i - j);
    const ends = [TOP, BOTH].map((last) => grouped.filter((i) => reachOf(i) <= last).length);
    const [onlyTop = 0, topOrBoth = 0] = ends;
    const mixing = mixingRows(gaps, exactUpdate(d, z, gaps), grouped);
    const sources = grouped.map((i) => parts.rows[kept[i] ?? 0] ?? new Float64Array(n));
    const products: [number, number, number, number][] = [
      [0, topOrBoth, 0, half],
      [onlyTop, kept.length, half, n],
    ];
    for (const [first, end, from, to] of products) {
      const source = zerosF64(end - first, to - from);
      for (let i = first; i < end; i++)
        source.data.set((sources[i] ?? source.data).subarray(from, to), (i - first) * (to - from));
      const part = columnsOf(mixing, first, end);
      const image = await blas.gemm(part, source);
      for (let k = 0; k < kept.length; k++)
        rows.data.set(image.data.subarray(k * image.cols, (k + 1) * image.cols), k * n + from);
    }
  }
  settled.forEach((from, i) => {
    const to = kept.length + i;
    values[to] = parts.values[from] ?? 0;
    rows.data.set(parts.rows[from] ?? [], to * n);
  });
  const order = ascending(values);
  return { values: permute(values, order), rows: gather(rows, order, 0, n) };
}

function joined(top: TridiagonalEigen, bottom: TridiagonalEigen, sign: number): Parts {
  const half = top.values.length;
  const rest = bottom.values.length;
  const n = half + rest;
  const values = new Float64Array(n);
  values.set(top.values);
  values.set(bottom.values, half);
  const order = ascending(values);
  const z = new Float64Array(n);
  const reach: Reach[] = [];
  const rows: Float64Array[] = [];
  order.forEach((from, to) => {
    const row = new Float64Array(n);
    if (from < half) {
      row.set(top.rows.data.subarray(from * half, (from + 1) * half));
      z[to] = (row[half - 1] ?? 0) * Math.SQRT1_2;
    } else {
      const at = from - half;
      row.set(bottom.rows.data.subarray(at * rest, (at + 1) * rest), half);
      z[to] = sign * (row[half] ?? 0) * Math.SQRT1_2;
    }
    rows.push(row);
    reach.push(from < half ? TOP : BOTTOM);
  });
  return { values: permute(values, order), z, reach, rows };
}

/**
 * Places whose vectors the update leaves as they are: little of z lies there, or two values are so
 * close that a rotation moves all of z to one of them. Writes the rotations into `parts`.
 */
function deflate(parts: Parts, rho: number): { kept: number[]; settled: number[] } {
  const { values, z, reach, rows } = parts;
  let largest = 0;
  for (let i = 0; i < z.length; i++)
    largest = Math.max(largest, Math.abs(values[i] ?? 0), Math.abs(z[i] ?? 0));
  const tolerance = 8 * (Number.EPSILON / 2) * largest;
  const kept: number[] = [];
  const settled: number[] = [];
  let before = -1;
  for (let i = 0; i < z.length; i++) {
    if (rho * Math.abs(z[i] ?? 0) <= tolerance) {
      settled.push(i);
      continue;
    }
    if (before < 0) {
      before = i;
      continue;
    }
    const zi = z[i] ?? 0;
    const zb = z[before] ?? 0;
    const norm = Math.sqrt(zi * zi + zb * zb);
    const c = zi / norm;
    const s = -zb / norm;
    const vi = values[i] ?? 0;
    const vb = values[before] ?? 0;
    if (Math.abs((vi - vb) * c * s) > tolerance) {
      kept.push(before);
      before = i;
      continue;
    }
    z[i] = norm;
    z[before] = 0;
    rotate(rows[before], rows[i], c, s);
    if (reach[before] !== reach[i]) reach[i] = reach[before] = BOTH;
    values[before] = vb * c * c + vi * s * s;
    values[i] = vb * s * s + vi * c * c;
    settled.push(before);
    before = i;
  }
  if (before >= 0) kept.push(before);
  return { kept, settled };
}

/** x becomes c·x + s·y, and y becomes c·y − s·x. */
function rotate(
  x: Float64Array | undefined,
  y: Float64Array | undefined,
  c: number,
  s: number,
): void {
  if (!x || !y) return;
  for (let i = 0; i < x.length; i++) {
    const xi = x[i] ?? 0;
    const yi = y[i] ?? 0;
    x[i] = c * xi + s * yi;
    y[i] = c * yi - s * xi;
  }
}

/** Row k: the unit eigenvector of root k over the rows in the order of `grouped`, ẑ_i/(d_i − λ_k). */
function mixingRows(gaps: Float64Array, z: Float64Array, grouped: readonly number[]): MatrixF64 {
  const n = z.length;
  const out = zerosF64(n, n);
  const order = Int32Array.from(grouped);
  for (let k = 0; k < n; k++) {
    const row = out.data.subarray(k * n, (k + 1) * n);
    let squares = 0;
    for (let i = 0; i < n; i++) {
      const from = order[i] ?? 0;
      const value = (z[from] ?? 0) / (gaps[k * n + from] ?? 1);
      row[i] = value;
      squares += value * value;
    }
    const scale = 1 / Math.sqrt(squares);
    for (let i = 0; i < n; i++) row[i] = (row[i] ?? 0) * scale;
  }
  return out;
}

const columnsOf = (m: MatrixF64, from: number, to: number): MatrixF64 =>
  from === 0 && to === m.cols
    ? m
    : gather(
        m,
        Array.from({ length: m.rows }, (_, i) => i),
        from,
        to,
      );

function gather(m: MatrixF64, order: readonly number[], from: number, to: number): MatrixF64 {
  const out = zerosF64(order.length, to - from);
  order.forEach((row, i) =>
    out.data.set(m.data.subarray(row * m.cols + from, row * m.cols + to), i * (to - from)),
  );
  return out;
}

const ascending = (values: Float64Array): number[] =>
  Array.from(values, (_, i) => i).sort((i, j) => (values[i] ?? 0) - (values[j] ?? 0) || i - j);

const permute = (values: Float64Array, order: readonly number[]): Float64Array =>
  Float64Array.from(order, (i) => values[i] ?? 0);
