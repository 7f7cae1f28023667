/**
 * Eigenvalues and eigenvectors of a real symmetric matrix, in float64.
 *
 * Householder reflections to a tridiagonal matrix, implicit QL with Wilkinson shifts on that, and
 * the reflections applied back in blocks of 32 (compact WY form) by three products each. Golub and
 * Van Loan, 8.3; Schreiber and Van Loan 1989.
 */
import { engineErrors } from "../../shared/errors.ts";
import type { Blas, MatrixF64 } from "../../shared/kernels.ts";
import { block, zerosF64 } from "./matrix.ts";

export interface Eigen {
  /** Largest first. */
  readonly values: Float64Array;
  /** Row i is the unit eigenvector of `values[i]`. */
  readonly vectors: MatrixF64;
}

/** `a` [n, n] symmetric; both triangles are read. @throws EngineError when it holds NaN or infinity. */
export async function eigenSymmetric(blas: Blas, a: MatrixF64): Promise<Eigen> {
  const n = a.rows;
  const t = tridiagonalize(a);
  const rows = zerosF64(n, n);
  for (let i = 0; i < n; i++) rows.data[i * n + i] = 1;
  implicitQL(t.diagonal, t.offDiagonal, rows.data);
  const order = descending(t.diagonal);
  const sorted = zerosF64(n, n);
  order.forEach((from, to) =>
    sorted.data.set(rows.data.subarray(from * n, (from + 1) * n), to * n),
  );
  await applyReflectors(blas, t, sorted);
  return { values: t.diagonal.map((_, i) => t.diagonal[order[i] ?? 0] ?? 0), vectors: sorted };
}

/** The eigenvalues alone, largest first: a third of the work. @throws as `eigenSymmetric`. */
export function eigenvaluesSymmetric(a: MatrixF64): Float64Array {
  const { diagonal, offDiagonal } = tridiagonalize(a);
  implicitQL(diagonal, offDiagonal, null);
  return diagonal.sort().reverse();
}

const descending = (values: Float64Array): number[] =>
  Array.from(values, (_, i) => i).sort((i, j) => (values[j] ?? 0) - (values[i] ?? 0));

interface Tridiagonal {
  readonly diagonal: Float64Array;
  readonly offDiagonal: Float64Array;
  /** Row k holds reflector k from column k + 1 on. */
  readonly reflectors: MatrixF64;
  /** H_k = I − factors[k]·v·vᵀ. */
  readonly factors: Float64Array;
}

function tridiagonalize(a: MatrixF64): Tridiagonal {
  const n = a.rows;
  const m = a.data.slice();
  if (!m.every(Number.isFinite)) throw engineErrors.matrixNotFinite("A symmetric matrix");
  const diagonal = new Float64Array(n);
  const offDiagonal = new Float64Array(n);
  const factors = new Float64Array(n);
  const v = new Float64Array(n);
  const w = new Float64Array(n);
  for (let k = 0; k < n - 2; k++) {
    const size = n - k - 1;
    const head = k * n + k + 1;
    diagonal[k] = m[head - 1] ?? 0;
    // Scaled, so that squares of tiny or huge entries neither vanish nor overflow.
    let largest = 0;
    for (let i = 0; i < size; i++) largest = Math.max(largest, Math.abs(m[head + i] ?? 0));
    if (largest === 0) continue;
    let squares = 0;
    for (let i = 0; i < size; i++) {
      const x = (m[head + i] ?? 0) / largest;
      v[i] = x;
      squares += x * x;
    }
    const first = v[0] ?? 0;
    const alpha = first > 0 ? -Math.sqrt(squares) : Math.sqrt(squares);
    v[0] = first - alpha;
    const factor = 2 / (squares - first * first + (first - alpha) ** 2);
    factors[k] = factor;
    offDiagonal[k] = alpha * largest;
    for (let i = 0; i < size; i++) m[head + i] = v[i] ?? 0;
    let dot = 0;
    for (let i = 0; i < size; i++) {
      const row = (k + 1 + i) * n + k + 1;
      let sum = 0;
      let more = 0;
      let j = 0;
      for (; j + 1 < size; j += 2) {
        sum += (m[row + j] ?? 0) * (v[j] ?? 0);
        more += (m[row + j + 1] ?? 0) * (v[j + 1] ?? 0);
      }
      if (j < size) sum += (m[row + j] ?? 0) * (v[j] ?? 0);
      const product = (sum + more) * factor;
      w[i] = product;
      dot += product * (v[i] ?? 0);
    }
    const half = (dot * factor) / 2;
    for (let i = 0; i < size; i++) w[i] = (w[i] ?? 0) - half * (v[i] ?? 0);
    for (let i = 0; i < size; i++) {
      const row = (k + 1 + i) * n + k + 1;
      const vi = v[i] ?? 0;
      const wi = w[i] ?? 0;
      for (let j = 0; j < size; j++)
        m[row + j] = (m[row + j] ?? 0) - (vi * (w[j] ?? 0) + wi * (v[j] ?? 0));
    }
  }
  for (let k = Math.max(0, n - 2); k < n; k++) diagonal[k] = m[k * n + k] ?? 0;
  if (n > 1) offDiagonal[n - 2] = m[(n - 2) * n + n - 1] ?? 0;
  return { diagonal, offDiagonal, reflectors: { rows: n, cols: n, data: m }, factors };
}

/** Sweeps per eigenvalue; about two are usual, LAPACK gives up at 30. */
const SWEEPS = 60;

/**
 * Diagonalizes in place: `d` becomes the eigenvalues; the rows of `z` [n, n] (when given) are rotated
 * along and become the eigenvectors.
 */
function implicitQL(d: Float64Array, e: Float64Array, z: Float64Array | null): void {
  const n = d.length;
  const at = (values: Float64Array, i: number): number => values[i] ?? 0;
  // Rounding of the matrix itself: below it the values of a singular matrix never part.
  let floor = 0;
  for (let i = 0; i < n; i++) floor = Math.max(floor, Math.abs(at(d, i)), Math.abs(at(e, i)));
  floor *= Number.EPSILON / 2;
  for (let l = 0; l < n; l++)
    for (let sweep = 0; ; sweep++) {
      let m = l;
      while (
        m < n - 1 &&
        Math.abs(at(e, m)) >
          Math.max(floor, Number.EPSILON * (Math.abs(at(d, m)) + Math.abs(at(d, m + 1))))
      )
        m++;
      if (m === l) break;
      if (sweep === SWEEPS) throw engineErrors.noConvergence("The eigenvalues", SWEEPS);
      let g = (at(d, l + 1) - at(d, l)) / (2 * at(e, l));
      let r = Math.hypot(g, 1);
      g = at(d, m) - at(d, l) + at(e, l) / (g + (g >= 0 ? r : -r));
      let s = 1;
      let c = 1;
      let p = 0;
      let i = m - 1;
      for (; i >= l; i--) {
        const f = s * at(e, i);
        const b = c * at(e, i);
        r = Math.hypot(f, g);
        e[i + 1] = r;
        if (r === 0) {
          d[i + 1] = at(d, i + 1) - p;
          e[m] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = at(d, i + 1) - p;
        r = (at(d, i) - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        if (z) rotateRows(z, n, i, c, s);
      }
      if (i >= l) continue;
      d[l] = at(d, l) - p;
      e[l] = g;
      e[m] = 0;
    }
}

/** Rows i and i + 1 of z become c·z_i − s·z_{i+1} and s·z_i + c·z_{i+1}. */
function rotateRows(z: Float64Array, n: number, i: number, c: number, s: number): void {
  const start = i * n;
  for (let k = start; k < start + n; k++) {
    const x = z[k] ?? 0;
    const y = z[k + n] ?? 0;
    z[k + n] = s * x + c * y;
    z[k] = c * x - s * y;
  }
}

/** Reflectors that are applied in one product. */
const BLOCK = 32;

/** Rows x of `rows` become (H_0·H_1·…·x)ᵀ. */
async function applyReflectors(blas: Blas, t: Tridiagonal, rows: MatrixF64): Promise<void> {
  const n = rows.rows;
  const count = Math.max(0, n - 2);
  for (let from = Math.floor((count - 1) / BLOCK) * BLOCK; from >= 0; from -= BLOCK) {
    const to = Math.min(count, from + BLOCK);
    // V as rows [b, n − from − 1]: vectors begin one column further right each.
    const v = block(t.reflectors, from, to, from + 1, n);
    for (let k = 0; k < v.rows; k++) v.data.fill(0, k * v.cols, k * v.cols + k);
    const factor = await blockFactor(blas, v, t.factors.subarray(from, to));
    // R·(I − V·T·Vᵀ)ᵀ on the columns that V reaches.
    const reached = block(rows, 0, n, from + 1, n);
    const products = await blas.gemm(reached, v, { transB: true });
    const mixed = await blas.gemm(products, factor, { transB: true });
    await blas.gemm(mixed, v, { into: reached, subtract: true });
    for (let i = 0; i < n; i++)
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
