/** Weights as blocks of codes: reading and quantizing one, its sizes, and the two ways of storing it. */
import type { WorkContext } from "../../../core/context.ts";
import type { Tensor } from "../../../core/model.ts";
import { byteLength, dtype, elementCount, type Dtype } from "../../../shared/dtype.ts";
import type { BlockFormat, BlockOutput } from "../../../shared/kernels.ts";

/**
 * Values of a weight that are in memory as float32 at once: 512 KiB stay in the processor's second
 * cache from reading to quantizing, which takes a fifth less CPU time than 4 MiB.
 */
const CHUNK_VALUES = 128 * 1024;

export const matrixSize = (
  tensor: Tensor,
  transposed: boolean,
): { readonly n: number; readonly k: number } => {
  const [rows = 0, columns = 0] = tensor.shape;
  return transposed ? { n: rows, k: columns } : { n: columns, k: rows };
};

/**
 * Quantizes a weight, reading it by rows when it is large. The result is void once the next weight
 * is quantized.
 * Null when some value is NaN or infinite (the scale of its block is NaN then).
 */
export async function quantizeWeight(
  ctx: WorkContext,
  tensor: Tensor,
  transposed: boolean,
  format: BlockFormat,
): Promise<BlockOutput | null> {
  const { n, k } = matrixSize(tensor, transposed);
  const [rows = 0, columns = 0] = tensor.shape;
  // Whole blocks: K runs along the rows of an untransposed weight.
  const atOnce = Math.min(CHUNK_VALUES, ctx.pieceValues);
  const step = Math.max(1, Math.floor(atOnce / columns / format.block)) * format.block;
  const values = Math.min(rows, step) * columns;
  const { rows: buffer, out } = ctx.kernels.blockSpace(format, n, k, values);
  for (let row = 0; row < rows; row += step) {
    const end = Math.min(rows, row + step);
    const w = await ctx.readRowsF32(tensor, row, end, buffer);
    if (transposed) ctx.kernels.quantizeBlocksNK(w, end - row, row, k, format, out);
    else ctx.kernels.quantizeBlocksKN(w, end - row, row, format, out);
    ctx.progress(end / rows);
    await ctx.checkpoint();
  }
  return allFinite(out.scales) ? out : null;
}

/** Bits of a float32 that are all set in NaN and infinity. */
const EXPONENT = 0x7f800000;

/** In a loop of its own: `every` called back for each of millions of scales, 0.15 s per 1.5 GB of weights. */
function allFinite(scales: Float32Array): boolean {
  const bits = new Int32Array(scales.buffer, scales.byteOffset, scales.length);
  for (let i = 0; i < bits.length; i++) if (((bits[i] ?? 0) & EXPONENT) === EXPONENT) return false;
  return true;
}

/** A tensor to be stored: `suffix` is added to the weight's name. */
export interface Part {
  readonly suffix: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly sizeBytes: number;
  readonly bytes: () => Uint8Array;
}
const part = (
  suffix: string,
  dtype: Dtype,
  shape: readonly number[],
  bytes: () => Uint8Array,
): Part => ({
  suffix,
  dtype,
  shape,
  sizeBytes: byteLength(dtype, elementCount(shape)) ?? 0,
  bytes,
});
const UINT8 = dtype("uint8");

/** Scales as the bytes that are stored. */
export type EncodeScales = (scales: Float32Array) => Uint8Array;

/**
 * As `MatMulNBits` takes it: codes uint8 `[N, kBlocks, block*bits/8]`, scales in the activations'
 * type, zero points packed along K with each row's last byte filled up. `out` is null while
 * planning, when only sizes are wanted.
 */
export function nbitsParts(
  format: BlockFormat,
  n: number,
  k: number,
  scaleType: Dtype,
  encode: EncodeScales,
  out: BlockOutput | null,
): readonly Part[] {
  const { bits, block, symmetric } = format;
  const kBlocks = Math.ceil(k / block);
  const blob = (block * bits) / 8;
  const rowBytes = Math.ceil((kBlocks * bits) / 8);
  const zeros = (): Uint8Array => {
    const codes = out?.zeroPoints ?? new Uint8Array();
    if (bits === 8) return codes;
    const packed = new Uint8Array(n * rowBytes);
    for (let row = 0; row < n; row++)
      for (let b = 0; b < kBlocks; b++) {
        const at = row * rowBytes + ((b * bits) >> 3);
        packed[at] = (packed[at] ?? 0) | ((codes[row * kBlocks + b] ?? 0) << ((b * bits) & 7));
      }
    return packed;
  };
  return [
    part("_q", UINT8, [n, kBlocks, blob], () => out?.codes ?? new Uint8Array()),
    part("_s", scaleType, [n, kBlocks], () => encode(out?.scales ?? new Float32Array())),
    ...(symmetric ? [] : [part("_z", UINT8, [n, rowBytes], zeros)]),
  ];
}

/** As `GatherBlockQuantized` takes a table of N rows: the same, with a row's blocks side by side. */
export function tableParts(
  ...[format, n, k, scaleType, encode, out]: Parameters<typeof nbitsParts>
): readonly Part[] {
  const [codes, ...rest] = nbitsParts(format, n, k, scaleType, encode, out);
  return codes ? [{ ...codes, shape: [n, codes.sizeBytes / n] }, ...rest] : rest;
}

/**
 * As blocked DequantizeLinear takes it along axis 0: codes `[K, N]`, scales and zero points
 * `[kBlocks, N]`. Symmetric codes are signed, asymmetric ones unsigned.
 */
export function dequantizeParts(
  format: BlockFormat,
  n: number,
  k: number,
  scaleType: Dtype,
  encode: EncodeScales,
  out: BlockOutput | null,
): readonly Part[] {
  const { bits, block, symmetric } = format;
  const kBlocks = Math.ceil(k / block);
  const codeType = dtype(`${symmetric ? "int" : "uint"}${bits}`);
  const pack = (count: number, codeAt: (i: number) => number): Uint8Array => {
    const packed = new Uint8Array(Math.ceil((count * bits) / 8));
    // Two's complement of `code - 2^(bits-1)` is the code with its top bit flipped.
    const flip = symmetric ? 1 << (bits - 1) : 0;
    for (let i = 0; i < count; i++) {
      const at = (i * bits) >> 3;
      packed[at] = (packed[at] ?? 0) | ((codeAt(i) ^ flip) << ((i * bits) & 7));
    }
    return packed;
  };
  const mask = (1 << bits) - 1;
  const blob = (block * bits) / 8;
  const codeAt = (i: number): number => {
    const row = Math.floor(i / n);
    const within = row % block;
    const start = ((i % n) * kBlocks + Math.floor(row / block)) * blob;
    const byte = out?.codes[start + ((within * bits) >> 3)] ?? 0;
    return (byte >> ((within * bits) & 7)) & mask;
  };
  const turned = (i: number): number => (i % n) * kBlocks + Math.floor(i / n);
  const count = n * kBlocks;
  const scales = (): Uint8Array =>
    encode(Float32Array.from({ length: count }, (_, i) => out?.scales[turned(i)] ?? 0));
  const zeros = (): Uint8Array => pack(count, (i) => out?.zeroPoints?.[turned(i)] ?? 0);
  return [
    part("_q", codeType, [k, n], () => pack(k * n, codeAt)),
    part("_s", scaleType, [kBlocks, n], scales),
    ...(symmetric ? [] : [part("_z", codeType, [kBlocks, n], zeros)]),
  ];
}
