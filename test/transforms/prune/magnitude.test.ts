import assert from "node:assert/strict";
import { test } from "node:test";
import {
  binOf,
  countLower,
  countUpper,
  sizeCounts,
  thresholdOf,
  zeroBelow,
  zeroGroups,
} from "../../../src/kernels/prune/magnitude.ts";
import magnitude from "../../../src/transforms/prune/magnitude.ts";
import { testTechnique } from "../../helpers/harness.ts";
import { gaussian } from "../../helpers/random.ts";

const net = `input x float32 [2, 3, 6, 6]  w = float32 [8, 3, 3, 3] normal  b = float32 [8] normal
  c = Conv(x, w, b) { name: "conv" }  r = Relu(c)  p = GlobalAveragePool(r)  f = Flatten(p)
  v = float32 [8, 5] normal * 0.1  y = MatMul(f, v) { name: "fc" }  output y float32 [2, 5]`;

testTechnique(magnitude, [
  {
    name: "half of every layer",
    model: net,
    units: ["conv", "fc"],
    skips: {},
    tensors: ["w float32 [8, 3, 3, 3]", "b float32 [8]", "v float32 [8, 5]"],
    errorDb: 1,
  },
  {
    name: "one threshold for all layers takes more of the smaller weights",
    model: net,
    params: { pattern: "global", sparsity: 0.3 },
    units: ["conv", "fc"],
    errorDb: 1,
  },
  { name: "2:4", model: net, params: { pattern: "2:4" }, units: ["conv", "fc"], errorDb: -3 },
  {
    name: "NaN, embedding tables and computed weights are refused by name; Constant nodes are not",
    model: `input i int64 [2]  e = float32 [5, 8] normal  g = Gather(e, i)  et = Transpose(e)
      bad = float32 [8, 8] nan  a = MatMul(g, bad) { name: "bad" }
      k = Constant() { value: float32 [8, 8] normal }  s = MatMul(g, k) { name: "held" }
      q = float32 [8, 8] normal  q2 = Mul(q, q)  t = MatMul(s, q2) { name: "computed" }
      m = MatMul(t, et) { name: "tied" }  z = Mul(s, s)  z2 = Add(z, t)
      tr = Transpose(z2)  p = MatMul(z2, tr) { name: "pairs" }
      output z2 float32 [2, 8]  output m float32 [2, 5]  output p float32 [2, 2]`,
    units: ["held"],
    skips: {
      bad: "NaN",
      computed: "made by Mul",
      tied: "made by Transpose",
      pairs: "it multiplies two computed values and has no weight",
    },
    errorDb: -200,
  },
  {
    name: "too few inputs for a group are no zeros",
    model: `input x float32 [1, 1, 4, 4]  w = float32 [8, 1, 3, 3] normal  a = Conv(x, w) { name: "first" }
      v = float32 [4, 8, 1, 1] normal  y = Conv(a, v) { name: "second" }  output y float32 [1, 4, 2, 2]`,
    params: { pattern: "2:4" },
    units: ["second"],
    skips: { first: "it has 1 input, less than a group of 4" },
    errorDb: -3,
  },
  {
    name: "a layer above the threshold of all has no zeros",
    model: `input x float32 [2, 4]  w = float32 [4, 4] [9, 8, 9, 8, 9, 8, 9, 8, 9, 8, 9, 8, 9, 8, 9, 8]  a = MatMul(x, w) { name: "large" }
      v = float32 [4, 4] normal  y = MatMul(a, v) { name: "small" }  output y float32 [2, 4]`,
    params: { pattern: "global", sparsity: 0.25 },
    units: ["small"],
    skips: { large: "larger than those of other layers" },
    errorDb: -3,
  },
  {
    name: "what is zero already is left alone",
    model: `input x float32 [2, 4]  w = float32 [4, 4] zeros  y = MatMul(x, w) { name: "z" }  output y float32 [2, 4]`,
    units: [],
    skips: { z: "100.0 % of it is zero already" },
    errorDb: Infinity,
  },
]);

test("the threshold is exact, with ties in order", () => {
  const values = Float32Array.from([...gaussian(999, 1), 0.5, -0.5, 0.5]);
  for (const count of [1, 500, 700, 1002]) {
    const upper = sizeCounts();
    countUpper(values, upper);
    const high = binOf(upper, count);
    const lower = sizeCounts();
    countLower(values, high.bin, lower);
    const low = binOf(lower, count - high.below);
    const pruned = values.slice();
    zeroBelow(pruned, thresholdOf(high.bin, low.bin, count - high.below - low.below));
    assert.equal(pruned.filter((x) => x === 0).length, count);
    const gone = Math.max(...values.filter((_, i) => pruned[i] === 0).map(Math.abs));
    const least = Math.min(...pruned.filter((x) => x !== 0).map(Math.abs), Infinity);
    assert.ok(gone <= least);
  }
});

test("every group of M keeps N, a short one its share", () => {
  const values = Float32Array.from([4, -3, 2, 1, 0.5, 6]);
  zeroGroups(values, [0], { length: 6, stride: 1 }, 2, 4);
  assert.deepEqual([...values], [4, -3, 0, 0, 0, 6]);
  const columns = Float32Array.from([1, 5, 2, 4, 3, 3, 4, 2]);
  zeroGroups(columns, [0, 1], { length: 4, stride: 2 }, 1, 2);
  assert.deepEqual([...columns], [0, 5, 2, 0, 0, 3, 4, 0]);
});
