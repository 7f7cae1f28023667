/** Stored weights rounded to codes with a scale per channel, read and written piece by piece. */
import type { WorkContext } from "../../../core/context.ts";
import type { GraphPath, Tensor } from "../../../core/model.ts";
import type { Transaction } from "../../../core/plugin.ts";
import { rowsOf, type Rows } from "../../../core/rows.ts";
import { dtype, elementCount } from "../../../shared/dtype.ts";
import {
  channelScales,
  encodeChannels,
  type ChannelFormat,
  type ChannelPiece,
} from "./channels.ts";

export interface RoundedWeight {
  readonly tensor: Tensor;
  /** The operator takes it with rows and columns swapped; codes are stored that way. */
  readonly transposed: boolean;
  /** Output channels' axis as the operator takes it. */
  readonly axis: 0 | 1;
  /** Multiplied into the channels before they are rounded. */
  readonly factors: Float64Array | null;
}

/** The shape of the codes. */
export const roundedShape = ({
  tensor: { shape },
  transposed,
}: Pick<RoundedWeight, "tensor" | "transposed">): readonly number[] =>
  transposed ? [...shape].reverse() : shape;

/**
 * Stores the codes of a weight without NaN under `name`: int8, or int4 at 4 bit. What a transposed one
 * needs is held as codes, a quarter of its float32; any other takes the memory of a piece.
 * @param leastScale smallest scale of a channel
 * @returns the scales: [channels], or [1]
 */
export async function putRounded(
  tx: Transaction,
  ctx: WorkContext,
  path: GraphPath,
  name: string,
  weight: RoundedWeight,
  format: ChannelFormat,
  leastScale: (channel: number) => number,
): Promise<Float32Array> {
  const { tensor, transposed } = weight;
  const shape = roundedShape(weight);
  const channels = shape[weight.axis] ?? 1;
  const type = dtype(format.bits === 4 ? "int4" : "int8");
  // Two codes of 4 bit share a byte: pieces end between bytes.
  const even = format.bits === 4 && elementCount(tensor.shape.slice(1)) % 2 === 1 ? 2 : 1;
  const axis = transposed ? 1 - weight.axis : weight.axis;
  async function* pieces(): AsyncGenerator<ChannelPiece & Rows> {
    for await (const rows of rowsOf(ctx, tensor, even)) {
      const piece = channelPiece(tensor, axis, rows);
      if (weight.factors) scale(piece, weight.factors);
      yield piece;
    }
  }
  // A channel that is in one piece needs no walk of its own for its scale.
  const whole = axis === 0 && format.perChannel;
  const scales = whole
    ? new Float32Array(channels)
    : await channelScales(pieces, channels, format, leastScale);
  async function* codes(): AsyncGenerator<Rows & { readonly codes: Int8Array }> {
    for await (const piece of pieces()) {
      if (whole) {
        const own = { ...piece, first: 0 };
        const found = await channelScales(
          () => [own],
          piece.channels,
          format,
          (c) => leastScale(piece.first + c),
        );
        scales.set(found, piece.first);
      }
      yield { ...piece, codes: encodeChannels(piece, scales, format) };
      ctx.progress(piece.to / Math.max(1, tensor.shape[0] ?? 1));
    }
  }
  const asBytes = (values: Int8Array): Uint8Array =>
    format.bits === 4
      ? ctx.kernels.fromF32(type, Float32Array.from(values))
      : new Uint8Array(values.buffer, values.byteOffset, values.length);
  async function* straight(): AsyncGenerator<Uint8Array> {
    for await (const { codes: own } of codes()) yield asBytes(own);
  }
  async function* turned(): AsyncGenerator<Uint8Array> {
    const [rows = 1, columns = 1] = tensor.shape;
    const out = new Int8Array(rows * columns);
    for await (const { from, to, codes: own } of codes())
      for (let c = 0; c < columns; c++)
        for (let r = from; r < to; r++) out[c * rows + r] = own[(r - from) * columns + c] ?? 0;
    const step = Math.max(2, ctx.pieceValues & ~1);
    for (let at = 0; at < out.length; at += step) yield asBytes(out.subarray(at, at + step));
  }
  await tx.putTensor(path, { name, dtype: type, shape }, transposed ? turned() : straight());
  return format.perChannel ? scales : scales.slice(0, 1);
}

/** Rows of a tensor whose channels lie along axis 0 or 1. */
function channelPiece(tensor: Tensor, axis: number, rows: Rows): ChannelPiece & Rows {
  const [, second = 1, ...inner] = tensor.shape;
  const count = rows.to - rows.from;
  const each = elementCount(inner);
  return axis === 0
    ? { ...rows, outer: 1, channels: count, inner: second * each, first: rows.from }
    : { ...rows, outer: count, channels: second, inner: each, first: 0 };
}

function scale({ values, outer, channels, inner, first }: ChannelPiece, by: Float64Array): void {
  let at = 0;
  for (let o = 0; o < outer; o++)
    for (let c = first; c < first + channels; c++) {
      const factor = by[c] ?? 1;
      for (const end = at + inner; at < end; at++) values[at] = (values[at] ?? 0) * factor;
    }
}
