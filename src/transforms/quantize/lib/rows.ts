/** Tensors read piece by piece, so that one of gigabytes needs the memory of a piece. */
import type { WorkContext } from "../../../core/context.ts";
import type { Tensor } from "../../../core/model.ts";
import { elementCount } from "../../../shared/dtype.ts";

/** 4 MB of float32. */
const PIECE_VALUES = 1024 * 1024;

export interface Rows {
  /** Rows [from, to) along axis 0. */
  readonly from: number;
  readonly to: number;
  /** Theirs, until the next piece is read. */
  readonly values: Float32Array;
}

/** A scalar is one row. @throws FormatError for types without numbers, Cancelled */
export async function* rowsOf(ctx: WorkContext, tensor: Tensor): AsyncGenerator<Rows> {
  const [rows] = tensor.shape;
  if (rows === undefined) {
    yield { from: 0, to: 1, values: await ctx.readF32(tensor) };
    return;
  }
  const perRow = elementCount(tensor.shape) / Math.max(1, rows);
  const step = Math.max(1, Math.floor(PIECE_VALUES / Math.max(1, perRow)));
  const buffer = new Float32Array(Math.min(step, rows) * perRow);
  for (let from = 0; from < rows; from += step) {
    const to = Math.min(rows, from + step);
    yield { from, to, values: await ctx.readRowsF32(tensor, from, to, buffer) };
    await ctx.checkpoint();
  }
}

/** No value is NaN or infinite. */
export async function isFinite(ctx: WorkContext, tensor: Tensor): Promise<boolean> {
  for await (const { values } of rowsOf(ctx, tensor))
    if (!values.every(Number.isFinite)) return false;
  return true;
}
