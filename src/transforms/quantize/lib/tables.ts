/** Matrices read and stored, and embedding tables with one scale per row. */
import type { WorkContext } from "../../../core/context.ts";
import type { GraphNode, GraphPath, Tensor } from "../../../core/model.ts";
import type { Transaction } from "../../../core/plugin.ts";
import { dtype, elementCount, type DtypeName } from "../../../shared/dtype.ts";
import { quantizeChannels } from "./channels.ts";
import { int, renewed, standard } from "./nodes.ts";
import type { WeightSource } from "../../../core/weightSource.ts";
import { rowsOf } from "./rows.ts";

/** A copy of the tensor's values, rows and columns swapped where it is used so. */
export async function readMatrix(
  ctx: WorkContext,
  tensor: Tensor,
  transposed: boolean,
): Promise<{ readonly shape: readonly number[]; readonly values: Float32Array }> {
  const values = await ctx.readF32(tensor);
  if (!transposed) return { shape: tensor.shape, values: values.slice() };
  const [rows = 1, columns = 1] = tensor.shape;
  return { shape: [columns, rows], values: swapped(values, rows, columns) };
}

/** [rows, columns] as [columns, rows]. */
export function swapped<T extends Float32Array | Int8Array>(
  values: T,
  rows: number,
  columns: number,
): T {
  const out = values.slice() as T;
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c] ?? 0;
  return out;
}

export async function putValues(
  tx: Transaction,
  ctx: WorkContext,
  path: GraphPath,
  {
    name,
    type,
    shape,
  }: { readonly name: string; readonly type: DtypeName; readonly shape: readonly number[] },
  values: Float32Array,
): Promise<void> {
  const dt = dtype(type);
  await tx.putTensor(path, { name, dtype: dt, shape }, ctx.kernels.fromF32(dt, values));
}

/** Codes as they are. */
export async function putCodes(
  tx: Transaction,
  path: GraphPath,
  { name, shape }: { readonly name: string; readonly shape: readonly number[] },
  codes: Int8Array,
): Promise<void> {
  await tx.putTensor(path, { name, dtype: dtype("int8"), shape }, bytesOf(codes));
}
const bytesOf = (codes: Int8Array): Uint8Array =>
  new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength);

/** Bytes that `writeTable` stores for a table of so many rows and columns. */
export const tableBytes = (rows: number, columns: number): number => rows * columns + 4 * rows;

const ROWS = { bits: 8, perChannel: true, reduceRange: false } as const;

/**
 * Stores a Gather's table as int8 with one scale per row. Codes are looked up first and scaled then:
 * DequantizeLinear before the Gather would dequantize the whole table on every run.
 */
export async function writeTable(
  tx: Transaction,
  ctx: WorkContext,
  path: GraphPath,
  node: GraphNode,
  source: WeightSource,
): Promise<void> {
  const { tensor, transposed } = source;
  const at = source.graph.path;
  const name = tx.uniqueName(at, `${source.name}_q`);
  const shape = transposed ? [...tensor.shape].reverse() : tensor.shape;
  const rows = shape[0] ?? 1;
  const inner = elementCount(shape) / rows;
  const scales = new Float32Array(rows);
  const quantize = (values: Float32Array, from: number, to: number): Int8Array => {
    const layout = { outer: 1, channels: to - from, inner };
    const out = quantizeChannels(values, layout, ROWS, () => 0);
    scales.set(out.scales, from);
    return out.codes;
  };
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for await (const { from, to, values } of rowsOf(ctx, tensor))
      yield bytesOf(quantize(values, from, to));
  }
  // The rows of a table that is used turned are its columns, which no piece holds whole.
  if (transposed) {
    const { values } = await readMatrix(ctx, tensor, true);
    await putCodes(tx, at, { name, shape }, quantize(values, 0, rows));
  } else await tx.putTensor(at, { name, dtype: dtype("int8"), shape }, pieces());
  const scaleName = tx.uniqueName(at, `${name}_s`);
  await putValues(tx, ctx, at, { name: scaleName, type: "float32", shape: [rows, 1] }, scales);
  const indices = node.inputs[1] ?? "";
  const output = node.outputs[0] ?? "";
  const [found, asFloat, size] = ["_q", "_f", "_s"].map((end) =>
    tx.uniqueName(path, output + end),
  ) as [string, string, string];
  tx.replaceNodes(path, {
    remove: [node],
    insert: [
      { ...renewed(node), inputs: [name, indices], outputs: [found] },
      { ...standard("Cast", [found], [asFloat]), attrs: { to: int(dtype("float32").onnx ?? 1) } },
      { ...renewed(node), name: "", inputs: [scaleName, indices], outputs: [size] },
      standard("Mul", [asFloat, size], [output]),
    ],
  });
  tx.dropIfUnused(path, node.inputs[0] ?? "");
}
