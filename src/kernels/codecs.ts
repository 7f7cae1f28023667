/** Every numeric element type to float32 and back; the plain reference of `Kernels.toF32` and `fromF32`. */
import { byteLength, type Dtype, type DtypeName } from "../shared/dtype.ts";
import { encodeSmallFloat, smallFloatValues } from "./smallFloats.ts";

/** The bytes of `count` values in a buffer of their own, so that any typed array fits on it. */
function aligned(bytes: Uint8Array, count: number, size: number): ArrayBufferLike {
  return bytes.slice(0, count * size).buffer;
}

type IntName = "int8" | "uint8" | "int16" | "uint16" | "int32" | "uint32";
const INT_ARRAYS = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
} as const;
const isPlainInt = (name: DtypeName): name is IntName => Object.hasOwn(INT_ARRAYS, name);

/** Smallest and largest integer of a type. */
function intRange(type: Dtype): readonly [min: number, max: number] {
  return type.kind === "int"
    ? [-(2 ** (type.bits - 1)), 2 ** (type.bits - 1) - 1]
    : [0, 2 ** type.bits - 1];
}

/** Rounded to nearest, ties to even; exact for every float32. */
function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

const noNumbers = (type: Dtype): Error => new Error(`${type.name} has no reading as float32`);

/**
 * Packed little-endian values as float32, always a copy.
 * int32, int64 and float64 are rounded; bool is 0 or 1.
 */
export function toF32(type: Dtype, bytes: Uint8Array, count: number): Float32Array {
  const need = byteLength(type, count);
  if (need === null || type.kind === "complex") throw noNumbers(type);
  if (bytes.length < need)
    throw new Error(`${count} ${type.name} values need ${need} bytes, not ${bytes.length}`);
  const name = type.name;
  if (name === "float32") return new Float32Array(aligned(bytes, count, 4));
  if (isPlainInt(name)) {
    const Ints: new (buffer: ArrayBufferLike) => ArrayLike<number> = INT_ARRAYS[name];
    return new Float32Array(new Ints(aligned(bytes, count, type.bits / 8)));
  }
  const small = smallFloatValues(name);
  if (small) return unpackCodes(type.bits, bytes, count, (code) => small[code] ?? NaN);
  switch (name) {
    case "float16":
      return float16ToF32(new Uint16Array(aligned(bytes, count, 2)));
    case "bfloat16":
      return bfloat16ToF32(new Uint16Array(aligned(bytes, count, 2)));
    case "float64":
      return Float32Array.from(new Float64Array(aligned(bytes, count, 8)));
    case "int64":
    case "uint64":
      return int64ToF32(new Uint32Array(aligned(bytes, count, 8)), name === "int64");
    case "bool":
      return Float32Array.from({ length: count }, (_, i) => (bytes[i] === 0 ? 0 : 1));
    default: {
      // int4, uint4, int2, uint2
      const half = 1 << (type.bits - 1);
      const span = 1 << type.bits;
      return unpackCodes(type.bits, bytes, count, (code) =>
        type.kind === "int" && code >= half ? code - span : code,
      );
    }
  }
}

/** Codes of 2, 4, 6 or 8 bits, low bits of a byte first, through `value`. */
function unpackCodes(
  bits: number,
  bytes: Uint8Array,
  count: number,
  value: (code: number) => number,
): Float32Array {
  const table = Float32Array.from({ length: 1 << bits }, (_, code) => value(code));
  const out = new Float32Array(count);
  const mask = (1 << bits) - 1;
  for (let i = 0, bit = 0; i < count; i++, bit += bits) {
    const byte = bit >>> 3;
    const word = (bytes[byte] ?? 0) | ((bytes[byte + 1] ?? 0) << 8);
    out[i] = table[(word >>> (bit & 7)) & mask] ?? NaN;
  }
  return out;
}

function packCodes(bits: number, values: Float32Array, code: (x: number) => number): Uint8Array {
  const out = new Uint8Array(Math.ceil((values.length * bits) / 8));
  for (let i = 0, bit = 0; i < values.length; i++, bit += bits) {
    const word = code(values[i] ?? 0) << (bit & 7);
    const byte = bit >>> 3;
    out[byte] = (out[byte] ?? 0) | (word & 0xff);
    if (word > 0xff) out[byte + 1] = (out[byte + 1] ?? 0) | (word >>> 8);
  }
  return out;
}

let float16Table: Uint32Array | null = null;
/** float32 bits of every float16; 256 KiB, built on first use. */
function float16Bits(): Uint32Array {
  if (float16Table) return float16Table;
  const table = new Uint32Array(65536);
  const value = new Float32Array(1);
  const bits = new Uint32Array(value.buffer);
  for (let code = 0; code < 65536; code++) {
    const size = code & 0x7fff;
    const sign = (code & 0x8000) << 16;
    value[0] = (size & 1023) * 2 ** -24;
    if (size >= 0x7c00) table[code] = sign | 0x7f800000 | ((size & 1023) << 13);
    else if (size >= 0x400) table[code] = sign | ((size << 13) + 0x38000000);
    else table[code] = sign | (bits[0] ?? 0);
  }
  return (float16Table = table);
}
function float16ToF32(codes: Uint16Array): Float32Array {
  const table = float16Bits();
  const out = new Uint32Array(codes.length);
  for (let i = 0; i < codes.length; i++) out[i] = table[codes[i] ?? 0] ?? 0;
  return new Float32Array(out.buffer);
}
function bfloat16ToF32(codes: Uint16Array): Float32Array {
  const bits = new Uint32Array(codes.length);
  for (let i = 0; i < codes.length; i++) bits[i] = (codes[i] ?? 0) << 16;
  return new Float32Array(bits.buffer);
}
function int64ToF32(words: Uint32Array, signed: boolean): Float32Array {
  const out = new Float32Array(words.length / 2);
  for (let i = 0; i < out.length; i++) {
    const high = words[2 * i + 1] ?? 0;
    out[i] = (signed ? high | 0 : high) * 4294967296 + (words[2 * i] ?? 0);
  }
  return out;
}

/**
 * float32 to packed values, rounded to nearest even. Integers and floats of at most 8 bits saturate,
 * NaN becomes 0 in integers; float16 and bfloat16 overflow to infinity.
 */
export function fromF32(type: Dtype, values: Float32Array): Uint8Array {
  if (type.kind === "string" || type.kind === "complex") throw noNumbers(type);
  const name = type.name;
  if (name === "float32") return new Uint8Array(values.slice().buffer, 0, values.length * 4);
  if (isPlainInt(name)) {
    const out = new INT_ARRAYS[name](values.length);
    const round = saturating(type);
    for (let i = 0; i < values.length; i++) out[i] = round(values[i] ?? 0);
    return new Uint8Array(out.buffer);
  }
  if (smallFloatValues(name)) return packCodes(type.bits, values, (x) => encodeSmallFloat(name, x));
  switch (name) {
    case "float16":
      return new Uint8Array(f32ToFloat16(values).buffer);
    case "bfloat16":
      return new Uint8Array(f32ToBfloat16(values).buffer);
    case "float64":
      return new Uint8Array(Float64Array.from(values).buffer);
    case "int64":
    case "uint64":
      return f32ToInt64(name === "int64", values);
    case "bool":
      return Uint8Array.from(values, (x) => (x === 0 ? 0 : 1));
    default: {
      const round = saturating(type);
      const mask = (1 << type.bits) - 1;
      return packCodes(type.bits, values, (x) => round(x) & mask);
    }
  }
}

function saturating(type: Dtype): (x: number) => number {
  const [min, max] = intRange(type);
  return (x) => (Number.isNaN(x) ? 0 : Math.min(max, Math.max(min, roundHalfEven(x))));
}

/** float32 to float16 bits, round to nearest even; values from 65520 on become infinity. */
export function f32ToFloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const x = bits[i] ?? 0;
    const sign = (x >>> 16) & 0x8000;
    const size = x & 0x7fffffff;
    if (size > 0x7f800000) out[i] = sign | 0x7e00;
    else if (size >= 0x47800000) out[i] = sign | 0x7c00;
    else if (size >= 0x38800000)
      out[i] = sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13);
    else if (size < 0x33000000) out[i] = sign;
    else {
      // Subnormal: the value in units of 2^-24, ties to even.
      const fraction = (size & 0x7fffff) | 0x800000;
      const shift = 126 - (size >>> 23);
      const half = 1 << (shift - 1);
      const floor = fraction >>> shift;
      const rest = fraction & ((1 << shift) - 1);
      out[i] = sign | (floor + (rest > half || (rest === half && (floor & 1) === 1) ? 1 : 0));
    }
  }
  return out;
}
function f32ToBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const x = bits[i] ?? 0;
    const nan = (x & 0x7fffffff) > 0x7f800000;
    out[i] = nan ? (x >>> 16) | 0x40 : (x + 0x7fff + ((x >>> 16) & 1)) >>> 16;
  }
  return out;
}
function f32ToInt64(signed: boolean, values: Float32Array): Uint8Array {
  const out = new BigUint64Array(values.length);
  const min = signed ? -(2n ** 63n) : 0n;
  const max = signed ? 2n ** 63n - 1n : 2n ** 64n - 1n;
  for (let i = 0; i < values.length; i++) {
    const x = values[i] ?? 0;
    if (Number.isNaN(x)) continue;
    const whole = Math.abs(x) >= 2 ** 65 ? (x > 0 ? max : min) : BigInt(roundHalfEven(x));
    out[i] = BigInt.asUintN(64, whole < min ? min : whole > max ? max : whole);
  }
  return new Uint8Array(out.buffer);
}
