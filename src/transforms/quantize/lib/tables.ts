/** Values stored as they are, and embedding tables with one scale per row. */
import type { WorkContext } from "../../../core/context.ts";
import type { GraphNode, GraphPath } from "../../../core/model.ts";
import type { Transaction } from "../../../core/plugin.ts";
import { dtype, type DtypeName } from "../../../shared/dtype.ts";
import { int, renewed, standard } from "./nodes.ts";
import type { WeightSource } from "../../../core/weightSource.ts";
import { putRounded } from "./rounded.ts";

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
  const weight = { tensor, transposed, axis: 0, factors: null } as const;
  const scales = await putRounded(tx, ctx, at, name, weight, ROWS, () => 0);
  const rows = scales.length;
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
