/** The steps of dataset.json, one by one and in their order; expected values by hand or by NumPy. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { prepared, type Preprocess } from "../../src/data/preprocess.ts";
import { inMemory } from "../../src/data/samples.ts";
import type { DtypeName } from "../../src/shared/dtype.ts";
import {
  float16ToNumber,
  float16Numbers,
  numberToFloat16,
  toNumbers,
  type HostData,
} from "../../src/shared/hostTensor.ts";

const HWC = Uint8Array.from({ length: 2 * 2 * 3 }, (_, i) => i);

async function run(
  spec: Preprocess,
  type: DtypeName = "float32",
  shape: readonly number[] = [1, 2, 2, 3],
  data: HostData = HWC,
  stored: DtypeName = "uint8",
): Promise<{ shape: readonly number[]; values: number[] }> {
  const steps = prepared(inMemory("x.npy", stored, shape, data), spec, "inputs.x");
  const out = await steps.readAs(0, shape[0] ?? 1, type);
  return {
    shape: steps.shape,
    values: [...toNumbers({ dtype: type, shape: [out.length], data: out })],
  };
}

test("nothing but the cast", async () => {
  assert.deepEqual(await run({}), { shape: [2, 2, 3], values: [...HWC] });
});
test("BGR reverses the last axis", async () => {
  const { values } = await run({ channels: "BGR" });
  assert.deepEqual(values, [2, 1, 0, 5, 4, 3, 8, 7, 6, 11, 10, 9]);
});
test("L is Pillow's luma", async () => {
  const pixel = Uint8Array.from([200, 100, 50]);
  assert.deepEqual(await run({ channels: "L" }, "float32", [1, 1, 1, 3], pixel), {
    shape: [1, 1, 1],
    values: [124],
  });
});
test("mask is where the value is not 0", async () => {
  const { values } = await run({ mask: true }, "int64");
  assert.deepEqual(values, [0, ...Array<number>(11).fill(1)]);
});
test("× scale, then − mean, then / std over the last axis, in float64", async () => {
  const { values } = await run(
    { scale: 0.1, mean: [0.1, 0.2, 0.3], std: [0.5, 0.25, 3] },
    "float64",
  );
  const expected = [...HWC].map(
    (x, i) => (x * 0.1 - (([0.1, 0.2, 0.3] as const)[i % 3] ?? 0)) / ([0.5, 0.25, 3][i % 3] ?? 1),
  );
  assert.deepEqual(values, expected);
});
test("mean is of the channel after BGR", async () => {
  const { values } = await run({ channels: "BGR", mean: [100, 0, 0] });
  assert.deepEqual(values.slice(0, 3), [-98, 1, 0]);
});
test("NHWC->NCHW and back", async () => {
  const first = await run({ layout: "NHWC->NCHW" });
  assert.deepEqual(first, { shape: [3, 2, 2], values: [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11] });
  const back = await run(
    { layout: "NCHW->NHWC" },
    "uint8",
    [1, 3, 2, 2],
    Uint8Array.from(first.values),
  );
  assert.deepEqual(back, { shape: [2, 2, 3], values: [...HWC] });
});
test("NHW->NCHW inserts a channel; reshape comes after", async () => {
  assert.deepEqual((await run({ layout: "NHW->NCHW" }, "float32", [3, 2, 2])).shape, [1, 2, 2]);
  assert.deepEqual((await run({ layout: "NHW->NHWC" }, "float32", [3, 2, 2])).shape, [2, 2, 1]);
  assert.deepEqual((await run({ reshape: [-1, 4] })).shape, [3, 4]);
});
test("steps that do not fit name themselves and the shape", () => {
  const refuse = (spec: Preprocess, pattern: RegExp, shape = [1, 2, 2, 3]): void => {
    assert.throws(
      () => prepared(inMemory("x.npy", "uint8", shape, HWC), spec, "inputs.x"),
      pattern,
    );
  };
  refuse({ mean: [1, 2] }, /"mean" has 2 values, the last axis has 3/);
  refuse({ layout: "NHW->NCHW" }, /needs samples of 2 dimensions, they are \[2, 2, 3\]/);
  refuse({ reshape: [5] }, /does not hold the 12 values/);
  refuse({ reshape: [-1, -1] }, /does not hold the 12 values/);
  refuse({ channels: "L" }, /needs 3 channels last/, [3, 2, 2]);
});
test("integers are truncated, and refused where they do not fit", async () => {
  const data = Float64Array.from([1.9, -1.9]);
  assert.deepEqual((await run({}, "int32", [2], data, "float64")).values, [1, -1]);
  await assert.rejects(
    run(
      {},
      "uint8",
      [2],
      data.map((x) => x * 100),
      "float64",
    ),
    /sample 1 holds -190/,
  );
});
test("64-bit ids stay exact", async () => {
  const ids = BigInt64Array.from([2n ** 60n + 1n]);
  const out = await prepared(inMemory("x.npy", "int64", [1], ids), {}, "x").readAs(0, 1, "int64");
  assert.deepEqual(out, ids);
});
test("NaN is refused with the sample's number, converted or not", async () => {
  const data = Float32Array.from([1, 2, 3, NaN]);
  await assert.rejects(run({}, "float32", [2, 2], data, "float32"), /sample 1 holds NaN/);
  await assert.rejects(run({ scale: 2 }, "float16", [2, 2], data, "float32"), /sample 1 holds NaN/);
});

test("float16 rounds straight from float64, ties to even, and back", () => {
  // Bits by NumPy 2.4: np.float16(x).view(np.uint16).
  const table: readonly (readonly [number, number])[] = [
    [0, 0],
    [-0, 0x8000],
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65519.99, 0x7bff],
    [65520, 0x7c00],
    [Infinity, 0x7c00],
    [0.1, 0x2e66],
    [1 / 3, 0x3555],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000],
    [2 ** -25 * 1.0001, 0x0001],
    [2049, 0x6800],
    [2051, 0x6802],
    // 2049 + 2^-40: rounding to float32 first would give the tie, and then 2048.
    [2049 + 2 ** -40, 0x6801],
    [0.99999, 0x3c00],
    [1023.75, 0x6400],
  ];
  for (const [value, bits] of table) assert.equal(numberToFloat16(value), bits, String(value));
  for (let bits = 0; bits < 0x7c00; bits++)
    assert.equal(numberToFloat16(float16ToNumber(bits)), bits);
  const all = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);
  assert.deepEqual(float16Numbers(all), Float32Array.from(all, float16ToNumber));
});
