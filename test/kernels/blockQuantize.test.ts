/** The SIMD loops against their plain twins, byte by byte, and both against reference errors. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadKernels } from "../../src/engine/wasm.ts";
import { referenceKernels } from "../../src/kernels/reference.ts";
import type { BlockFormat, BlockOutput, Kernels } from "../../src/shared/kernels.ts";
import { gaussian, uniform } from "../helpers/random.ts";

const simd = loadKernels();
const BITS = [2, 4, 8] as const;

/** A result that stays when the kernels work on. */
function kept({ codes, scales, zeroPoints, n, kBlocks }: BlockOutput): BlockOutput {
  return {
    codes: codes.slice(),
    scales: scales.slice(),
    zeroPoints: zeroPoints?.slice() ?? null,
    n,
    kBlocks,
  };
}
/** `w` is `[K, N]`; quantized in pieces of at most `step` rows. */
function quantizeKN(
  kernels: Kernels,
  w: Float32Array,
  n: number,
  k: number,
  format: BlockFormat,
  step = k,
): BlockOutput {
  const { out, rows: room } = kernels.blockSpace(format, n, k, Math.min(k, step) * n);
  for (let k0 = 0; k0 < k; k0 += step) {
    const rows = Math.min(step, k - k0);
    const part = w.subarray(k0 * n, (k0 + rows) * n);
    // In turn where the loops work, and elsewhere.
    if (k0 % (2 * step) === 0) room.set(part);
    const from = k0 % (2 * step) === 0 ? room.subarray(0, part.length) : part;
    kernels.quantizeBlocksKN(from, rows, k0, format, out);
  }
  return kept(out);
}
function quantizeNK(
  kernels: Kernels,
  w: Float32Array,
  n: number,
  k: number,
  format: BlockFormat,
  step = n,
): BlockOutput {
  const { out } = kernels.blockSpace(format, n, k, Math.min(n, step) * k);
  for (let n0 = 0; n0 < n; n0 += step) {
    const rows = Math.min(step, n - n0);
    kernels.quantizeBlocksNK(w.subarray(n0 * k, (n0 + rows) * k), rows, n0, k, format, out);
  }
  return kept(out);
}
function transpose(w: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(w.length);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) out[c * rows + r] = w[r * columns + c]!;
  return out;
}
/** Values of `[N, K]` that codes, scales and zero points stand for. */
function dequantize(format: BlockFormat, out: BlockOutput, k: number): Float32Array {
  const values = new Float32Array(out.n * k);
  const mask = 2 ** format.bits - 1;
  for (let n = 0; n < out.n; n++)
    for (let i = 0; i < k; i++) {
      const block = n * out.kBlocks + Math.floor(i / format.block);
      const bit = (i % format.block) * format.bits;
      const byte = out.codes[block * ((format.block * format.bits) / 8) + (bit >> 3)]!;
      const zero = out.zeroPoints ? out.zeroPoints[block]! : 2 ** (format.bits - 1);
      values[n * k + i] = (((byte >> (bit & 7)) & mask) - zero) * out.scales[block]!;
    }
  return values;
}
function sqnrDb(reference: Float32Array, other: Float32Array): number {
  let signal = 0;
  let noise = 0;
  for (let i = 0; i < reference.length; i++) {
    signal += reference[i]! ** 2;
    noise += (reference[i]! - other[i]!) ** 2;
  }
  return 10 * Math.log10(signal / noise);
}

const KINDS: Record<string, (n: number, seed: number) => Float32Array> = {
  gaussian: (n, seed) => gaussian(n, seed),
  "one sign": (n, seed) => uniform(n, seed).map((x) => -1 - x),
  zero: (n) => new Float32Array(n),
  constant: (n) => new Float32Array(n).fill(0.3),
  denormal: (n, seed) => uniform(n, seed).map((x) => (x - 0.5) * 1e-39),
  "near the smallest scale": (n, seed) => uniform(n, seed).map((x) => (x - 0.5) * 1e-37),
  huge: (n, seed) => uniform(n, seed).map((x) => Math.fround((x - 0.5) * 6.8e38)),
  "ties and negative zero": (n) => Float32Array.from({ length: n }, (_, i) => ((i % 31) - 15) / 2),
};
/** K ragged and whole; N below, at and above the width of the SIMD loop. */
const SHAPES = [
  [1, 16],
  [3, 40],
  [16, 64],
  [17, 257],
  [70, 300],
] as const;

for (const bits of BITS)
  for (const symmetric of [false, true])
    test(`${bits} bit ${symmetric ? "symmetric" : "asymmetric"}: SIMD equals the twin`, () => {
      for (const [block, refits] of [
        [16, 0],
        [32, 2],
        [256, 1],
      ] as const)
        for (const [kind, make] of Object.entries(KINDS))
          for (const [n, k] of SHAPES) {
            const format = { bits, block, symmetric, refits };
            const w = make(n * k, n + k);
            const label = `${kind}, N ${n}, K ${k}, block ${block}`;
            const expected = quantizeKN(referenceKernels, w, n, k, format);
            assert.deepEqual(quantizeKN(simd, w, n, k, format, block), expected, label);
            const turned = transpose(w, k, n);
            assert.deepEqual(quantizeNK(referenceKernels, turned, n, k, format), expected, label);
            assert.deepEqual(quantizeNK(simd, turned, n, k, format, 5), expected, label);
          }
    });

test("large matrices grow the loops' memory", () => {
  const format = { bits: 4, block: 256, symmetric: false, refits: 1 } as const;
  const [n, k] = [2500, 700];
  const w = gaussian(n * k, 3);
  const expected = quantizeKN(referenceKernels, w, n, k, format);
  assert.deepEqual(quantizeKN(simd, w, n, k, format), expected);
  assert.deepEqual(quantizeNK(simd, transpose(w, k, n), n, k, format), expected);
});

test("a value that is not finite makes its block's scale NaN, its codes rest, and the others are left alone", () => {
  for (const bits of BITS)
    for (const bad of [NaN, Infinity, -Infinity])
      for (const symmetric of [false, true]) {
        const w = gaussian(16 * 64, 1);
        w[40 * 16 + 5] = bad;
        const format = { bits, block: 32, symmetric, refits: 2 } as const;
        const expected = quantizeKN(referenceKernels, w, 16, 64, format);
        assert.deepEqual(
          [...expected.scales.keys()].filter((i) => Number.isNaN(expected.scales[i]!)),
          [5 * 2 + 1],
        );
        // As plain numbers: a NaN in a typed array equals nothing.
        const plain = (out: BlockOutput): unknown => ({ ...out, scales: [...out.scales] });
        assert.deepEqual(plain(quantizeKN(simd, w, 16, 64, format)), plain(expected));
        const turned = transpose(w, 64, 16);
        assert.deepEqual(plain(quantizeNK(simd, turned, 16, 64, format)), plain(expected));
      }
});

/**
 * dB of a Gaussian by block size, from numpy (10^6 samples) for the same rules; symmetric codes use
 * the signed extreme.
 */
const GAUSSIAN_DB = [
  { bits: 8, symmetric: false, db: { 32: 46.47, 64: 45.42, 128: 44.56 } },
  { bits: 4, symmetric: false, db: { 32: 21.86, 64: 20.82, 128: 19.95 } },
  { bits: 4, symmetric: true, db: { 32: 21.32, 64: 20.45, 128: 19.73 } },
  { bits: 2, symmetric: false, db: { 32: 7.83, 64: 6.8, 128: 5.96 } },
  { bits: 2, symmetric: true, db: { 32: 8.82, 64: 8.08, 128: 7.45 } },
] as const;
test("error on a Gaussian is within 0.1 dB of the reference table", () => {
  const [n, k] = [1000, 1024];
  const w = gaussian(n * k, 0);
  for (const { bits, symmetric, db } of GAUSSIAN_DB)
    for (const [block, expected] of Object.entries(db)) {
      const format = { bits, symmetric, block: Number(block), refits: 0 };
      const got = sqnrDb(w, dequantize(format, quantizeNK(simd, w, n, k, format), k));
      assert.ok(
        Math.abs(got - expected) < 0.1,
        `${bits} bit block ${block} symmetric ${symmetric}: ${got.toFixed(2)} dB, not ${expected}`,
      );
    }
});

test("a result cannot be read once another has taken its place", () => {
  const format = { bits: 4, block: 32, symmetric: false, refits: 0 } as const;
  const { out } = simd.blockSpace(format, 16, 32, 16 * 32);
  assert.equal(out.scales.length, 16);
  simd.blockSpace(format, 16, 32, 16 * 32);
  assert.throws(() => out.scales, /others took their place/);
});

test("each refit lowers the error", () => {
  const [n, k] = [200, 1024];
  const w = gaussian(n * k, 5);
  for (const bits of BITS)
    for (const symmetric of [false, true]) {
      const db = [0, 1, 2].map((refits) => {
        const format = { bits, symmetric, block: 32, refits };
        return sqnrDb(w, dequantize(format, quantizeNK(simd, w, n, k, format), k));
      });
      assert.ok(db[0]! < db[1]! && db[1]! < db[2]!, `${bits} bit ${symmetric}: ${db.join(", ")}`);
    }
});

test("zero stays exactly zero in every asymmetric block", () => {
  const w = gaussian(64 * 64, 9).map((x, i) => (i % 7 === 0 ? 0 : x + 3));
  const format = { bits: 2, block: 16, symmetric: false, refits: 2 } as const;
  const back = dequantize(format, quantizeNK(simd, w, 64, 64, format), 64);
  for (let i = 0; i < w.length; i += 7) assert.equal(back[i], 0);
});
