import assert from "node:assert/strict";
import { test } from "node:test";
import { findChannelGroups } from "../../../src/core/groups/channelGroups.ts";
import { planEntry } from "../../../src/engine/compute.ts";
import { openModel } from "../../../src/engine/files.ts";
import { subsequence } from "../../../src/core/repair/batchNorm.ts";
import { referenceBlas } from "../../../src/kernels/linalg/blas.ts";
import { obsRemoval } from "../../../src/kernels/prune/obs.ts";
import { refitColumns } from "../../../src/kernels/prune/refit.ts";
import type { MatrixF64 } from "../../../src/shared/kernels.ts";
import channels from "../../../src/transforms/prune/channels.ts";
import {
  countsFor,
  groupWithKey,
  keepCount,
  measure,
  shrunk,
  stepOf,
} from "../../../src/transforms/prune/lib/amounts.ts";
import { lowest } from "../../../src/transforms/prune/lib/scores.ts";
import { groupModels } from "../../core/groupModels.ts";
import { testTechnique } from "../../helpers/harness.ts";
import { gaussian } from "../../helpers/random.ts";
import { modelFile, tempFolder } from "../../helpers/temp.ts";

const model = (name: string): string => groupModels[name] ?? "";
/** Pruning itself may cost any accuracy. */
const ANY = -40;
const more = { again: "more", errorDb: ANY } as const;

testTechnique(channels, [
  {
    name: "channels that others can stand in for go without error",
    model: `input x float32 [N, 3]  w = float32 [3, 8] normal  h = MatMul(x, w) { name: "in" }
      v = float32 [8, 4] normal  c = float32 [4] normal  y = Gemm(h, v, c) { name: "out" }  output y float32 [N, 4]`,
    params: { amount: 0.5 },
    units: ["in"],
    tensors: ["w float32 [3, 4]", "v float32 [4, 4]", "c float32 [4]"],
    samples: 32,
    again: "more",
    errorDb: 50,
  },
  {
    name: "a layer that reads several groups is fitted to one bias, however many fits it takes",
    model: `input x float32 [N, 3]
      w1 = float32 [3, 8] normal  b1 = float32 [8] normal  h1 = Gemm(x, w1, b1) { name: "left" }
      w2 = float32 [3, 8] normal  b2 = float32 [8] normal  h2 = Gemm(x, w2, b2) { name: "right" }
      h = Concat(h1, h2) { axis: 1 }
      v = float32 [16, 4] normal  c = float32 [4] normal  y = Gemm(h, v, c) { name: "out" }  output y float32 [N, 4]`,
    params: { amount: 0.5 },
    units: ["left", "right"],
    samples: 32,
    again: "more",
    errorDb: 50,
  },
  {
    name: "blocks shrink inside, residual sums stay",
    model: model("residual"),
    units: ["b", "BatchNormalization statistics"],
    skips: { a: "a residual sum joins its channels", head: `the model's output "y"` },
    ...more,
  },
  {
    name: "all groups shrink when asked for",
    model: model("residual"),
    params: { groups: "all", amount: 0.5, roundTo: 2 },
    units: ["b", "a", "BatchNormalization statistics"],
    ...more,
  },
  {
    name: "by multiply-accumulates",
    model: model("inception"),
    params: { target: "macs", amount: 0.4, repair: "leastSquares" },
    units: ["a", "b", "c", "d"],
    ...more,
  },
  { name: "depthwise", model: model("depthwise"), params: { criterion: "activation" }, ...more },
  { name: "grouped", model: model("grouped"), ...more },
  { name: "dense", model: model("dense"), params: { criterion: "batchNormScale" }, ...more },
  {
    name: "heads",
    model: model("multi-head"),
    params: { criterion: "l2", repair: "none" },
    ...more,
  },
  {
    name: "gates, by L1",
    model: model("squeeze-excite"),
    params: { criterion: "l1", repair: "leastSquares+batchNorm" },
    ...more,
  },
  {
    name: "one sample and constant activations leave a model that runs",
    model: `input x float32 [1, 3, 4, 4]  z = float32 [] [0]  x0 = Mul(x, z)  w = float32 [6, 3, 1, 1] normal
      c = Conv(x0, w) { name: "a" }  v = float32 [4, 6, 3, 3] normal  y = Conv(c, v) { name: "b" }  output y float32 [1, 4, 2, 2]`,
    params: { amount: 0.5 },
    units: ["a"],
    samples: 1,
    again: "more",
    errorDb: ANY,
  },
  {
    name: "NaN weights, unreachable targets, steps that are too wide",
    model: `input x float32 [2, 3]  w = float32 [3, 8] nan  h = MatMul(x, w) { name: "in" }
      v = float32 [8, 4] normal  y = MatMul(h, v) { name: "out" }  output y float32 [2, 4]`,
    units: [],
    skips: { in: "NaN or infinite", out: "reach the model's output" },
    errorDb: ANY,
  },
  {
    name: "a target that cannot be reached",
    model: model("flattened blocks"),
    params: { target: "parameters", amount: 0.95, roundTo: 8 },
    units: [],
    skips: { "the target": "were asked for", fc2: "reach the model's output" },
    errorDb: Infinity,
  },
]);

test("channels that stay are a multiple of the step, at least one", () => {
  assert.equal(keepCount(64, 0.3, 8), 48);
  assert.equal(keepCount(64, 0.3, 1), 45);
  assert.equal(keepCount(6, 0.9, 4), 4);
  assert.equal(keepCount(3, 0.95, 1), 1);
  assert.equal(keepCount(8, 0.1, 2), 8);
});

test("steps are 8 channels, fewer in small layers, and whole heads", () => {
  assert.equal(stepOf(64, 1, 8), 8);
  assert.equal(stepOf(16, 1, 8), 4);
  assert.equal(stepOf(6, 1, 8), 1);
  assert.equal(stepOf(8, 32, 8), 1);
  assert.equal(stepOf(64, 2, 8), 4);
  assert.equal(stepOf(45, 1, 1), 1);
});

test("a target is met, and no group could keep a step more", (t) => {
  const wide = openModel(
    modelFile(
      tempFolder(t),
      `input x float32 [1, 32]  w = float32 [32, 64] normal  h = MatMul(x, w) { name: "a" }  r = Relu(h)
      v = float32 [64, 24] normal  i = MatMul(r, v) { name: "b" }  s = Relu(i)  u = float32 [24, 40] normal  j = MatMul(s, u) { name: "c" }
      q = Relu(j)  o = float32 [40, 4] normal  y = MatMul(q, o) { name: "d" }  output y float32 [1, 4]`,
    ),
  );
  const found = findChannelGroups(wide);
  const left = (counts: ReadonlyMap<string, number>): number => {
    const macs = [...counts].reduce((now, [key, kept]) => {
      const [all, group] = groupWithKey(now, key)!;
      return shrunk(all, group, kept).model;
    }, wide);
    return measure(macs, "macs")! / measure(wide, "macs")!;
  };
  for (const amount of [0.2, 0.35, 0.5, 0.65]) {
    const counts = countsFor(found, found.groups, { amount, target: "macs", roundTo: 8 });
    assert.ok(typeof counts !== "string");
    assert.ok(left(counts) <= 1 - amount);
    for (const { key, atoms } of found.groups) {
      const step = stepOf(atoms.length, 1, 8);
      const kept: number = counts.get(key)!;
      assert.equal(kept % step, 0);
      if (kept < atoms.length)
        assert.ok(left(new Map([...counts, [key, kept + step]])) > 1 - amount, `${key} ${amount}`);
    }
  }
});

test("figures of a part do not count the rest as shrunk", (t) => {
  const text = `input x float32 [2, 8]  a = float32 [8, 16] normal  g = MatMul(x, a) { name: "one" }
    b = float32 [16, 16] normal  h = MatMul(g, b) { name: "two" }
    c = float32 [16, 4] normal  y = MatMul(h, c) { name: "three" }  output y float32 [2, 4]`;
  const whole = openModel(modelFile(tempFolder(t), text));
  const detailOf = (scope: readonly string[]): string | undefined =>
    planEntry(whole, {
      transform: "prune.channels",
      params: { amount: 0.5 },
      scope: [...scope],
    }).plan.units.at(-1)?.detail;
  // 2 · (8·16 + 16·16 + 16·4) = 896; without 8 of the columns of b and rows of c 2 · (128 + 128 + 32).
  assert.equal(detailOf(["two"]), "16 → 8 channels, 896 → 576 MACs");
  // Behind a halved "one": 2 · (8·8 + 8·16 + 16·4), then 2 · (8·8 + 8·8 + 8·4).
  assert.equal(detailOf(["*"]), "16 → 8 channels, 512 → 320 MACs");
  assert.throws(() => detailOf(["four"]), /no unit matches the scope "four"/);
});

test("the lowest scores go, NaN leaves no choice", () => {
  assert.deepEqual(lowest(Float64Array.of(3, 1, 2), 2), [1, 2]);
  assert.equal(lowest(Float64Array.of(3, NaN, 2), 2), null);
});

test("channels are matched by what is stored of them", () => {
  assert.deepEqual(subsequence([[2, 4]], [[1, 2, 3, 4]]), [1, 3]);
  assert.equal(subsequence([[2, 5]], [[1, 2, 3, 4]]), null);
});

const matrix = (rows: number, cols: number, seed: number): MatrixF64 => ({
  rows,
  cols,
  data: Float64Array.from(gaussian(rows * cols, seed)),
});

test("OBS costs are the errors that least squares leaves", async () => {
  const x = matrix(40, 6, 1);
  const gram = await referenceBlas.gemm(x, x, { transA: true });
  const weight = matrix(3, 6, 2);
  const columns = [
    [0, 1],
    [2, 3],
    [4, 5],
  ];
  const result = await obsRemoval(
    referenceBlas,
    [{ gram, weight, columns }],
    1,
    1e-12,
    async () => {},
  );
  assert.ok(result.ok);
  const errors = await Promise.all(
    columns.map(async (gone) => {
      const kept = [0, 1, 2, 3, 4, 5].filter((c) => !gone.includes(c));
      const fit = await refitColumns(referenceBlas, {
        gram,
        cross: gram,
        means: null,
        target: weight,
        kept,
        ridge: 1e-12,
      });
      assert.ok(fit);
      let error = 0;
      for (let r = 0; r < 40; r++)
        for (let o = 0; o < 3; o++) {
          let sum = 0;
          for (let c = 0; c < 6; c++) sum += weight.data[o * 6 + c]! * x.data[r * 6 + c]!;
          kept.forEach((c, i) => (sum -= fit.weight.data[o * 4 + i]! * x.data[r * 6 + c]!));
          error += sum * sum;
        }
      return error;
    }),
  );
  const least = Math.min(...errors);
  assert.deepEqual(result.removed, [errors.indexOf(least)]);
  assert.ok(Math.abs(result.costs[0]! / least - 1) < 1e-6);
});
