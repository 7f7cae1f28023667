/**
 * Running statistics of BatchNormalization measured anew, level by level, so that each is measured
 * on inputs that the ones before it have already been corrected for.
 *
 * Where the same layer of the model before is at hand, only the difference is applied: mean +
 * (E_now − E_before), variance · Var_now / Var_before, both on the same samples. What the calibration
 * samples lack against the training set cancels. Li et al. 2020, section 3.2 (arXiv:2007.02491).
 */
import type { WorkContext } from "../context.ts";
import { nodeKey, nodeLabel, type GraphNode, type Model, type Tensor } from "../model.ts";
import { MAIN, mainGraph } from "../model.ts";
import type { Transaction } from "../plugin.ts";
import { scopeOf } from "../scope.ts";
import type { NewAttribute } from "../step.ts";
import { valueAt, type Moments, type Need, type State } from "../statistics.ts";
import type { Skip } from "../../shared/report.ts";

export interface NormSite {
  readonly node: GraphNode;
  readonly name: string;
  /** Scale, bias, mean, variance. */
  readonly parameters: readonly Tensor[];
  /** BatchNormalizations on the longest way to this one, itself included. */
  readonly level: number;
}

/** BatchNormalizations of the main graph in inference form, by level. */
export function normSites(model: Model): {
  readonly sites: readonly NormSite[];
  readonly skipped: readonly Skip[];
} {
  const graph = mainGraph(model);
  const scope = scopeOf(model);
  const depth = new Map<string, number>();
  const sites: NormSite[] = [];
  const skipped: Skip[] = [];
  for (const node of graph.nodes) {
    const above = node.inputs.reduce((most, name) => Math.max(most, depth.get(name) ?? 0), 0);
    const isNorm = node.op === "BatchNormalization" && node.domain === "";
    const level = above + (isNorm ? 1 : 0);
    for (const output of node.outputs) depth.set(output, level);
    if (!isNorm) continue;
    const name = nodeLabel(MAIN, node);
    const parameters = node.inputs
      .slice(1, 5)
      .flatMap((input) => scope.constant(MAIN, input)?.tensor ?? []);
    const training = node.attrs["training_mode"];
    if (training?.kind === "int" && training.value === 1)
      skipped.push({ name, reason: "it is in training mode: it normalizes by each batch" });
    else if (parameters.length < 4)
      skipped.push({ name, reason: "its parameters are computed, not stored" });
    else if (parameters.some((p) => p.dtype.kind !== "float"))
      skipped.push({ name, reason: "its parameters are no floats" });
    else sites.push({ node, name, parameters, level });
  }
  return { sites: sites.sort((a, b) => a.level - b.level), skipped };
}

/** What the other model has at the same place, and which of its channels are still there. */
export interface Measured {
  readonly moments: Moments;
  readonly channels: readonly number[];
}

const moments = (node: GraphNode, of: State): Need<"moments"> => ({
  stat: "moments",
  at: valueAt(MAIN, node.inputs[0] ?? "", 1),
  of,
});

export type References = ReadonlyMap<string, Measured>;

/** What the other model has at the same places, by the sites' names; it is run once. */
export async function measureReferences(
  sites: readonly NormSite[],
  other: { readonly state: State; readonly model: Model },
  ctx: WorkContext,
): Promise<References> {
  const found = await Promise.all(
    sites.map(async (site): Promise<[string, Measured][]> => {
      const measured = await findReference(site, other, ctx);
      return measured ? [[site.name, measured]] : [];
    }),
  );
  return new Map(found.flat());
}

/** Mean and variance of a site's input as it is now, [channels] each. */
export interface Statistics {
  readonly mean: Float32Array;
  readonly variance: Float32Array;
}

/** What the site's statistics should be; a reason where that cannot be said. */
export async function remeasure(
  site: NormSite,
  references: References,
  ctx: WorkContext,
): Promise<Statistics | string> {
  const now = await ctx.stat(moments(site.node, "current"));
  return corrected(site, now, references.get(site.name) ?? null, ctx);
}

/** Measures the statistics of these sites anew and stores them. Names of what could not be, with reasons. */
export async function reestimate(
  tx: Transaction,
  names: ReadonlySet<string>,
  ctx: WorkContext,
  other: { readonly state: State; readonly model: Model },
): Promise<Skip[]> {
  const wanted = (): NormSite[] => normSites(tx.model).sites.filter(({ name }) => names.has(name));
  const references = await measureReferences(wanted(), other, ctx);
  const skipped: Skip[] = [];
  const levels = new Set(wanted().map((site) => site.level));
  let done = 0;
  for (const level of levels) {
    const sites = wanted().filter((site) => site.level === level);
    const work = await Promise.all(
      sites.map(async (site) => ({ site, values: await remeasure(site, references, ctx) })),
    );
    for (const { site, values } of work) {
      if (typeof values === "string") skipped.push({ name: site.name, reason: values });
      else await storeStatistics(tx, site, values, ctx);
    }
    done++;
    ctx.progress(done / levels.size);
    await ctx.checkpoint();
  }
  return skipped;
}

/** The same BatchNormalization in the other model, its channels matched by scale and bias. */
async function findReference(
  site: NormSite,
  { state, model }: { readonly state: State; readonly model: Model },
  ctx: WorkContext,
): Promise<Measured | null> {
  const key = nodeKey(site.node);
  const other = normSites(model).sites.find((one) => nodeKey(one.node) === key);
  if (!other) return null;
  const [scale, bias] = site.parameters;
  const [scale0, bias0] = other.parameters;
  if (!scale || !bias || !scale0 || !bias0) return null;
  const channels = subsequence(
    await Promise.all([ctx.readF32(scale), ctx.readF32(bias)]),
    await Promise.all([ctx.readF32(scale0), ctx.readF32(bias0)]),
  );
  return channels && { moments: await ctx.stat(moments(other.node, state)), channels };
}

/** Positions in `all` of what `some` has, in order; null where it is no part of it. */
export function subsequence(
  some: readonly ArrayLike<number>[],
  all: readonly ArrayLike<number>[],
): number[] | null {
  const count = some[0]?.length ?? 0;
  const total = all[0]?.length ?? 0;
  const out: number[] = [];
  for (let i = 0, j = 0; i < count; i++, j++) {
    while (j < total && some.some((list, k) => list[i] !== all[k]?.[j])) j++;
    if (j >= total) return null;
    out.push(j);
  }
  return out;
}

/** Mean and variance to store; a reason where they are no numbers. */
async function corrected(
  site: NormSite,
  now: Moments,
  before: Measured | null,
  ctx: WorkContext,
): Promise<Statistics | string> {
  const [, , oldMean, oldVariance] = site.parameters;
  if (!oldMean || !oldVariance) return "its parameters are computed, not stored";
  const mean = Float32Array.from(now.mean);
  const variance = Float32Array.from(now.variance);
  if (mean.length !== oldMean.shape[0]) return "its input has another number of channels";
  if (now.rows < 2) return `${now.rows} value per channel says nothing about a variance`;
  if (before) {
    const [m, v] = await Promise.all([ctx.readF32(oldMean), ctx.readF32(oldVariance)]);
    before.channels.forEach((j, i) => {
      const then = before.moments.variance[j] ?? 0;
      const ratio = (now.variance[i] ?? 0) / then;
      mean[i] = (m[i] ?? 0) + (now.mean[i] ?? 0) - (before.moments.mean[j] ?? 0);
      // A constant channel has no ratio: its measured variance counts.
      if (then > 0 && Number.isFinite(ratio)) variance[i] = (v[i] ?? 0) * ratio;
    });
  }
  if (![...mean, ...variance].every(Number.isFinite)) return "its input has NaN or infinite values";
  return { mean, variance };
}

/** Writes in place what nothing else uses, else next to it. */
export async function storeStatistics(
  tx: Transaction,
  site: NormSite,
  values: Statistics,
  ctx: WorkContext,
): Promise<void> {
  const { node, parameters } = site;
  const inputs = [...node.inputs];
  const scope = scopeOf(tx.model);
  for (const [slot, data] of [
    [3, values.mean],
    [4, values.variance],
  ] as const) {
    const old = parameters[slot - 1];
    const name = node.inputs[slot] ?? "";
    if (!old) continue;
    const own = old.name === name && scope.uses(MAIN, name).length === 1;
    const stored = own ? name : tx.uniqueName(MAIN, `${name}_measured`);
    inputs[slot] = stored;
    const spec = { name: stored, dtype: old.dtype, shape: old.shape };
    await tx.putTensor(MAIN, spec, ctx.kernels.fromF32(old.dtype, data));
  }
  if (inputs.every((name, i) => name === node.inputs[i])) return;
  const attrs = Object.fromEntries(
    Object.entries(node.attrs).filter((pair): pair is [string, NewAttribute] =>
      ["int", "float", "string", "ints", "floats", "strings"].includes(pair[1].kind),
    ),
  );
  const { name, op, domain, outputs } = node;
  tx.replaceNodes(MAIN, {
    remove: [node],
    insert: [{ name, op, domain, inputs, outputs, attrs }],
  });
  for (const old of node.inputs.slice(3)) if (!inputs.includes(old)) tx.dropIfUnused(MAIN, old);
}
