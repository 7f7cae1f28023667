/**
 * Binds the SIMD loops of `kernels/assembly` to the `Kernels` interface. Weights are read into their
 * memory and blocks are written out of it, so nothing is copied in between; it grows to what the
 * largest weight needs.
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
    rows: number,
    columns: number,
    block: number,
    bits: number,
    symmetric: boolean,
    refits: number,
    strip: number,
    pitch: number,
    codes: number,
    scales: number,
    zeros: number,
  ): void;
  float16ToF32(source: number, count: number, target: number): void;
  bfloat16ToF32(source: number, count: number, target: number): void;
}

const PAGE = 65536;
/** What 32 bits can address. */
const MOST_BYTES = 2 ** 32;
/** Columns are quantized sixteen at a time. */
const COLUMNS = 16;
const LARGEST_BLOCK = 256;
/** Two-byte values that are widened at a time. */
const TILE = 64 * 1024;

/** The first page belongs to the module itself. */
const STRIP = PAGE;
const NARROW = STRIP + LARGEST_BLOCK * COLUMNS * 4;
const WIDE = NARROW + TILE * 2;
const SPACE = WIDE + TILE * 4;
const ceilTo = (value: number, step: number): number => Math.ceil(value / step) * step;

/** Where the current space's arrays begin. */
interface Places {
  readonly rows: number;
  readonly codes: number;
  readonly scales: number;
  readonly zeros: number;
  readonly end: number;
}

function placesOf(format: BlockFormat, n: number, kBlocks: number, values: number): Places {
  // Columns after the last are quantized with it, from whatever follows, to where nobody looks.
  const blocks = ceilTo(n, COLUMNS) * kBlocks;
  const codes = SPACE + ceilTo((values + COLUMNS) * 4, 64);
  const scales = codes + ceilTo((blocks * format.block * format.bits) / 8, 64);
  const zeros = scales + ceilTo(blocks * 4, 64);
  return { rows: SPACE, codes, scales, zeros, end: zeros + (format.symmetric ? 0 : blocks) };
}

/** A result in the loops' memory, until the next one takes its place. */
class Blocks implements BlockOutput {
  readonly n: number;
  readonly kBlocks: number;
  readonly places: Places;
  #arrays: Pick<BlockOutput, "codes" | "scales" | "zeroPoints"> | null;

  constructor(
    format: BlockFormat,
    n: number,
    kBlocks: number,
    places: Places,
    memory: ArrayBuffer,
  ) {
    const count = n * kBlocks;
    this.n = n;
    this.kBlocks = kBlocks;
    this.places = places;
    this.#arrays = {
      codes: new Uint8Array(memory, places.codes, (count * format.block * format.bits) / 8),
      scales: new Float32Array(memory, places.scales, count),
      zeroPoints: format.symmetric ? null : new Uint8Array(memory, places.zeros, count),
    };
  }
  get codes(): Uint8Array {
    return this.#now().codes;
  }
  get scales(): Float32Array {
    return this.#now().scales;
  }
  get zeroPoints(): Uint8Array | null {
    return this.#now().zeroPoints;
  }
  end(): void {
    this.#arrays = null;
  }
  #now(): Pick<BlockOutput, "codes" | "scales" | "zeroPoints"> {
    if (!this.#arrays) throw new Error("blocks are read after others took their place");
    return this.#arrays;
  }
}

export function loadKernels(): Kernels {
  const memory = new WebAssembly.Memory({
    initial: Math.ceil(SPACE / PAGE),
    maximum: MOST_BYTES / PAGE,
  });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), {
    env: { memory },
  });
  const loops = exports as unknown as Loops;
  let current: Blocks | null = null;

  const blockSpace: Kernels["blockSpace"] = (format, n, k, values) => {
    current?.end();
    current = null;
    const kBlocks = Math.ceil(k / format.block);
    const places = placesOf(format, n, kBlocks, values);
    // A weight of billions of values is too rare to deserve a loop of its own.
    if (places.end > MOST_BYTES) return referenceKernels.blockSpace(format, n, k, values);
    const missing = places.end - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
    current = new Blocks(format, n, kBlocks, places, memory.buffer);
    return { rows: new Float32Array(memory.buffer, places.rows, values), out: current };
  };

  /** The address of values, which are copied to the loops' memory where they are not in it. */
  const addressOf = (w: Float32Array, { rows, codes }: Places): number => {
    if (w.buffer === memory.buffer) return w.byteOffset;
    new Float32Array(memory.buffer, rows, (codes - rows) / 4 - COLUMNS).set(w);
    return rows;
  };

  const quantizeBlocksKN: Kernels["quantizeBlocksKN"] = (w, rows, k0, format, out) => {
    if (out !== current) {
      referenceKernels.quantizeBlocksKN(w, rows, k0, format, out);
      return;
    }
    const { bits, block, symmetric, refits } = format;
    const { places, n, kBlocks } = current;
    const codeBytes = (block * bits) / 8;
    const first = k0 / block;
    loops.quantizeColumns(
      addressOf(w, places),
      rows,
      n,
      block,
      bits,
      symmetric,
      refits,
      STRIP,
      kBlocks,
      places.codes + first * codeBytes,
      places.scales + first * 4,
      places.zeros + first,
    );
    const count = Math.ceil(rows / block);
    if (count * block > rows)
      for (let column = 0; column < n; column++) {
        const end = (column * kBlocks + first + count) * codeBytes;
        clearCodes(out.codes, end, count * block - rows, bits);
      }
  };

  const quantizeBlocksNK: Kernels["quantizeBlocksNK"] = (w, rows, n0, k, format, out) => {
    if (out !== current) {
      referenceKernels.quantizeBlocksNK(w, rows, n0, k, format, out);
      return;
    }
    const { bits, block, symmetric, refits } = format;
    const { places, kBlocks } = current;
    const codeBytes = (block * bits) / 8;
    const quantize = (source: number, blocks: number, to: number): void =>
      loops.quantizeRows(
        source,
        blocks,
        block,
        bits,
        symmetric,
        refits,
        places.codes + to * codeBytes,
        places.scales + to * 4,
        places.zeros + to,
      );
    const source = addressOf(w, places);
    const whole = Math.floor(k / block);
    if (whole === kBlocks) {
      quantize(source, rows * kBlocks, n0 * kBlocks);
      return;
    }
    const strip = new Float32Array(memory.buffer, STRIP, block);
    for (let row = 0; row < rows; row++) {
      const to = (n0 + row) * kBlocks;
      if (whole > 0) quantize(source + row * k * 4, whole, to);
      strip.fill(0);
      strip.set(w.subarray(row * k + whole * block, (row + 1) * k));
      quantize(STRIP, 1, to + whole);
      clearCodes(out.codes, (to + kBlocks) * codeBytes, kBlocks * block - k, bits);
    }
  };

  const widen = (
    loop: (source: number, count: number, target: number) => void,
    bytes: Uint8Array,
    count: number,
  ): Float32Array => {
    const out = new Float32Array(count);
    const packed = new Uint8Array(memory.buffer, NARROW, TILE * 2);
    const wide = new Float32Array(memory.buffer, WIDE, TILE);
    for (let first = 0; first < count; first += TILE) {
      const length = Math.min(TILE, count - first);
      packed.set(bytes.subarray(first * 2, (first + length) * 2));
      loop(NARROW, ceilTo(length, 8), WIDE);
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
  return { ...referenceKernels, blockSpace, toF32, quantizeBlocksKN, quantizeBlocksNK };
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
