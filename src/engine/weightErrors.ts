/** What a candidate does to each weight, number by number. */
import type { WeightError, WeightErrors } from "../core/analyzer.ts";
import { diffModels } from "../core/diff.ts";
import { nodeLabel, type Model, type Tensor } from "../core/model.ts";
import { scopeOf } from "../core/scope.ts";
import { tensorTable } from "../core/tensorTable.ts";
import type { Doc, Entry } from "../shared/doc.ts";
import type { Task } from "../shared/task.ts";
import { sqnrDb } from "./diffValues.ts";
import type { EngineEnv } from "./env.ts";
import { breathe } from "./saveWrite.ts";

/**
 * Compares the weights before and after the last of `entries`; weights it leaves alone are left out.
 * @throws ParamError, EngineError, Cancelled
 */
export async function weightErrors(
  env: EngineEnv,
  doc: Doc,
  entries: readonly Entry[],
  task: Task,
): Promise<WeightErrors> {
  const before = await env.open({ ...doc, recipe: [...doc.recipe, ...entries.slice(0, -1)] }, task);
  const after = await env.open({ ...doc, recipe: [...doc.recipe, ...entries] }, task);
  const users = firstUsers(before.model);
  const rows: WeightError[] = [];
  for (const change of diffModels(before.model, after.model).tensors) {
    await breathe(task);
    const { before: tensor, form, name } = change;
    if (!tensor || !form) continue;
    const result = await sqnrDb(env, tensor, form, change, task);
    rows.push({
      name,
      node: users.get(tensor) ?? name,
      sqnrDb: typeof result === "number" ? result : null,
      reason: typeof result === "number" ? null : result,
      bytesBefore: tensor.sizeBytes,
      bytesAfter: change.after.reduce((sum, one) => sum + one.sizeBytes, 0),
    });
  }
  return { errors: rows, skipped: after.changes.at(-1)?.skipped ?? [] };
}

function firstUsers(model: Model): ReadonlyMap<Tensor, string> {
  const scope = scopeOf(model);
  const users = new Map<Tensor, string>();
  for (const { graph, name, tensor } of tensorTable(model).entries) {
    const use = scope.uses(graph.path, name).find(({ node }) => node !== null);
    if (use?.node) users.set(tensor, nodeLabel(use.graph.path, use.node));
  }
  return users;
}
