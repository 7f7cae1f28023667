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

/**
 * By how many atoms a group of so many shrinks, each of `each` channels: `roundTo` channels at a time,
 * or half as many, and so on, until a step is at most a quarter of the group.
 */
export function stepOf(atoms: number, each: number, roundTo: number): number {
  let channels = roundTo;
  while (channels > 1 && channels > (atoms * each) / 4) channels = Math.floor(channels / 2);
  return channels / commonDivisor(channels, each);
}

const commonDivisor = (a: number, b: number): number => (b === 0 ? a : commonDivisor(b, a % b));

/** Never less than one step, and a multiple of it. */
export function keepCount(atoms: number, ratio: number, step: number): number {
  const rounded = Math.round((atoms * (1 - ratio)) / step) * step;
  return Math.min(atoms, Math.max(step, rounded));
}

const stepIn = (group: ChannelGroup, roundTo: number): number =>
  stepOf(group.atoms.length, channelsEach(group), roundTo);

/** Channels that go at once: one, or those of the head of an attention. */
export const channelsEach = ({ producers }: ChannelGroup): number =>
  Math.max(1, producers[0]?.indices[0]?.length ?? 1);

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

export interface Wanted {
  readonly amount: number;
  readonly target: Target | "channels";
  /** Channels by which groups shrink. */
  readonly roundTo: number;
}

/**
 * How many atoms each group keeps, by its key. For a target the least ratio, the same for all groups,
 * at which at most `1 - amount` of it is left; what rounding then took too much is given back, a step
 * a group, to those that lost most to it first.
 * @returns a reason in words when the target cannot be reached
 */
export function countsFor(
  found: ChannelGroups,
  groups: readonly ChannelGroup[],
  { amount, target, roundTo }: Wanted,
): ReadonlyMap<string, number> | string {
  const at = (ratio: number): Map<string, number> =>
    new Map(
      groups.map((group) => [
        group.key,
        keepCount(group.atoms.length, ratio, stepIn(group, roundTo)),
      ]),
    );
  if (target === "channels") return at(amount);
  const { model } = found.tracer;
  const before = measure(model, target);
  if (before === null)
    return `its ${target} are not known (${costOf(model).unknown[0]?.reason ?? ""})`;
  const left = (counts: ReadonlyMap<string, number>): number => {
    const removed = groups.flatMap((group) =>
      lastAtoms(group, counts.get(group.key) ?? group.atoms.length),
    );
    const { steps } = removalOf(found.tracer, new Set(removed));
    return (measure(applySteps(model, steps), target) ?? before) / before;
  };
  const least = left(at(MAX_RATIO));
  if (least > 1 - amount)
    return `at least ${(100 * least).toFixed(0)} % of its ${target} are left when ${100 * MAX_RATIO} % of the channels go, and ${(100 * (1 - amount)).toFixed(0)} % were asked for`;
  let [low, high] = [0, MAX_RATIO];
  // 2^-10 of the channels is less than one of any layer.
  for (let i = 0; i < 10; i++) {
    const middle = (low + high) / 2;
    if (left(at(middle)) > 1 - amount) low = middle;
    else high = middle;
  }
  const counts = at(high);
  const excess = ({ key, atoms }: ChannelGroup): number =>
    1 - high - (counts.get(key) ?? 0) / atoms.length;
  for (const group of [...groups].sort((a, b) => excess(b) - excess(a))) {
    const kept = counts.get(group.key) ?? 0;
    counts.set(group.key, Math.min(group.atoms.length, kept + stepIn(group, roundTo)));
    if (left(counts) > 1 - amount) counts.set(group.key, kept);
  }
  return counts;
}

export const groupWithKey = (model: Model, key: string): [ChannelGroups, ChannelGroup] | null => {
  const found = findChannelGroups(model);
  const group = found.groups.find((one) => one.key === key);
  return group ? [found, group] : null;
};
