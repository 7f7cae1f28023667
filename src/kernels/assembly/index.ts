/**
 * SIMD loops over raw addresses in one imported memory. The caller lays out the memory and keeps
 * every address a multiple of 16; the plain twins in `../blockQuantize.ts` and `../codecs.ts` give
 * the same bytes. AssemblyScript, not TypeScript: compiled by scripts/build.mjs.
 */

const SMALLEST_SCALE: f32 = 1.17549435e-38;

/** What `scaleOf` leaves for its caller: lanes of four blocks, or one block's values in lane 0. */
let scaleLanes: v128 = f32x4.splat(0);
let inverseLanes: v128 = f32x4.splat(0);
let zeroLanes: v128 = i32x4.splat(0);

/** `notFinite` is NaN in each lane whose block holds NaN or infinity, else 0. */
// @ts-ignore: decorator
@inline
function scaleOf(lo: v128, hi: v128, notFinite: v128, bits: i32, symmetric: bool): void {
  const top: i32 = (1 << bits) - 1;
  const centre: i32 = 1 << (bits - 1);
  let scale: v128;
  if (symmetric) {
    const negated = f32x4.neg(lo);
    const extreme = v128.bitselect(hi, lo, f32x4.ge(hi, negated));
    scale = f32x4.div(extreme, f32x4.splat(-(<f32>centre)));
  } else {
    const span = f32x4.splat(<f32>top);
    scale = f32x4.sub(f32x4.div(hi, span), f32x4.div(lo, span));
  }
  // NaN compares false, so a block that is not finite is "small" too: inverse 0, codes at rest.
  const usable = v128.and(
    f32x4.ge(f32x4.abs(scale), f32x4.splat(SMALLEST_SCALE)),
    f32x4.eq(notFinite, notFinite),
  );
  scale = v128.and(scale, usable);
  const inverse = v128.and(f32x4.div(f32x4.splat(1), scale), usable);
  if (symmetric) {
    zeroLanes = i32x4.splat(centre);
  } else {
    const zero = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(f32x4.neg(lo), inverse)));
    zeroLanes = i32x4.min_s(i32x4.max_s(zero, i32x4.splat(0)), i32x4.splat(top));
  }
  scaleLanes = f32x4.add(scale, notFinite);
  inverseLanes = inverse;
}

/** 1.5 × 2^23: added to a float32 below 2^22, it leaves the nearest even integer in the low bits. */
const ROUND: f32 = 12582912;
const ROUND_BITS: i32 = 0x4b400000;

/**
 * Distances of four values' codes from the zero point: small integers, which floats add and multiply
 * exactly. Rounded as in `codesOf`: additions find more free ports than the rounding instruction.
 */
// @ts-ignore: decorator
@inline
function distanceOf(x: v128, inverse: v128, least: v128, most: v128): v128 {
  const round = f32x4.splat(ROUND);
  const whole = f32x4.sub(f32x4.add(f32x4.mul(x, inverse), round), round);
  return f32x4.pmin(f32x4.pmax(whole, least), most);
}

/**
 * Codes of four values, not yet clamped. A refit at most halves a scale, so x / scale stays far below
 * 2^22 and can be rounded by adding. @param base ROUND_BITS - zero
 */
// @ts-ignore: decorator
@inline
function codesOf(x: v128, inverse: v128, base: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(x, inverse), f32x4.splat(ROUND)), base);
}

/** Sixteen codes, one a byte, of four vectors of values `pitch` apart. */
// @ts-ignore: decorator
@inline
function codeBytes(p: usize, pitch: usize, inverse: v128, base: v128, top: v128): v128 {
  const low = i16x8.narrow_i32x4_s(
    codesOf(v128.load(p), inverse, base),
    codesOf(v128.load(p + pitch), inverse, base),
  );
  const high = i16x8.narrow_i32x4_s(
    codesOf(v128.load(p + 2 * pitch), inverse, base),
    codesOf(v128.load(p + 3 * pitch), inverse, base),
  );
  return i8x16.min_u(i8x16.narrow_i16x8_u(low, high), top);
}

/** Four rows of four columns to four columns of four rows, a byte each. */
// @ts-ignore: decorator
@inline
function turnBytes(v: v128): v128 {
  return i8x16.shuffle(v, v, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
}

/** Of two rows in each half, what the first and the second become in one byte: first | second << bits. */
// @ts-ignore: decorator
@inline
function mergeRows(a: v128, b: v128, bits: i32): v128 {
  const first = v128.or(a, i64x2.shr_u(a, 32 - bits));
  const second = v128.or(b, i64x2.shr_u(b, 32 - bits));
  return v128.shuffle<u32>(first, second, 0, 2, 4, 6);
}

/** Packed codes of sixteen rows of four columns: `bits` × 2 bytes each to `to`, `step` apart. */
// @ts-ignore: decorator
@inline
function packColumns(
  p: usize,
  pitch: usize,
  inverse: v128,
  base: v128,
  bits: i32,
  to: usize,
  step: usize,
): void {
  const largest: i32 = (1 << bits) - 1;
  const top = i8x16.splat(<i8>largest);
  const rows0 = codeBytes(p, pitch, inverse, base, top);
  const rows4 = codeBytes(p + 4 * pitch, pitch, inverse, base, top);
  const rows8 = codeBytes(p + 8 * pitch, pitch, inverse, base, top);
  const rows12 = codeBytes(p + 12 * pitch, pitch, inverse, base, top);
  if (bits == 8) {
    const a = turnBytes(rows0);
    const b = turnBytes(rows4);
    const c = turnBytes(rows8);
    const d = turnBytes(rows12);
    const ab = v128.shuffle<u32>(a, b, 0, 4, 1, 5);
    const cd = v128.shuffle<u32>(c, d, 0, 4, 1, 5);
    const abHigh = v128.shuffle<u32>(a, b, 2, 6, 3, 7);
    const cdHigh = v128.shuffle<u32>(c, d, 2, 6, 3, 7);
    v128.store(to, v128.shuffle<u64>(ab, cd, 0, 2));
    v128.store(to + step, v128.shuffle<u64>(ab, cd, 1, 3));
    v128.store(to + 2 * step, v128.shuffle<u64>(abHigh, cdHigh, 0, 2));
    v128.store(to + 3 * step, v128.shuffle<u64>(abHigh, cdHigh, 1, 3));
    return;
  }
  const low = mergeRows(rows0, rows4, bits);
  const high = mergeRows(rows8, rows12, bits);
  if (bits == 4) {
    const a = turnBytes(low);
    const b = turnBytes(high);
    const first = v128.shuffle<u32>(a, b, 0, 4, 1, 5);
    const second = v128.shuffle<u32>(a, b, 2, 6, 3, 7);
    v128.store64_lane(to, first, 0);
    v128.store64_lane(to + step, first, 1);
    v128.store64_lane(to + 2 * step, second, 0);
    v128.store64_lane(to + 3 * step, second, 1);
    return;
  }
  const fours = turnBytes(mergeRows(low, high, 4));
  v128.store32_lane(to, fours, 0);
  v128.store32_lane(to + step, fours, 1);
  v128.store32_lane(to + 2 * step, fours, 2);
  v128.store32_lane(to + 3 * step, fours, 3);
}

/** One block's values, or four columns', for the scale that fits its codes best; see the twin. */
// @ts-ignore: decorator
@inline
function refitScale(products: v128, squares: v128): void {
  const scale = f32x4.div(products, squares);
  const size = f32x4.abs(scale);
  const usable = v128.and(
    v128.and(
      f32x4.ge(size, f32x4.splat(SMALLEST_SCALE)),
      f32x4.lt(size, f32x4.splat(Infinity)),
    ),
    f32x4.ne(inverseLanes, f32x4.splat(0)),
  );
  scaleLanes = v128.bitselect(scale, scaleLanes, usable);
  inverseLanes = v128.bitselect(f32x4.div(f32x4.splat(1), scale), inverseLanes, usable);
}

// @ts-ignore: decorator
@inline
function horizontalMin(v: v128): f32 {
  return min(
    min(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)),
    min(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)),
  );
}
// @ts-ignore: decorator
@inline
function horizontalMax(v: v128): f32 {
  return max(
    max(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)),
    max(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)),
  );
}

/**
 * NaN in the lanes of `count` vectors, `pitch` apart, that hold a value that is not finite; those lanes
 * become 0, so that their codes rest.
 */
function restLanes(source: usize, pitch: usize, count: i32): v128 {
  let notFinite = f32x4.splat(0);
  for (let i = 0, p = source; i < count; i++, p += pitch) {
    const x = v128.load(p);
    notFinite = f32x4.add(notFinite, f32x4.sub(x, x));
  }
  const finite = f32x4.eq(notFinite, notFinite);
  for (let i = 0, p = source; i < count; i++, p += pitch)
    v128.store(p, v128.and(v128.load(p), finite));
  return notFinite;
}

/**
 * Quantizes `blocks` consecutive blocks of `block` values each. Values of a block that is not finite
 * are overwritten.
 * @param codes `block * bits / 8` bytes per block
 * @param zeros one byte per block; not written when symmetric
 */
export function quantizeRows(
  source: usize,
  blocks: i32,
  block: i32,
  bits: i32,
  symmetric: bool,
  refits: i32,
  codes: usize,
  scales: usize,
  zeros: usize,
): void {
  const top: i32 = (1 << bits) - 1;
  const codeTop = i8x16.splat(<i8>top);
  const blockBytes = <usize>((block * bits) >> 3);
  for (let b = 0; b < blocks; b++) {
    let lo = f32x4.splat(0);
    let hi = f32x4.splat(0);
    let sum = f32x4.splat(0);
    const end = source + (<usize>block << 2);
    for (let p = source; p < end; p += 16) {
      const x = v128.load(p);
      lo = f32x4.pmin(lo, x);
      hi = f32x4.pmax(hi, x);
      sum = f32x4.add(sum, x);
    }
    let bad: f32 = 0;
    // A sum that is finite has finite terms only.
    if (v128.any_true(f32x4.ne(f32x4.sub(sum, sum), f32x4.splat(0)))) {
      const notFinite = restLanes(source, 16, block >> 2);
      bad =
        f32x4.extract_lane(notFinite, 0) +
        f32x4.extract_lane(notFinite, 1) +
        f32x4.extract_lane(notFinite, 2) +
        f32x4.extract_lane(notFinite, 3);
      if (bad != bad) memory.fill(source, 0, <usize>block << 2);
    }
    scaleOf(
      f32x4.splat(horizontalMin(lo)),
      f32x4.splat(horizontalMax(hi)),
      f32x4.splat(bad),
      bits,
      symmetric,
    );
    const least = f32x4.convert_i32x4_s(i32x4.neg(zeroLanes));
    const most = f32x4.convert_i32x4_s(i32x4.sub(i32x4.splat(top), zeroLanes));
    for (let round = 0; round < refits; round++) {
      let products = f32x4.splat(0);
      let squares = f32x4.splat(0);
      for (let p = source; p < end; p += 16) {
        const x = v128.load(p);
        const distance = distanceOf(x, inverseLanes, least, most);
        products = f32x4.add(products, f32x4.mul(distance, x));
        squares = f32x4.add(squares, f32x4.mul(distance, distance));
      }
      const total =
        f32x4.extract_lane(products, 0) +
        f32x4.extract_lane(products, 1) +
        (f32x4.extract_lane(products, 2) + f32x4.extract_lane(products, 3));
      const square =
        f32x4.extract_lane(squares, 0) +
        f32x4.extract_lane(squares, 1) +
        (f32x4.extract_lane(squares, 2) + f32x4.extract_lane(squares, 3));
      refitScale(f32x4.splat(total), f32x4.splat(square));
    }
    store<f32>(scales + (<usize>b << 2), f32x4.extract_lane(scaleLanes, 0));
    if (!symmetric) store<u8>(zeros + b, <u8>i32x4.extract_lane(zeroLanes, 0));
    const inverse = inverseLanes;
    const base = i32x4.sub(i32x4.splat(ROUND_BITS), zeroLanes);
    let to = codes;
    for (let p = source; p < end; p += 64) {
      const bytes = codeBytes(p, 16, inverse, base, codeTop);
      if (bits == 8) {
        v128.store(to, bytes);
        to += 16;
      } else {
        // Two codes per byte: the odd byte of each 16-bit lane moves down beside the even one.
        const pairs = v128.or(bytes, i16x8.shr_u(bytes, 8 - bits));
        const merged = v128.and(pairs, i16x8.splat(0xff));
        const packed = i8x16.narrow_i16x8_u(merged, merged);
        if (bits == 4) {
          v128.store64_lane(to, packed, 0);
          to += 8;
        } else {
          const fours = v128.or(packed, i16x8.shr_u(packed, 4));
          const mergedFours = v128.and(fours, i16x8.splat(0xff));
          v128.store32_lane(to, i8x16.narrow_i16x8_u(mergedFours, mergedFours), 0);
          to += 4;
        }
      }
    }
    source = end;
    codes += blockBytes;
  }
}

/** Bytes of a row of sixteen columns in the strip. */
const STRIP_PITCH: usize = 64;

/**
 * Quantizes blocks along the columns of `[rows, columns]` values, sixteen columns at a time: they are
 * one cache line of each row, which is fetched once, into a strip of `block` rows that stays in the
 * first cache. Where `rows` ends inside a block, the rest of it counts as zeros.
 * @param columns those after the last multiple of 16 are followed by others, whose results follow too
 * @param pitch blocks from one column's results to the next one's
 * @param codes of the first column and block; so `scales`, `zeros` (one byte each; not written when
 *   symmetric)
 */
export function quantizeColumns(
  source: usize,
  rows: i32,
  columns: i32,
  block: i32,
  bits: i32,
  symmetric: bool,
  refits: i32,
  strip: usize,
  pitch: usize,
  codes: usize,
  scales: usize,
  zeros: usize,
): void {
  const blockBytes = <usize>((block * bits) >> 3);
  const step = pitch * blockBytes;
  const rowBytes = <usize>columns << 2;
  const kBlocks = (rows + block - 1) / block;
  for (let c = 0; c < columns; c += 16)
    for (let kb = 0; kb < kBlocks; kb++) {
      const count = min(block, rows - kb * block);
      let lo0 = f32x4.splat(0);
      let lo1 = lo0;
      let lo2 = lo0;
      let lo3 = lo0;
      let hi0 = lo0;
      let hi1 = lo0;
      let hi2 = lo0;
      let hi3 = lo0;
      let sum = lo0;
      let p = source + (<usize>c << 2) + <usize>kb * block * rowBytes;
      let to = strip;
      for (let i = 0; i < count; i++, p += rowBytes, to += STRIP_PITCH) {
        const x0 = v128.load(p);
        const x1 = v128.load(p, 16);
        const x2 = v128.load(p, 32);
        const x3 = v128.load(p, 48);
        v128.store(to, x0);
        v128.store(to, x1, 16);
        v128.store(to, x2, 32);
        v128.store(to, x3, 48);
        lo0 = f32x4.pmin(lo0, x0);
        lo1 = f32x4.pmin(lo1, x1);
        lo2 = f32x4.pmin(lo2, x2);
        lo3 = f32x4.pmin(lo3, x3);
        hi0 = f32x4.pmax(hi0, x0);
        hi1 = f32x4.pmax(hi1, x1);
        hi2 = f32x4.pmax(hi2, x2);
        hi3 = f32x4.pmax(hi3, x3);
        sum = f32x4.add(sum, f32x4.add(f32x4.add(x0, x1), f32x4.add(x2, x3)));
      }
      if (count < block) memory.fill(to, 0, <usize>(block - count) * STRIP_PITCH);
      // A sum that is finite has finite terms only.
      const suspect = v128.any_true(f32x4.ne(f32x4.sub(sum, sum), f32x4.splat(0)));
      for (let group = 0; group < 4; group++) {
        const origin = strip + (<usize>group << 4);
        const bad = suspect ? restLanes(origin, STRIP_PITCH, block) : f32x4.splat(0);
        if (group == 0) scaleOf(lo0, hi0, bad, bits, symmetric);
        else if (group == 1) scaleOf(lo1, hi1, bad, bits, symmetric);
        else if (group == 2) scaleOf(lo2, hi2, bad, bits, symmetric);
        else scaleOf(lo3, hi3, bad, bits, symmetric);
        refitColumns(origin, block, refits, (1 << bits) - 1);
        const at = <usize>(c + group * 4) * pitch + kb;
        v128.store32_lane(scales + (at << 2), scaleLanes, 0);
        v128.store32_lane(scales + ((at + pitch) << 2), scaleLanes, 1);
        v128.store32_lane(scales + ((at + 2 * pitch) << 2), scaleLanes, 2);
        v128.store32_lane(scales + ((at + 3 * pitch) << 2), scaleLanes, 3);
        if (!symmetric) {
          store<u8>(zeros + at, <u8>i32x4.extract_lane(zeroLanes, 0));
          store<u8>(zeros + at + pitch, <u8>i32x4.extract_lane(zeroLanes, 1));
          store<u8>(zeros + at + 2 * pitch, <u8>i32x4.extract_lane(zeroLanes, 2));
          store<u8>(zeros + at + 3 * pitch, <u8>i32x4.extract_lane(zeroLanes, 3));
        }
        const inverse = inverseLanes;
        const base = i32x4.sub(i32x4.splat(ROUND_BITS), zeroLanes);
        let out = codes + at * blockBytes;
        for (let i = 0; i < block; i += 16, out += 2 * bits)
          packColumns(origin + <usize>i * STRIP_PITCH, STRIP_PITCH, inverse, base, bits, out, step);
      }
    }
}

/** Rounds of fitting the scales of four columns of the strip. */
// @ts-ignore: decorator
@inline
function refitColumns(origin: usize, block: i32, refits: i32, top: i32): void {
  const least = f32x4.convert_i32x4_s(i32x4.neg(zeroLanes));
  const most = f32x4.convert_i32x4_s(i32x4.sub(i32x4.splat(top), zeroLanes));
  for (let round = 0; round < refits; round++) {
    const inverse = inverseLanes;
    // Partial sums of rows 0, 4, 8 …; 1, 5, 9 …: the order in which whole rows are summed too.
    let sum0 = f32x4.splat(0);
    let sum1 = f32x4.splat(0);
    let sum2 = f32x4.splat(0);
    let sum3 = f32x4.splat(0);
    let squares0 = f32x4.splat(0);
    let squares1 = f32x4.splat(0);
    for (let i = 0, p = origin; i < block; i += 4, p += 4 * STRIP_PITCH) {
      const x0 = v128.load(p);
      const x1 = v128.load(p, 64);
      const x2 = v128.load(p, 128);
      const x3 = v128.load(p, 192);
      const d0 = distanceOf(x0, inverse, least, most);
      const d1 = distanceOf(x1, inverse, least, most);
      const d2 = distanceOf(x2, inverse, least, most);
      const d3 = distanceOf(x3, inverse, least, most);
      sum0 = f32x4.add(sum0, f32x4.mul(d0, x0));
      sum1 = f32x4.add(sum1, f32x4.mul(d1, x1));
      sum2 = f32x4.add(sum2, f32x4.mul(d2, x2));
      sum3 = f32x4.add(sum3, f32x4.mul(d3, x3));
      squares0 = f32x4.add(squares0, f32x4.add(f32x4.mul(d0, d0), f32x4.mul(d1, d1)));
      squares1 = f32x4.add(squares1, f32x4.add(f32x4.mul(d2, d2), f32x4.mul(d3, d3)));
    }
    refitScale(
      f32x4.add(f32x4.add(sum0, sum1), f32x4.add(sum2, sum3)),
      f32x4.add(squares0, squares1),
    );
  }
}

/** float16 bits to float32; `count` a multiple of 8. */
export function float16ToF32(source: usize, count: i32, target: usize): void {
  for (let i = 0; i < count; i += 8, source += 16, target += 32) {
    const codes = v128.load(source);
    v128.store(target, widenFloat16(i32x4.extend_low_i16x8_u(codes)));
    v128.store(target, widenFloat16(i32x4.extend_high_i16x8_u(codes)), 16);
  }
}

/**
 * The exponent and fraction bits are moved into place and scaled by 2^112, which also makes
 * subnormals right; infinity and NaN then lack the top exponent bits, which are put back.
 */
// @ts-ignore: decorator
@inline
function widenFloat16(h: v128): v128 {
  const size = v128.and(h, i32x4.splat(0x7fff));
  const shifted = f32x4.mul(i32x4.shl(size, 13), f32x4.splat(5.192296858534828e33));
  const special = v128.and(i32x4.gt_s(size, i32x4.splat(0x7bff)), i32x4.splat(0x7f800000));
  const sign = i32x4.shl(v128.and(h, i32x4.splat(0x8000)), 16);
  return v128.or(v128.or(shifted, special), sign);
}

/** bfloat16 bits to float32; `count` a multiple of 8. */
export function bfloat16ToF32(source: usize, count: i32, target: usize): void {
  for (let i = 0; i < count; i += 8, source += 16, target += 32) {
    const codes = v128.load(source);
    v128.store(target, i32x4.shl(i32x4.extend_low_i16x8_u(codes), 16));
    v128.store(target, i32x4.shl(i32x4.extend_high_i16x8_u(codes), 16), 16);
  }
}
