import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { WorkContext } from "../../../src/core/context.ts";
import type { Tensor } from "../../../src/core/model.ts";
import { isFinite, rowsOf } from "../../../src/transforms/quantize/lib/rows.ts";
import { dtype } from "../../../src/shared/dtype.ts";

/** Value i is i; `nan` is not a number. */
function place(shape: readonly number[], nan = -1): { ctx: WorkContext; tensor: Tensor } {
  const count = shape.reduce((a, b) => a * b, 1);
  const value = (i: number): number => (i === nan ? NaN : i);
  const perRow = count / Math.max(1, shape[0] ?? 1);
  const part = {
    readF32: () => Promise.resolve(Float32Array.from({ length: count }, (_, i) => value(i))),
    readRowsF32: (_: Tensor, from: number, to: number, buffer: Float32Array) => {
      const values = buffer.subarray(0, (to - from) * perRow);
      for (let i = 0; i < values.length; i++) values[i] = value(from * perRow + i);
      return Promise.resolve(values);
    },
    checkpoint: () => Promise.resolve(),
  };
  const tensor = {
    name: "w",
    dtype: dtype("float32"),
    shape,
    at: new Uint8Array(),
    sizeBytes: 4 * count,
  };
  return { ctx: part as unknown as WorkContext, tensor };
}

describe("reading a tensor by rows", () => {
  for (const shape of [[], [0, 5], [3, 0], [7], [3000, 500], [2, 1024 * 1024 + 1]])
    it(`visits every value of [${shape.join(", ")}] once`, async () => {
      const { ctx, tensor } = place(shape);
      let next = 0;
      let row = 0;
      for await (const { from, to, values } of rowsOf(ctx, tensor)) {
        assert.equal(from, row);
        row = to;
        for (const value of values) if (value !== next++) assert.fail(`${value} at ${next - 1}`);
      }
      assert.equal(next, tensor.sizeBytes / 4);
      assert.equal(row, shape[0] ?? 1);
    });
  it("finds what is not finite, wherever it is", async () => {
    for (const [nan, expected] of [
      [-1, true],
      [0, false],
      [1_499_999, false],
    ] as const) {
      const { ctx, tensor } = place([3000, 500], nan);
      assert.equal(await isFinite(ctx, tensor), expected);
    }
  });
});
