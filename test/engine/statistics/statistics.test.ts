/** Every statistic against NumPy (test/fixtures/statistics.json), and what is refused. */
import assert from "node:assert/strict";
import { rmSync, utimesSync } from "node:fs";
import { test } from "node:test";
import fixture from "../../fixtures/statistics.json" with { type: "json" };
import {
  sameSamples,
  useOf,
  valueAt,
  type Need,
  type StatKind,
} from "../../../src/core/statistics.ts";
import { DataError, EngineError } from "../../../src/shared/errors.ts";
import { gaussian } from "../../helpers/random.ts";
import { measuring, type Scene } from "../../helpers/statistics.ts";
import { task, tempFolder } from "../../helpers/temp.ts";

const X = Float32Array.from(fixture.x);
/** `a` is x itself, `t` takes it as the transposed first operand, `hat` is x + |x|/2. */
const TEXT = `
opset 17
input x float32 [n, 6, 4]
w = float32 [4, 3] normal
half = float32 [1] [0.5]
flat = int64 [2] [-1, 4]
a = Identity(x)
y = MatMul(a, w)
abs = Abs(x)
part = Mul(abs, half)
hat = Add(x, part)
z = MatMul(hat, w)
rows = Reshape(a, flat)
columns = Transpose(rows) { perm: [1, 0] }
t = Gemm(columns, w, ) { transA: 1 }
output y float32 [n, 6, 3]
output z float32 [n, 6, 3]
output t float32 [m, 3]`;
const SCENE: Scene = { inputs: { x: [fixture.shape, X] }, models: { before: TEXT } };
const need = <K extends StatKind>(stat: K, node = "y"): Need<K> => ({
  stat,
  at: useOf([], node),
  of: "before",
});

function near(got: ArrayLike<number>, expected: readonly number[], tolerance = 1e-6): void {
  assert.equal(got.length, expected.length);
  for (let i = 0; i < expected.length; i++)
    assert.ok(Math.abs(got[i]! - expected[i]!) <= tolerance, `${i}: ${got[i]} ${expected[i]}`);
}

for (const node of ["y", "t"])
  test(`ranges, moments and Gram of ${node === "y" ? "MatMul" : "Gemm with transA"}`, async (t) => {
    const { stat } = measuring(t, SCENE);
    const [range, channels, mean, absMean, moments, gram] = await Promise.all([
      stat(need("range", node)),
      stat(need("channelRange", node)),
      stat(need("mean", node)),
      stat(need("absMean", node)),
      stat(need("moments", node)),
      stat(need("gram", node)),
    ]);
    near([range.min, range.max], [fixture.min, fixture.max]);
    near(channels.min, fixture.channelMin);
    near(channels.max, fixture.channelMax);
    near(mean.mean, fixture.mean);
    near(absMean.absMean, fixture.absMean);
    near(moments.mean, fixture.mean);
    near(moments.variance, fixture.variance);
    near(gram.data, fixture.gram);
    near(gram.mean, fixture.mean);
    assert.deepEqual([gram.groups, gram.k, gram.rows, gram.samples], [1, 4, 60, 10]);
    sameSamples(range, channels, mean, absMean, moments, gram);
  });

test("histogram", async (t) => {
  const { stat } = measuring(t, SCENE);
  const got = await stat(need("histogram"));
  near([got.min, got.max], [fixture.min, fixture.max]);
  assert.equal(got.zeros, fixture.zeros);
  assert.equal(got.counts.length, 2048);
  const expected = new Float64Array(2048);
  for (const [bin = 0, count = 0] of fixture.filledBins) expected[bin] = count;
  // A value on an edge may fall to either side: compare running sums, one bin apart at most.
  let [a, b] = [0, 0];
  for (let i = 0; i < 2048; i++) {
    a += got.counts[i]!;
    b += expected[i]!;
    const slack = Math.max(expected[i]!, expected[i + 1] ?? 0);
    assert.ok(Math.abs(a - b) <= slack, `bin ${i}: ${a} ${b}`);
  }
  assert.equal(a, 240);
});

test("cross-Gram of two places and of two models", async (t) => {
  const other = TEXT.replace("a = Identity(x)", "a0 = Abs(x)\na1 = Mul(a0, half)\na = Add(x, a1)");
  const { stat } = measuring(t, { ...SCENE, models: { before: TEXT, current: other } });
  const within = await stat({
    ...need("crossGram", "z"),
    against: { at: useOf([], "y"), of: "before" },
  });
  near(within.data, fixture.cross);
  assert.deepEqual([within.kA, within.kB, within.rows], [4, 4, 60]);
  const across = await stat({
    stat: "crossGram",
    at: useOf([], "y"),
    of: "current",
    against: { at: useOf([], "y"), of: "base" },
  });
  near(across.data, fixture.cross);
  const same = await stat({
    ...need("crossGram"),
    against: { at: useOf([], "y"), of: "base" },
  });
  near(same.data, fixture.gram);
  sameSamples(within, across, same);
});

test("rows are chosen evenly by the seed; another choice has another key", async (t) => {
  const values = gaussian(200 * 6 * 4, 5);
  const scene: Scene = { ...SCENE, inputs: { x: [[200, 6, 4], values] } };
  const { stat } = measuring(t, scene);
  const few = { ...need("samples"), rows: 100 };
  const [rows, mean, all] = await Promise.all([
    stat(few),
    stat({ ...need("mean"), rows: 100 }),
    stat({ ...need("samples"), rows: 1200 }),
  ]);
  assert.deepEqual([rows.rows, rows.k, rows.data.length], [100, 4, 400]);
  near(all.data, [...values]);
  sameSamples(rows, mean);
  assert.throws(() => sameSamples(rows, all), /100 rows of 200 samples with 1200 rows/);
  // The last quarter of the samples is kept for searching where the entry says so.
  const heldOut = await measuring(t, { ...scene, holdOut: true }).stat({
    ...need("samples"),
    rows: 1200,
  });
  near(heldOut.data, [...values.subarray(0, 150 * 24)]);
  assert.throws(() => sameSamples(heldOut, all));
  // One row out of every twelve, in order.
  for (let i = 0; i < 100; i++) {
    const row = rows.data.subarray(i * 4, i * 4 + 4);
    const at = Array.from({ length: 12 }, (_, j) => (i * 12 + j) * 4);
    assert.ok(
      at.some((from) => row.every((value, c) => value === values[from + c])),
      `row ${i}`,
    );
  }
  const again = await measuring(t, scene).stat(few);
  assert.deepEqual(again.data, rows.data);
  const seeded = await measuring(t, { ...scene, seed: 1 }).stat(few);
  assert.notDeepEqual(seeded.data, rows.data);
  assert.notEqual(seeded.key, rows.key);
});

test("a Gram takes the larger of 8,192 and 2K rows", async (t) => {
  const { stat } = measuring(t, {
    ...SCENE,
    inputs: { x: [[2000, 6, 4], gaussian(2000 * 24, 2)] },
  });
  const [gram, mean, range] = await Promise.all([
    stat(need("gram")),
    stat(need("mean")),
    stat(need("range")),
  ]);
  assert.equal(gram.rows, 8192);
  assert.equal(range.rows, 48000);
  sameSamples(gram, mean);
});

test("a small budget takes more passes and gives the same", async (t) => {
  const needs = ["y", "z"].flatMap((node) => [
    need("gram", node),
    need("histogram", node),
    need("channelRange", node),
  ]);
  const wide = measuring(t, SCENE);
  const narrow = measuring(t, { ...SCENE, budgetBytes: 400 });
  await narrow.statistics.collect(needs, task);
  for (const each of needs) {
    // Keys hold where the data is.
    const { key, ...got } = await narrow.stat(each);
    const { key: other, ...expected } = await wide.stat(each);
    assert.deepEqual(got, expected);
    assert.notEqual(key, other);
  }
});

test("what was collected once is read from disk by the next who asks", async (t) => {
  const folder = tempFolder(t);
  const scene: Scene = {
    inputs: { x: [[200, 200], gaussian(40000, 1)] },
    models: {
      before: `
opset 17
input x float32 [n, 200]
w = float32 [200, 2] normal
y = MatMul(x, w)
output y float32 [n, 2]`,
    },
    keys: { base: "a", before: "b" },
  };
  const first = measuring(t, scene, folder);
  const [gram, range] = await Promise.all([first.stat(need("gram")), first.stat(need("range"))]);
  assert.deepEqual([first.runs(), first.stored().length], [1, 2]);
  // The data is as it was: written anew it would be other data.
  const stamp = new Date(1e12);
  const touchAll = (): void => {
    for (const file of ["x.npy", "dataset.json"]) utimesSync(`${folder}/${file}`, stamp, stamp);
    utimesSync(folder, stamp, stamp);
  };
  touchAll();
  const second = measuring(t, scene, folder);
  touchAll();
  await second.stat(need("gram"));
  assert.equal(second.runs(), 1, "the data has another time");
  const third = measuring(t, scene, folder);
  touchAll();
  const [again, rangeAgain] = [await third.stat(need("gram")), await third.stat(need("range"))];
  assert.deepEqual([again.data, again.mean], [gram.data, gram.mean]);
  assert.deepEqual([rangeAgain.min, rangeAgain.max], [range.min, range.max]);
  assert.equal(third.runs(), 1, "only the range, which the second did not ask for");
  for (const file of third.stored()) rmSync(`${folder}/scratch/statistics/${file}`);
  assert.deepEqual((await third.stat(need("gram"))).data, gram.data, "swept meanwhile");
});

test("a fixed batch does not count the repeats that fill it", async (t) => {
  const before = TEXT.replaceAll("[n,", "[4,");
  const { stat } = measuring(t, { ...SCENE, models: { before } });
  const [gram, histogram, moments] = await Promise.all([
    stat(need("gram")),
    stat(need("histogram")),
    stat({ stat: "moments", at: valueAt([], "a", -1), of: "before" }),
  ]);
  near(gram.data, fixture.gram);
  near(moments.variance, fixture.variance);
  assert.equal(gram.rows, 60);
  assert.equal(
    histogram.counts.reduce((a, b) => a + b, 0),
    240,
  );
});

test("float16 and float64 activations", async (t) => {
  const { stat } = measuring(t, {
    ...SCENE,
    models: {
      before: `
opset 17
input x float32 [n, 6, 4]
h = Cast(x) { to: 10 }
d = Cast(x) { to: 11 }
w16 = float16 [4, 3] normal
w64 = float64 [4, 3] normal
y16 = MatMul(h, w16)
y64 = MatMul(d, w64)
output y16 float16 [n, 6, 3]
output y64 float64 [n, 6, 3]`,
    },
  });
  const [half, double, range] = await Promise.all([
    stat(need("gram", "y16")),
    stat(need("gram", "y64")),
    stat(need("range", "y16")),
  ]);
  near(half.data, fixture.gram, 2e-3);
  near(double.data, fixture.gram);
  near([range.min, range.max], [fixture.min, fixture.max], 2e-3);
});

test("constant values, one sample, one row", async (t) => {
  const { stat } = measuring(t, {
    inputs: { x: [[1, 4], new Float32Array(4).fill(3)] },
    models: {
      before: `
opset 17
input x float32 [n, 4]
w = float32 [4, 2] normal
y = MatMul(x, w)
output y float32 [n, 2]`,
    },
  });
  const [histogram, moments, gram] = await Promise.all([
    stat(need("histogram")),
    stat(need("moments")),
    stat(need("gram")),
  ]);
  assert.deepEqual([histogram.min, histogram.max, histogram.counts[0]], [3, 3, 4]);
  assert.deepEqual([...moments.variance], [0, 0, 0, 0]);
  assert.deepEqual([gram.rows, [...gram.data]], [1, new Array(16).fill(9)]);
});

const ODD = `
opset 17
input x float32 [n, 6, 4]
w = float32 [4, 4] normal
zero = float32 [1] [0]
yes = bool [] [1]
bad = Div(zero, zero)
n = Add(x, bad)
y = MatMul(n, w)
big = Div(x, zero)
i = MatMul(big, w)
f = MatMul(w, w)
up = float32 [6, 4, 3] normal
c = ConvTranspose(x, up)
b = If(yes) { then_branch: graph { inner = Neg(x) q = MatMul(inner, w) output q float32 [n, 6, 4] } else_branch: graph { r = MatMul(x, w) output r float32 [n, 6, 4] } }
output y float32 [n, 6, 4]
output i float32 [n, 6, 4]
output f float32 [4, 4]
output b float32 [n, 6, 4]
output c float32 [n, 4, 6]`;

test("what cannot be measured is refused by name, and the rest is collected", async (t) => {
  const finite = Float32Array.from(X, (value) => (value === 0 ? 1 : value));
  const { stat, statistics } = measuring(t, {
    inputs: { x: [fixture.shape, finite] },
    models: { before: ODD },
  });
  const inThen = ["b", "then_branch"];
  const inElse = ["b", "else_branch"];
  const cases: readonly [Need, RegExp][] = [
    [need("range", "y"), /"y" cannot be measured: it is NaN for some sample/],
    [need("gram", "y"), /"y" cannot be measured: it is NaN or infinite/],
    [need("histogram", "i"), /"i" cannot be measured: it is infinite/],
    [need("range", "f"), /"w" is a constant/],
    [need("gram", "c"), /ConvTranspose/],
    [need("gram", "nowhere"), /no such node/],
    [
      { stat: "mean", at: useOf(inThen, "q"), of: "before" },
      /"inner" is computed inside a subgraph/,
    ],
    [{ stat: "mean", at: valueAt([], "x", 5), of: "before" }, /its shape does not fit/],
    [need("crossGram", "y"), /nothing is named to cross it with/],
  ];
  const reasons = await statistics.collect(
    cases.map(([each]) => each),
    task,
  );
  assert.equal(reasons.size, cases.length);
  for (const [each, reason] of cases)
    await assert.rejects(stat(each), (error) => {
      assert.ok(error instanceof EngineError && error.failure.code === "unmeasured");
      assert.match(error.message, reason);
      return true;
    });
  const outer = await stat({ stat: "mean", at: useOf(inElse, "r"), of: "before" });
  assert.equal(outer.rows, 60, "a value of the main graph, used in a branch");
});

test("data that does not fit, and none", async (t) => {
  const wrong = measuring(t, { ...SCENE, inputs: { x: [[10, 5, 4], new Float32Array(200)] } });
  await assert.rejects(wrong.stat(need("mean")), DataError);
  const other = measuring(t, { ...SCENE, inputs: { z: [fixture.shape, X] } });
  await assert.rejects(other.stat(need("mean")), /nothing for the model's input "x"/);
});
