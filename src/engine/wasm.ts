/**
 * Binds the SIMD loops of `kernels/assembly` to the `Kernels` interface. Weights are streamed
 * through 2 MiB of one small memory: the tile stays in the processor's second cache, so copying it
 * in costs a fraction of the work, and the memory never grows.
 */
import wasm from "../../out/kernels.wasm";
import { referenceKernels } from "../kernels/reference.ts";
import type { Dtype } from "../shared/dtype.ts";
import type { BlockFormat, BlockOutput, Kernels } from "../shared/kernels.ts";

interface Loops {
  quantizeRows(
    source: number,
    blocks: number,
    block: number,
    bits: number,
    symmetric: boolean,
    refits: number,
    codes: number,
    scales: number,
    zeros: number,
  ): void;
  quantizeColumns(
    source: number,
    stride: number,
    columns: number,
    kBlocks: number,
    block: number,
    bits: number,
    symmetric: boolean,
    refits: number,
    codes: number,
    scales: number,
    zeros: number,
  ): void;
  float16ToF32(source: number, count: number, target: number): void;
  bfloat16ToF32(source: number, count: number, target: number): void;
}

const PAGE = 65536;
/** Float32 values of one tile. */
const TILE = 512 * 1024;
/** The first page belongs to the module itself. */
const SOURCE = PAGE;
const CODES = SOURCE + TILE * 4;
/** 8 bit is one code byte per value; a scale per 16 values is the most there can be. */
const SCALES = CODES + TILE;
const ZEROS = SCALES + TILE / 4;
const MEMORY_PAGES = Math.ceil((ZEROS + TILE / 16) / PAGE);

/** Columns are quantized sixteen at a time. */
const COLUMNS = 16;
const ceilTo = (value: number, step: number): number => Math.ceil(value / step) * step;

export function loadKernels(): Kernels {
  const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), {
    env: { memory },
  });
  const loops = exports as unknown as Loops;
  const source = new Float32Array(memory.buffer, SOURCE, TILE);
  const codes = new Uint8Array(memory.buffer, CODES, TILE);
  const words = new Uint32Array(memory.buffer, CODES, TILE / 4);
  const scales = new Float32Array(memory.buffer, SCALES, TILE / 16);
  const zeros = new Uint8Array(memory.buffer, ZEROS, TILE / 16);

  /** Copies `blocks` consecutive results from the tile's start to output position `to`. */
  const copyBlocks = (out: BlockOutput, codeBytes: number, to: number, blocks: number): void => {
    out.codes.set(codes.subarray(0, blocks * codeBytes), to * codeBytes);
    out.scales.set(scales.subarray(0, blocks), to);
    out.zeroPoints?.set(zeros.subarray(0, blocks), to);
  };

  const quantizeBlocksKN: Kernels["quantizeBlocksKN"] = (w, rows, k0, format, out) => {
    const { bits, block, symmetric, refits } = format;
    const codeBytes = (block * bits) / 8;
    const blocks = Math.ceil(rows / block);
    const outWords = new Uint32Array(out.codes.buffer, out.codes.byteOffset, out.codes.length / 4);
    // One row is padded by a cache line: with a power-of-two pitch all rows of a block would
    // compete for the same few cache lines.
    const widest = Math.floor(TILE / block / COLUMNS) * COLUMNS - COLUMNS;
    const width = Math.min(ceilTo(out.n, COLUMNS), widest);
    const stride = width + COLUMNS;
    const tileBlocks = Math.max(1, Math.floor(TILE / (stride * block)));
    for (let first = 0; first < blocks; first += tileBlocks) {
      const count = Math.min(tileBlocks, blocks - first);
      const tileRows = Math.min(count * block, rows - first * block);
      for (let column = 0; column < out.n; column += width) {
        const columns = Math.min(width, out.n - column);
        for (let row = 0; row < tileRows; row++) {
          const start = (first * block + row) * out.n + column;
          source.set(w.subarray(start, start + columns), row * stride);
        }
        source.fill(0, tileRows * stride, count * block * stride);
        const padded = ceilTo(columns, COLUMNS);
        loops.quantizeColumns(
          SOURCE,
          stride,
          padded,
          count,
          block,
          bits,
          symmetric,
          refits,
          CODES,
          SCALES,
          ZEROS,
        );
        const kBlock = k0 / block + first;
        const to = column * out.kBlocks + kBlock;
        // Elements in loops: a column's pieces are so short that `subarray` and `set` would take
        // longer than the quantization (396 against 121 ms per 64M values).
        scatter(words, codeBytes / 4, count, columns, outWords, to, out.kBlocks);
        scatter(scales, 1, count, columns, out.scales, to, out.kBlocks);
        if (out.zeroPoints) scatter(zeros, 1, count, columns, out.zeroPoints, to, out.kBlocks);
        if (tileRows < count * block)
          for (let c = 0; c < columns; c++) {
            const end = (to + c * out.kBlocks + count) * codeBytes;
            clearCodes(out.codes, end, count * block - tileRows, bits);
          }
      }
    }
  };

  const quantizeBlocksNK: Kernels["quantizeBlocksNK"] = (w, rows, n0, k, format, out) => {
    const { bits, block, symmetric, refits } = format;
    const codeBytes = (block * bits) / 8;
    const padded = out.kBlocks * block;
    const tileBlocks = Math.floor(TILE / block);
    const quantize = (blocks: number, to: number): void => {
      loops.quantizeRows(SOURCE, blocks, block, bits, symmetric, refits, CODES, SCALES, ZEROS);
      copyBlocks(out, codeBytes, to, blocks);
    };
    if (padded === k) {
      const total = rows * out.kBlocks;
      for (let first = 0; first < total; first += tileBlocks) {
        const blocks = Math.min(tileBlocks, total - first);
        source.set(w.subarray(first * block, (first + blocks) * block));
        quantize(blocks, n0 * out.kBlocks + first);
      }
      return;
    }
    const tileRows = Math.floor(tileBlocks / out.kBlocks);
    if (tileRows === 0) {
      // One ragged row above half a million values: too rare to deserve a loop of its own.
      referenceKernels.quantizeBlocksNK(w, rows, n0, k, format, out);
      return;
    }
    for (let first = 0; first < rows; first += tileRows) {
      const count = Math.min(tileRows, rows - first);
      for (let row = 0; row < count; row++) {
        const start = (first + row) * k;
        source.set(w.subarray(start, start + k), row * padded);
        source.fill(0, row * padded + k, (row + 1) * padded);
      }
      const to = (n0 + first) * out.kBlocks;
      quantize(count * out.kBlocks, to);
      for (let row = 1; row <= count; row++)
        clearCodes(out.codes, (to + row * out.kBlocks) * codeBytes, padded - k, bits);
    }
  };

  const widen = (
    loop: (source: number, count: number, target: number) => void,
    bytes: Uint8Array,
    count: number,
  ): Float32Array => {
    // Codes fill the second half of the tile's bytes and widen into codes' and scales' place.
    const out = new Float32Array(count);
    const step = TILE / 4;
    const packed = new Uint8Array(memory.buffer, SOURCE, step * 2);
    const target = SOURCE + step * 2;
    const wide = new Float32Array(memory.buffer, target, step);
    for (let first = 0; first < count; first += step) {
      const length = Math.min(step, count - first);
      packed.set(bytes.subarray(first * 2, (first + length) * 2));
      loop(SOURCE, ceilTo(length, 8), target);
      out.set(wide.subarray(0, length), first);
    }
    return out;
  };
  const toF32 = (type: Dtype, bytes: Uint8Array, count: number): Float32Array => {
    if (bytes.length >= count * 2) {
      if (type.name === "float16") return widen(loops.float16ToF32, bytes, count);
      if (type.name === "bfloat16") return widen(loops.bfloat16ToF32, bytes, count);
    }
    return referenceKernels.toF32(type, bytes, count);
  };
  return { ...referenceKernels, toF32, quantizeBlocksKN, quantizeBlocksNK };
}

/** From `[columns, count]` groups of `size` elements, densely, to every `pitch`-th group of `target` from `to`. */
function scatter<T extends Uint8Array | Uint32Array | Float32Array>(
  from: T,
  size: number,
  count: number,
  columns: number,
  target: T,
  to: number,
  pitch: number,
): void {
  const run = count * size;
  for (let column = 0; column < columns; column++) {
    const start = column * run;
    const end = (to + column * pitch) * size;
    for (let i = 0; i < run; i++) target[end + i] = from[start + i] ?? 0;
  }
}

/** Sets the last `count` codes before byte `end` to 0: the padding of a ragged last block. */
function clearCodes(
  codes: Uint8Array,
  end: number,
  count: number,
  bits: BlockFormat["bits"],
): void {
  const whole = Math.floor((count * bits) / 8);
  codes.fill(0, end - whole, end);
  const rest = (count * bits) % 8;
  const edge = end - whole - 1;
  if (rest > 0) codes[edge] = (codes[edge] ?? 0) & (0xff >> rest);
}
