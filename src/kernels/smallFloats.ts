/**
 * Floats of 4, 6 and 8 bits (OCP 8-bit and microscaling formats, and the "fnuz" variants), decoded
 * and encoded through one table of magnitudes per format. Their positive codes are in the order of
 * their values, so encoding is a search for the nearest magnitude.
 */
import type { DtypeName } from "../shared/dtype.ts";

interface SmallFloat {
  readonly bits: number;
  /** Value of each code; NaN where the format has none. */
  readonly values: Float32Array;
  /** Finite magnitudes by code, ascending. */
  readonly magnitudes: Float32Array;
  /** Code of NaN; the largest magnitude where the format has no NaN. */
  readonly nan: number;
  /** Bit of the sign; 0 for e8m0, which has no negative values. */
  readonly sign: number;
  /** "fnuz": the pattern of negative zero is NaN. */
  readonly unsignedZero: boolean;
}

function ieeeLike(options: {
  readonly exponent: number;
  readonly mantissa: number;
  readonly bias: number;
  /** Positive codes from here on are not finite; null when all are. */
  readonly finite: number;
  readonly nan: number | null;
  readonly infinity?: number;
  readonly unsignedZero?: boolean;
}): SmallFloat {
  const { exponent, mantissa, bias, finite, unsignedZero = false } = options;
  const sign = 1 << (exponent + mantissa);
  const magnitude = (code: number): number => {
    const e = code >> mantissa;
    const fraction = (code & ((1 << mantissa) - 1)) / 2 ** mantissa;
    return e === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (e - bias);
  };
  const magnitudes = Float32Array.from({ length: finite }, (_, code) => magnitude(code));
  const values = Float32Array.from({ length: sign * 2 }, (_, code) => {
    const size = code & (sign - 1);
    const factor = code >= sign ? -1 : 1;
    if (unsignedZero && code === sign) return NaN;
    if (size === options.infinity) return factor * Infinity;
    return size < finite ? factor * magnitude(size) : NaN;
  });
  const nan = options.nan ?? finite - 1;
  return { bits: exponent + mantissa + 1, values, magnitudes, nan, sign, unsignedZero };
}

/** Powers of two from 2^-127 (code 0) to 2^127; code 255 is NaN. */
function powersOfTwo(): SmallFloat {
  const magnitudes = Float32Array.from({ length: 255 }, (_, code) => 2 ** (code - 127));
  const values = Float32Array.from({ length: 256 }, (_, code) => magnitudes[code] ?? NaN);
  return { bits: 8, values, magnitudes, nan: 255, sign: 0, unsignedZero: false };
}

const FORMATS: Partial<Record<DtypeName, SmallFloat>> = {
  float8e4m3fn: ieeeLike({ exponent: 4, mantissa: 3, bias: 7, finite: 0x7f, nan: 0x7f }),
  float8e4m3fnuz: ieeeLike({
    exponent: 4,
    mantissa: 3,
    bias: 8,
    finite: 0x80,
    nan: 0x80,
    unsignedZero: true,
  }),
  float8e5m2: ieeeLike({
    exponent: 5,
    mantissa: 2,
    bias: 15,
    finite: 0x7c,
    nan: 0x7f,
    infinity: 0x7c,
  }),
  float8e5m2fnuz: ieeeLike({
    exponent: 5,
    mantissa: 2,
    bias: 16,
    finite: 0x80,
    nan: 0x80,
    unsignedZero: true,
  }),
  float8e8m0: powersOfTwo(),
  float4e2m1: ieeeLike({ exponent: 2, mantissa: 1, bias: 1, finite: 8, nan: null }),
  float6e2m3: ieeeLike({ exponent: 2, mantissa: 3, bias: 1, finite: 32, nan: null }),
  float6e3m2: ieeeLike({ exponent: 3, mantissa: 2, bias: 3, finite: 32, nan: null }),
};

/** Value of each code of a float of at most 8 bits; null for every other type. */
export const smallFloatValues = (type: DtypeName): Float32Array | null =>
  FORMATS[type]?.values ?? null;

/**
 * Code of the nearest value, ties to the even code; values beyond the range, infinities included,
 * become the largest magnitude (ONNX Cast with `saturate`).
 */
export function encodeSmallFloat(type: DtypeName, x: number): number {
  const format = FORMATS[type];
  if (!format) throw new Error(`${type} is not a float of at most 8 bits`);
  const { magnitudes, sign } = format;
  if (Number.isNaN(x)) return format.nan;
  // e8m0 has no zero and no sign: everything not positive is its smallest power of two.
  const negative = x < 0 || Object.is(x, -0);
  const size = sign === 0 ? Math.max(x, 0) : Math.abs(x);
  let low = 0;
  let high = magnitudes.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((magnitudes[middle] ?? Infinity) <= size) low = middle;
    else high = middle - 1;
  }
  const below = magnitudes[low] ?? 0;
  const above = magnitudes[low + 1];
  let code = low;
  if (above !== undefined) {
    const toLow = size - below;
    const toHigh = above - size;
    if (toHigh < toLow || (toHigh === toLow && (low & 1) === 1)) code = low + 1;
  }
  if (!negative || sign === 0 || (format.unsignedZero && code === 0)) return code;
  return code | sign;
}
