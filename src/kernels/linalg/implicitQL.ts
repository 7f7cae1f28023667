/**
 * Implicit QL with Wilkinson shifts on a symmetric tridiagonal matrix. Golub and Van Loan, 8.3.
 * Entries must be near 1 in size: squares are not guarded (`Math.hypot` takes 20 times a square root).
 */
import { engineErrors } from "../../shared/errors.ts";

/** Sweeps per eigenvalue; about two are usual, LAPACK gives up at 30. */
const SWEEPS = 60;

/**
 * Diagonalizes in place: `d` becomes the eigenvalues; the rows of `z` [n, n] (when given) are rotated
 * along and become the eigenvectors.
 */
export function implicitQL(d: Float64Array, e: Float64Array, z: Float64Array | null): void {
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
      let r = Math.sqrt(g * g + 1);
      g = at(d, m) - at(d, l) + at(e, l) / (g + (g >= 0 ? r : -r));
      let s = 1;
      let c = 1;
      let p = 0;
      let i = m - 1;
      for (; i >= l; i--) {
        const f = s * at(e, i);
        const b = c * at(e, i);
        r = Math.sqrt(f * f + g * g);
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
