/** What differs between two documents, as far as structure tells: no number is compared. */
import { diffModels, type TensorChange } from "../../core/diff.ts";
import type { DiffStructure, Params, Queries, TensorDiff } from "../../shared/protocol.ts";
import type { Task } from "../../shared/task.ts";
import { sameContent } from "../diffContent.ts";
import type { EngineEnv } from "../env.ts";
import { fitting } from "./answer.ts";
import { sizeOf } from "./summary.ts";

/** Read at most, to tell equal tensors of two files from changed ones: about 50 ms. */
const COMPARE_BYTES = 64 * 1024 * 1024;
/** Of each of the five lists, so that the answer stays below 1 MB. */
const MAX_LIST_CHARS = 120_000;

export async function diffStructure(
  { before, after }: Params<Queries, "diffStructure">,
  env: EngineEnv,
  task: Task,
): Promise<DiffStructure> {
  const old = await env.open(before, task);
  const fresh = await env.open(after, task);
  const { graph, tensors } = diffModels(old.model, fresh.model);
  const budget = { bytes: COMPARE_BYTES };
  const rest = (count: number) => ({ name: `… and ${count} more`, op: "", what: "" });
  return {
    graph: {
      matched: graph.matched,
      added: capped(graph.added, rest),
      removed: capped(graph.removed, rest),
      changed: capped(graph.changed, rest),
      groups: fitting(graph.groups, MAX_LIST_CHARS),
      constants: graph.constants,
    },
    tensors: tensorDiffs(tensors.flatMap((change) => structural(env, change, budget))),
    size: { before: sizeOf(before, old), after: sizeOf(after, fresh) },
  };
}

/** The list itself, or as much of it as fits with a row that says how much is left out. */
function capped<T>(rows: readonly T[], rest: (count: number) => T): readonly T[] {
  const kept = fitting(rows, MAX_LIST_CHARS);
  return kept.length === rows.length ? kept : [...kept, rest(rows.length - kept.length)];
}
export const tensorDiffs = (rows: readonly TensorDiff[]): readonly TensorDiff[] =>
  capped(rows, (count) => ({
    name: `… and ${count} more`,
    status: "changed",
    sqnrDb: null,
    bytesBefore: 0,
    bytesAfter: 0,
    detail: "",
  }));

function structural(env: EngineEnv, change: TensorChange, budget: { bytes: number }): TensorDiff[] {
  const { before, form, factor } = change;
  if (!before || form?.kind !== "plain" || form.transposed || factor !== 1)
    return [tensorDiff(change, null)];
  const same = sameContent(env, before, form.values, budget);
  if (same === true) return [];
  const row = tensorDiff(change, null);
  return [same === null ? { ...row, detail: `${row.detail} (not compared here)` } : row];
}

export const tensorDiff = (change: TensorChange, sqnrDb: number | null): TensorDiff => ({
  name: change.name,
  status: change.status,
  sqnrDb,
  bytesBefore: change.before?.sizeBytes ?? 0,
  bytesAfter: change.after.reduce((sum, tensor) => sum + tensor.sizeBytes, 0),
  detail: change.detail,
});
