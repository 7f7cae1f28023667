/** The answer to "what would this entry change?": units and skips, no weight read. */
import { tensorBytes } from "../core/transaction.ts";
import type { PlanView, Params, Queries } from "../shared/protocol.ts";
import { addSizes } from "../shared/report.ts";
import type { Task } from "../shared/task.ts";
import { planEntry } from "./compute.ts";
import type { EngineEnv } from "./env.ts";
import { plannedPasses } from "./statistics/planned.ts";

export async function plan(
  { doc, entry }: Params<Queries, "plan">,
  env: EngineEnv,
  task: Task,
): Promise<PlanView> {
  const { model, base } = await env.open(doc, task);
  const { transform, params, plan } = planEntry(model, entry);
  const bytesBefore = tensorBytes(model);
  const gone = plan.units.reduce((sum, unit) => sum + unit.sizeBefore, 0);
  const come = addSizes(plan.units.map((unit) => unit.sizeAfter));
  const needs = plan.units.flatMap((unit) => unit.needs ?? []);
  const statistics = await plannedPasses(needs, { base, before: model }, doc.data ?? null);
  return {
    transform: transform.meta.id,
    params,
    units: plan.units.map((unit) => ({
      name: unit.name,
      op: unit.nodes[0]?.op ?? "",
      detail: unit.detail,
      sizeBefore: unit.sizeBefore,
      sizeAfter: unit.sizeAfter,
    })),
    skipped: plan.skipped,
    ...(statistics ?? {}),
    bytesBefore,
    bytesAfter: { min: bytesBefore - gone + come.min, max: bytesBefore - gone + come.max },
  };
}
