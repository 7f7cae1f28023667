/**
 * Products of tall matrices with themselves and each other, summed in float64: what calibrated
 * techniques know of a layer's input. Plain loops, eight rows at a time so that each sum is read and
 * written once for eight products.
 */

/** Rows taken at a time. */
const ROWS = 8;

/**
 * Adds the upper triangle of XᵀX to `sums` [k, k].
 * @param x rows of `stride` values; the k columns begin at `offset`
 */
export function addGram(
  x: Float32Array,
  rows: number,
  stride: number,
  offset: number,
  k: number,
  sums: Float64Array,
): void {
  addProduct(x, stride, offset, k, x, stride, offset, k, rows, sums, true);
}

/** Adds AᵀB to `sums` [kA, kB]; both have `rows` rows. */
export function addCrossGram(
  a: Float32Array,
  strideA: number,
  offsetA: number,
  kA: number,
  b: Float32Array,
  strideB: number,
  offsetB: number,
  kB: number,
  rows: number,
  sums: Float64Array,
): void {
  addProduct(a, strideA, offsetA, kA, b, strideB, offsetB, kB, rows, sums, false);
}

function addProduct(
  a: Float32Array,
  strideA: number,
  offsetA: number,
  kA: number,
  b: Float32Array,
  strideB: number,
  offsetB: number,
  kB: number,
  rows: number,
  sums: Float64Array,
  upperOnly: boolean,
): void {
  // Columns of B as float64, one after the other: eight typed reads become one block that stays near.
  const block = new Float64Array(ROWS * kB);
  const left = new Float64Array(ROWS);
  for (let r0 = 0; r0 < rows; r0 += ROWS) {
    const count = Math.min(ROWS, rows - r0);
    block.fill(0);
    for (let r = 0; r < count; r++) {
      const from = (r0 + r) * strideB + offsetB;
      for (let j = 0; j < kB; j++) block[j * ROWS + r] = b[from + j] ?? 0;
    }
    for (let i = 0; i < kA; i++) {
      left.fill(0);
      let any = 0;
      for (let r = 0; r < count; r++) {
        const value = a[(r0 + r) * strideA + offsetA + i] ?? 0;
        left[r] = value;
        // NaN is not 0, so it is not lost here.
        if (value !== 0) any = 1;
      }
      if (any === 0) continue;
      const [l0 = 0, l1 = 0, l2 = 0, l3 = 0, l4 = 0, l5 = 0, l6 = 0, l7 = 0] = left;
      const row = i * kB;
      for (let j = upperOnly ? i : 0; j < kB; j++) {
        const at = j * ROWS;
        sums[row + j] =
          (sums[row + j] ?? 0) +
          l0 * (block[at] ?? 0) +
          l1 * (block[at + 1] ?? 0) +
          l2 * (block[at + 2] ?? 0) +
          l3 * (block[at + 3] ?? 0) +
          l4 * (block[at + 4] ?? 0) +
          l5 * (block[at + 5] ?? 0) +
          l6 * (block[at + 6] ?? 0) +
          l7 * (block[at + 7] ?? 0);
      }
    }
  }
}
