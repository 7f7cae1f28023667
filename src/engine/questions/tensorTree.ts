/** A window of the tree of modules as it is opened, each module with its counts and bytes. */
import { treeLines, type TreeSort } from "../../core/moduleLines.ts";
import { moduleTree, treeOf, type Module } from "../../core/moduleTree.ts";
import { graphKey } from "../../core/model.ts";
import { tensorTable } from "../../core/tensorTable.ts";
import type { Answer, Params, Queries, TensorSort, TreeRow } from "../../shared/protocol.ts";
import type { Task } from "../../shared/task.ts";
import type { EngineEnv } from "../env.ts";
import { fitting, matches } from "./answer.ts";
import { tensorRow } from "./tensorRow.ts";

export async function tensorTree(
  { doc, open, from, to, sort, descending, filter }: Params<Queries, "tensorTree">,
  env: EngineEnv,
  task: Task,
): Promise<Answer<Queries, "tensorTree">> {
  const state = await env.open(doc, task);
  const opened = new Set(open);
  const root =
    filter === ""
      ? moduleTree(state.model)
      : treeOf(
          tensorTable(state.model).entries.filter((entry) =>
            matches(filter, entry.name, entry.tensor.dtype.name, graphKey(entry.graph.path)),
          ),
        );
  // What was looked for is shown, wherever it is.
  const isOpen = ({ id }: Module): boolean => filter !== "" || opened.has(id);
  const lines = treeLines(root, isOpen, treeSort(sort), descending);
  const rows = lines.slice(Math.max(0, from), Math.max(0, to)).map((line): TreeRow => {
    if ("tensor" in line) {
      const { entry, label } = line.tensor;
      return { kind: "tensor", depth: line.depth, label, tensor: tensorRow(state, entry) };
    }
    const { id, label, count, sizeBytes } = line.module;
    return { kind: "module", depth: line.depth, id, label, count, sizeBytes, open: line.open };
  });
  return { total: lines.length, tensors: root.count, rows: fitting(rows) };
}

/** A module has no type, and its elements are of many sizes. */
const treeSort = (sort: TensorSort): TreeSort =>
  sort === "elements" || sort === "size" ? "size" : sort === "name" ? "name" : "order";
