/** diffStructure, diffTensors and diffMeasures on pairs of models. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, it, type TestContext } from "node:test";
import { diffMeasures, diffTensors } from "../../src/engine/diff.ts";
import { denseValues, sqnrDb } from "../../src/engine/diffValues.ts";
import type { WeightForm } from "../../src/core/weightForm.ts";
import { diffStructure } from "../../src/engine/questions/diffStructure.ts";
import { referenceKernels } from "../../src/kernels/reference.ts";
import type { Entry, ParamValues } from "../../src/shared/doc.ts";
import { dtype, elementCount, type DtypeName } from "../../src/shared/dtype.ts";
import type { TensorDiff } from "../../src/shared/protocol.ts";
import { docOf, testEnvironment } from "../helpers/environment.ts";
import { safetensorsFromText } from "../helpers/graphText.ts";
import { gaussian } from "../helpers/random.ts";
import { abortingTask, modelFile, task, tempFolder } from "../helpers/temp.ts";

const entry = (params: ParamValues, transform = "quantize.weightOnly"): Entry => ({
  transform,
  params,
});

interface Files {
  readonly before: string;
  readonly after: string;
  readonly recipe?: readonly Entry[];
}
function asking(t: TestContext, { before, after, recipe = [] }: Files) {
  const env = testEnvironment(tempFolder(t));
  const docs = { before: docOf(before), after: docOf(after, ...recipe) };
  return {
    structure: () => diffStructure(docs, env, task),
    tensors: async (): Promise<readonly TensorDiff[]> =>
      (await diffTensors(docs, env, task)).tensors,
    measures: (data: string | null = null, latency = false, activations = false) =>
      diffMeasures({ ...docs, data, latency, activations }, env, { threads: 1 }, task),
    cancelled: () => diffTensors(docs, env, abortingTask(3)),
  };
}
const texts = (t: TestContext, before: string, after: string, ...recipe: Entry[]) => {
  const folder = tempFolder(t);
  return asking(t, {
    before: modelFile(folder, before, "before.onnx"),
    after: modelFile(folder, after, "after.onnx"),
    recipe,
  });
};
const changed = (t: TestContext, text: string, ...recipe: Entry[]) =>
  texts(t, text, text, ...recipe);

const matmul = (k: number, n: number): string => `
  opset 21
  input x float32 [2, ${k}]
  w = float32 [${k}, ${n}] normal
  y = MatMul(x, w)
  output y float32 [2, ${n}]`;

const SAME = { factor: 1, perChannel: false };

describe("SQNR of changed tensors", () => {
  /** Round-to-nearest of Gaussian values with 16 levels in blocks of 32 is about 20 to 22 dB. */
  const bits4 = { min: 19, max: 24 };
  const only = async (rows: Promise<readonly TensorDiff[]>): Promise<TensorDiff> => {
    const [row, ...others] = await rows;
    assert.deepEqual(others, []);
    assert.ok(row);
    return row;
  };
  const within = (row: TensorDiff, { min, max }: { min: number; max: number }): void => {
    assert.ok(row.sqnrDb !== null && row.sqnrDb > min && row.sqnrDb < max, `${row.sqnrDb} dB`);
  };

  it("of MatMulNBits codes, also where K does not fill its blocks", async (t) => {
    for (const k of [64, 50]) {
      const row = await only(changed(t, matmul(k, 24), entry({ bits: 4, block: 32 })).tensors());
      assert.equal(row.name, "w");
      assert.equal(row.status, "replaced");
      assert.equal(row.bytesBefore, k * 24 * 4);
      assert.ok(row.bytesAfter < row.bytesBefore / 4);
      within(row, bits4);
    }
  });
  it("of 8 and 2 bits", async (t) => {
    within(await only(changed(t, matmul(64, 24), entry({ bits: 8 })).tensors()), {
      min: 43,
      max: 50,
    });
    within(await only(changed(t, matmul(64, 24), entry({ bits: 2, block: 16 })).tensors()), {
      min: 6,
      max: 13,
    });
  });
  it("of symmetric codes without zero points", async (t) => {
    const row = changed(t, matmul(64, 24), entry({ zeroPoints: "symmetric" })).tensors();
    within(await only(row), bits4);
  });
  it("of blocked DequantizeLinear", async (t) => {
    const row = changed(t, matmul(64, 24), entry({ format: "dequantizelinear" })).tensors();
    within(await only(row), bits4);
  });
  it("of a Gemm's transposed weight with a factor, both ways of storing it", async (t) => {
    const gemm = `
      opset 21
      input x float32 [2, 64]
      w = float32 [24, 64] normal
      b = float32 [24] normal
      y = Gemm(x, w, b) { transB: 1, alpha: 0.5 }
      output y float32 [2, 24]`;
    for (const format of ["matmulnbits", "dequantizelinear"])
      within(await only(changed(t, gemm, entry({ format })).tensors()), bits4);
  });
  it("of an embedding table", async (t) => {
    const text = `
      input i int64 [3]
      w = float32 [50, 64] normal
      y = Gather(w, i)
      output y float32 [3, 64]`;
    within(await only(changed(t, text, entry({ embedding: "4" })).tensors()), bits4);
  });
  it("of float16", async (t) => {
    const row = await only(changed(t, matmul(64, 24), entry({}, "quantize.float16")).tensors());
    within(row, { min: 70, max: 80 });
  });
  it("of per-channel DequantizeLinear", async (t) => {
    const codes = Array.from({ length: 12 }, (_, i) => i - 6);
    const scales = [0.5, 2, 4];
    const values = codes.map((code, i) => (code - 1) * (scales[Math.floor(i / 4)] ?? 0));
    const conv = (weight: string): string => `
      input x float32 [1, 1, 5, 5]
      ${weight}
      y = Conv(x, w)
      output y float32`;
    const row = await only(
      texts(
        t,
        conv(`w = float32 [3, 1, 2, 2] [${values.join(", ")}]`),
        conv(`q = int8 [3, 1, 2, 2] [${codes.join(", ")}]
          s = float32 [3] [${scales.join(", ")}]
          z = int8 [3] [1, 1, 1]
          w = DequantizeLinear(q, s, z) { axis: 0 }`),
      ).tensors(),
    );
    assert.equal(row.sqnrDb, 300);
    assert.equal(row.detail, "float32 [3, 1, 2, 2] → int8 [3, 1, 2, 2] codes, scaled per channel");
  });
  it("equal bytes under another name are no difference", async (t) => {
    const question = texts(t, matmul(8, 4), matmul(8, 4).replaceAll("w", "v"));
    assert.deepEqual(await question.tensors(), []);
    assert.deepEqual((await question.structure()).tensors, []);
  });
  it("says why there is no figure", async (t) => {
    const rows = await texts(
      t,
      matmul(8, 4),
      matmul(8, 4).replace("[8, 4] normal", "[16, 4] normal").replace("[2, 8]", "[2, 16]"),
    ).tensors();
    assert.deepEqual(
      [rows[0]?.sqnrDb, rows[0]?.detail],
      [null, "float32 [8, 4] → [16, 4]; old and new values have different shapes"],
    );
  });
  it("of weights without a graph", async (t) => {
    const folder = tempFolder(t);
    const write = (name: string, text: string): string => {
      writeFileSync(path.join(folder, name), safetensorsFromText(text));
      return path.join(folder, name);
    };
    const values = Array.from(gaussian(32, 3), (x) => x.toFixed(6)).join(", ");
    const rows = await asking(t, {
      before: write(
        "a.safetensors",
        `same = float32 [4] ones\nw = float32 [32] [${values}]\nold = float32 [1] [1]`,
      ),
      after: write(
        "b.safetensors",
        `same = float32 [4] ones\nw = float16 [32] [${values}]\nnew = float32 [1] [1]`,
      ),
    }).tensors();
    assert.deepEqual(
      rows.map(({ name, status }) => [name, status]),
      [
        ["w", "changed"],
        ["old", "removed"],
        ["new", "added"],
      ],
    );
    within(rows[0]!, { min: 65, max: 80 });
  });
  it("can be cancelled", async (t) => {
    await assert.rejects(changed(t, matmul(64, 24), entry({})).cancelled(), { name: "Cancelled" });
  });
});

describe("values behind codes, over chunk boundaries", () => {
  /** A tensor that has its bytes at hand. */
  const tensor = (type: DtypeName, shape: number[], values: Float32Array) => {
    const at = referenceKernels.fromF32(dtype(type), values);
    return { name: "t", dtype: dtype(type), shape, at, sizeBytes: at.length };
  };
  const env = {
    kernels: referenceKernels,
    readBytes: (t: { at: unknown }, at: number, length: number) =>
      (t.at as Uint8Array).subarray(at, at + length),
    readF32: (t: { dtype: ReturnType<typeof dtype>; at: unknown; shape: readonly number[] }) =>
      referenceKernels.toF32(t.dtype, t.at as Uint8Array, elementCount(t.shape)),
  };
  const rows = 1500;
  const columns = 1111;
  const values = Float32Array.from(gaussian(rows * columns, 9), (x) => Math.round(x * 2));
  const codes = tensor("int4", [rows, columns], values);
  const exact = referenceKernels.toF32(codes.dtype, codes.at, rows * columns);
  const none = { transposed: false, tensors: [] };

  it("plain int4 against float32", async () => {
    const form: WeightForm = { kind: "plain", values: codes, ...none };
    assert.equal(
      await sqnrDb(env, tensor("float32", [rows, columns], exact), form, SAME, task),
      300,
    );
  });
  it("per row and per column", async () => {
    for (const axis of [0, 1]) {
      const count = axis === 0 ? rows : columns;
      const scales = Float32Array.from({ length: count }, (_, i) => 2 ** ((i % 5) - 2));
      const form: WeightForm = {
        kind: "linear",
        codes,
        scales: tensor("float32", [count], scales),
        zeroPoints: null,
        axis,
        block: 0,
        ...none,
      };
      const original = exact.map(
        (x, i) => x * (scales[axis === 0 ? Math.floor(i / columns) : i % columns] ?? 0),
      );
      const before = tensor("float32", [rows, columns], original);
      assert.equal(await sqnrDb(env, before, form, SAME, task), 300);
      // The same matrix kept the other way round.
      const turned = new Float32Array(rows * columns);
      for (let r = 0; r < rows; r++)
        for (let c = 0; c < columns; c++) turned[c * rows + r] = original[r * columns + c] ?? 0;
      const other = tensor("float32", [columns, rows], turned);
      assert.equal(await sqnrDb(env, other, { ...form, transposed: true }, SAME, task), 300);
    }
  });
  it("in blocks along the first axis, the last one short", async () => {
    const block = 32;
    const perAxis = Math.ceil(rows / block);
    const scales = Float32Array.from({ length: perAxis * columns }, (_, i) => 2 ** (i % 3));
    const zeros = Float32Array.from({ length: perAxis * columns }, (_, i) => (i % 4) - 2);
    const form: WeightForm = {
      kind: "linear",
      codes,
      scales: tensor("float32", [perAxis, columns], scales),
      zeroPoints: tensor("int4", [perAxis, columns], zeros),
      axis: 0,
      block,
      ...none,
    };
    const original = exact.map((x, i) => {
      const at = Math.floor(Math.floor(i / columns) / block) * columns + (i % columns);
      return (x - (zeros[at] ?? 0)) * (scales[at] ?? 0);
    });
    const before = tensor("float32", [rows, columns], original);
    assert.equal(await sqnrDb(env, before, form, SAME, task), 300);
  });
  it("a folded batch normalization is no error: each channel has a factor of its own", async () => {
    const factors = Float32Array.from({ length: rows }, (_, i) => (i % 2 === 0 ? 3 : -0.25));
    const form: WeightForm = {
      kind: "plain",
      values: tensor(
        "float32",
        [rows, columns],
        exact.map((x, i) => x * (factors[Math.floor(i / columns)] ?? 0)),
      ),
      ...none,
    };
    const before = tensor("float32", [rows, columns], exact);
    const folded = { factor: 1, perChannel: true };
    const db = await sqnrDb(env, before, form, folded, task);
    assert.ok(typeof db === "number" && db > 130, String(db));
    const whole = await sqnrDb(env, before, form, SAME, task);
    assert.ok(typeof whole === "number" && whole < 5, String(whole));
    const dense = denseValues(env, before, form, folded);
    assert.ok(typeof dense !== "string");
    assert.ok(dense.every((value, i) => Math.abs(value - (exact[i] ?? 0)) < 1e-5));
  });
  it("a known error gives its decibels", async () => {
    const ones = new Float32Array(1000).fill(1);
    const form: WeightForm = {
      kind: "plain",
      values: tensor(
        "float32",
        [1000],
        ones.map(() => 1.1),
      ),
      ...none,
    };
    const found = await sqnrDb(env, tensor("float32", [1000], ones), form, SAME, task);
    assert.ok(typeof found === "number" && Math.abs(found - 20) < 1e-4, String(found));
  });
});

describe("structure", () => {
  it("tells sizes, nodes and tensors", async (t) => {
    const s = await changed(t, matmul(64, 24), entry({})).structure();
    assert.ok(s.size.after < s.size.before);
    assert.deepEqual(s.graph.added, []);
    assert.equal(s.graph.changed[0]?.op, "MatMul");
    assert.deepEqual(
      s.tensors.map(({ name, status, sqnrDb }) => [name, status, sqnrDb]),
      [["w", "replaced", null]],
    );
  });
  it("says how much of a long list is left out, and stays below the limit of a message", async (t) => {
    const relus = (count: number): string =>
      Array.from({ length: count }, (_, i) => `r${i}${"x".repeat(200)} = Relu(x)`).join("\n");
    const text = (more: string): string =>
      `input x float32 [2]\n${more}\ny = Neg(x)\noutput y float32 [2]`;
    const s = await texts(t, text(""), text(relus(3000))).structure();
    assert.ok(JSON.stringify(s).length < 1e6);
    const shown = s.graph.added.length - 1;
    assert.equal(s.graph.added.at(-1)?.name, `… and ${3000 - shown} more`);
  });
});

describe("measures", () => {
  it("outputs on synthetic inputs, latency when asked; and why there is no quality", async (t) => {
    const m = await changed(t, matmul(64, 24), entry({})).measures(null, true);
    assert.equal(m.outputs?.[0]?.name, "y");
    assert.ok((m.outputs[0].sqnrDb ?? 0) > 15);
    assert.equal(m.accuracy, null);
    assert.equal(m.latency?.models.length, 2);
    assert.ok((m.latency.ratio ?? 0) > 0);
    assert.ok(m.notes.some((note) => note.includes("synthetic")));
    assert.ok(m.notes.some((note) => note === "Quality not measured: it needs evaluation data."));
  });
  it("nothing runs without a graph", async (t) => {
    const folder = tempFolder(t);
    const file = path.join(folder, "m.safetensors");
    writeFileSync(file, safetensorsFromText("w = float32 [4] ones"));
    const m = await asking(t, { before: file, after: file }).measures();
    assert.deepEqual([m.outputs, m.accuracy, m.latency], [null, null, null]);
    assert.match(m.notes[0] ?? "", /weights without a graph: nothing can be run/);
  });
  it("a model that does not run is a note", async (t) => {
    const strange =
      "opset my.domain 1\ninput x float32 [2]\ny = my.domain.Strange(x)\noutput y float32 [2]";
    const m = await texts(t, strange, strange).measures(null, true);
    assert.deepEqual([m.outputs, m.latency], [null, null]);
    assert.ok(m.notes.some((note) => note.startsWith("Outputs not measured: ")));
    assert.ok(m.notes.some((note) => note.startsWith("Latency not measured: ")));
  });
  it("quality before and after on the example's data", async (t) => {
    const [file, data] = ["examples/images/shapes.onnx", "examples/images/dataset.json"].map(
      (name) => path.resolve(name),
    ) as [string, string];
    assert.ok(existsSync(file) && readFileSync(data, "utf8").includes("classification"));
    const m = await asking(t, {
      before: file,
      after: file,
      recipe: [entry({}, "quantize.float16")],
    }).measures(data);
    assert.equal(m.accuracy?.before.metric, "top1");
    assert.ok((m.accuracy.before.value ?? 0) > 0.9);
    assert.ok(Math.abs(m.accuracy.before.value - m.accuracy.after.value) < 0.01);
    assert.equal(m.outputs?.[0]?.agreement !== null, true);
  });
  it("wrong data is an error, not a note", async (t) => {
    await assert.rejects(changed(t, matmul(64, 24), entry({})).measures("/nowhere/dataset.json"), {
      name: "DataError",
    });
  });
});
