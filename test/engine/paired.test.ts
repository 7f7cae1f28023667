/** Paired statistics against scipy and closed forms, and two models on the same data. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { comparePaired, openReference } from "../../src/engine/comparePaired.ts";
import { evaluate } from "../../src/engine/evaluate.ts";
import { klDivergence, scoreKind } from "../../src/engine/metrics/divergence.ts";
import { dropOf, mcnemarExact, pairedDrop } from "../../src/engine/metrics/paired.ts";
import { Cancelled } from "../../src/shared/errors.ts";
import { npyBytes } from "../helpers/npy.ts";
import { gaussian } from "../helpers/random.ts";
import { abortingTask, modelFile, task, tempFolder } from "../helpers/temp.ts";

const near = (actual: number, expected: number, relative = 1e-12): void =>
  assert.ok(
    Math.abs(actual - expected) <= relative * Math.max(1e-300, Math.abs(expected)),
    `${actual} is not ${expected}`,
  );

test("McNemar's exact test, as exact fractions give it (and scipy.stats.binomtest, scipy 1.17.1)", () => {
  const table = [
    [0, 0, 1],
    [5, 5, 1],
    [9, 2, 0.0654296875],
    [2, 9, 0.0654296875],
    [19, 12, 0.28104151505976915],
    [40, 10, 2.3861331676755526e-5],
    [500, 420, 0.00916276387523138],
    [3000, 2000, 1.3002310005203771e-45],
  ] as const;
  for (const [lost, won, p] of table) near(mcnemarExact(lost, won), p, 1e-10);
});

test("a drop is in points for accuracies, relative for the rest, positive where it is worse", () => {
  near(dropOf("top1", 0.8, 0.79), 0.01, 1e-9);
  near(dropOf("perplexity", 5, 5.1), 0.02, 1e-9);
  near(dropOf("psnr", 20, 19), 0.05);
  near(dropOf("sqnr", -4, -5), 0.25);
  near(dropOf("mse", 0.5, 0.25), -0.5);
  assert.equal(dropOf("mse", 0, 0), 0);
  assert.equal(dropOf("mse", 0, 1), Infinity);
});

test("few samples that tell two models apart: the interval knows what it has not seen", () => {
  const of = (n: number, lost: number) => {
    const right = new Float64Array(n).fill(1);
    const worse = right.map((value, i) => (i < lost ? 0 : value));
    const units = (column: Float64Array) => ({
      columns: [column, new Float64Array(n).fill(1)],
      value: ([sum = 0, count = 1]: readonly number[]) => sum / count,
    });
    return pairedDrop("top1", units(right), units(worse));
  };
  // Half a sample more of each outcome: ±1.96·√1 / (n + 2) around 0.
  near(of(1, 0).high, 1.959963984540054 / 3, 1e-9);
  near(of(40, 0).high, 1.959963984540054 / 42, 1e-9);
  near(of(2000, 0).low, -1.959963984540054 / 2002, 1e-9);
  assert.equal(of(1, 1).high, 1);
  assert.ok(of(400, 3).low < 0 && of(400, 3).high > 0.017);
});

test("the interval of a drop: narrow where the same units err, the same every time", () => {
  const n = 1000;
  const right = Float64Array.from({ length: n }, (_, i) => (i % 5 === 0 ? 0 : 1));
  const worse = right.map((value, i) => (i < 20 ? 0 : value));
  const units = (column: Float64Array) => ({
    columns: [column, new Float64Array(n).fill(1)],
    value: ([sum = 0, count = 1]: readonly number[]) => sum / count,
  });
  const result = pairedDrop("top1", units(right), units(worse));
  near(result.drop, 0.016, 1e-9);
  // Standard error of the mean of 16 ones among 1,000: 0.00397.
  assert.ok(Math.abs(result.low - (0.016 - 1.96 * 0.00397)) < 0.0012);
  assert.ok(Math.abs(result.high - (0.016 + 1.96 * 0.00397)) < 0.0012);
  assert.deepEqual(pairedDrop("top1", units(right), units(worse)), result);
  // Perplexities with the same noise in both: the ratio is known although neither is.
  const losses = Float64Array.from(gaussian(200, 7), (value) => 200 + 40 * value);
  const windows = (scale: number) => ({
    columns: [losses.map((loss) => loss + scale), new Float64Array(200).fill(128)],
    value: ([nll = 0, count = 1]: readonly number[]) => Math.exp(nll / count),
  });
  const relative = pairedDrop("perplexity", windows(0), windows(1.28));
  near(relative.drop, Math.exp(0.01) - 1, 1e-9);
  near(relative.low, relative.drop, 1e-9);
  near(relative.high, relative.drop, 1e-9);
});

test("divergence from logits and from probabilities, told apart by their values", () => {
  const p = [0.5, 0.25, 0.25];
  const q = [0.25, 0.5, 0.25];
  const expected = 0.5 * Math.log(2) - 0.25 * Math.log(2);
  const logits = (values: readonly number[]): number[] => values.map((x) => Math.log(x) + 3);
  assert.equal(scoreKind([...p, ...q], 3), "probabilities");
  assert.equal(scoreKind([...p, 0.5, 0.5, 0.5], 3), "logits");
  assert.equal(scoreKind(logits(p), 3), "logits");
  for (const [a, aKind] of [
    [p, "probabilities"],
    [logits(p), "logits"],
  ] as const)
    for (const [b, bKind] of [
      [q, "probabilities"],
      [logits(q), "logits"],
    ] as const)
      near(klDivergence(a, aKind, b, bKind, 0, 3), expected, 1e-9);
  assert.equal(klDivergence(p, "probabilities", p, "probabilities", 0, 3), 0);
  assert.equal(klDivergence([-Infinity, 1], "logits", [-Infinity, 2], "logits", 0, 2), 0);
  // What is rounded to 0 counts as 1e-7.
  near(
    klDivergence([0.5, 0.5], "probabilities", [1, 0], "probabilities", 0, 2),
    0.5 * Math.log(0.5) + 0.5 * Math.log(0.5 / 1e-7),
    1e-9,
  );
  assert.ok(Number.isNaN(klDivergence([NaN, 1], "logits", [1, 2], "logits", 0, 2)));
});

const N = 100;
/** Inputs are the scores; the second model adds noise to class 0, the third shifts all of them. */
function classification(folder: string): { data: string; models: readonly string[] } {
  const x = Float32Array.from(gaussian(N * 3, 3));
  writeFileSync(path.join(folder, "x.npy"), npyBytes([N, 3], x));
  const labels = Int32Array.from({ length: N }, (_, i) => i % 3);
  writeFileSync(path.join(folder, "y.npy"), npyBytes([N], labels));
  const data = path.join(folder, "dataset.json");
  const json = { task: "classification", inputs: { "*": { file: "x.npy" } }, labels: "y.npy" };
  writeFileSync(data, JSON.stringify(json));
  const model = (name: string, offset: string, batch = "n"): string =>
    modelFile(
      folder,
      `opset 17\ninput x float32 [${batch}, 3]\no = float32 [3] ${offset}\ny = Add(x, o)\nz = Neg(x)\noutput y float32 [${batch}, 3]\noutput z float32 [${batch}, 3]`,
      name,
    );
  return {
    data,
    models: [
      model("a.onnx", "[0, 0, 0]"),
      model("b.onnx", "[1, 0, 0]"),
      model("c.onnx", "[7, 7, 7]", "8"),
    ],
  };
}

test("one pass gives what separate evaluations give, and the pairing between them", async (t) => {
  const { data, models } = classification(tempFolder(t));
  const [a = "", b = "", c = ""] = models;
  const options = { range: null, threads: 1 };
  const result = await comparePaired(a, b, data, options, task);
  const { quality } = result;
  assert.ok(quality?.mcnemar);
  const alone = { limit: null, threads: 1 };
  assert.deepEqual(quality.before, await evaluate(a, data, alone, task));
  assert.deepEqual(quality.after, await evaluate(b, data, alone, task));
  const { lost, won, p } = quality.mcnemar;
  near(quality.drop, (lost - won) / N, 1e-9);
  near(p, mcnemarExact(lost, won));
  assert.ok(quality.dropLow <= quality.drop && quality.drop <= quality.dropHigh);
  assert.deepEqual([quality.dropUnit, quality.units, result.samples], ["points", N, N]);
  assert.ok((quality.kl ?? 0) > 0.05 && (quality.agreement ?? 1) < 1);
  near(result.first?.mse ?? 0, 1 / 3, 1e-6);
  assert.equal(result.outputs[1]?.maxAbs, 0);
  // A shift of all logits changes no prediction; another batch size changes nothing at all.
  const shifted = await comparePaired(a, c, data, options, task);
  assert.deepEqual(shifted.quality?.mcnemar, { lost: 0, won: 0, p: 1 });
  assert.ok((shifted.quality.kl ?? 1) < 1e-12);
  near(shifted.first?.mse ?? 0, 49, 1e-7);
});

test("a reference is run once and serves many; without room it is run again, to the same figures", async (t) => {
  const { data, models } = classification(tempFolder(t));
  const [a = "", b = "", c = ""] = models;
  const options = { range: { from: 10, to: 90 }, threads: 1 };
  const kept = await openReference(a, data, options, task);
  const live = await openReference(a, data, options, task, 100);
  assert.deepEqual([kept.kept, live.kept, kept.samples], [true, false, 80]);
  for (const other of [b, c, b]) {
    const once = await comparePaired(a, other, data, options, task);
    assert.equal(once.quality?.units, 80);
    assert.deepEqual(await comparePaired(kept, other, data, options, task), once);
    assert.deepEqual(await comparePaired(live, other, data, options, task), once);
  }
  const only = { ...options, metricOutputsOnly: true };
  const narrow = await openReference(c, data, only, task);
  const { outputs, quality } = await comparePaired(narrow, a, data, only, task);
  assert.deepEqual(
    outputs.map(({ name }) => name),
    ["y"],
  );
  assert.equal(quality?.drop, 0);
  await Promise.all([kept, live, narrow].map((reference) => reference.release()));
  await assert.rejects(comparePaired(a, b, data, options, abortingTask(1)), Cancelled);
  const none = { range: { from: 100, to: 200 }, threads: 1 };
  await assert.rejects(comparePaired(a, b, data, none, task), /no samples/);
});

test("of outputs without labels the first of floats is compared, not indices", async (t) => {
  const folder = tempFolder(t);
  const text = (scale: number): string => `
opset 17
input x float32 [N, 4]
k = float32 [] [${scale}]
s = Mul(x, k)
i = ArgMax(s) { axis: 1, keepdims: 0 }
output i int64 [N]
output s float32 [N, 4]
`;
  const a = modelFile(folder, text(1), "a.onnx");
  const b = modelFile(folder, text(1.1), "b.onnx");
  writeFileSync(path.join(folder, "x.npy"), npyBytes([8, 4], gaussian(32, 1)));
  const data = path.join(folder, "dataset.json");
  writeFileSync(data, '{"task": "agreement", "inputs": {"x": {"file": "x.npy"}}}');
  const { first } = await comparePaired(a, b, data, { range: null, threads: 1 }, task);
  assert.equal(first!.name, "s");
  near(first!.sqnrDb!, 20, 1e-3);
});

test("without labels the worst of all float outputs decides; what was NaN before is left out", async (t) => {
  const folder = tempFolder(t);
  const text = (scale: number, extra: string): string => `
opset 17
input x float32 [N, 4]
k = float32 [] [${scale}]
n = float32 [] nan
s = Identity(x)
c = Mul(x, k)
d = Mul(x, n)
a = int64 [2] [2, 3]
u = Unsqueeze(${extra}, a)
r = Concat(u, u) { axis: 2 }
output s float32 [N, 4]
output r float32 [N, 4, 2, 1]
output d float32 [N, 4]
`;
  const a = modelFile(folder, text(1, "c"), "a.onnx");
  const b = modelFile(folder, text(1.1, "c"), "b.onnx");
  const c = modelFile(folder, text(1, "d"), "c.onnx");
  writeFileSync(path.join(folder, "x.npy"), npyBytes([8, 4], gaussian(32, 1)));
  const data = path.join(folder, "dataset.json");
  writeFileSync(data, '{"task": "agreement", "inputs": {"x": {"file": "x.npy"}}}');
  const whole = { range: null, threads: 1 };
  const { decisive, first } = await comparePaired(a, b, data, whole, task);
  assert.deepEqual([first!.name, first!.kl], ["s", 0]);
  assert.deepEqual([decisive!.name, decisive!.kl], ["r", null]);
  near(decisive!.sqnrDb!, 20, 1e-3);
  const broken = (await comparePaired(a, c, data, whole, task)).decisive;
  assert.deepEqual([broken!.name, broken!.sqnrDb], ["r", null]);
});
