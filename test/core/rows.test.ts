import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Tensor } from "../../src/core/model.ts";
import { isFinite, rowsOf, valuesOf, type Reading } from "../../src/core/rows.ts";
import { dtype } from "../../src/shared/dtype.ts";

/** Value i is i; `nan` is not a number. */
function place(shape: readonly number[], nan = -1): { ctx: Reading; tensor: Tensor } {
  const count = shape.reduce((a, b) => a * b, 1);
  const value = (i: number): number => (i === nan ? NaN : i);
  const part = {
    pieceValues: 1024 * 1024,
    readRowsF32: (asked: Tensor, from: number, to: number, buffer: Float32Array) => {
      const perRow = count / Math.max(1, asked.shape[0] ?? 1);
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
  return { ctx: part, tensor };
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
  it("reads so many rows at once, and values wherever rows end", async () => {
    const { ctx, tensor } = place([10, 7]);
    const few = { ...ctx, pieceValues: 30 };
    const spans = async (pieces: AsyncIterable<{ from: number; to: number }>) => {
      const found: string[] = [];
      for await (const { from, to } of pieces) found.push(`${from}-${to}`);
      return found.join(" ");
    };
    assert.equal(await spans(rowsOf(few, tensor)), "0-4 4-8 8-10");
    assert.equal(await spans(rowsOf(few, tensor, 3)), "0-3 3-6 6-9 9-10");
    assert.equal(await spans(valuesOf(few, tensor)), "0-24 24-48 48-70");
    // A row is never cut, a multiple neither.
    assert.equal(await spans(rowsOf({ ...few, pieceValues: 1 }, tensor, 4)), "0-4 4-8 8-10");
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
