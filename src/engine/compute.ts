/**
 * Applies one entry to a model: plan, scope, prepare, then unit by unit; with the checks that hold
 * for every technique. The result is a Change; nothing of the user's is written here.
 */
import type { Change, ChangeUnit } from "../core/change.ts";
import type { WorkContext } from "../core/context.ts";
import { nodeKey, type Model } from "../core/model.ts";
import type { Plan, Unit } from "../core/plan.ts";
import { needKey, type Need } from "../core/statistics.ts";
import type { Transform } from "../core/plugin.ts";
import { beginTransaction, tensorBytes, type TensorSink } from "../core/transaction.ts";
import type { Entry } from "../shared/doc.ts";
import { asReason, Cancelled, EngineError, engineErrors, paramErrors } from "../shared/errors.ts";
import { readParams, type ParamsOf, type ParamSchema } from "../shared/params.ts";
import type { Skip } from "../shared/report.ts";
import type { Task } from "../shared/task.ts";
import { transforms } from "../transforms/index.ts";

export type AnyTransform = Transform;

export function findTransform(id: string): AnyTransform {
  const found = transforms.find((t) => t.meta.id === id);
  if (!found)
    throw paramErrors.unknownTransform(
      id,
      transforms.map((t) => t.meta.id),
    );
  return found;
}

/** `*` matches any run of characters. */
export function matchesScope(name: string, scope: readonly string[]): boolean {
  return scope.some((pattern) => {
    if (!pattern.includes("*")) return pattern === name;
    const escaped = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
    return new RegExp(`^${escaped.join(".*")}$`, "s").test(name);
  });
}

export interface PlannedEntry {
  readonly transform: AnyTransform;
  readonly params: ParamsOf<ParamSchema>;
  readonly plan: Plan;
}

/** @throws ParamError for an unknown technique or parameter, or a scope that matches nothing. */
export function planEntry(model: Model, entry: Entry): PlannedEntry {
  const transform = findTransform(entry.transform);
  const params = readParams(transform.meta.id, transform.meta.params, entry.params);
  if (!transform.meta.formats.includes(model.format))
    return {
      transform,
      params,
      plan: {
        units: [],
        skipped: [
          {
            name: "the model",
            reason: `${transform.meta.id} works on ${transform.meta.formats.join(" and ")} files, not on ${model.format}`,
          },
        ],
      },
    };
  const { scope } = entry;
  const planAll = (): Plan => explained(transform, transform.plan(model, params));
  if (!scope) return { transform, params, plan: planAll() };
  const isInScope = (name: string): boolean => matchesScope(name, scope);
  const plan = transform.plan(model, params, isInScope);
  const units = plan.units.filter(({ name }) => isInScope(name));
  if (units.length > 0) return { transform, params, plan: { ...plan, units } };
  const all = planAll();
  if (all.units.length > 0) throw paramErrors.nothingInScope(transform.meta.id, scope);
  return { transform, params, plan: all };
}

/** A plan without units says why: a technique that finds nothing to look at has no unit to name. */
function explained({ meta }: AnyTransform, plan: Plan): Plan {
  if (plan.units.length > 0 || plan.skipped.length > 0) return plan;
  const where = meta.ops === "any" ? "" : ` (it works on ${meta.ops.join(", ")})`;
  return {
    units: [],
    skipped: [
      { name: "the model", reason: `it holds nothing that ${meta.id} would change${where}` },
    ],
  };
}

/** What a technique works with while one entry is computed. */
export interface Workplace {
  readonly context: WorkContext;
  /**
   * Collects what units declared, in as few passes over the data as possible.
   * Gives the reason for each need that cannot be measured, by `needKey`.
   */
  collect(needs: readonly Need[], task: Task): Promise<ReadonlyMap<string, string>>;
  /** What should be known of the calibration data, where anything was measured on it. */
  notes(): readonly string[];
}
export type OpenWorkplace = (scene: {
  readonly progress: (fraction: number) => void;
  /** The model with what was done so far. */
  readonly current: () => Model;
}) => Workplace;

/** Share of the progress that collecting statistics takes, where a technique needs any. */
const COLLECTING = 0.5;

export async function computeChange(
  model: Model,
  entry: Entry,
  sink: TensorSink,
  openWorkplace: OpenWorkplace,
  task: Task,
): Promise<{ readonly change: Change; readonly model: Model }> {
  const { transform, params, plan } = planEntry(model, entry);
  const tx = beginTransaction(model, sink);
  const weight = (unit: Unit): number => Math.max(1, unit.sizeBefore);
  const total = plan.units.reduce((sum, unit) => sum + weight(unit), 0);
  let done = 0;
  let current = 0;
  let label: string = transform.meta.title;
  const needs = plan.units.flatMap((unit) => unit.needs ?? []);
  const skipped: Skip[] = [...plan.skipped];
  let planned = plan.units;
  const first = needs.length > 0 ? COLLECTING : 0;
  const progress = (part: number): void =>
    task.progress(first + ((1 - first) * part) / Math.max(1, total), label);
  const { context, collect, notes } = openWorkplace({
    progress: (fraction) => progress(done + current * Math.min(1, fraction)),
    current: () => tx.model,
  });
  if (transform.meta.data === "required" && plan.units.length > 0 && context.data === null)
    throw engineErrors.needsData(transform.meta.id);
  if (needs.length > 0) {
    const reasons = await collect(needs, {
      signal: task.signal,
      progress: (fraction, message) => task.progress(fraction * first, message),
    });
    planned = planned.filter((unit) => {
      const reason = (unit.needs ?? []).map((need) => reasons.get(needKey(need))).find(Boolean);
      if (reason !== undefined) skipped.push({ name: unit.name, reason });
      return reason === undefined;
    });
  }
  const prepared =
    planned.length === 0 ? undefined : await transform.prepare?.(model, planned, params, context);
  const units: ChangeUnit[] = [];
  for (const unit of planned) {
    if (task.signal.aborted) throw new Cancelled();
    current = weight(unit);
    label = `${transform.meta.title}: ${unit.name}`;
    const skip = await applyOrSkip(unit, () =>
      transform.apply(tx, unit, params, context, prepared),
    );
    if (skip) {
      tx.rollback();
      skipped.push(skip);
    } else units.push(recordUnit(transform, unit, tx.takeSteps()));
    done += current;
    progress(done);
    await context.checkpoint();
  }
  const result = tx.finish();
  checkResult(model, result);
  return {
    change: {
      entry,
      units,
      skipped,
      notes: units.length === 0 ? [] : notes(),
      bytesBefore: tensorBytes(model),
      bytesAfter: tensorBytes(result),
    },
    model: result,
  };
}

/** Activations that cannot be measured leave their unit as it is. */
async function applyOrSkip(
  unit: Unit,
  apply: () => ReturnType<AnyTransform["apply"]>,
): Promise<Skip | undefined> {
  try {
    return (await apply()) ?? undefined;
  } catch (error) {
    if (!(error instanceof EngineError) || error.failure.code !== "unmeasured") throw error;
    return { name: unit.name, reason: asReason(error) };
  }
}

function recordUnit(transform: AnyTransform, unit: Unit, steps: ChangeUnit["steps"]): ChangeUnit {
  const added = steps.reduce(
    (sum, step) => (step.kind === "putTensor" ? sum + step.tensor.sizeBytes : sum),
    0,
  );
  if (added < unit.sizeAfter.min || added > unit.sizeAfter.max)
    throw engineErrors.planMissed(
      `${transform.meta.id} (${unit.name})`,
      unit.sizeAfter.min === unit.sizeAfter.max
        ? String(unit.sizeAfter.min)
        : `${unit.sizeAfter.min} to ${unit.sizeAfter.max}`,
      added,
    );
  return {
    name: unit.name,
    op: unit.nodes[0]?.op ?? "",
    detail: unit.detail,
    sizeBefore: unit.sizeBefore,
    sizeAfter: unit.sizeAfter,
    steps,
  };
}

/** What must hold after any technique: names are made once, and every operator's domain is imported. */
function checkResult(before: Model, after: Model): void {
  const functions = new Set(after.functions.map((f) => f.domain));
  for (const graph of after.graphs.values()) {
    const made = new Set<string>();
    for (const node of graph.nodes) {
      for (const output of node.outputs) {
        if (output === "") continue;
        if (made.has(output) && !definedTwice(before, output))
          throw engineErrors.resultInvalid(nodeKey(node), `two nodes make the value "${output}"`);
        made.add(output);
      }
      const domain = node.domain === "ai.onnx" ? "" : node.domain;
      const imported = after.opsets.has(domain) || (domain === "" && after.opsets.has("ai.onnx"));
      if (!imported && !functions.has(node.domain) && before.opsets.has(domain))
        throw engineErrors.resultInvalid(
          nodeKey(node),
          `operator ${node.op} needs an import of "${node.domain}"`,
        );
    }
  }
}
function definedTwice(model: Model, output: string): boolean {
  for (const graph of model.graphs.values())
    if (graph.nodes.filter((node) => node.outputs.includes(output)).length > 1) return true;
  return false;
}
