/** How many channels each group keeps, and what that saves; weights are not read. */
import { costOf } from "../../../core/cost.ts";
import { applySteps } from "../../../core/draft.ts";
import {
  findChannelGroups,
  type ChannelGroup,
  type ChannelGroups,
} from "../../../core/groups/channelGroups.ts";
import { atomsAt, removalOf, storedBytes } from "../../../core/groups/removal.ts";
import { tensorsOf, type Model } from "../../../core/model.ts";
import { tensorBytes } from "../../../core/transaction.ts";
import { elementCount } from "../../../shared/dtype.ts";

/** Never less than one, and a multiple of `roundTo` where there are as many. */
export function keepCount(channels: number, ratio: number, roundTo: number): number {
  const wanted = channels * (1 - ratio);
  const rounded = Math.round(wanted / roundTo) * roundTo;
  return Math.min(channels, Math.max(Math.min(roundTo, channels), rounded, 1));
}

/** Which ones go does not matter for sizes: the last. */
const lastAtoms = (group: ChannelGroup, kept: number): number[] =>
  atomsAt(
    group,
    Array.from({ length: group.atoms.length - kept }, (_, i) => kept + i),
  );

export interface Shrunk {
  readonly model: Model;
  /** Bytes of the weights written, and of those that they take the place of. */
  readonly stored: number;
  readonly replaced: number;
}

/** The model with `kept` atoms of the group left, its new weights without bytes. */
export function shrunk({ tracer }: ChannelGroups, group: ChannelGroup, kept: number): Shrunk {
  const { steps } = removalOf(tracer, new Set(lastAtoms(group, kept)));
  const model = applySteps(tracer.model, steps);
  const stored = storedBytes(steps);
  return { model, stored, replaced: stored + tensorBytes(tracer.model) - tensorBytes(model) };
}

export type Target = "macs" | "parameters";

/** Multiply-accumulates or stored numbers of a model; null when they are not known. */
export function measure(model: Model, target: Target): number | null {
  if (target === "macs") return costOf(model).macs;
  return tensorsOf(model).reduce((sum, { tensor }) => sum + elementCount(tensor.shape), 0);
}

/** No group loses more than this, whatever the target. */
export const MAX_RATIO = 0.95;

/**
 * The least ratio, the same for all groups, at which at most `1 - amount` of the target is left.
 * @returns a reason in words when it cannot be reached
 */
export function ratioFor(
  found: ChannelGroups,
  groups: readonly ChannelGroup[],
  target: Target,
  amount: number,
  roundTo: number,
): number | string {
  const { model } = found.tracer;
  const before = measure(model, target);
  if (before === null)
    return `its ${target} are not known (${costOf(model).unknown[0]?.reason ?? ""})`;
  const left = (ratio: number): number => {
    const removed = groups.flatMap((group) =>
      lastAtoms(group, keepCount(group.atoms.length, ratio, roundTo)),
    );
    const { steps } = removalOf(found.tracer, new Set(removed));
    return (measure(applySteps(model, steps), target) ?? before) / before;
  };
  const least = left(MAX_RATIO);
  if (least > 1 - amount)
    return `at least ${(100 * least).toFixed(0)} % of its ${target} are left when ${100 * MAX_RATIO} % of the channels go, and ${(100 * (1 - amount)).toFixed(0)} % were asked for`;
  let [low, high] = [0, MAX_RATIO];
  // 2^-10 of the channels is less than one of any layer.
  for (let i = 0; i < 10; i++) {
    const middle = (low + high) / 2;
    if (left(middle) > 1 - amount) low = middle;
    else high = middle;
  }
  return high;
}

export const groupWithKey = (model: Model, key: string): [ChannelGroups, ChannelGroup] | null => {
  const found = findChannelGroups(model);
  const group = found.groups.find((one) => one.key === key);
  return group ? [found, group] : null;
};
