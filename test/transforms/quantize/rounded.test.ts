import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { WorkContext } from "../../../src/core/context.ts";
import type { Tensor } from "../../../src/core/model.ts";
import type { TensorData, Transaction } from "../../../src/core/plugin.ts";
import { referenceKernels } from "../../../src/kernels/reference.ts";
import { dtype } from "../../../src/shared/dtype.ts";
import { putRounded, roundedShape } from "../../../src/transforms/quantize/lib/rounded.ts";
import { gaussian } from "../../helpers/random.ts";

const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function place(shape: readonly number[], pieceValues: number) {
  const values = gaussian(count(shape), 7);
  const tensor: Tensor = {
    name: "w",
    dtype: dtype("float32"),
    shape,
    at: new Uint8Array(),
    sizeBytes: 4 * values.length,
  };
  const perRow = count(shape.slice(1));
  const stored: number[] = [];
  const ctx = {
    pieceValues,
    kernels: referenceKernels,
    progress: () => {},
    checkpoint: () => Promise.resolve(),
    readRowsF32: (_: Tensor, from: number, to: number) =>
      Promise.resolve(Float32Array.from(values.slice(from * perRow, to * perRow))),
  } as unknown as WorkContext;
  const tx = {
    putTensor: async (_: unknown, __: unknown, data: TensorData) => {
      for await (const piece of data instanceof Uint8Array ? [data] : data) stored.push(...piece);
    },
  } as unknown as Transaction;
  return { ctx, tx, tensor, values, stored };
}

describe("weights rounded piece by piece", () => {
  for (const bits of [8, 4] as const)
    for (const perChannel of [true, false])
      for (const shape of [
        [7, 5],
        [6, 3, 1, 3],
        [1, 9],
      ])
        for (const axis of [0, 1] as const)
          for (const transposed of shape.length === 2 ? [false, true] : [false]) {
            const name = `${bits} bit, ${perChannel ? "a scale per channel" : "one scale"}, [${shape.join(", ")}]${transposed ? " turned" : ""}, channels along ${axis}`;
            it(`gives the same codes for any length of a piece: ${name}`, async () => {
              const run = async (pieceValues: number) => {
                const { ctx, tx, tensor, stored } = place(shape, pieceValues);
                const channels = roundedShape({ tensor, transposed })[axis] ?? 1;
                const factors = Float64Array.from({ length: channels }, (_, c) => 1 + c / 3);
                const weight = { tensor, transposed, axis, factors };
                const format = { bits, perChannel, reduceRange: false };
                const scales = await putRounded(tx, ctx, [], "q", weight, format, (c) =>
                  c === 1 ? 0.5 : 0,
                );
                assert.equal(scales.length, perChannel ? channels : 1);
                assert.equal(stored.length, Math.ceil((count(shape) * bits) / 8));
                return { scales: [...scales], stored };
              };
              const whole = await run(1_000_000);
              for (const pieceValues of [1, 7, 12]) assert.deepEqual(await run(pieceValues), whole);
            });
          }

  it("turns rows into columns, at the nearest code", async () => {
    const { ctx, tx, tensor, values, stored } = place([4, 3], 3);
    const weight = { tensor, transposed: true, axis: 1, factors: null } as const;
    const format = { bits: 8, perChannel: true, reduceRange: false } as const;
    const scales = await putRounded(tx, ctx, [], "q", weight, format, () => 0);
    const codes = Int8Array.from(stored);
    for (let n = 0; n < 4; n++)
      for (let k = 0; k < 3; k++) {
        const off = (values[n * 3 + k] ?? 0) / (scales[n] ?? 1) - (codes[k * 4 + n] ?? 0);
        assert.ok(Math.abs(off) <= 0.5, `row ${n}, column ${k}: ${off}`);
      }
  });
});
