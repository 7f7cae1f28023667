/** In which order measured candidates are tried on the report split. */
import type { BenchResult, OptimizeGoal } from "../../shared/protocol.ts";
import type { Candidate } from "./candidates.ts";
import { say } from "./optimizeText.ts";

/** A candidate with what the search split and a few runs say of it. */
export interface Measured extends Candidate {
  readonly sizeBytes: number;
  readonly kl: number | null;
  readonly sqnrDb: number;
  readonly damage: number;
  readonly latency: BenchResult;
}

/** A candidate whose time is above this is called slower: below it is noise. */
const SLOWER = 1.05;
/** Above this nobody needs to measure again. */
const CLEARLY_SLOWER = 1.3;
export const isSlower = ({ ratio, ratioLow }: BenchResult): boolean =>
  (ratio ?? 1) > SLOWER && (ratioLow ?? 1) > 1;
/** Slower by so little that it deserves a longer look. */
export const maySlow = (latency: BenchResult): boolean =>
  isSlower(latency) && (latency.ratio ?? 1) < CLEARLY_SLOWER;
/** An interval wider than this says too little of a speed, as on a machine that is busy otherwise. */
const VAGUE = 1.25;
export const isVague = ({ ratioLow, ratioHigh }: BenchResult): boolean =>
  (ratioHigh ?? 1) > VAGUE * (ratioLow ?? 1);
export const isFaster = ({ ratioHigh }: BenchResult): boolean =>
  ratioHigh !== null && ratioHigh < 1;

/** Sizes within 5 % count as equal: no one gives quality away for them. */
const SAME_SIZE = 1.05;
/**
 * Times within 20 % too where size is what counts, within 5 % where speed does. Up to `most`, times
 * whose intervals overlap are equal as well: noise must not decide, nor hide what is clear.
 */
const SAME_TIME = { size: { sure: 1.2, most: 1.5 }, speed: { sure: 1.05, most: 1.2 } } as const;
type Widths = (typeof SAME_TIME)[keyof typeof SAME_TIME];

/** A few percent of a divergence on a few samples is luck, no reason for a longer recipe. */
const SAME_DAMAGE = 1.1;

const ratioOf = ({ latency }: Measured): number => latency.ratio ?? 1;
const least = <T>(all: readonly T[], value: (one: T) => number): T | undefined =>
  all.reduce<T | undefined>(
    (best, one) => (best === undefined || value(one) < value(best) ? one : best),
    undefined,
  );

const isAsFast = (one: Measured, best: Measured, { sure, most }: Widths): boolean =>
  ratioOf(one) <= ratioOf(best) * sure ||
  (ratioOf(one) <= ratioOf(best) * most &&
    (one.latency.ratioLow ?? 0) <= (best.latency.ratioHigh ?? Infinity));
const asFast = (all: readonly Measured[], widths: Widths): readonly Measured[] => {
  const best = least(all, ratioOf);
  return best ? all.filter((one) => isAsFast(one, best, widths)) : [];
};
const asSmall = (all: readonly Measured[]): readonly Measured[] => {
  const best = least(all, ({ sizeBytes }) => sizeBytes);
  return best ? all.filter(({ sizeBytes }) => sizeBytes <= best.sizeBytes * SAME_SIZE) : [];
};
/** Of those that keep the outputs as near as any, the one with the shortest recipe. */
function gentlest(all: readonly Measured[]): Measured | undefined {
  const best = least(all, ({ damage }) => damage);
  const near = best ? all.filter(({ damage }) => damage <= best.damage * SAME_DAMAGE) : [];
  return least(near, ({ entries }) => entries.length);
}

/**
 * The best of all for a goal. Measured times decide only where they clearly differ, so that the same
 * question finds the same answer: among the equally fast, or small, the gentlest is the best.
 */
function bestOf(
  all: readonly Measured[],
  goal: OptimizeGoal,
  wanted: number | null,
): Measured | undefined {
  // Slower ones last: they are offered only when nothing else is, and it is said.
  const quick = all.filter(({ latency }) => !isSlower(latency));
  const pool = quick.length > 0 ? quick : all;
  if (goal.faster) return gentlest(asFast(pool, SAME_TIME.speed));
  if (wanted !== null) return gentlest(pool);
  return gentlest(asFast(asSmall(pool), SAME_TIME.size));
}

/** Which to try on the report split, best first; and why the others are out. */
export function inOrder(
  measured: readonly Measured[],
  goal: OptimizeGoal,
  wanted: number | null,
): {
  readonly tries: readonly Measured[];
  readonly out: readonly { readonly one: Measured; readonly reason: string }[];
  readonly reasons: readonly string[];
} {
  const out: { one: Measured; reason: string }[] = [];
  const left = measured.filter((one) => {
    const reason =
      wanted !== null && one.sizeBytes > wanted
        ? say.tooLarge(one.sizeBytes, wanted)
        : goal.faster && !isFaster(one.latency)
          ? say.notFaster(one.latency)
          : null;
    if (reason !== null) out.push({ one, reason });
    return reason === null;
  });
  const smallest = Math.min(...measured.map(({ sizeBytes }) => sizeBytes));
  const reasons = wanted !== null && smallest > wanted ? [say.unreachable(wanted, smallest)] : [];
  const tries: Measured[] = [];
  for (let next = bestOf(left, goal, wanted); next; next = bestOf(left, goal, wanted)) {
    tries.push(next);
    left.splice(left.indexOf(next), 1);
  }
  return { tries, out, reasons };
}

/** What `chosen` has over one that was measured and would do as well. */
export function whyNot(
  one: Measured,
  chosen: Measured,
  goal: OptimizeGoal,
  wanted: number | null,
): string {
  if (isSlower(one.latency) && !isSlower(chosen.latency)) return say.slower(one.latency);
  const slow = !isAsFast(one, chosen, goal.faster ? SAME_TIME.speed : SAME_TIME.size);
  const large = one.sizeBytes > chosen.sizeBytes * SAME_SIZE;
  if (goal.faster && slow) return say.outdone.time;
  if (wanted === null && !goal.faster && large) return say.outdone.size;
  if (wanted === null && slow) return say.outdone.time;
  return one.damage > chosen.damage * SAME_DAMAGE ? say.outdone.damage : say.outdone.length;
}
