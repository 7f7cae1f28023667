/** Eigenvectors of matrices that are hard for divide and conquer: clusters, repeats, grading, extremes. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { createBlas } from "../../src/engine/blas.ts";
import { eigenSymmetric, eigenvaluesSymmetric } from "../../src/kernels/linalg/eigen.ts";
import type { MatrixF64 } from "../../src/shared/kernels.ts";
import { gaussian } from "../helpers/random.ts";

const blas = createBlas(1);

function made(n: number, entry: (i: number, j: number) => number): MatrixF64 {
  const at = (_: unknown, p: number): number => entry(Math.floor(p / n), p % n);
  return { rows: n, cols: n, data: Float64Array.from({ length: n * n }, at) };
}
const banded = (diagonal: (i: number) => number, beside: (i: number) => number) => (n: number) =>
  made(n, (i, j) => (i === j ? diagonal(i) : Math.abs(i - j) === 1 ? beside(Math.max(i, j)) : 0));
const noise = gaussian(300 * 300, 9);

const MATRICES: Record<string, (n: number) => MatrixF64> = {
  zeros: (n) => made(n, () => 0),
  ones: (n) => made(n, () => 1),
  "a repeated diagonal": banded(
    (i) => -(i % 5),
    () => 0,
  ),
  "Wilkinson's pairs": (n) =>
    banded(
      (i) => Math.abs(i - (n - 1) / 2),
      () => 1,
    )(n),
  "Wilkinson's pairs, glued": banded(
    (i) => Math.abs((i % 21) - 10),
    (i) => (i % 21 === 0 ? 1e-10 : 1),
  ),
  "second differences": banded(
    () => 2,
    () => -1,
  ),
  "three clusters": (n) => made(n, (i, j) => (i === j ? i % 3 : 0) + 1e-13 * Math.cos(i + j)),
  "graded over 25 powers of ten": (n) =>
    made(n, (i, j) => 10 ** (-(i + j) / 8) * (i === j ? 2 : 1)),
  "Hilbert's": (n) => made(n, (i, j) => 1 / (i + j + 1)),
  "indefinite noise": (n) => made(n, (i, j) => noise[i * n + j]! + noise[j * n + i]!),
  "entries near the largest number": (n) =>
    made(n, (i, j) => (i === j ? 3e300 : Math.sin(i * j + i + j) * 1e299)),
  "entries near the smallest number": (n) =>
    made(n, (i, j) => (i === j ? 3e-300 : Math.sin(i * j + i + j) * 1e-301)),
};

for (const [name, make] of Object.entries(MATRICES))
  it(`eigen: ${name}`, async () => {
    for (const n of [33, 101]) await check(make(n));
  });
it("eigen: products of the runtime from 256 columns on", () =>
  check(MATRICES["indefinite noise"]!(290)));

/** Orthonormal rows, A·v = λ·v and QL's eigenvalues, all to a few roundings of the norm. */
async function check(a: MatrixF64): Promise<void> {
  const n = a.rows;
  const { values, vectors } = await eigenSymmetric(blas, a);
  assert.ok(values.every((x, i) => i === 0 || x <= values[i - 1]!));
  const norm = Math.max(Math.abs(values[0]!), Math.abs(values[n - 1]!));
  const inner = await blas.gemm(vectors, vectors, { transB: true });
  const identity = made(n, (i, j) => (i === j ? 1 : 0)).data;
  assert.ok(farthest(inner.data, identity) < 1e-13);
  const images = await blas.gemm(vectors, a);
  const scaled = vectors.data.map((x, i) => x * values[Math.floor(i / n)]!);
  assert.ok(farthest(images.data, scaled) <= 1e-14 * norm);
  assert.ok(farthest(await eigenvaluesSymmetric(blas, a), values) <= 1e-14 * norm);
}

const farthest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);
