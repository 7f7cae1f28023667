/**
 * Clip (ReLU6) between two layers whose channels are rescaled. Its limits are the same for all
 * channels, so a factor per channel passes it only with limits per channel, which Clip itself cannot
 * have, or where a limit is never reached.
 */
import type { WorkContext } from "../../../core/context.ts";
import { nodeLabel, type GraphNode, type GraphPath, type Model } from "../../../core/model.ts";
import type { Transaction } from "../../../core/plugin.ts";
import { scopeOf } from "../../../core/scope.ts";
import type { NewNode } from "../../../core/step.ts";
import { valueAt } from "../../../core/statistics.ts";
import { dtype } from "../../../shared/dtype.ts";
import { standard } from "./nodes.ts";
import { putValues } from "./tables.ts";
import { floatAttr } from "../../../core/attributes.ts";

/** `keep` refuses; `exact` gives each channel limits of its own; `relax` drops limits that the data never reaches. */
export type ClipMode = "keep" | "exact" | "relax";

/** A Clip on the way from one layer to the next. */
export interface ClipBetween {
  readonly path: GraphPath;
  readonly node: GraphNode;
  /** Shape in which one value per channel goes with the Clip's input: [C, 1, 1], or [C]. */
  readonly shape: readonly number[];
}

export interface Limits {
  readonly low: number;
  readonly high: number;
}

/** Max and Min of operands of different shapes came with 8. */
const BROADCAST_OPSET = 8;

/** Why a Clip cannot be passed in this mode; null when it may be. */
export function clipRefusal(
  model: Model,
  path: GraphPath,
  node: GraphNode,
  mode: ClipMode,
): string | null {
  if (mode === "keep") return "Clip follows it, whose bounds are the same for all channels";
  const opset = model.opsets.get("") ?? model.opsets.get("ai.onnx") ?? 0;
  if (mode === "exact" && opset < BROADCAST_OPSET)
    return `Clip follows it, and limits per channel need operator set ${BROADCAST_OPSET}, the model has ${opset}`;
  const scope = scopeOf(model);
  for (const name of node.inputs.slice(1))
    if (name !== "" && !scope.constant(path, name))
      return "Clip follows it, whose bounds are computed";
  return null;
}

/** @throws Error when they are no constants: see `clipRefusal` */
export async function limitsOf(
  model: Model,
  { path, node }: ClipBetween,
  ctx: WorkContext,
): Promise<Limits> {
  const scope = scopeOf(model);
  const read = async (input: number, attr: string, otherwise: number): Promise<number> => {
    const name = node.inputs[input] ?? "";
    if (name === "") return floatAttr(node, attr) ?? otherwise;
    const found = scope.constant(path, name);
    if (!found) throw new Error(`"${name}" is no constant`);
    return (await ctx.readF32(found.tensor))[0] ?? otherwise;
  };
  return { low: await read(1, "min", -Infinity), high: await read(2, "max", Infinity) };
}

/** Why the limits of a Clip may not be dropped; null where the calibration data never reaches them. */
export async function reached(
  model: Model,
  clip: ClipBetween,
  ctx: WorkContext,
): Promise<string | null> {
  const { low, high } = await limitsOf(model, clip, ctx);
  const { min, max } = await ctx.stat({
    stat: "range",
    at: valueAt(clip.path, clip.node.inputs[0] ?? ""),
    of: "before",
  });
  const label = nodeLabel(clip.path, clip.node);
  if (!(max < high)) return `${label} clips at ${high} on the calibration data (${describe(max)})`;
  // Relu does what a lower limit of 0 does.
  return low === 0 || min > low
    ? null
    : `${label} clips at ${low} on the calibration data (${describe(min)})`;
}
const describe = (value: number): string => `its input reaches ${value.toPrecision(4)}`;

/**
 * Writes what a Clip does to rescaled and shifted channels: y = clip(s·x + c) / s − c' has the limits
 * (limit / s) − c per channel.
 * @param factors by which each channel is divided. @param shifts taken off each channel after that
 */
export async function writeClip(
  tx: Transaction,
  clip: ClipBetween,
  mode: Exclude<ClipMode, "keep">,
  { factors, shifts }: { readonly factors: Float64Array; readonly shifts: Float64Array | null },
  ctx: WorkContext,
): Promise<void> {
  const { path, node, shape } = clip;
  const { low, high } = await limitsOf(tx.model, clip, ctx);
  const [x = "", ...bounds] = node.inputs;
  const [y = ""] = node.outputs;
  const insert: NewNode[] = [];
  const perChannel = async (limit: number, suffix: string): Promise<string> => {
    const name = tx.uniqueName(path, `${y}_${suffix}`);
    const values = Float32Array.from(factors, (s, c) => limit / s - (shifts?.[c] ?? 0));
    await putValues(tx, ctx, path, { name, type: dtype("float32").name, shape }, values);
    return name;
  };
  const exact = mode === "exact";
  // A channel that is shifted down keeps its part above 0: what is below was cut before, too.
  const steps: ((from: string, to: string) => Promise<NewNode>)[] = [];
  if (low === 0) steps.push((from, to) => Promise.resolve(standard("Relu", [from], [to])));
  else if (exact && Number.isFinite(low))
    steps.push(async (from, to) => standard("Max", [from, await perChannel(low, "low")], [to]));
  if (exact && Number.isFinite(high))
    steps.push(async (from, to) => standard("Min", [from, await perChannel(high, "high")], [to]));
  if (steps.length === 0)
    steps.push((from, to) => Promise.resolve(standard("Identity", [from], [to])));
  let from = x;
  for (const [i, step] of steps.entries()) {
    const to = i === steps.length - 1 ? y : tx.uniqueName(path, `${y}_clip`);
    insert.push(await step(from, to));
    from = to;
  }
  tx.replaceNodes(path, { remove: [node], insert });
  for (const name of bounds) if (name !== "") tx.dropIfUnused(path, name);
}
