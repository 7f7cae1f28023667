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
export const isSlower = ({ ratio, ratioLow }: BenchResult): boolean =>
  (ratio ?? 1) > SLOWER && (ratioLow ?? 1) > 1;
export const isFaster = ({ ratioHigh }: BenchResult): boolean =>
  ratioHigh !== null && ratioHigh < 1;

/** Sizes within 5 % count as equal, and times within 20 %: no one gives quality away for them. */
const classOf = (value: number, width: number): number =>
  Math.round(Math.log(value) / Math.log(width));
const sizeClass = ({ sizeBytes }: Measured): number => classOf(sizeBytes, 1.05);
const timeClass = ({ latency }: Measured): number => classOf(latency.ratio ?? 1, 1.2);

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
  const fits = measured.filter((one) => {
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
  const byDamage = (a: Measured, b: Measured): number => a.damage - b.damage;
  const bySize = (a: Measured, b: Measured): number =>
    sizeClass(a) - sizeClass(b) || timeClass(a) - timeClass(b) || byDamage(a, b);
  const byTime = (a: Measured, b: Measured): number =>
    (a.latency.ratio ?? 1) - (b.latency.ratio ?? 1);
  const order = goal.faster ? byTime : wanted === null ? bySize : byDamage;
  // Slower ones last: they are offered only when nothing else is, and it is said.
  const tries = fits.sort(
    (a, b) => Number(isSlower(a.latency)) - Number(isSlower(b.latency)) || order(a, b),
  );
  return { tries, out, reasons };
}
