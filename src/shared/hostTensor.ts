/** Values as they go into and come out of a model: a dtype, a shape and a typed array in C order. */
import type { DtypeName } from "./dtype.ts";

/**
 * One element per value, but for 4-bit types (two to a byte, low half first) and strings.
 * float16 is its bits in a Uint16Array on every runtime, bool is 0 or 1 in a Uint8Array.
 */
export type HostData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | string[];

export interface HostTensor {
  readonly dtype: DtypeName;
  readonly shape: readonly number[];
  readonly data: HostData;
}

/** An input or output of a model as the runtime reports it. */
export interface IoInfo {
  readonly name: string;
  /** Null for what is not a tensor (sequence, map, optional). */
  readonly dtype: DtypeName | null;
  /** A number, a symbol, or null where the model says nothing. */
  readonly shape: readonly (number | string | null)[];
}

/** Zeroed storage for `count` values; null for types that the runtime cannot exchange. */
export function hostData(dtype: DtypeName, count: number): HostData | null {
  switch (dtype) {
    case "float32":
      return new Float32Array(count);
    case "float64":
      return new Float64Array(count);
    case "int8":
      return new Int8Array(count);
    case "uint8":
    case "bool":
      return new Uint8Array(count);
    case "int16":
      return new Int16Array(count);
    case "uint16":
    case "float16":
      return new Uint16Array(count);
    case "int32":
      return new Int32Array(count);
    case "uint32":
      return new Uint32Array(count);
    case "int64":
      return new BigInt64Array(count);
    case "uint64":
      return new BigUint64Array(count);
    case "int4":
    case "uint4":
      return new Uint8Array(Math.ceil(count / 2));
    case "string":
      return new Array<string>(count).fill("");
    default:
      return null;
  }
}

/** The value of a float16's 16 bits. */
export function float16ToNumber(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const magnitude =
    exponent === 0
      ? fraction * 2 ** -24
      : exponent === 31
        ? fraction === 0
          ? Infinity
          : NaN
        : (1024 + fraction) * 2 ** (exponent - 25);
  return (bits & 0x8000) === 0 ? magnitude : -magnitude;
}

/** All values of float16, by their bits: a model in half precision gives millions of them a second. */
const FLOAT16 = ((): (() => Float32Array) => {
  let table: Float32Array | null = null;
  return () =>
    (table ??= Float32Array.from({ length: 65_536 }, (_, bits) => float16ToNumber(bits)));
})();
/** The values of float16 bits, exact. */
export function float16Numbers(data: Uint16Array): Float32Array {
  const table = FLOAT16();
  const out = new Float32Array(data.length);
  for (let i = 0; i < out.length; i++) out[i] = table[data[i] ?? 0] ?? 0;
  return out;
}

const EXPONENT = new DataView(new ArrayBuffer(8));
/** From a magnitude to its 11 bits, by exponent from -14 to 15. */
const SCALES = Float64Array.from({ length: 30 }, (_, i) => 2 ** (24 - i));

/** The float16 bits nearest to `value`, ties to even, straight from float64 (no double rounding). */
export function numberToFloat16(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  // 65520 is half way between the largest float16 and the next power of two: rounds to infinity.
  if (magnitude >= 65520) return sign | 0x7c00;
  EXPONENT.setFloat64(0, magnitude);
  const exponent = Math.max(-14, (EXPONENT.getUint16(0) >> 4) - 1023);
  const scaled = magnitude * (SCALES[exponent + 14] ?? 1);
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  const rounded = rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
  // A carry out of the fraction moves into the exponent by itself.
  return sign | (rounded < 1024 ? rounded : rounded + (exponent + 14) * 1024);
}

/** Values as numbers, for measuring: exact for all types but 64-bit integers over 2^53. */
export function toNumbers(tensor: HostTensor): Float32Array | Float64Array {
  const { data, dtype } = tensor;
  if (data instanceof Float32Array || data instanceof Float64Array) return data;
  if (dtype === "float16") return float16Numbers(data as Uint16Array);
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    const out = new Float64Array(data.length);
    for (let i = 0; i < out.length; i++) out[i] = Number(data[i]);
    return out;
  }
  if (dtype === "int4" || dtype === "uint4") return unpack4(tensor);
  if (Array.isArray(data)) throw new Error("strings have no numeric reading");
  return Float64Array.from(data);
}

function unpack4(tensor: HostTensor): Float64Array {
  const bytes = tensor.data as Uint8Array;
  const count = tensor.shape.reduce((a, b) => a * b, 1);
  const out = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const code = ((bytes[i >> 1] ?? 0) >> ((i & 1) * 4)) & 15;
    out[i] = tensor.dtype === "int4" && code > 7 ? code - 16 : code;
  }
  return out;
}
