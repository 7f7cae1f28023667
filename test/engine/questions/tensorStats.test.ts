import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, it, type TestContext } from "node:test";
import { tensorStats } from "../../../src/engine/questions/tensorStats.ts";
import { statisticsOf } from "../../../src/engine/statistics/tensorStats.ts";
import { referenceKernels } from "../../../src/kernels/reference.ts";
import { dtype, type DtypeName } from "../../../src/shared/dtype.ts";
import type { TensorStats } from "../../../src/shared/protocol.ts";
import { docOf, testEnvironment } from "../../helpers/environment.ts";
import { safetensorsFromText } from "../../helpers/graphText.ts";
import { gaussian } from "../../helpers/random.ts";
import { abortingTask, modelFile, task, tempFolder } from "../../helpers/temp.ts";

const of = (t: TestContext, text: string, name: string, file?: string): Promise<TensorStats> => {
  const folder = tempFolder(t);
  const doc = docOf(
    file ?? modelFile(folder, `${text}\ninput x float32 [1]\ny = Relu(x)\noutput y float32 [1]`),
  );
  return tensorStats({ doc, graph: "[]", name }, testEnvironment(folder), task);
};
/** A tensor held by a function instead of a file, of any size. */
const virtual = (
  type: DtypeName,
  shape: number[],
  bytes: (at: number, length: number) => Uint8Array,
) => ({
  env: {
    kernels: referenceKernels,
    readBytes: (_: unknown, at: number, length: number) => bytes(at, length),
  },
  tensor: {
    name: "t",
    dtype: dtype(type),
    shape,
    at: new Uint8Array(0),
    sizeBytes: (shape.reduce((a, b) => a * b, 1) * dtype(type).bits) / 8,
  },
});

describe("statistics of a tensor", () => {
  it("range, moments, counts", async (t) => {
    const s = await of(t, "w = float32 [2, 4] [1, 2, 3, 0, -4, 5, 0, 1]", "w");
    assert.deepEqual(
      { ...s, histogram: s.histogram.reduce((a, b) => a + b, 0) },
      {
        name: "w",
        count: 8,
        min: -4,
        max: 5,
        mean: 1,
        std: Math.sqrt((0 + 1 + 4 + 1 + 25 + 16 + 1 + 0) / 8),
        zeros: 2,
        nan: 0,
        inf: 0,
        histogram: 8,
        channels: [
          { min: 0, max: 3 },
          { min: -4, max: 5 },
        ],
        head: [1, 2, 3, 0, -4, 5, 0, 1],
        note: null,
      },
    );
  });
  it("NaN and infinities are counted, not averaged", async (t) => {
    const s = await of(t, "w = float32 [5] [1, nan, 1e39, -1e39, 3]", "w");
    assert.deepEqual([s.nan, s.inf, s.min, s.max, s.mean, s.std], [1, 2, 1, 3, 2, 1]);
    assert.equal(
      s.histogram.reduce((a, b) => a + b, 0),
      2,
    );
    assert.deepEqual(s.head, [1, 3]);
  });
  it("a tensor without a finite value has no range", async (t) => {
    const s = await of(t, "w = float32 [1] [nan]", "w");
    assert.deepEqual([s.min, s.max, s.mean, s.std, s.histogram], [null, null, null, null, []]);
  });
  it("an empty tensor has no range either", async (t) => {
    const s = await of(t, "w = float32 [0, 3] []", "w");
    assert.deepEqual([s.count, s.min, s.histogram, s.channels], [0, null, [], []]);
  });
  it("few integers get a bin each", async (t) => {
    const s = await of(t, "w = int8 [6] [-1, 0, 0, 2, 2, 2]", "w");
    assert.deepEqual(s.histogram, [1, 2, 0, 3]);
    const nibbles = await of(t, "w = int4 [5] [-8, 7, 7, 0, 0]", "w");
    assert.equal(nibbles.histogram.length, 16);
    assert.deepEqual(
      [nibbles.histogram[0], nibbles.histogram[8], nibbles.histogram[15]],
      [1, 2, 2],
    );
  });
  it("codes of MatMulNBits are unpacked", async (t) => {
    const s = await of(
      t,
      `opset com.microsoft 1
       input a float32 [2, 32]
       q = uint8 [1, 1, 16] [${Array.from({ length: 16 }, () => 0x31).join(", ")}]
       s = float32 [1, 1] ones
       z = com.microsoft.MatMulNBits(a, q, s) { K: 32, N: 1, bits: 4, block_size: 32 }`,
      "q",
    );
    assert.deepEqual([s.count, s.min, s.max, s.mean], [32, 1, 3, 2]);
    assert.deepEqual(s.histogram, [16, 0, 16]);
    assert.match(s.note ?? "", /^4-bit codes, unpacked/);
  });
  it("complex values have a note instead", async (t) => {
    const folder = tempFolder(t);
    const file = path.join(folder, "m.safetensors");
    const header = JSON.stringify({ c: { dtype: "C64", shape: [2], data_offsets: [0, 16] } });
    const bytes = safetensorsFromText("a = float32 [4] ones");
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    writeFileSync(file, Buffer.concat([length, Buffer.from(header), bytes.subarray(-16)]));
    const s = await of(t, "", "c", file);
    assert.deepEqual(
      [s.count, s.min, s.note],
      [2, null, "Values of type complex64 have no figures."],
    );
  });
  it("is the same over chunk boundaries, in float16 and int4 too", async () => {
    const count = (1 << 20) * 2 + 12_345;
    const values = gaussian(count, 5);
    for (const type of ["float32", "float16", "int4"] as const) {
      const scaled = type === "int4" ? values.map((x) => Math.round(x * 2)) : values;
      const bytes = referenceKernels.fromF32(dtype(type), scaled);
      const read = referenceKernels.toF32(dtype(type), bytes, count);
      const { env, tensor } = virtual(type, [3, count / 3], (at, length) =>
        bytes.subarray(at, at + length),
      );
      const s = await statisticsOf(env, "t", tensor, null, task);
      const mean = read.reduce((a, b) => a + b, 0) / count;
      const std = Math.sqrt(read.reduce((a, b) => a + (b - mean) ** 2, 0) / count);
      assert.ok(Math.abs((s.mean ?? NaN) - mean) < 1e-9, `${type} mean`);
      assert.ok(Math.abs((s.std ?? NaN) - std) < 1e-9, `${type} std`);
      assert.equal(
        s.max,
        read.reduce((a, b) => Math.max(a, b)),
      );
      assert.equal(s.zeros, read.filter((x) => x === 0).length);
      assert.equal(
        s.histogram.reduce((a, b) => a + b, 0),
        count,
      );
      const row = read.subarray(count / 3, (2 * count) / 3);
      assert.deepEqual(s.channels[1], {
        min: row.reduce((a, b) => Math.min(a, b)),
        max: row.reduce((a, b) => Math.max(a, b)),
      });
    }
  });
  it("a tensor of 2 GB takes no memory to speak of", async () => {
    const zeros = new Uint8Array(8 << 20);
    const { env, tensor } = virtual("uint8", [2 ** 31], (_, length) => zeros.subarray(0, length));
    const aborting = abortingTask(100);
    const before = process.memoryUsage().arrayBuffers;
    let peak = 0;
    const watched = {
      ...env,
      readBytes: (...args: Parameters<typeof env.readBytes>) => {
        peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
        return env.readBytes(...args);
      },
    };
    // Cancelled after a hundred chunks: enough to see that memory does not grow.
    await assert.rejects(statisticsOf(watched, "t", tensor, null, aborting), { name: "Cancelled" });
    assert.ok(peak < 300e6, `${peak} bytes`);
  });
  it("of a tensor that is not there is refused", async (t) => {
    await assert.rejects(of(t, "w = float32 [1] ones", "v"), { message: /has no tensor "v"/ });
  });
});
