/** A tensor as tables show it: where its bytes are, who uses it, what the recipe did to it. */
import { graphKey, nodeLabel, type Model } from "../../core/model.ts";
import { scopeOf } from "../../core/scope.ts";
import { isConstant, sameStorage, tensorTable, type TensorEntry } from "../../core/tensorTable.ts";
import type { TensorRow } from "../../shared/protocol.ts";
import type { Materialized } from "../env.ts";

/** Labels of the nodes that use the tensor, at most 8. */
const MAX_USERS = 8;
function usedBy(model: Model, entry: TensorEntry): string[] {
  const { graph, node, name } = entry;
  if (model.format === "safetensors") return [];
  if (node && !isConstant(node)) return [nodeLabel(graph.path, node)];
  const labels = new Set<string>();
  for (const use of scopeOf(model).uses(graph.path, name)) {
    if (labels.size === MAX_USERS) break;
    labels.add(use.node ? nodeLabel(use.graph.path, use.node) : "graph output");
  }
  return [...labels];
}

/** Whether the recipe added the tensor or gave it other values; tensors it left alone are shared with the base. */
export function changeOf(state: Materialized, entry: TensorEntry): "new" | "replaced" | null {
  if (state.model === state.base) return null;
  const before = tensorTable(state.base).get(entry.id)?.tensor;
  if (!before) return "new";
  return sameStorage(before, entry.tensor) ? null : "replaced";
}

export function tensorRow(state: Materialized, entry: TensorEntry): TensorRow {
  const { tensor } = entry;
  const inline = tensor.at instanceof Uint8Array;
  return {
    graph: graphKey(entry.graph.path),
    name: entry.name,
    dtype: tensor.dtype.name,
    shape: tensor.shape,
    sizeBytes: tensor.sizeBytes,
    // Small tensors are kept with the structure: in the model file, at no offset worth telling.
    file: inline ? (state.base.files[0]?.path ?? "") : tensor.at.file,
    offset: inline ? -1 : tensor.at.offset,
    usedBy: usedBy(state.model, entry),
    change: changeOf(state, entry),
  };
}
