import assert from "node:assert/strict";
import { test } from "node:test";
import type { WorkContext } from "../../src/core/context.ts";
import type { Tensor } from "../../src/core/model.ts";
import { transposedPairs } from "../../src/core/transposed.ts";
import { dtype } from "../../src/shared/dtype.ts";
import { gaussian } from "../helpers/random.ts";

const ctx = {
  // Strips of one or two rows.
  pieceValues: 1,
  checkpoint: () => Promise.resolve(),
  readBytes: ({ at }: Tensor, offset: number, length: number) =>
    Promise.resolve((at as Uint8Array).subarray(offset, offset + length)),
} as unknown as WorkContext;

const held = (name: string, shape: readonly number[], values: Float32Array) => {
  const at = new Uint8Array(values.buffer);
  const tensor: Tensor = { name, dtype: dtype("float32"), shape, at, sizeBytes: at.length };
  return { tensor };
};

test("matrices are told to be one another transposed strip by strip", async () => {
  const [rows, columns] = [24, 13];
  const values = Float32Array.from(gaussian(rows * columns, 3));
  const turned = values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!);
  const swapped = turned.slice();
  // The same elements, two of them at other places, in the last row.
  [swapped[rows - 1], swapped[rows - 2]] = [turned[rows - 2]!, turned[rows - 1]!];
  const pairs = await transposedPairs(
    [
      held("a", [rows, columns], values),
      held("b", [columns, rows], swapped),
      held("c", [columns, rows], turned),
    ],
    ctx,
  );
  assert.deepEqual(
    pairs.map(([a, b]) => `${a.tensor.name} ${b.tensor.name}`),
    ["c a"],
  );
});
