import assert from "node:assert/strict";
import { test } from "node:test";
import type { WorkContext } from "../../../src/core/context.ts";
import { linearLayer } from "../../../src/core/linearLayer.ts";
import { mainGraph, type Model, type Tensor } from "../../../src/core/model.ts";
import equalize from "../../../src/transforms/quantize/equalize.ts";
import {
  imbalance,
  UNBALANCED_OCTAVES,
} from "../../../src/transforms/quantize/lib/equalization.ts";
import {
  heldMaxima,
  pairMaxima,
  rangesOf,
} from "../../../src/transforms/quantize/lib/pairMaxima.ts";
import { testTechnique } from "../../helpers/harness.ts";
import { modelFromText } from "../../core/modelText.ts";

/** Reads what is in memory; the tests' weights are small. */
const context = {
  pieceValues: 40,
  readRowsF32: ({ at, shape }: Tensor, from: number, to: number) => {
    const values = new Float32Array((at as Uint8Array).slice().buffer);
    const perRow = values.length / (shape[0] ?? 1);
    return Promise.resolve(values.subarray(from * perRow, to * perRow));
  },
  checkpoint: () => Promise.resolve(),
} as unknown as WorkContext;

/** Ranges of a layer's channels, by the name of its node's result. */
async function ranges(
  model: Model,
  output: string,
  side: "input" | "output",
  channels: number,
): Promise<number[]> {
  const node = mainGraph(model).nodes.find((n) => n.outputs[0] === output);
  const layer = node ? linearLayer(model, [], node) : "no such node";
  assert.ok(typeof layer !== "string", String(layer));
  return [...(await rangesOf(layer, pairMaxima(layer, context), side, channels))];
}
function assertClose(a: readonly number[], b: readonly number[]): void {
  a.forEach((x, i) => assert.ok(Math.abs(x / (b[i] ?? NaN) - 1) < 1e-3, `${x} and ${b[i]}`));
}

const checks: Promise<void>[] = [];
const later = (work: () => Promise<void>): void => void checks.push(work());

const IMAGE = "input x float32 [1, 4, 6, 6]";

testTechnique(equalize, [
  {
    name: "convolutions, a depthwise one between, and a Gemm behind pooling",
    model: `${IMAGE} w = float32 [6, 4, 1, 1] normal wb = float32 [6] normal d = float32 [6, 1, 3, 3] normal * 0.01
      e = float32 [5, 6, 1, 1] normal * 30 eb = float32 [5] normal f = float32 [3, 5] normal s = float32 [6, 1, 1] uniform
      a = Conv(x, w, wb) b = PRelu(a, s) c = Conv(b, d) { group: 6, pads: [1, 1, 1, 1] } g = LeakyRelu(c)
      h = Conv(g, e, eb) i = Relu(h) j = MaxPool(i) { kernel_shape: [2, 2], strides: [2, 2] } k = GlobalAveragePool(j)
      l = Flatten(k) y = Gemm(l, f) { transB: 1 } output y float32 [1, 3]`,
    units: ["a"],
    skips: { y: "an output of the graph" },
    errorDb: 110,
    check: (model) =>
      later(async () => {
        assertClose(await ranges(model, "a", "output", 6), await ranges(model, "c", "input", 6));
        assertClose(await ranges(model, "c", "output", 6), await ranges(model, "h", "input", 6));
        assertClose(await ranges(model, "h", "output", 5), await ranges(model, "y", "input", 5));
      }),
  },
  {
    name: "flattened images: several features a channel; ConvTranspose with groups",
    model: `${IMAGE} t = float32 [4, 3, 2, 2] normal u = float32 [6, 6, 3, 3] normal * 50 f = float32 [96, 3] normal
      a = ConvTranspose(x, t) { group: 2, strides: [1, 1] } b = Relu(a) c = Conv(b, u) { strides: [2, 2], pads: [1, 1, 1, 1] } d = Relu(c)
      s = int64 [2] [1, 96] e = Reshape(d, s) y = Gemm(e, f) output y float32 [1, 3]`,
    units: ["a"],
    errorDb: 110,
    check: (model) =>
      later(async () => {
        assertClose(await ranges(model, "a", "output", 6), await ranges(model, "c", "input", 6));
        assertClose(await ranges(model, "c", "output", 6), await ranges(model, "y", "input", 6));
      }),
  },
  {
    name: "products of more dimensions, with an Add as bias",
    model: `input x float32 [2, 5, 8] w = float32 [8, 6] normal * 0.01 b = float32 [6] normal v = float32 [6, 4] normal
      a = MatMul(x, w) c = Add(b, a) d = Relu(c) y = MatMul(d, v) output y float32 [2, 5, 4]`,
    units: ["a"],
    skips: { y: "an output of the graph" },
    errorDb: 110,
  },
  {
    name: "Gemm with factors and one bias for all",
    model: `input x float32 [3, 8] w = float32 [8, 6] normal * 20 s = float32 [1] [2] v = float32 [6, 4] normal
      a = Gemm(x, w, s) { alpha: 0.5, beta: 3.0 } b = Relu(a) y = Gemm(b, v) output y float32 [3, 4]`,
    units: ["a"],
    errorDb: 110,
  },
  {
    name: "what lies between and does not let a factor through",
    model: `${IMAGE} w = float32 [4, 4, 1, 1] normal k1 = float32 [4, 4, 1, 1] normal k2 = float32 [4, 4, 1, 1] normal
      k3 = float32 [4, 4, 1, 1] normal k4 = float32 [4, 4, 1, 1] normal g = float32 [4] ones z = float32 [4] zeros lo = float32 [] [0] hi = float32 [] [6]
      a = Conv(x, w) b = Sigmoid(a) c = Conv(b, k1) d = BatchNormalization(c, g, z, z, g) e = Conv(d, k2)
      f = Clip(e, lo, hi) h = Conv(f, k3) i = Relu(h) j = Conv(i, k4) y = Add(i, j) output y float32 [1, 4, 6, 6]`,
    units: [],
    skips: {
      a: "Sigmoid follows it",
      c: "fold it first",
      e: "the same for all channels",
      h: "goes to 2 places",
      j: "Add follows it",
    },
  },
  {
    name: "weights used twice, in float16, or no numbers",
    model: `${IMAGE} w = float32 [4, 4, 1, 1] normal n = float32 [4, 4, 1, 1] nan m = float32 [4, 4, 1, 1] normal q = float16 [4, 4, 1, 1] normal
      a = Conv(x, w) b = Relu(a) c = Conv(b, w) d = Conv(x, n) e = Relu(d) f = Conv(e, m)
      h = Cast(x) { to: 10 } i = Conv(h, q) j = Cast(i) { to: 1 } k = Add(c, f) y = Add(k, j) output y float32 [1, 4, 6, 6]`,
    sizes: "atMost",
    units: [],
    skips: {
      a: "used 2 times",
      c: "used 2 times",
      d: "NaN",
      f: "Add follows it",
      i: "float16",
    },
  },
  {
    name: "channels without weights stay",
    model: `${IMAGE} w = float32 [2, 4, 1, 1] [1, 2, 3, 4, 0, 0, 0, 0] v = float32 [2, 2, 1, 1] [16, 1, 16, 1] a = Conv(x, w) b = Relu(a) y = Conv(b, v) output y float32 [1, 2, 6, 6]`,
    units: ["a"],
    errorDb: 110,
  },
  {
    name: "clip exact: limits per channel, the same function; behind flattening a limit is refused",
    model: `input x float32 [batch, 4, 6, 6] w = float32 [6, 4, 1, 1] normal wb = float32 [6] normal
      d = float32 [6, 1, 3, 3] normal * 0.01 e = float32 [5, 6, 1, 1] normal * 30 f = float32 [180, 3] normal
      lo = float32 [] [0] hi = float32 [] [1.5] least = float32 [] [-2] flat = int64 [2] [0, 180]
      a = Conv(x, w, wb) b = Clip(a, lo, hi) c = Conv(b, d) { group: 6, pads: [1, 1, 1, 1] } g = Clip(c, least, hi)
      h = Conv(g, e) i = Reshape(h, flat) k = Clip(i, lo, hi) y = MatMul(k, f) output y float32 [batch, 3]`,
    params: { clip: "exact" },
    units: ["a"],
    skips: { h: "behind flattening", y: "an output of the graph" },
    sizes: "atMost",
    errorDb: 105,
    check: (model) => {
      assert.deepEqual(
        mainGraph(model).nodes.map(({ op }) => op),
        ["Conv", "Relu", "Min", "Conv", "Max", "Min", "Conv", "Reshape", "Clip", "MatMul"],
      );
      assert.deepEqual(mainGraph(model).tensors.get("b_high")?.shape, [6, 1, 1]);
      later(async () =>
        assertClose(await ranges(model, "a", "output", 6), await ranges(model, "c", "input", 6)),
      );
    },
  },
  {
    name: "clip relax: limits that the data never reaches go; where one is reached the chain is cut",
    model: `input x float32 [batch, 4, 6, 6] w = float32 [6, 4, 1, 1] normal d = float32 [6, 6, 1, 1] normal * 0.01
      e = float32 [5, 6, 1, 1] normal * 30 f = float32 [3, 5, 1, 1] normal lo = float32 [] [0] far = float32 [] [6000] near = float32 [] [0.1]
      a = Conv(x, w) b = Clip(a, lo, far) c = Conv(b, d) g = Clip(c, lo, near) h = Conv(g, e) i = Clip(h, lo, far) y = Conv(i, f)
      output y float32 [batch, 3, 6, 6]`,
    params: { clip: "relax" },
    units: ["a"],
    skips: { y: "an output of the graph" },
    sizes: "atMost",
    errorDb: 105,
    check: (model) => {
      const between = mainGraph(model).nodes.flatMap(({ op }) => (op === "Conv" ? [] : [op]));
      assert.deepEqual(between, ["Relu", "Clip", "Relu"]);
    },
  },
  {
    name: "clip relax: one that clips is refused with what the data shows",
    model: `input x float32 [batch, 4, 6, 6] w = float32 [6, 4, 1, 1] normal d = float32 [6, 6, 1, 1] normal * 0.01
      lo = float32 [] [0] hi = float32 [] [6] a = Conv(x, w) b = Clip(a, lo, hi) y = Conv(b, d) output y float32 [batch, 6, 6, 6]`,
    params: { clip: "relax" },
    units: [],
    skips: { a: "b clips at 6 on the calibration data (its input reaches", y: "an output" },
  },
  {
    name: "absorb: what channels never fall below moves on, scaled, into a bias that is made for it",
    model: `input x float32 [batch, 4, 6, 6] w = float32 [6, 4, 1, 1] normal * 0.1 wb = float32 [6] [9, 8, 7, 0.1, -5, 6]
      d = float32 [5, 6, 1, 1] normal * 4 lo = float32 [] [0] hi = float32 [] [9.2] f = float32 [5, 3] normal g = float32 [3] normal
      a = Conv(x, w, wb) b = Clip(a, lo, hi) c = Conv(b, d) p = GlobalAveragePool(c) q = Flatten(p) z = Relu(q)
      y = Gemm(z, f, g) output y float32 [batch, 3]`,
    params: { absorb: "least", clip: "exact" },
    units: ["a"],
    skips: { y: "an output of the graph" },
    sizes: "atMost",
    // Values below what the calibration data shows are cut off.
    errorDb: 40,
    check: (model) => {
      const conv = mainGraph(model).nodes.find(({ outputs }) => outputs[0] === "c");
      assert.equal(conv?.inputs.length, 3);
    },
  },
  {
    name: "absorb: products with an Add, and a Gemm whose factors count",
    model: `input x float32 [batch, 4] w = float32 [4, 6] normal * 0.1 wb = float32 [6] [5, 6, 7, 8, 9, 10]
      d = float32 [6, 5] normal db = float32 [5] [20, 30, 40, 50, 60] f = float32 [5, 3] normal
      a = MatMul(x, w) b = Add(a, wb) c = Relu(b) e = Gemm(c, d, db) { alpha: 0.5, beta: 2.0 } g = Relu(e) y = Gemm(g, f)
      output y float32 [batch, 3]`,
    params: { absorb: "spread" },
    units: ["a"],
    skips: { y: "an output of the graph" },
    sizes: "atMost",
    errorDb: 45,
    check: (model) =>
      later(async () => {
        const tensor = mainGraph(model).tensors.get("wb");
        assert.ok(tensor);
        const left = await context.readRowsF32(tensor, 0, tensor.shape[0] ?? 1);
        assert.ok(left.every((x) => x < 5));
      }),
  },
  {
    name: "absorb: padding, a product without bias, and uneven pooling keep the bias, by name",
    model: `input x float32 [batch, 4, 6, 6] w = float32 [4, 4, 1, 1] normal * 0.1 wb = float32 [4] [5, 6, 7, 8]
      d = float32 [4, 4, 3, 3] normal db = float32 [4] normal e = float32 [4, 4, 1, 1] normal flat = int64 [2] [0, 36] f = float32 [36, 3] normal
      a = Conv(x, w, wb) b = Relu(a) c = Conv(b, d, db) { pads: [1, 1, 1, 1] }
      h = AveragePool(c) { kernel_shape: [2, 2], strides: [2, 2], pads: [0, 0, 1, 1], count_include_pad: 1 } i = Conv(h, e, db2)
      db2 = float32 [4] normal k = MaxPool(i) { kernel_shape: [1, 1] } m = Reshape(k, flat) y = MatMul(m, f) output y float32 [batch, 3]`,
    params: { absorb: "least" },
    units: ["a"],
    skips: {
      "a (bias)": "pads with zeros",
      "c (bias)": "averages zeros of the padding",
      "i (bias)": "has no bias to take it in",
      y: "an output of the graph",
    },
    sizes: "atMost",
    errorDb: 105,
  },
  {
    name: "a chain that is balanced enough",
    model: `${IMAGE} w = float32 [2, 4, 1, 1] ones v = float32 [2, 2, 1, 1] ones a = Conv(x, w) b = Relu(a) y = Conv(b, v) output y float32 [1, 2, 6, 6]`,
    units: [],
    skips: { a: "it is balanced", y: "an output of the graph" },
  },
]);

test("quantize.equalize: both sides of every pair have the same ranges", async () => {
  assert.ok(checks.length > 0);
  await Promise.all(checks);
});

test("imbalance is told from weights alone", async () => {
  const model = (v: string): Model =>
    modelFromText(`${IMAGE} w = float32 [3, 4, 1, 1] ones v = float32 [1, 3, 1, 1] ${v}
      a = Conv(x, w) b = Relu(a) y = Conv(b, v) output y float32 [1, 1, 6, 6]`);
  assert.deepEqual(await imbalance(model("[1, 1, 1]"), context), [{ name: "a", octaves: 0 }]);
  const [found] = await imbalance(model("[1, 1, 1024]"), context);
  assert.equal(found?.octaves, 5);
  assert.ok(found.octaves > UNBALANCED_OCTAVES);
});

test("ranges are the same from memory and by rows, whatever the factors", async () => {
  const model = modelFromText(`input x float32 [1, 4, 6, 6]
    w = float32 [6, 2, 3, 3] normal y = Conv(x, w) { group: 2 } output y float32 [1, 6, 4, 4]`);
  const [node] = mainGraph(model).nodes;
  const layer = node ? linearLayer(model, [], node) : "no node";
  assert.ok(typeof layer !== "string", String(layer));
  const held = await heldMaxima(layer, context);
  const factors = {
    input: Float64Array.from({ length: 4 }, (_, c) => 1 + c / 7),
    output: Float64Array.from({ length: 6 }, (_, c) => 2 - c / 13),
  };
  for (const side of ["input", "output"] as const) {
    const channels = factors[side].length;
    for (const scaled of [{ input: null, output: null }, factors]) {
      const read = await rangesOf(layer, pairMaxima(layer, context), side, channels, scaled);
      assert.deepEqual(await rangesOf(layer, held, side, channels, scaled), read);
      assert.ok(read.every((range) => range > 0));
    }
  }
});
