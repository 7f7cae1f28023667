/** Every numeric type of the table: known values, all codes there and back, and nearest rounding. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadKernels } from "../../src/engine/wasm.ts";
import { referenceKernels } from "../../src/kernels/reference.ts";
import { byteLength, dtype, DTYPES, type DtypeName } from "../../src/shared/dtype.ts";
import { gaussian, uniform } from "../helpers/random.ts";

const simd = loadKernels();
const { toF32, fromF32 } = referenceKernels;
const NUMERIC = DTYPES.filter((d) => d.kind !== "string" && d.kind !== "complex");

/** float32 value, and the packed bytes it is encoded as; from numpy and ml_dtypes. */
const KNOWN: Partial<Record<DtypeName, readonly (readonly [number, readonly number[]])[]>> = {
  float16: [
    [1, [0x00, 0x3c]],
    [-0.1, [0x66, 0xae]],
    [65504, [0xff, 0x7b]],
    [65519.996, [0xff, 0x7b]],
    [65520, [0x00, 0x7c]],
    [5.9604645e-8, [0x01, 0x00]],
    [2.9802322e-8, [0x00, 0x00]],
    [2.9802326e-8, [0x01, 0x00]],
    [6.1e-5, [0xff, 0x03]],
    [-Infinity, [0x00, 0xfc]],
  ],
  bfloat16: [
    [1, [0x80, 0x3f]],
    [-0.1, [0xcd, 0xbd]],
    [3.3895e38, [0x7f, 0x7f]],
    [1.00390625, [0x80, 0x3f]],
    [1.01171875, [0x82, 0x3f]],
  ],
  float64: [[0.5, [0, 0, 0, 0, 0, 0, 0xe0, 0x3f]]],
  int8: [
    [-129, [0x80]],
    [2.5, [2]],
    [3.5, [4]],
    [-2.5, [0xfe]],
    [NaN, [0]],
  ],
  uint8: [
    [-1, [0]],
    [300, [255]],
  ],
  int16: [[40000, [0xff, 0x7f]]],
  uint16: [[65535, [0xff, 0xff]]],
  int32: [[-1, [255, 255, 255, 255]]],
  uint32: [[5e9, [255, 255, 255, 255]]],
  int64: [
    [-2, [0xfe, 255, 255, 255, 255, 255, 255, 255]],
    [1e30, [255, 255, 255, 255, 255, 255, 255, 0x7f]],
  ],
  uint64: [[4294967296, [0, 0, 0, 0, 1, 0, 0, 0]]],
  bool: [[-3, [1]]],
  float8e4m3fn: [
    [448, [0x7e]],
    [1e9, [0x7e]],
    [-0.001953125, [0x81]],
    [NaN, [0x7f]],
    [1.0625, [0x38]],
  ],
  float8e4m3fnuz: [
    [240, [0x7f]],
    [-0, [0x00]],
    [NaN, [0x80]],
  ],
  float8e5m2: [
    [57344, [0x7b]],
    [Infinity, [0x7b]],
    [1.125, [0x3c]],
  ],
  float8e5m2fnuz: [
    [57344, [0x7f]],
    [1, [0x40]],
  ],
  float8e8m0: [
    [1, [127]],
    [0.5, [126]],
    [NaN, [255]],
  ],
};

test("known values encode to known bytes", () => {
  for (const [name, rows] of Object.entries(KNOWN))
    for (const [value, bytes] of rows)
      assert.deepEqual(
        [...fromF32(dtype(name as DtypeName), Float32Array.of(value))],
        bytes,
        `${name} ${value}`,
      );
});

test("packed types put the first value in the low bits", () => {
  assert.deepEqual([...fromF32(dtype("int4"), Float32Array.of(-8, 7, 3))], [0x78, 0x03]);
  assert.deepEqual([...fromF32(dtype("uint2"), Float32Array.of(1, 2, 3, 0, 1))], [0x39, 0x01]);
  assert.deepEqual([...fromF32(dtype("float4e2m1"), Float32Array.of(6, -0.5))], [0x97]);
  assert.deepEqual([...fromF32(dtype("float6e2m3"), Float32Array.of(7.5, 0.125))], [0x5f, 0x00]);
  assert.deepEqual([...toF32(dtype("float6e3m2"), Uint8Array.of(0x5f, 0x00), 2)], [28, 0.0625]);
});

test("all codes of every type of at most 16 bits come back as they were", () => {
  for (const type of NUMERIC.filter((d) => d.bits <= 16 && d.kind !== "bool")) {
    const count = 2 ** type.bits;
    const bytes = new Uint8Array(byteLength(type, count)!);
    for (let code = 0, bit = 0; code < count; code++, bit += type.bits) {
      const word = code << (bit & 7);
      for (let i = 0; word >> (8 * i) > 0; i++) bytes[(bit >> 3) + i]! |= (word >> (8 * i)) & 255;
    }
    const values = toF32(type, bytes, count);
    const again = toF32(type, fromF32(type, values), count);
    for (let code = 0; code < count; code++) {
      // Infinity saturates in float8e5m2; NaN has several codes.
      if (!Number.isFinite(values[code]!)) continue;
      assert.equal(again[code], values[code], `${type.name} code ${code}`);
    }
  }
});

test("floats of at most 8 bits take the nearest value", () => {
  for (const type of NUMERIC.filter((d) => d.kind === "float" && d.bits <= 8)) {
    const codes = Uint8Array.from({ length: 2 ** type.bits }, (_, i) => i);
    const all = [...codes]
      .map((c) => toF32(type, Uint8Array.of(c), 1)[0]!)
      .filter((x) => Number.isFinite(x));
    const samples = gaussian(500, type.bits).map((x) => Math.abs(x));
    const got = toF32(type, fromF32(type, samples), samples.length);
    samples.forEach((x, i) => {
      const best = Math.min(...all.map((v) => Math.abs(v - x)));
      assert.equal(Math.abs(got[i]! - x), best, `${type.name} ${x} became ${got[i]}`);
    });
  }
});

test("values are read wherever the bytes start", () => {
  const shifted = new Uint8Array(9);
  shifted.set(new Uint8Array(Float32Array.of(1.5, -2).buffer), 1);
  assert.deepEqual([...toF32(dtype("float32"), shifted.subarray(1), 2)], [1.5, -2]);
});

test("too few bytes, and types without numbers, are refused", () => {
  assert.throws(() => toF32(dtype("float32"), new Uint8Array(7), 2), /need 8 bytes/);
  assert.throws(() => toF32(dtype("complex64"), new Uint8Array(8), 1), /complex64/);
  assert.throws(() => fromF32(dtype("string"), new Float32Array(1)), /string/);
});

test("SIMD widening equals the twin for every code, and across tiles", () => {
  for (const name of ["float16", "bfloat16"] as const) {
    const type = dtype(name);
    const all = new Uint8Array(Uint16Array.from({ length: 65536 }, (_, i) => i).buffer);
    const bits = (x: Float32Array): Uint32Array => new Uint32Array(x.buffer);
    assert.deepEqual(bits(simd.toF32(type, all, 65536)), bits(toF32(type, all, 65536)));
    const count = 300_001;
    const long = fromF32(type, uniform(count, 4));
    assert.deepEqual(simd.toF32(type, long, count), toF32(type, long, count));
  }
});
