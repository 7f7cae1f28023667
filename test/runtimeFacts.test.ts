/**
 * What Lathe relies on onnxruntime to do, asserted on small models: kernels that exist, layouts,
 * what is fused, what is folded. A new runtime version that differs fails here first.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { createSession, type SessionOptions } from "../src/engine/ort.ts";
import { EngineError } from "../src/shared/errors.ts";
import { numberToFloat16, toNumbers, type HostTensor } from "../src/shared/hostTensor.ts";
import { random } from "../src/shared/random.ts";
import { onnxFromText } from "./helpers/graphText.ts";
import { tempFolder } from "./helpers/temp.ts";

const DEPLOYED: SessionOptions = { threads: 1, optimization: "all" };
const EXACT: SessionOptions = { threads: 1, optimization: "all", exactWeights: true };

async function run(
  text: string,
  feeds: Readonly<Record<string, HostTensor>>,
  options: SessionOptions,
): Promise<number[]> {
  const session = await createSession(onnxFromText(text), options);
  try {
    const [first] = (await session.run(new Map(Object.entries(feeds)))).values();
    assert.ok(first);
    return [...toNumbers(first)];
  } finally {
    await session.release();
  }
}

/** Operators that really run, from the runtime's own trace. */
async function kernels(
  t: TestContext,
  text: string,
  feeds: Readonly<Record<string, HostTensor>>,
): Promise<string[]> {
  const folder = tempFolder(t);
  await run(text, feeds, { ...DEPLOYED, profile: path.join(folder, "trace") });
  const trace = JSON.parse(
    readFileSync(path.join(folder, readdirSync(folder)[0] ?? ""), "utf8"),
  ) as {
    args?: { op_name?: string };
  }[];
  return [...new Set(trace.flatMap(({ args }) => args?.op_name ?? []))].sort();
}

const refused = (text: string, pattern: RegExp): Promise<void> =>
  assert.rejects(
    createSession(onnxFromText(text), DEPLOYED),
    (error) => error instanceof EngineError && pattern.test(error.message),
  );

const f32 = (shape: readonly number[], data: Float32Array): HostTensor => ({
  dtype: "float32",
  shape,
  data,
});
const normal = (count: number, seed: number): Float32Array => {
  const rng = random(seed);
  return Float32Array.from({ length: count }, () => rng.normal());
};
/** Largest difference, as a share of the largest expected value. */
function error(actual: readonly number[], expected: readonly number[]): number {
  assert.equal(actual.length, expected.length);
  const top = Math.max(...expected.map(Math.abs));
  return Math.max(...actual.map((value, i) => Math.abs(value - (expected[i] ?? NaN)))) / top;
}
/** x [m, k] times w [n, k] transposed. */
function product(
  x: ArrayLike<number>,
  w: readonly number[],
  m: number,
  k: number,
  n: number,
): number[] {
  return Array.from({ length: m * n }, (_, at) => {
    const [row, column] = [Math.floor(at / n), at % n];
    let sum = 0;
    for (let i = 0; i < k; i++) sum += (x[row * k + i] ?? 0) * (w[column * k + i] ?? 0);
    return sum;
  });
}

interface Packed {
  readonly text: string;
  /** Dequantized [n, k]. */
  readonly weight: number[];
}

/** Random codes in the layout of MatMulNBits: [n, blocks, block·bits/8], low bits first, K padded with code 0. */
function packed(bits: number, block: number, n: number, k: number, zeroPoints: boolean): Packed {
  const rng = random(bits * 1000 + block);
  const blocks = Math.ceil(k / block);
  const codes = Array.from({ length: n * blocks * block }, (_, i) =>
    i % (blocks * block) < k ? rng.int(2 ** bits) : 0,
  );
  const scales = Array.from({ length: n * blocks }, () => Math.fround(0.5 + rng.next()));
  const zeros = Array.from({ length: n * blocks }, () =>
    zeroPoints ? rng.int(2 ** bits) : 2 ** (bits - 1),
  );
  const pack = (values: readonly number[], row: number): number[] => {
    const perByte = 8 / bits;
    const out: number[] = [];
    for (let start = 0; start < values.length; start += row)
      for (let at = 0; at < row; at += perByte)
        out.push(
          values
            .slice(start + at, Math.min(start + row, start + at + perByte))
            .reduce((byte, code, i) => byte | (code << (i * bits)), 0),
        );
    return out;
  };
  const bytes = (block * bits) / 8;
  const zeroBytes = pack(zeros, blocks);
  const weight = Array.from({ length: n * k }, (_, at) => {
    const [row, i] = [Math.floor(at / k), at % k];
    const b = row * blocks + Math.floor(i / block);
    return ((codes[row * blocks * block + i] ?? 0) - (zeros[b] ?? 0)) * (scales[b] ?? 0);
  });
  return {
    weight,
    text: `b = uint8 [${n}, ${blocks}, ${bytes}] [${pack(codes, block).join()}]
s = float32 [${n}, ${blocks}] [${scales.join()}]
${zeroPoints ? `z = uint8 [${n}, ${zeroBytes.length / n}] [${zeroBytes.join()}]` : ""}`,
  };
}

const nbits = (
  { text }: Packed,
  [m, k, n]: readonly [number, number, number],
  attributes: string,
  inputs = "x, b, s",
  more = "",
): string => `
opset 17
opset com.microsoft 1
input x float32 [${m}, ${k}]
${text}
${more}
y = com.microsoft.MatMulNBits(${inputs}) { K: ${k}, N: ${n}, ${attributes} }
output y float32 [${m}, ${n}]`;

for (const bits of [2, 4, 8])
  for (const block of [16, 32, 64, 128, 256])
    test(`MatMulNBits ${bits} bit, block ${block}: layout with a ragged K, with and without zero points`, async () => {
      const [m, k, n] = [3, block + 8, 5];
      const x = normal(m * k, 1);
      for (const zeroPoints of [false, true]) {
        const weights = packed(bits, block, n, k, zeroPoints);
        const text = nbits(
          weights,
          [m, k, n],
          `bits: ${bits}, block_size: ${block}, accuracy_level: 0`,
          zeroPoints ? "x, b, s, z" : "x, b, s",
        );
        const expected = product(x, weights.weight, m, k, n);
        assert.ok(error(await run(text, { x: f32([m, k], x) }, DEPLOYED), expected) < 2e-6);
      }
    });

test("MatMulNBits adds a bias at input 5", async () => {
  const [m, k, n] = [2, 32, 3];
  const x = normal(m * k, 2);
  const weights = packed(4, 32, n, k, false);
  const text = nbits(
    weights,
    [m, k, n],
    "bits: 4, block_size: 32, accuracy_level: 0",
    "x, b, s, , , c",
    "c = float32 [3] [1, 20, 300]",
  );
  const expected = product(x, weights.weight, m, k, n).map(
    (v, i) => v + ([1, 20, 300][i % n] ?? 0),
  );
  assert.ok(error(await run(text, { x: f32([m, k], x) }, DEPLOYED), expected) < 2e-6);
});

test("MatMulNBits takes float16 activations and scales", async () => {
  const [m, k, n] = [2, 32, 3];
  const weights = packed(4, 32, n, k, false);
  const x = Float32Array.from({ length: m * k }, (_, i) => (i % 9) / 4 - 1);
  const text = nbits(weights, [m, k, n], "bits: 4, block_size: 32")
    .replace("s = float32", "s = float16")
    .replaceAll("x float32", "x float16")
    .replaceAll("y float32", "y float16");
  const data = Uint16Array.from(x, numberToFloat16);
  const got = await run(text, { x: { dtype: "float16", shape: [m, k], data } }, DEPLOYED);
  assert.ok(error(got, product(x, weights.weight, m, k, n)) < 3e-3);
});

for (const bits of [3, 5, 6, 7])
  test(`MatMulNBits has no ${bits}-bit kernel: refused when the model is loaded`, async () => {
    const text = `
opset 17
opset com.microsoft 1
input x float32 [1, 32]
b = uint8 [2, 1, ${(32 * bits) / 8}] zeros
s = float32 [2, 1] ones
y = com.microsoft.MatMulNBits(x, b, s) { K: 32, N: 2, bits: ${bits}, block_size: 32 }
output y float32 [1, 2]`;
    await refused(text, /bits/i);
  });

test("accuracy_level 4 rounds activations to 8 bit: about 5e-3, against 1e-6 at level 0", async () => {
  const [m, k, n] = [1, 256, 32];
  const x = normal(k, 3);
  const weights = packed(4, 32, n, k, true);
  const expected = product(x, weights.weight, m, k, n);
  const at = async (level: number): Promise<number> => {
    const text = nbits(
      weights,
      [m, k, n],
      `bits: 4, block_size: 32, accuracy_level: ${level}`,
      "x, b, s, z",
    );
    return error(await run(text, { x: f32([m, k], x) }, DEPLOYED), expected);
  };
  assert.ok((await at(0)) < 2e-6);
  const rounded = await at(4);
  assert.ok(rounded > 2e-4 && rounded < 2e-2, String(rounded));
});

/** Weight-only: DequantizeLinear of a constant into `use`. */
function dequantized(
  type: string,
  use: string,
  opset: number,
  ir: number,
): { text: string; expected: (x: Float32Array) => number[] } {
  const [k, n, block] = [64, 16, 32];
  const rng = random(k);
  const [low, high] = ({
    int8: [-128, 127],
    uint8: [0, 255],
    int4: [-8, 7],
    uint4: [0, 15],
    int2: [-2, 1],
    uint2: [0, 3],
  }[type] ?? [0, 1]) as [number, number];
  const codes = Array.from({ length: k * n }, () => low + rng.int(high - low + 1));
  const scales = Array.from({ length: (k / block) * n }, () => Math.fround(0.5 + rng.next()));
  const zero = type.startsWith("u") ? (high + 1) / 2 : 0;
  const weight = Array.from({ length: n * k }, (_, at) => {
    const [column, row] = [Math.floor(at / k), at % k];
    return (
      ((codes[row * n + column] ?? 0) - zero) * (scales[Math.floor(row / block) * n + column] ?? 0)
    );
  });
  return {
    expected: (x) => product(x, weight, x.length / k, k, n),
    text: `
opset ${opset}
ir ${ir}
input x float32 [m, ${k}]
q = ${type} [${k}, ${n}] [${codes.join()}]
s = float32 [${k / block}, ${n}] [${scales.join()}]
z = ${type} [${k / block}, ${n}] [${scales.map(() => zero).join()}]
w = DequantizeLinear(q, s, z) { axis: 0, block_size: ${block} }
y = ${use}
output y float32 [m, ${n}]`,
  };
}

for (const [type, opset, ir] of [
  ["int8", 21, 10],
  ["uint8", 21, 10],
  ["int4", 21, 10],
  ["uint4", 21, 10],
  ["int2", 25, 13],
  ["uint2", 25, 13],
] as const)
  test(`blocked DequantizeLinear of ${type} before MatMul: fused into MatMulNBits; exact only when asked`, async (t) => {
    const { text, expected } = dequantized(type, "MatMul(x, w)", opset, ir);
    const x = normal(64, 4);
    const feeds = { x: f32([1, 64], x) };
    assert.deepEqual(await kernels(t, text, feeds), ["MatMulNBits"]);
    assert.ok(error(await run(text, feeds, EXACT), expected(x)) < 2e-6);
    assert.ok(
      error(await run(text, feeds, { ...DEPLOYED, optimization: "basic" }), expected(x)) < 2e-6,
    );
    const deployed = error(await run(text, feeds, DEPLOYED), expected(x));
    assert.ok(deployed > 1e-4 && deployed < 3e-2, `accuracy_level 4 by default: ${deployed}`);
  });

test("DequantizeLinear before Gemm is fused only as x·W with alpha 1; exporters write transB", async (t) => {
  const x = { x: f32([1, 64], normal(64, 5)) };
  const plain = dequantized("int8", "Gemm(x, w)", 21, 10).text;
  assert.deepEqual(await kernels(t, plain, x), ["MatMulNBits"]);
  const scaled = plain.replace("Gemm(x, w)", "Gemm(x, w) { alpha: 2.0 }");
  assert.deepEqual(await kernels(t, scaled, x), ["DequantizeLinear", "Gemm"]);
  const transposed = `
opset 21
ir 10
input x float32 [m, 64]
q = int8 [16, 64] range
s = float32 [16, 2] ones
w = DequantizeLinear(q, s) { axis: 1, block_size: 32 }
y = Gemm(x, w) { transB: 1 }
output y float32 [m, 16]`;
  assert.deepEqual(await kernels(t, transposed, x), ["DequantizeLinear", "Gemm"]);
});

test("DequantizeLinear before Gather dequantizes the whole table", async (t) => {
  const text = `
opset 17
input i int64 [n]
q = int8 [4, 3] range
s = float32 [] [0.5]
z = int8 [] [0]
w = DequantizeLinear(q, s, z)
y = Gather(w, i)
output y float32 [n, 3]`;
  const i: HostTensor = { dtype: "int64", shape: [1], data: BigInt64Array.of(2n) };
  assert.deepEqual(await kernels(t, text, { i }), ["DequantizeLinear", "Gather"]);
});

for (const bits of [4, 8])
  test(`GatherBlockQuantized of uint8 codes, ${bits} bit: blocks along the row, zero points packed`, async () => {
    const [rows, width, block] = [5, 64, 32];
    const weights = packed(bits, block, rows, width, true);
    const shape = (text: string): string =>
      text.replace(/b = uint8 \[[^\]]*\]/, `b = uint8 [${rows}, ${(width * bits) / 8}]`);
    const text = `
opset 17
opset com.microsoft 1
input i int64 [n]
${shape(weights.text)}
y = com.microsoft.GatherBlockQuantized(b, i, s, z) { bits: ${bits}, block_size: ${block}, gather_axis: 0, quantize_axis: 1 }
output y float32 [n, ${width}]`;
    const i: HostTensor = { dtype: "int64", shape: [2], data: BigInt64Array.of(4n, 1n) };
    const row = (r: number): number[] => weights.weight.slice(r * width, (r + 1) * width);
    assert.deepEqual(await run(text, { i }, DEPLOYED), [...row(4), ...row(1)].map(Math.fround));
  });

test("float4 has no kernel on the CPU", async () => {
  const text = `
opset 23
ir 11
input x float32 [2]
q = float4e2m1 [2] ones
c = Cast(q) { to: 1 }
y = Add(x, c)
output y float32 [2]`;
  await refused(text, /float4|Cast|not implemented/i);
});

test("constant expressions are folded at load, and stay with optimizations off", async (t) => {
  const text = `
opset 17
input x float32 [2]
h = float16 [2] [1.5, 2]
w = Cast(h) { to: 1 }
y = Add(x, w)
output y float32 [2]`;
  const x = f32([2], Float32Array.of(1, 1));
  assert.deepEqual(await kernels(t, text, { x }), ["Add"]);
  assert.deepEqual(await run(text, { x }, { ...DEPLOYED, optimization: "disabled" }), [2.5, 3]);
});

test("bfloat16 MatMul has no kernel; as storage before a Cast it loads", async () => {
  const model = (use: string): string => `
opset 17
input x float32 [1, 2]
b = bfloat16 [2, 2] ones
${use}
output y float32 [1, 2]`;
  await refused(model("c = Cast(x) { to: 16 }\nd = MatMul(c, b)\ny = Cast(d) { to: 1 }"), /MatMul/);
  const text = model("w = Cast(b) { to: 1 }\ny = MatMul(x, w)");
  assert.deepEqual(await run(text, { x: f32([1, 2], Float32Array.of(1, 2)) }, DEPLOYED), [3, 3]);
});
