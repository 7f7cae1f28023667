import assert from "node:assert/strict";
import { graphKey, MAIN, mainGraph } from "../../../src/core/model.ts";
import { readParams } from "../../../src/shared/params.ts";
import svd from "../../../src/transforms/lowrank/svd.ts";
import { test, type TestContext } from "node:test";
import { createSession } from "../../../src/engine/ort.ts";
import { referenceBlas } from "../../../src/kernels/linalg/blas.ts";
import { squaredNorm } from "../../../src/kernels/linalg/matrix.ts";
import { singularValues } from "../../../src/kernels/linalg/svd.ts";
import type { ParamValues } from "../../../src/shared/doc.ts";
import { toNumbers } from "../../../src/shared/hostTensor.ts";
import { modelFromText } from "../../core/modelText.ts";
import { docOf, testEnvironment } from "../../helpers/environment.ts";
import { testTechnique } from "../../helpers/harness.ts";
import { gaussian } from "../../helpers/random.ts";
import { calibrationData } from "../../helpers/statistics.ts";
import { modelFile, tempFolder } from "../../helpers/temp.ts";

/** A product of rank 8 as one stored matrix needs listed values; `outer` repeats them by a rule. */
const lowRank = (rows: number, cols: number, rank: number): string => {
  const values: string[] = [];
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < cols; j++) {
      let sum = 0;
      for (let r = 1; r <= rank; r++) sum += Math.sin(i * r + 1) * Math.cos(j * r * 1.7 + r);
      values.push(sum.toFixed(7));
    }
  return `float32 [${rows}, ${cols}] [${values.join(", ")}]`;
};
const linear = `input x float32 [batch, 64]
  w = float32 [64, 48] normal
  y = MatMul(x, w) { name: "proj" }
  output y float32 [batch, 48]`;

/** The graphs are so small that their layers make outputs. */
const head = "factor";

testTechnique(svd, [
  {
    name: "MatMul at 60 % of the parameters",
    model: linear,
    params: { head, ratio: 0.6 },
    units: ["proj"],
    nodes: ["y_down = MatMul(x, w_down)", "y = MatMul(y_down, w_up)"],
    tensors: ["w_down float32 [64, 16]", "w_up float32 [16, 48]"],
    // Noise of full rank is the worst case: 16 of 48 components hold half of its energy.
    errorDb: 2,
    check: (_, change) => {
      assert.equal(change.units[0]?.detail, "[64, 48] float32 → rank 16");
      assert.ok(change.bytesAfter <= 0.6 * change.bytesBefore);
    },
  },
  {
    name: "a matrix of low rank is kept exactly, by number",
    model: `input x float32 [4, 40] w = ${lowRank(40, 30, 6)} y = MatMul(x, w) output y float32 [4, 30]`,
    params: { head, rankBy: "rank", rank: 6 },
    tensors: ["w_down float32 [40, 6]", "w_up float32 [6, 30]"],
    errorDb: 100,
  },
  {
    name: "rank by energy finds the rank",
    model: `input x float32 [4, 40] w = ${lowRank(40, 30, 6)} y = MatMul(x, w) output y float32 [4, 30]`,
    params: { head, rankBy: "energy", energy: 0.9999999 },
    tensors: ["w_down float32 [40, 6]", "w_up float32 [6, 30]"],
    errorDb: 65,
  },
  {
    name: "an energy that needs too high a rank",
    model: linear,
    params: { head, rankBy: "energy", energy: 0.99 },
    units: [],
    skips: { proj: "99 % of its energy need a rank above 27, from which [64, 48] has fewer" },
  },
  {
    name: "output layers are kept whole, also behind a bias and Softmax",
    model: `input x float32 [2, 64] w = float32 [64, 64] normal h = MatMul(x, w) r = Relu(h)
      v = float32 [64, 48] normal m = MatMul(r, v) b = float32 [48] normal a = Add(m, b)
      y = Softmax(a) output y float32 [2, 48]`,
    params: { ratio: 0.9 },
    units: ["h"],
    skips: { m: 'it makes the output "y"; set the parameter head' },
    // Softmax of such logits picks one class, another where two are close.
    errorDb: -4,
  },
  {
    name: "a rank that would not shrink, and one below 1",
    model: `input x float32 [2, 64] w = float32 [64, 48] normal h = MatMul(x, w)
      v = float32 [48, 2] normal y = MatMul(h, v) output y float32 [2, 2]`,
    params: { head, rankBy: "rank", rank: 40 },
    units: [],
    skips: { h: "rank 40 of [64, 48] has 4480 parameters, the whole matrix 3072", y: "rank 40" },
  },
  {
    name: "a layer that is too thin",
    model: `input x float32 [2, 64] w = float32 [64, 1] normal y = MatMul(x, w) output y float32 [2, 1]`,
    params: { head },
    units: [],
    skips: { y: "[64, 1] is too thin for two factors" },
  },
  {
    name: "Gemm: transB, alpha, beta and a bias stay on the second factor",
    model: `input x float32 [5, 64] w = float32 [48, 64] normal b = float32 [48] normal
      y = Gemm(x, w, b) { transB: 1, alpha: 0.5, beta: 2.0 } output y float32 [5, 48]`,
    params: { head, ratio: 0.6 },
    nodes: ["y_down = Gemm(x, w_down)", "y = Gemm(y_down, w_up, b)"],
    tensors: ["b float32 [48]", "w_down float32 [16, 64]", "w_up float32 [48, 16]"],
    errorDb: 2,
    check: (model) => {
      const [first, second] = [...model.graphs.values()][0]!.nodes;
      assert.deepEqual(Object.keys(first!.attrs), ["transB"]);
      assert.deepEqual(Object.keys(second!.attrs).sort(), ["alpha", "beta", "transB"]);
    },
  },
  {
    name: "Gemm: transA stays on the first factor; exact at low rank",
    model: `input x float32 [40, 5] w = ${lowRank(40, 30, 6)} b = float32 [5, 1] normal
      y = Gemm(x, w, b) { transA: 1, alpha: 3.0 } output y float32 [5, 30]`,
    params: { head, rankBy: "rank", rank: 6 },
    errorDb: 100,
  },
  {
    name: "1×1 Conv: strides and pads on the first, bias on the second",
    model: `input x float32 [2, 32, 7, 7] w = float32 [24, 32, 1, 1] normal b = float32 [24] normal
      y = Conv(x, w, b) { name: "pw", kernel_shape: [1, 1], strides: [2, 2], pads: [1, 1, 1, 1] }
      output y float32 [2, 24, 5, 5]`,
    params: { head, ratio: 0.9 },
    units: ["pw"],
    nodes: ["y_down = Conv(x, w_down)", "y = Conv(y_down, w_up, b)"],
    tensors: ["b float32 [24]", "w_down float32 [12, 32, 1, 1]", "w_up float32 [24, 12, 1, 1]"],
    errorDb: 3,
  },
  {
    name: "larger kernels and groups are named",
    model: `input x float32 [1, 32, 8, 8] w = float32 [32, 32, 3, 3] normal
      h = Conv(x, w) { pads: [1, 1, 1, 1] }  v = float32 [32, 16, 1, 1] normal
      y = Conv(h, v) { group: 2 } output y float32 [1, 32, 8, 8]`,
    params: { head },
    units: [],
    skips: { h: "its kernel is 3×3; only 1×1", y: "it has 2 groups" },
  },
  {
    name: "a weight used twice is factored once",
    model: `input x float32 [3, 48] w = float32 [48, 48] normal h = MatMul(x, w) r = Relu(h)
      y = MatMul(r, w) output y float32 [3, 48]`,
    params: { head, ratio: 0.9 },
    units: ["h"],
    nodes: [
      "h_down = MatMul(x, w_down)",
      "h = MatMul(h_down, w_up)",
      "r = Relu(h)",
      "y_down = MatMul(r, w_down)",
      "y = MatMul(y_down, w_up)",
    ],
    errorDb: 2,
    check: (_, change) => assert.match(change.units[0]!.detail, /used 2 times/),
  },
  {
    name: "a weight that something else needs, or of two orientations",
    model: `input i int64 [3] w = float32 [50, 48] normal x = Gather(w, i)
      t = Transpose(w) y = MatMul(x, t)
      v = float32 [48, 48] normal a = MatMul(x, v) s = Gemm(x, v) { transB: 1 } z = Add(a, s)
      output y float32 [3, 50] output z float32 [3, 48]`,
    params: { head },
    units: [],
    skips: {
      y: 'its weight "w" is also needed by "x" (Gather)',
      a: "used in two orientations",
      s: "used in two orientations",
    },
  },
  {
    name: "a weight behind Transpose",
    model: `input x float32 [4, 40] w = ${lowRank(30, 40, 6)} t = Transpose(w) { perm: [1, 0] }
      y = MatMul(x, t) output y float32 [4, 30]`,
    params: { head, rankBy: "rank", rank: 6 },
    nodes: ["y_down = MatMul(x, w_down)", "y = MatMul(y_down, w_up)"],
    tensors: ["w_down float32 [40, 6]", "w_up float32 [6, 30]"],
    errorDb: 100,
  },
  {
    name: "NaN weights are refused by name; float16 and Constant nodes work",
    model: `input x float16 [4, 40] bad = float16 [40, 40] nan h = MatMul(x, bad)
      w = Constant() { value: float16 [40, 32] normal } y = MatMul(x, w)
      output h float16 [4, 40] output y float16 [4, 32]`,
    params: { head, ratio: 0.9 },
    units: ["y"],
    skips: { h: 'its weight "bad" has NaN or infinite values' },
    tensors: ["bad float16 [40, 40]", "w_down float16 [40, 16]", "w_up float16 [16, 32]"],
    errorDb: 3,
  },
  {
    name: "layers inside a branch of If",
    model: `input c bool [] input x float32 [4, 40] w = ${lowRank(40, 30, 4)}
      y = If(c) { then_branch: graph { a = MatMul(x, w) output a float32 [4, 30] },
                  else_branch: graph { b0 = MatMul(x, w) b = Neg(b0) output b float32 [4, 30] } }
      output y float32 [4, 30]`,
    params: { head, rankBy: "rank", rank: 4 },
    errorDb: 90,
    check: (_, change) => assert.equal(change.units.length, 1),
  },
  {
    name: "whitened: inputs inside a branch are not measured",
    model: `input c bool [] input x float32 [4, 40] w = float32 [40, 30] normal
      y = If(c) { then_branch: graph { a = MatMul(x, w) output a float32 [4, 30] },
                  else_branch: graph { b0 = MatMul(x, w) b = Neg(b0) output b float32 [4, 30] } }
      output y float32 [4, 30]`,
    params: { head, mode: "whitened" },
    units: [],
    skips: {
      "y/then_branch/a": "inside bodies of If, Loop and Scan are not measured",
      "y/else_branch/b0": "inside bodies of If, Loop and Scan are not measured",
    },
  },
  {
    name: "weights that a caller may replace, batches, quantized and recurrent ones",
    model: `ir 8 input x float32 [2, 3, 32] w = float32 [32, 32] normal initializer-input w
      a = MatMul(x, w) b = float32 [2, 32, 32] normal y = MatMul(a, b)
      q = int8 [32, 32] ones s = float32 [] [0.5] d = DequantizeLinear(q, s) z = MatMul(x, d)
      output y float32 [2, 3, 32] output z float32 [2, 3, 32]`,
    params: { head },
    units: [],
    skips: { a: "also a graph input", y: "batch of matrices", z: "already quantized" },
  },
]);

/** Inputs whose columns differ in size by a hundred, so that plain and whitened errors differ. */
function anisotropic(rows: number, cols: number): Float32Array {
  const mixing = gaussian(cols * cols, 11);
  const noise = gaussian(rows * cols, 12);
  const out = new Float32Array(rows * cols);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < cols; c++)
      for (let j = 0; j < cols; j++)
        out[r * cols + c]! += (noise[r * cols + j]! * mixing[j * cols + c]!) / (1 + j * j);
  return out;
}

const CALIBRATED = 200;

/**
 * Outputs of a model for the rows of calibration, and how far those of its factored form are from
 * them per row.
 */
async function factored(
  t: TestContext,
  model: string,
  params: ParamValues,
): Promise<{ y: Float32Array; error: number }> {
  const folder = tempFolder(t);
  const values = anisotropic(200, 32);
  const data = calibrationData(folder, { x: [[200, 32], values] });
  const file = modelFile(folder, model);
  const env = testEnvironment(folder);
  const entry = { transform: "lowrank.svd", params: { head: "factor", ...params } };
  const result = await env.fileFor({ ...docOf(file, entry), data });
  const outputs = await Promise.all(
    [file, result].map(async (path) => {
      const session = await createSession(path, { threads: 1, optimization: "all" });
      const feeds = new Map([["x", { dtype: "float32", shape: [200, 32], data: values } as const]]);
      const y = (await session.run(feeds)).get("y");
      await session.release();
      assert.ok(y);
      return Float32Array.from(toNumbers(y));
    }),
  );
  const [before, after] = outputs as [Float32Array, Float32Array];
  const y = before;
  return { y, error: y.reduce((sum, x, i) => sum + (x - after[i]!) ** 2, 0) / CALIBRATED };
}

const ONE = `input x float32 [n, 32] w = float32 [32, 24] normal y = MatMul(x, w) output y float32 [n, 24]`;
const THREE = `input x float32 [n, 32] w = float32 [32, 32] normal h = MatMul(x, w) r = Relu(h)
  v = float32 [32, 32] normal g = MatMul(r, v) s = Relu(g)
  u = float32 [32, 32] normal y = MatMul(s, u) output y float32 [n, 32]`;

/** All at once, and the error of the output itself. */
const FULLY = { mode: "whitened", ratio: 0.6, order: "parallel", weighting: 1 } as const;

test("lowrank.svd: the whitened error is the energy that was cut, far below the plain one", async (t) => {
  const whitened = await factored(t, ONE, { ...FULLY, damping: 0 });
  const plain = await factored(t, ONE, { ratio: 0.6 });
  // LᵀW with LLᵀ = E[xᵀx] has the singular values of XW/√n.
  const y = { rows: CALIBRATED, cols: 24, data: whitened.y };
  const values = await singularValues(referenceBlas, y);
  const cut = squaredNorm(values.subarray(8)) / CALIBRATED;
  assert.ok(Math.abs(whitened.error / cut - 1) < 1e-3, `${whitened.error}, not ${cut}`);
  assert.ok(whitened.error < 0.2 * plain.error, `${whitened.error} against ${plain.error}`);
});
test("lowrank.svd: a weighting below 1 lies between plain and whitened, near 0 it is plain", async (t) => {
  const errors: number[] = [];
  for (const weighting of [1, 0.5, 0.01])
    errors.push((await factored(t, ONE, { ...FULLY, weighting })).error);
  const [whitened = 0, half = 0, none = 0] = errors;
  const plain = (await factored(t, ONE, { ratio: 0.6 })).error;
  assert.ok(whitened < half && half < none, String(errors));
  assert.ok(Math.abs(none / plain - 1) < 0.2, `${none} against ${plain}`);
});
test("lowrank.svd: aimed at the original's results with a weighting below 1", async (t) => {
  const options = { ...FULLY, order: "sequential" };
  const near = (await factored(t, THREE, { ...options, weighting: 0.99 })).error;
  const whole = await factored(t, THREE, options);
  assert.ok(Math.abs(near / whole.error - 1) < 0.1, `${near} against ${whole.error}`);
});
test("lowrank.svd: layer by layer is nearer to the original than all at once", async (t) => {
  const errors: number[] = [];
  for (const order of ["parallel", "sequential"])
    errors.push((await factored(t, THREE, { ...FULLY, order })).error);
  assert.ok(errors[1]! < errors[0]!, `${errors[1]} against ${errors[0]}`);
});
test("lowrank.svd: whitened without data is refused, plain needs none", async (t) => {
  const folder = tempFolder(t);
  const doc = docOf(modelFile(folder, THREE), {
    transform: "lowrank.svd",
    params: { mode: "whitened" },
  });
  await assert.rejects(testEnvironment(folder).open(doc), /lowrank\.svd needs calibration data/);
});

test("lowrank.svd: what would not fit in memory is left alone, with what it would take", () => {
  const model = modelFromText(
    "input x float32 [2, 4] w = float32 [4, 3] normal h = MatMul(x, w) y = Relu(h) output y float32 [2, 3]",
  );
  const plan = (shape: readonly number[], params: ParamValues) => {
    const graph = mainGraph(model);
    const w = graph.tensors.get("w")!;
    const sizeBytes = 4 * shape[0]! * shape[1]!;
    const tensors = new Map([["w", { ...w, shape, sizeBytes }]]);
    const large = { ...model, graphs: new Map([[graphKey(MAIN), { ...graph, tensors }]]) };
    return svd.plan(
      large,
      readParams("lowrank.svd", svd.meta.params, { head: "factor", ...params }),
    );
  };
  const [skip] = plan([8192, 16384], {}).skipped;
  assert.match(skip!.reason, /^factoring \[8192, 16384\] to rank 4369 .* 7\.5 GB .* 4\.3 GB$/);
  assert.equal(plan([8192, 16384], { rankBy: "rank", rank: 512 }).units.length, 1);
  assert.equal(plan([4096, 24576], {}).units.length, 1);
});
