/**
 * Loops over weights that techniques need. Each has a plain TypeScript twin in `kernels/` (the
 * reference) and, where a profile names it, a WebAssembly SIMD version bound in `engine/wasm.ts`.
 * Both give the same bytes.
 */
import type { Dtype } from "./dtype.ts";

/** Round-to-nearest codes of one or more blocks along K, as `MatMulNBits` and blocked DequantizeLinear store them. */
export interface BlockFormat {
  readonly bits: 2 | 4 | 8;
  /** Values that share one scale, a power of two from 16 to 256. */
  readonly block: number;
  /** Without zero points: codes are centred on 2^(bits-1). */
  readonly symmetric: boolean;
  /** Rounds of fitting each scale to its codes by least squares and rounding anew; 0 keeps the range. */
  readonly refits: number;
}

/** Where quantized blocks go; N rows of `kBlocks` blocks each, K padded up to whole blocks with code 0. */
export interface BlockOutput {
  /** `[N, kBlocks, block*bits/8]`, code i of a block at bit i*bits, low bits first; starts at a multiple of 4. */
  readonly codes: Uint8Array;
  /** `[N, kBlocks]`. */
  readonly scales: Float32Array;
  /** `[N, kBlocks]`, one code per byte; null when symmetric. */
  readonly zeroPoints: Uint8Array | null;
  readonly n: number;
  readonly kBlocks: number;
}

/** Room to quantize a matrix in. */
export interface BlockSpace {
  /** Values that are read to here need not be copied to be quantized; quantizing may overwrite them. */
  readonly rows: Float32Array;
  readonly out: BlockOutput;
}

export interface Kernels {
  /**
   * Room for `values` values at a time of a matrix of N rows (`[N, K]`, or N columns of `[K, N]`), and for
   * all its blocks. What the call before gave is void: its arrays throw.
   */
  blockSpace(format: BlockFormat, n: number, k: number, values: number): BlockSpace;
  /** Packed little-endian values as float32; int64 and float64 are rounded. */
  toF32(type: Dtype, bytes: Uint8Array, count: number): Float32Array;
  /** float32 to packed values, rounded to nearest even; saturating for integer and float8 types. */
  fromF32(type: Dtype, values: Float32Array): Uint8Array;
  /**
   * Quantizes rows [k0, k0 + rows) of a `[K, N]` matrix (k0 a multiple of the block) into `out`.
   * `w` holds those rows, row-major, and no more than `out`'s room was asked for.
   */
  quantizeBlocksKN(
    w: Float32Array,
    rows: number,
    k0: number,
    format: BlockFormat,
    out: BlockOutput,
  ): void;
  /** The same for rows [n0, n0 + rows) of an `[N, K]` matrix; `w` holds `rows` × K values. */
  quantizeBlocksNK(
    w: Float32Array,
    rows: number,
    n0: number,
    k: number,
    format: BlockFormat,
    out: BlockOutput,
  ): void;
}

/** A dense row-major matrix; `data` holds exactly `rows` × `cols` values and may be a view. */
export interface Matrix<T extends Float32Array | Float64Array = Float32Array | Float64Array> {
  readonly rows: number;
  readonly cols: number;
  readonly data: T;
}
export type MatrixF32 = Matrix<Float32Array>;
export type MatrixF64 = Matrix<Float64Array>;

export interface GemmOptions<T extends Float32Array | Float64Array> {
  /** The product takes Aᵀ: `a` is stored [k, m]. */
  readonly transA?: boolean;
  /** The product takes Bᵀ: `b` is stored [n, k]. */
  readonly transB?: boolean;
  /** C, [m, n]: the product is added to it (or subtracted) in place, and the answer is C itself. */
  readonly into?: Matrix<T>;
  /** With `into`: C − A·B instead of C + A·B. */
  readonly subtract?: boolean;
}

/**
 * Products of dense matrices: what factorizations in `kernels/linalg` spend their time in. The
 * reference is plain TypeScript (`kernels/linalg/blas.ts`); `engine/blas.ts` runs onnxruntime. Both
 * hold to the same shapes and types; sums may round differently.
 */
export interface Blas {
  /** op(A)·op(B), [m, n], in the type of both. @throws Error when the inner dimensions differ. */
  gemm<T extends Float32Array | Float64Array>(
    a: Matrix<T>,
    b: Matrix<T>,
    options?: GemmOptions<T>,
  ): Promise<Matrix<T>>;
  /**
   * XᵀX of rows X [s, k] as a full symmetric [k, k]; float32 products over at most 1,024 rows,
   * summed in float64. Added to `into`, which is then the answer, so that batches accumulate.
   */
  gram(x: MatrixF32, into?: MatrixF64): Promise<MatrixF64>;
}
