/** Records a removal in a transaction, with the bytes of the weights that stay. */
import { dtype } from "../../shared/dtype.ts";
import type { WorkContext } from "../context.ts";
import { graphAt, nodeKey, type GraphNode, type Tensor } from "../model.ts";
import type { Transaction } from "../plugin.ts";
import type { Removal, Take } from "./removal.ts";

/** Bytes written at once. */
const PIECE_BYTES = 8 * 1024 * 1024;

/**
 * @param replaced values that a tensor gets instead of those taken from the old one, by its name;
 *   float32, of the new shape.
 */
export async function shrink(
  tx: Transaction,
  { steps, takes }: Removal,
  ctx: WorkContext,
  replaced: ReadonlyMap<string, Float32Array> = new Map(),
): Promise<void> {
  for (const step of steps)
    switch (step.kind) {
      case "putTensor": {
        const { name, shape, at } = step.tensor;
        const spec = { name, dtype: dtype(step.tensor.dtype), shape };
        const take = takes.get(name);
        const values = replaced.get(name);
        const data = values
          ? ctx.kernels.fromF32(spec.dtype, values)
          : take
            ? takeRows(take, ctx)
            : at instanceof Uint8Array
              ? at
              : new Uint8Array(0);
        await tx.putTensor(step.graph, spec, data);
        break;
      }
      case "dropTensor":
        tx.dropTensor(step.graph, step.name);
        break;
      case "setValue":
        tx.setValue(step.graph, step.name, step.value);
        break;
      case "setAttr": {
        const node = nodeWithKey(tx, step.graph, step.node);
        if (node) tx.setAttr(step.graph, node, step.attr, step.value);
        break;
      }
      case "replaceNodes": {
        const remove = step.remove.flatMap((key) => nodeWithKey(tx, step.graph, key) ?? []);
        tx.replaceNodes(step.graph, { remove, insert: step.insert, rewire: step.rewire });
        break;
      }
      default:
        throw new Error(`a removal has no step "${step.kind}"`);
    }
}

const nodeWithKey = (
  tx: Transaction,
  graph: readonly string[],
  key: string,
): GraphNode | undefined => graphAt(tx.model, graph).nodes.find((node) => nodeKey(node) === key);

/** The kept rows of a tensor, each with its kept columns; packed values are copied as they are. */
async function* takeRows({ source, kept }: Take, ctx: WorkContext): AsyncGenerator<Uint8Array> {
  const width = source.dtype.bits / 8;
  const [rows = 1, ...inner] = source.shape;
  const perRow = inner.reduce((a, b) => a * b, 1) * width;
  const columns = keptOffsets(inner, kept.slice(1));
  const wanted = kept[0] ?? Array.from({ length: rows }, (_, i) => i);
  const atOnce = Math.max(1, Math.floor(PIECE_BYTES / Math.max(1, perRow)));
  for (let first = 0; first < wanted.length; first += atOnce) {
    const part = wanted.slice(first, first + atOnce);
    const [from, to] = [part[0] ?? 0, (part.at(-1) ?? 0) + 1];
    const bytes = await ctx.readBytes(source, from * perRow, (to - from) * perRow);
    if (columns === null && to - from === part.length) yield bytes;
    else {
      const run = columns ?? [0];
      const length = columns === null ? perRow : width;
      const out = new Uint8Array(part.length * run.length * length);
      let at = 0;
      for (const row of part)
        for (const column of run) {
          const start = (row - from) * perRow + column * width;
          out.set(bytes.subarray(start, start + length), at);
          at += length;
        }
      yield out;
    }
    await ctx.checkpoint();
  }
}

/** Positions within a row of the elements that stay; null where all do. */
function keptOffsets(
  shape: readonly number[],
  kept: readonly (readonly number[] | null)[],
): readonly number[] | null {
  if (kept.every((list) => list === null)) return null;
  let offsets: number[] = [0];
  shape.forEach((size, axis) => {
    const stay = kept[axis] ?? Array.from({ length: size }, (_, i) => i);
    offsets = offsets.flatMap((offset) => stay.map((index) => offset * size + index));
  });
  return offsets;
}

/** The same for values in memory: float32 values of the new shape. */
export function takeValues(
  values: Float32Array,
  source: Pick<Tensor, "shape">,
  kept: Take["kept"],
): Float32Array {
  const offsets = keptOffsets(source.shape, kept);
  return offsets ? Float32Array.from(offsets, (offset) => values[offset] ?? 0) : values;
}
