/**
 * Tensors read and written piece by piece, so that one of gigabytes needs the memory of a piece. There is
 * one way for all sizes: a small tensor is one piece. How long a piece is, `WorkContext.pieceValues` says.
 */
import { elementCount, type Dtype } from "../shared/dtype.ts";
import type { MatrixF64 } from "../shared/kernels.ts";
import type { WorkContext } from "./context.ts";
import type { Tensor } from "./model.ts";

export type Reading = Pick<WorkContext, "readRowsF32" | "checkpoint" | "pieceValues">;

export interface Rows {
  /** Rows [from, to) along axis 0. */
  readonly from: number;
  readonly to: number;
  /** The reader's to change, until the next piece is read into the same memory. */
  readonly values: Float32Array;
}

/**
 * Whole rows of axis 0 in order, at least one at a time; a scalar is one row.
 * @param multiple of rows in each piece but the last
 * @throws FormatError for types without numbers, Cancelled
 */
export async function* rowsOf(
  ctx: Reading,
  tensor: Tensor,
  multiple = 1,
): AsyncGenerator<Rows, void, undefined> {
  const [rows = 1, ...inner] = tensor.shape;
  const perRow = elementCount(inner);
  const atOnce = Math.max(1, Math.floor(ctx.pieceValues / Math.max(1, perRow * multiple)));
  const step = Math.min(Math.max(1, rows), atOnce * multiple);
  const buffer = new Float32Array(step * perRow);
  // A scalar has no rows to ask for.
  const source = tensor.shape.length === 0 ? { ...tensor, shape: [1] } : tensor;
  for (let from = 0; from < rows; from += step) {
    const to = Math.min(rows, from + step);
    yield { from, to, values: await ctx.readRowsF32(source, from, to, buffer) };
    await ctx.checkpoint();
  }
}

/** All values in order, wherever rows end; each piece but the last has a multiple of 8. */
export const valuesOf = (ctx: Reading, tensor: Tensor): AsyncGenerator<Rows, void, undefined> =>
  // Eight values of any width fill whole bytes.
  rowsOf(ctx, { ...tensor, shape: [elementCount(tensor.shape)] }, 8);

/** No value is NaN or infinite. */
export async function isFinite(ctx: Reading, tensor: Tensor): Promise<boolean> {
  for await (const { values } of valuesOf(ctx, tensor))
    if (!values.every(Number.isFinite)) return false;
  return true;
}

/**
 * A matrix, or a kernel seen as one of its first dimension by all others, for work in float64: twice
 * the bytes of its float32, which is not held beside it.
 * @param transposed gives rows and columns swapped
 * @returns null where a value is NaN or infinite
 */
export async function readF64(
  ctx: Reading,
  tensor: Tensor,
  transposed: boolean,
): Promise<MatrixF64 | null> {
  const [rows = 1, ...others] = tensor.shape;
  const columns = elementCount(others);
  const data = new Float64Array(rows * columns);
  for await (const { from, to, values } of rowsOf(ctx, tensor)) {
    if (!values.every(Number.isFinite)) return null;
    if (!transposed) data.set(values, from * columns);
    else
      for (let c = 0; c < columns; c++)
        for (let r = from; r < to; r++) data[c * rows + r] = values[(r - from) * columns + c] ?? 0;
  }
  return transposed ? { rows: columns, cols: rows, data } : { rows, cols: columns, data };
}

/** The tensor's values after `edit` has changed them piece by piece, as bytes of `type`. */
export async function* editedRows(
  ctx: WorkContext,
  tensor: Tensor,
  type: Dtype,
  edit: (piece: Rows) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of rowsOf(ctx, tensor)) {
    edit(piece);
    yield ctx.kernels.fromF32(type, piece.values);
  }
}
