/**
 * Roots of the secular equation 1/ρ + Σ z_i²/(d_i − λ) = 0: the eigenvalues of D + ρ·z·zᵀ.
 *
 * Each root is sought as an offset from its nearer pole by rational interpolation with both poles
 * (Li 1993, LAPACK working note 89), inside a bracket that every step shrinks.
 */

export interface Secular {
  /** Ascending. */
  readonly roots: Float64Array;
  /** [n, n]: row k holds d_i − λ_k, to full relative accuracy even where they nearly cancel. */
  readonly gaps: Float64Array;
}

/** Steps after which a bracket is taken as it is; seven are many. */
const STEPS = 80;

/** `d` strictly ascending, `z` of norm 1 without zeros, ρ > 0. */
export function secularRoots(d: Float64Array, z: Float64Array, rho: number): Secular {
  const n = d.length;
  const squares = z.map((x) => x * x);
  const roots = new Float64Array(n);
  const gaps = new Float64Array(n * n);
  for (let k = 0; k < n; k++) {
    const row = gaps.subarray(k * n, (k + 1) * n);
    const { pole, offset } = rootAbove(k, d, squares, rho, row);
    const origin = d[pole] ?? 0;
    roots[k] = origin + offset;
    for (let i = 0; i < n; i++) row[i] = (d[i] ?? 0) - origin - offset;
  }
  return { roots, gaps };
}

interface Root {
  /** Index of the pole that `offset` counts from. */
  readonly pole: number;
  readonly offset: number;
}

/** The root between d_k and d_{k+1}, or above the last; `shifted` is scratch [n]. */
function rootAbove(
  k: number,
  d: Float64Array,
  squares: Float64Array,
  rho: number,
  shifted: Float64Array,
): Root {
  const n = d.length;
  const last = k === n - 1;
  const first = squares[0] ?? 0;
  if (n === 1) return { pole: 0, offset: rho * first };
  const at = (i: number): number => d[i] ?? 0;
  // The poles whose terms the interpolation keeps; for the last root the two below it.
  const left = last ? k - 1 : k;
  const right = left + 1;
  const gap = at(right) - at(left);
  const halfway = last ? rho / 2 : gap / 2;
  let middle = 1 / rho;
  for (let i = 0; i < n; i++) middle += (squares[i] ?? 0) / (at(i) - at(k) - halfway);
  const pole = last || middle >= 0 ? k : k + 1;
  let low = pole === k ? 0 : -halfway;
  let high = pole === k ? halfway : 0;
  if (last) [low, high] = middle >= 0 ? [0, halfway] : [halfway, rho];
  const origin = at(pole);
  for (let i = 0; i < n; i++) shifted[i] = at(i) - origin;
  const a0 = shifted[left] ?? 0;
  const b0 = shifted[right] ?? 0;
  // What the other poles give in the middle stays nearly the same over the interval.
  const where = at(k) - origin + halfway;
  const rest = middle - (squares[left] ?? 0) / (a0 - where) - (squares[right] ?? 0) / (b0 - where);
  let offset = twoPoles(rest, squares[left] ?? 0, squares[right] ?? 0, a0, b0, last);
  for (let step = 0; step < STEPS; step++) {
    if (!(offset > low && offset < high)) offset = (low + high) / 2;
    if (offset <= low || offset >= high) break;
    let below = 0;
    let belowSlope = 0;
    for (let i = 0; i <= left; i++) {
      const inverse = 1 / ((shifted[i] ?? 0) - offset);
      const term = (squares[i] ?? 0) * inverse;
      below += term;
      belowSlope += term * inverse;
    }
    let above = 0;
    let aboveSlope = 0;
    for (let i = right; i < n; i++) {
      const inverse = 1 / ((shifted[i] ?? 0) - offset);
      const term = (squares[i] ?? 0) * inverse;
      above += term;
      aboveSlope += term * inverse;
    }
    const value = 1 / rho + below + above;
    const slope = belowSlope + aboveSlope;
    const noise =
      Number.EPSILON *
      (8 * (Math.abs(below) + Math.abs(above)) + 1 / rho + Math.abs(offset) * slope);
    if (Math.abs(value) <= noise) break;
    if (value < 0) low = offset;
    else high = offset;
    const a = a0 - offset;
    const b = b0 - offset;
    const c = value - a * belowSlope - b * aboveSlope;
    const p = (a + b) * value - a * b * slope;
    const q = a * b * value;
    const root = Math.sqrt(Math.abs(p * p - 4 * q * c));
    let move = last
      ? p >= 0
        ? (p + root) / (2 * Math.abs(c))
        : (2 * q) / (p - root)
      : p <= 0
        ? (p - root) / (2 * c)
        : (2 * q) / (p + root);
    if (!(value * move < 0)) move = -value / slope;
    const next = offset + move;
    if (next === offset) break;
    offset = next;
  }
  return { pole, offset };
}

/** Root of rest + s/(a − x) + t/(b − x) between a and b, or above both. */
function twoPoles(
  rest: number,
  s: number,
  t: number,
  a: number,
  b: number,
  aboveBoth: boolean,
): number {
  // rest·(a − x)(b − x) + s(b − x) + t(a − x) = 0 with x measured from a.
  const gap = b - a;
  const p = rest * gap + s + t;
  const q = s * gap;
  const root = Math.sqrt(Math.max(0, p * p - 4 * q * rest));
  // Of the two roots the one between the poles is the smaller for a positive rest.
  if (aboveBoth) return a + (p + root) / (2 * rest);
  return a + (p > 0 ? (2 * q) / (p + root) : (p - root) / (2 * rest));
}

/**
 * The vector ẑ for which `gaps` are exact (Gu and Eisenstat 1994), so that eigenvectors made of it
 * are orthogonal however close the roots: ẑ_i² = Π_k (λ_k − d_i) / Π_{k≠i} (d_k − d_i), up to ρ.
 */
export function exactUpdate(d: Float64Array, z: Float64Array, gaps: Float64Array): Float64Array {
  const n = d.length;
  const products = new Float64Array(n);
  for (let i = 0; i < n; i++) products[i] = -(gaps[(n - 1) * n + i] ?? 0);
  for (let k = 0; k < n - 1; k++) {
    const pole = d[k] ?? 0;
    const next = d[k + 1] ?? 0;
    const row = k * n;
    for (let i = 0; i <= k; i++)
      products[i] = (products[i] ?? 0) * (-(gaps[row + i] ?? 0) / (next - (d[i] ?? 0)));
    for (let i = k + 1; i < n; i++)
      products[i] = (products[i] ?? 0) * (-(gaps[row + i] ?? 0) / (pole - (d[i] ?? 0)));
  }
  return products.map((x, i) => Math.sqrt(Math.max(0, x)) * Math.sign(z[i] ?? 0));
}
