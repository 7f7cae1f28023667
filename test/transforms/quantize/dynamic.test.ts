import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { mainGraph } from "../../../src/core/model.ts";
import { createSession, type Session } from "../../../src/engine/ort.ts";
import type { ParamValues } from "../../../src/shared/doc.ts";
import type { HostTensor } from "../../../src/shared/hostTensor.ts";
import dynamic from "../../../src/transforms/quantize/dynamic.ts";
import { docOf, testEnvironment } from "../../helpers/environment.ts";
import { onnxFromText } from "../../helpers/graphText.ts";
import { testTechnique, type Case } from "../../helpers/harness.ts";
import { npyBytes } from "../../helpers/npy.ts";
import { gaussian } from "../../helpers/random.ts";
import { tempFolder } from "../../helpers/temp.ts";

const cases: readonly Case[] = [
  {
    name: "two products of one input share its codes; Gemm keeps alpha, beta and bias",
    model: `
      input x float32 [batch, 64]
      w = float32 [64, 32] normal
      v = float32 [16, 64] normal
      c = float32 [16] normal
      a = MatMul(x, w)
      b = Gemm(x, v, c) { transB: 1, alpha: 0.5, beta: 2.0 }
      output a float32 [batch, 32]
      output b float32 [batch, 16]`,
    units: ["a", "b"],
    skips: {},
    errorDb: 38,
    nodes: [
      "x_q, x_s, x_z = DynamicQuantizeLinear(x)",
      "a_i = MatMulInteger(x_q, w_q, x_z)",
      "a_f = Cast(a_i)",
      "a_s = Mul(x_s, w_q_s)",
      "a = Mul(a_f, a_s)",
      "b_i = MatMulInteger(x_q, v_q, x_z)",
      "b_f = Cast(b_i)",
      "b_s = Mul(x_s, v_q_s)",
      "b_mm = Mul(b_f, b_s)",
      "b_bias = Mul(c, b_beta)",
      "b = Add(b_mm, b_bias)",
    ],
  },
  {
    name: "an LSTM of two directions with initial state, a scale per gate row",
    model: `
      input x float32 [5, batch, 16]
      input h float32 [2, batch, 8]
      w = float32 [2, 32, 16] normal * 0.3
      r = float32 [2, 32, 8] normal * 0.3
      b = float32 [2, 64] normal
      y, yh, yc = LSTM(x, w, r, b, , h, h) { hidden_size: 8, direction: "bidirectional" }
      output y float32 [5, 2, batch, 8]
      output yc float32 [2, batch, 8]`,
    units: ["y"],
    skips: {},
    errorDb: 34,
    nodes: [
      "y, yh, yc = com.microsoft.DynamicQuantizeLSTM(x, w_q, r_q, b, , h, h, , w_q_s, w_q_z, r_q_s, r_q_z)",
    ],
  },
  {
    name: "a tied table: rows of the embedding and columns of the head have codes of their own",
    model: `
      input ids int64 [batch, 4]
      table = float32 [24, 32] normal
      e = Gather(table, ids)
      tt = Transpose(table) { perm: [1, 0] }
      y = MatMul(e, tt)
      output y float32 [batch, 4, 24]`,
    symbol: 4,
    below: 24,
    units: ["e", "y"],
    skips: {},
    errorDb: 33,
    check: (model) => assert.ok(!mainGraph(model).tensors.has("table")),
  },
  {
    name: "weights in the bodies of If are reached",
    model: `
      input x float32 [2, 32]
      input go bool []
      w = float32 [32, 32] normal
      y = If(go) {
        then_branch: graph { a = MatMul(x, w) output a float32 [2, 32] },
        else_branch: graph { v = float32 [32, 32] normal b = MatMul(x, v) output b float32 [2, 32] }
      }
      output y float32 [2, 32]`,
    units: ["y/then_branch/a", "y/else_branch/b"],
    skips: {},
    errorDb: 38,
  },
  {
    name: "convolutions, GRU, NaN, computed weights and small operator sets are skipped by name",
    model: `
      input x float32 [batch, 16, 8]
      input v float32 [5, batch, 16]
      k = float32 [16, 16, 3] normal
      w = float32 [8, 64] nan
      g = float32 [1, 48, 16] normal
      s = float32 [1, 48, 16] normal
      l = float32 [1, 64, 16] normal
      m = float32 [1, 64, 16] normal
      one = float32 [1] [1]
      ll = Mul(l, one)
      a = Conv(x, k)
      b = MatMul(x, w)
      c = GRU(v, g, s) { hidden_size: 16 }
      d = LSTM(v, ll, m) { hidden_size: 16 }
      output a float32 [batch, 16, 6]
      output b float32 [batch, 16, 64]
      output c float32 [5, 1, batch, 16]
      output d float32 [5, 1, batch, 16]`,
    units: [],
    skips: { a: "slower", b: "NaN", c: "GRU", d: "computed" },
  },
  {
    name: "operator set 9 has no DynamicQuantizeLinear",
    model: `opset 9
      input x float32 [2, 32]
      w = float32 [32, 32] normal
      y = MatMul(x, w)
      output y float32 [2, 32]`,
    units: [],
    skips: { y: "graph.upgradeOpset" },
  },
];

testTechnique(dynamic, cases);

const [WIDTH, HIDDEN, FRAMES, BATCH] = [40, 32, 240, 20];
/** One direction, one step a run; the state is carried by whoever runs it. */
const streaming = `
  input x float32 [1, 1, ${WIDTH}]
  input h float32 [1, 1, ${HIDDEN}]
  input c float32 [1, 1, ${HIDDEN}]
  w = float32 [1, ${4 * HIDDEN}, ${WIDTH}] normal * 0.2
  r = float32 [1, ${4 * HIDDEN}, ${HIDDEN}] normal * 0.2
  b = float32 [1, ${8 * HIDDEN}] normal * 0.1
  y, yh, yc = LSTM(x, w, r, b, , h, c) { hidden_size: ${HIDDEN} }
  output yh float32 [1, 1, ${HIDDEN}]
  output yc float32 [1, 1, ${HIDDEN}]`;
/** All steps in one run, from a state of zeros. */
const whole = (more: string): string => `
  input x float32 [${FRAMES / BATCH}, batch, ${WIDTH}]
  w = float32 [1, ${4 * HIDDEN}, ${WIDTH}] normal * 0.2
  r = float32 [1, ${4 * HIDDEN}, ${HIDDEN}] normal * 0.2
  ${more}
  output yh float32 [1, batch, ${HIDDEN}]`;

/** Frames whose neighbouring bins go together, as those of a spectrum do: [FRAMES, WIDTH]. */
function spectrum(seed: number): Float32Array {
  const values = gaussian(FRAMES * WIDTH, seed);
  for (let i = 0; i < values.length; i++)
    if (i % WIDTH > 0) values[i] = 0.95 * values[i - 1]! + 0.3 * values[i]!;
  return values;
}
const state = (values: Float32Array = new Float32Array(HIDDEN)): HostTensor => ({
  dtype: "float32",
  shape: [1, 1, HIDDEN],
  data: values,
});

/** Runs frame after frame; gives the states that went in, and those that came out. */
async function stream(
  session: Session,
  x: Float32Array,
): Promise<{ readonly h: Float32Array; readonly c: Float32Array; readonly out: Float32Array }> {
  const [h, c, out] = [0, 0, 0].map(() => new Float32Array(FRAMES * HIDDEN));
  let [lastH, lastC] = [state(), state()];
  for (let i = 0; i < FRAMES; i++) {
    const data = x.slice(i * WIDTH, (i + 1) * WIDTH);
    h!.set(lastH.data as Float32Array, i * HIDDEN);
    c!.set(lastC.data as Float32Array, i * HIDDEN);
    const got = await session.run(
      new Map([
        ["x", { dtype: "float32", shape: [1, 1, WIDTH], data }],
        ["h", lastH],
        ["c", lastC],
      ]),
    );
    [lastH, lastC] = [got.get("yh")!, got.get("yc")!];
    out!.set(lastH.data as Float32Array, i * HIDDEN);
  }
  return { h: h!, c: c!, out: out! };
}

const session = (file: string): Promise<Session> =>
  createSession(file, { threads: 1, optimization: "all" });
const noise = (expected: Float32Array, got: Float32Array): number =>
  expected.reduce((sum, value, i) => sum + (value - got[i]!) ** 2, 0);

/** The model, a dataset of these inputs, and what quantize.dynamic makes of both. */
function quantizer(
  t: TestContext,
  model: string,
): {
  readonly file: string;
  readonly result: (
    params: ParamValues,
    inputs: Readonly<Record<string, readonly [shape: readonly number[], Float32Array]>> | null,
  ) => Promise<string>;
} {
  const folder = tempFolder(t);
  const file = path.join(folder, "model.onnx");
  writeFileSync(file, onnxFromText(model));
  return {
    file,
    result: async (params, inputs) => {
      const files = Object.entries(inputs ?? {}).map(([name, [shape, values]]) => {
        writeFileSync(path.join(folder, `${name}.npy`), npyBytes(shape, values));
        return [name, { file: `${name}.npy` }];
      });
      const data = path.join(folder, "dataset.json");
      const calibration = { inputs: Object.fromEntries(files) as object };
      writeFileSync(data, JSON.stringify({ calibration }));
      const doc = docOf(file, { transform: "quantize.dynamic", params });
      return testEnvironment(folder).fileFor(inputs ? { ...doc, data } : doc);
    },
  };
}

test("quantize.dynamic: calibration data halves the noise of a streaming LSTM on other frames", async (t) => {
  const { file, result } = quantizer(t, streaming);
  const original = await session(file);
  const { h, c } = await stream(original, spectrum(1));
  const data = {
    x: [[FRAMES, 1, WIDTH], spectrum(1)],
    h: [[FRAMES, 1, HIDDEN], h],
    c: [[FRAMES, 1, HIDDEN], c],
  } as const;
  const others = spectrum(2);
  const expected = (await stream(original, others)).out;
  const noiseOf = async (made: string): Promise<number> => {
    const quantized = await session(made);
    const { out } = await stream(quantized, others);
    await quantized.release();
    return noise(expected, out);
  };
  const calibrated = await noiseOf(await result({}, data));
  const nearest = await noiseOf(await result({ rounding: "nearest" }, data));
  const without = await noiseOf(await result({}, null));
  await original.release();
  assert.equal(without, nearest);
  assert.ok(calibrated < 0.5 * nearest, `${calibrated} against ${nearest}`);
});

for (const [name, more] of [
  ["all results", "y, yh = LSTM(x, w, r) { hidden_size: 32 }"],
  ["the last result alone", ", yh = LSTM(x, w, r) { hidden_size: 32 }"],
  [
    "a constant state",
    `zero = float32 [1, ${BATCH}, ${HIDDEN}] zeros
  y, yh, yc = LSTM(x, w, r, , , zero, zero) { hidden_size: 32 }`,
  ],
] as const)
  test(`quantize.dynamic: hidden states come from ${name} of a sequence`, async (t) => {
    const { file, result } = quantizer(t, whole(more));
    const shape = [FRAMES / BATCH, BATCH, WIDTH];
    const data = { x: [shape, spectrum(1)] } as const;
    const feeds = new Map<string, HostTensor>([
      ["x", { dtype: "float32", shape, data: spectrum(2) }],
    ]);
    const run = async (made: string): Promise<Float32Array> => {
      const one = await session(made);
      const got = await one.run(feeds);
      await one.release();
      return got.get("yh")!.data as Float32Array;
    };
    const expected = await run(file);
    const calibrated = noise(expected, await run(await result({}, data)));
    const nearest = noise(expected, await run(await result({}, null)));
    assert.ok(calibrated < 0.8 * nearest, `${calibrated} against ${nearest}`);
  });
