/** The fake model's tensors by module. */
import type { TreeLine } from "../../../src/core/moduleLines.ts";
import { treeOf, type Module } from "../../../src/core/moduleTree.ts";
import type { TensorEntry } from "../../../src/core/tensorTable.ts";
import type { TensorRow, TreeRow } from "../../../src/shared/protocol.ts";
import { hugeRow, tensors } from "./fakeModel.ts";

/** The modules of the fake tensors, or of `huge` generated ones. */
export function tree(huge: number | null, filter: string): Module {
  const rows = huge === null ? tensors : Array.from({ length: huge }, (_, index) => hugeRow(index));
  return treeOf(
    rows
      .filter((row) => row.name.includes(filter))
      .map((row) => ({
        id: row.name,
        graph: { path: [] } as unknown as TensorEntry["graph"],
        name: row.name,
        tensor: { ...row, dtype: { name: row.dtype } } as unknown as TensorEntry["tensor"],
        node: null,
      })),
  );
}
export function treeRow(line: TreeLine): TreeRow {
  const { depth } = line;
  if ("module" in line) {
    const { id, label, count, sizeBytes } = line.module;
    return { kind: "module", depth, id, label, count, sizeBytes, open: line.open };
  }
  const { dtype, ...tensor } = line.tensor.entry.tensor as unknown as TensorRow & {
    dtype: { name: string };
  };
  return {
    kind: "tensor",
    depth,
    label: line.tensor.label,
    tensor: { ...tensor, dtype: dtype.name },
  };
}
