/** Matrices that hold the same values with rows and columns swapped: tied weights stored twice. */
import type { WorkContext } from "./context.ts";
import type { Tensor } from "./model.ts";

/** Smaller ones are not worth a Transpose. */
const MIN_BYTES = 1024;

export const isMatrix = ({ dtype, shape, sizeBytes }: Tensor): boolean =>
  shape.length === 2 &&
  shape.every((dim) => dim > 1) &&
  sizeBytes >= MIN_BYTES &&
  dtype.bits % 8 === 0;

/** Tensors that could be one another transposed, by type and shape; each pair of groups once. */
export function transposedCandidates<T extends { readonly tensor: Tensor }>(
  held: readonly T[],
): readonly (readonly [readonly T[], readonly T[]])[] {
  const groups = new Map<string, T[]>();
  for (const one of held) {
    if (!isMatrix(one.tensor)) continue;
    const key = `${one.tensor.dtype.name} ${one.tensor.shape.join()}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  const out: (readonly [readonly T[], readonly T[]])[] = [];
  for (const group of groups.values()) {
    const [first] = group;
    if (!first) continue;
    const [rows = 0, columns = 0] = first.tensor.shape;
    const other = groups.get(`${first.tensor.dtype.name} ${columns},${rows}`);
    if (rows < columns && other) out.push([group, other]);
    if (rows === columns && group.length > 1) out.push([group, group]);
  }
  return out;
}

/**
 * Pairs whose bytes are equal up to transposition. Each tensor is read once to sum its elements,
 * whatever their order; only tensors of equal sums are compared.
 */
export async function transposedPairs<T extends { readonly tensor: Tensor }>(
  held: readonly T[],
  ctx: WorkContext,
): Promise<readonly (readonly [T, T])[]> {
  const sums = new Map<Tensor, string>();
  const sumOf = async (tensor: Tensor): Promise<string> => {
    let sum = sums.get(tensor);
    if (sum === undefined) sums.set(tensor, (sum = await orderFreeSum(tensor, ctx)));
    return sum;
  };
  const pairs: (readonly [T, T])[] = [];
  for (const [group, others] of transposedCandidates(held))
    for (const [i, a] of group.entries())
      for (const b of group === others ? others.slice(i + 1) : others)
        if ((await sumOf(a.tensor)) === (await sumOf(b.tensor)))
          if (await isTransposed(a.tensor, b.tensor, ctx)) pairs.push([a, b]);
  return pairs;
}

const PIECE_BYTES = 8 * 1024 * 1024;

/** Two 32-bit sums over the elements' bytes, the same for any order of the elements. */
async function orderFreeSum(tensor: Tensor, ctx: WorkContext): Promise<string> {
  const { sizeBytes, dtype } = tensor;
  const width = dtype.bits / 8;
  let [plain, mixed] = [0, 0];
  for (let at = 0; at < sizeBytes; at += PIECE_BYTES) {
    const bytes = await ctx.readBytes(tensor, at, Math.min(PIECE_BYTES, sizeBytes - at));
    for (let i = 0; i < bytes.length; i += width) {
      let hash = 0x811c9dc5;
      for (let k = 0; k < width; k++) hash = Math.imul(hash ^ (bytes[i + k] ?? 0), 0x01000193);
      plain = (plain + hash) | 0;
      mixed = (mixed + Math.imul(hash ^ (hash >>> 15), 0x85ebca6b)) | 0;
    }
    await ctx.checkpoint();
  }
  return `${plain} ${mixed}`;
}

/** Rows of one are compared with columns of the other, so many at a time as fit a strip: 64 MB. */
const STRIP_PIECES = 16;

async function isTransposed(a: Tensor, b: Tensor, ctx: WorkContext): Promise<boolean> {
  const [rows = 0, columns = 0] = a.shape;
  if (b.shape[0] !== columns || b.shape[1] !== rows) return false;
  const width = a.dtype.bits / 8;
  const strip = Math.max(1, Math.floor((STRIP_PIECES * ctx.pieceValues) / columns));
  for (let row = 0; row < rows; row += strip) {
    const count = Math.min(strip, rows - row);
    const own = await ctx.readBytes(a, row * columns * width, count * columns * width);
    for (let column = 0; column < columns; column++) {
      const other = await ctx.readBytes(b, (column * rows + row) * width, count * width);
      for (let i = 0; i < count; i++)
        for (let k = 0; k < width; k++)
          if (own[(i * columns + column) * width + k] !== other[i * width + k]) return false;
      if (column % 1024 === 0) await ctx.checkpoint();
    }
  }
  return true;
}
