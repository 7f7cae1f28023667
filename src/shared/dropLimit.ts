/** Whether a measured drop is within what was allowed, and how that is said. */
import { formatCount, formatDrop } from "./format.ts";
import type { PairedQuality } from "./views.ts";

/** `not shown`: the interval reaches beyond the limit, but does not lie beyond it. */
export type DropVerdict = "within" | "exceeded" | "not shown";

/**
 * A limit holds only when the upper end of the drop's 95 % interval is within it: few samples must
 * not pass what many would refuse.
 * @param limit a share: 0.01 is one point of an accuracy, or one percent of anything else
 */
export function judgeDrop(
  { dropLow, dropHigh }: Pick<PairedQuality, "dropLow" | "dropHigh">,
  limit: number,
): DropVerdict {
  return dropHigh <= limit ? "within" : dropLow > limit ? "exceeded" : "not shown";
}

/** "within the allowed 1.00 points", and so on: the end of a sentence about the drop. */
export function dropLimitText(quality: PairedQuality, limit: number): string {
  const { dropHigh, dropUnit, after } = quality;
  const allowed = formatDrop(limit, dropUnit);
  switch (judgeDrop(quality, limit)) {
    case "within":
      return `within the allowed ${allowed}`;
    case "exceeded":
      return `more than the allowed ${allowed}`;
    case "not shown":
      return `not shown to be within the allowed ${allowed}: on ${formatCount(after.n)} samples it may be up to ${formatDrop(dropHigh, dropUnit)}, and more samples would narrow that`;
  }
}
