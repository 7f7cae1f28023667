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

/** Rounded codes of four values, clamped to [0, top]. */
// @ts-ignore: decorator
@inline
function codesOf(x: v128, inverse: v128, zero: v128, top: v128): v128 {
  const whole = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(x, inverse)));
  return i32x4.min_s(i32x4.max_s(i32x4.add(whole, zero), i32x4.splat(0)), top);
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
 * Quantizes `blocks` consecutive blocks of `block` values each.
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
  const top = i32x4.splat((1 << bits) - 1);
  const codeBytes = <usize>((block * bits) >> 3);
  for (let b = 0; b < blocks; b++) {
    let lo = f32x4.splat(0);
    let hi = f32x4.splat(0);
    let notFinite = f32x4.splat(0);
    const end = source + (<usize>block << 2);
    for (let p = source; p < end; p += 16) {
      const x = v128.load(p);
      lo = f32x4.pmin(lo, x);
      hi = f32x4.pmax(hi, x);
      notFinite = f32x4.add(notFinite, f32x4.sub(x, x));
    }
    const bad =
      f32x4.extract_lane(notFinite, 0) +
      f32x4.extract_lane(notFinite, 1) +
      f32x4.extract_lane(notFinite, 2) +
      f32x4.extract_lane(notFinite, 3);
    scaleOf(
      f32x4.splat(horizontalMin(lo)),
      f32x4.splat(horizontalMax(hi)),
      f32x4.splat(bad),
      bits,
      symmetric,
    );
    for (let round = 0; round < refits; round++) {
      let products = f32x4.splat(0);
      let squares = i32x4.splat(0);
      for (let p = source; p < end; p += 16) {
        const x = v128.load(p);
        const distance = i32x4.sub(codesOf(x, inverseLanes, zeroLanes, top), zeroLanes);
        products = f32x4.add(products, f32x4.mul(f32x4.convert_i32x4_s(distance), x));
        squares = i32x4.add(squares, i32x4.mul(distance, distance));
      }
      const total =
        f32x4.extract_lane(products, 0) +
        f32x4.extract_lane(products, 1) +
        (f32x4.extract_lane(products, 2) + f32x4.extract_lane(products, 3));
      const square =
        i32x4.extract_lane(squares, 0) +
        i32x4.extract_lane(squares, 1) +
        i32x4.extract_lane(squares, 2) +
        i32x4.extract_lane(squares, 3);
      refitScale(f32x4.splat(total), f32x4.splat(<f32>square));
    }
    store<f32>(scales + (<usize>b << 2), f32x4.extract_lane(scaleLanes, 0));
    if (!symmetric) store<u8>(zeros + b, <u8>i32x4.extract_lane(zeroLanes, 0));
    const inverse = inverseLanes;
    const zero = zeroLanes;
    let to = codes;
    for (let p = source; p < end; p += 64) {
      const first = codesOf(v128.load(p), inverse, zero, top);
      const second = codesOf(v128.load(p, 16), inverse, zero, top);
      const third = codesOf(v128.load(p, 32), inverse, zero, top);
      const fourth = codesOf(v128.load(p, 48), inverse, zero, top);
      const bytes = i8x16.narrow_i16x8_u(
        i16x8.narrow_i32x4_s(first, second),
        i16x8.narrow_i32x4_s(third, fourth),
      );
      if (bits == 8) {
        v128.store(to, bytes);
        to += 16;
      } else {
        // Two codes per byte: the odd byte of each 16-bit lane moves down beside the even one.
        const pairs = v128.or(
          v128.and(bytes, i16x8.splat(0x0f)),
          i16x8.shr_u(bytes, 8 - bits),
        );
        const merged = v128.and(pairs, i16x8.splat(0xff));
        const packed = i8x16.narrow_i16x8_u(merged, merged);
        if (bits == 4) {
          v128.store64_lane(to, packed, 0);
          to += 8;
        } else {
          const fours = v128.or(
            v128.and(packed, i16x8.splat(0x0f)),
            i16x8.shr_u(packed, 4),
          );
          const mergedFours = v128.and(fours, i16x8.splat(0xff));
          v128.store32_lane(to, i8x16.narrow_i16x8_u(mergedFours, mergedFours), 0);
          to += 4;
        }
      }
    }
    source = end;
    codes += codeBytes;
  }
}

/**
 * Quantizes columns of a row-major tile: `kBlocks` groups of `block` rows, `stride` floats apart.
 * @param columns a multiple of 16
 * @param codes `[columns, kBlocks, block * bits / 8]`
 * @param scales `[columns, kBlocks]`
 * @param zeros `[columns, kBlocks]`, one byte each; not written when symmetric
 */
export function quantizeColumns(
  source: usize,
  stride: i32,
  columns: i32,
  kBlocks: i32,
  block: i32,
  bits: i32,
  symmetric: bool,
  refits: i32,
  codes: usize,
  scales: usize,
  zeros: usize,
): void {
  const codeBytes = (block * bits) >> 3;
  const top = i32x4.splat((1 << bits) - 1);
  const pitch = <usize>stride << 2;
  const perWord = 32 / bits;
  for (let kb = 0; kb < kBlocks; kb++) {
    const first = source + <usize>kb * block * pitch;
    for (let c = 0; c < columns; c += 16) {
      // Sixteen columns are one cache line of each row, so a line is fetched once for both passes.
      const start = first + (<usize>c << 2);
      let lo0 = f32x4.splat(0);
      let lo1 = lo0;
      let lo2 = lo0;
      let lo3 = lo0;
      let hi0 = lo0;
      let hi1 = lo0;
      let hi2 = lo0;
      let hi3 = lo0;
      let bad0 = lo0;
      let bad1 = lo0;
      let bad2 = lo0;
      let bad3 = lo0;
      for (let i = 0, p = start; i < block; i++, p += pitch) {
        const x0 = v128.load(p);
        const x1 = v128.load(p, 16);
        const x2 = v128.load(p, 32);
        const x3 = v128.load(p, 48);
        lo0 = f32x4.pmin(lo0, x0);
        lo1 = f32x4.pmin(lo1, x1);
        lo2 = f32x4.pmin(lo2, x2);
        lo3 = f32x4.pmin(lo3, x3);
        hi0 = f32x4.pmax(hi0, x0);
        hi1 = f32x4.pmax(hi1, x1);
        hi2 = f32x4.pmax(hi2, x2);
        hi3 = f32x4.pmax(hi3, x3);
        bad0 = f32x4.add(bad0, f32x4.sub(x0, x0));
        bad1 = f32x4.add(bad1, f32x4.sub(x1, x1));
        bad2 = f32x4.add(bad2, f32x4.sub(x2, x2));
        bad3 = f32x4.add(bad3, f32x4.sub(x3, x3));
      }
      for (let group = 0; group < 4; group++) {
        if (group == 0) scaleOf(lo0, hi0, bad0, bits, symmetric);
        else if (group == 1) scaleOf(lo1, hi1, bad1, bits, symmetric);
        else if (group == 2) scaleOf(lo2, hi2, bad2, bits, symmetric);
        else scaleOf(lo3, hi3, bad3, bits, symmetric);
        const origin = start + (<usize>group << 4);
        for (let round = 0; round < refits; round++) {
          // Partial sums of rows 0, 4, 8 …; 1, 5, 9 …: the order in which whole rows are summed too.
          let sum0 = f32x4.splat(0);
          let sum1 = f32x4.splat(0);
          let sum2 = f32x4.splat(0);
          let sum3 = f32x4.splat(0);
          let squares = i32x4.splat(0);
          for (let i = 0, p = origin; i < block; i += 4, p += 4 * pitch) {
            const x0 = v128.load(p);
            const x1 = v128.load(p + pitch);
            const x2 = v128.load(p + 2 * pitch);
            const x3 = v128.load(p + 3 * pitch);
            const d0 = i32x4.sub(codesOf(x0, inverseLanes, zeroLanes, top), zeroLanes);
            const d1 = i32x4.sub(codesOf(x1, inverseLanes, zeroLanes, top), zeroLanes);
            const d2 = i32x4.sub(codesOf(x2, inverseLanes, zeroLanes, top), zeroLanes);
            const d3 = i32x4.sub(codesOf(x3, inverseLanes, zeroLanes, top), zeroLanes);
            sum0 = f32x4.add(sum0, f32x4.mul(f32x4.convert_i32x4_s(d0), x0));
            sum1 = f32x4.add(sum1, f32x4.mul(f32x4.convert_i32x4_s(d1), x1));
            sum2 = f32x4.add(sum2, f32x4.mul(f32x4.convert_i32x4_s(d2), x2));
            sum3 = f32x4.add(sum3, f32x4.mul(f32x4.convert_i32x4_s(d3), x3));
            squares = i32x4.add(squares, i32x4.mul(d0, d0));
            squares = i32x4.add(squares, i32x4.mul(d1, d1));
            squares = i32x4.add(squares, i32x4.mul(d2, d2));
            squares = i32x4.add(squares, i32x4.mul(d3, d3));
          }
          refitScale(
            f32x4.add(f32x4.add(sum0, sum1), f32x4.add(sum2, sum3)),
            f32x4.convert_i32x4_s(squares),
          );
        }
        const column = c + group * 4;
        const at = <usize>(column * kBlocks + kb);
        const next = <usize>kBlocks;
        v128.store32_lane(scales + (at << 2), scaleLanes, 0);
        v128.store32_lane(scales + ((at + next) << 2), scaleLanes, 1);
        v128.store32_lane(scales + ((at + 2 * next) << 2), scaleLanes, 2);
        v128.store32_lane(scales + ((at + 3 * next) << 2), scaleLanes, 3);
        if (!symmetric) {
          store<u8>(zeros + at, <u8>i32x4.extract_lane(zeroLanes, 0));
          store<u8>(zeros + at + next, <u8>i32x4.extract_lane(zeroLanes, 1));
          store<u8>(zeros + at + 2 * next, <u8>i32x4.extract_lane(zeroLanes, 2));
          store<u8>(zeros + at + 3 * next, <u8>i32x4.extract_lane(zeroLanes, 3));
        }
        const inverse = inverseLanes;
        const zero = zeroLanes;
        const step = next * codeBytes;
        let to = codes + at * codeBytes;
        let p = origin;
        for (let i = 0; i < block; i += perWord, to += 4) {
          let word = i32x4.splat(0);
          for (let shift = 0; shift < 32; shift += bits, p += pitch)
            word = v128.or(
              word,
              i32x4.shl(codesOf(v128.load(p), inverse, zero, top), shift),
            );
          v128.store32_lane(to, word, 0);
          v128.store32_lane(to + step, word, 1);
          v128.store32_lane(to + 2 * step, word, 2);
          v128.store32_lane(to + 3 * step, word, 3);
        }
      }
    }
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
