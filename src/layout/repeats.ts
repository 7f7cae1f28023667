/** Runs of equal periods in a sequence of segment classes: the layers of a network. */

export interface Repeat {
  /** First segment, segments per repetition, repetitions. */
  readonly start: number;
  readonly period: number;
  readonly count: number;
  /** Nodes that folding this repeat hides. */
  readonly saved: number;
  /** Kinds of repetition: 2 for a decoder in which each fourth layer differs. */
  readonly kinds: number;
}

interface Sequence {
  readonly classes: Int32Array;
  readonly sizes: Int32Array;
}

/** Below this many hidden nodes a fold is not worth a box. */
const MIN_SAVED = 4;
const MAX_DEPTH = 6;

/** Non-overlapping repeats in the order of the sequence. */
export const findRepeats = (classes: Int32Array, sizes: Int32Array): Repeat[] =>
  repeatsIn({ classes, sizes }, 0, classes.length, 0);

function repeatsIn(sequence: Sequence, from: number, to: number, depth: number): Repeat[] {
  if (to - from < 2) return [];
  const best = bestRepeat(sequence, from, to);
  if (!best) return [];
  if (depth >= MAX_DEPTH) return [best];
  return [
    ...repeatsIn(sequence, from, best.start, depth + 1),
    best,
    ...repeatsIn(sequence, best.start + best.period * best.count, to, depth + 1),
  ];
}

/** Distances to the previous segment of the same class, most covering first, and their multiples. */
function candidatePeriods({ classes, sizes }: Sequence, from: number, to: number): Set<number> {
  const lastAt = new Map<number, number>();
  const weight = new Map<number, number>();
  for (let i = from; i < to; i++) {
    const own = classes[i] ?? 0;
    const last = lastAt.get(own);
    if (last !== undefined) weight.set(i - last, (weight.get(i - last) ?? 0) + (sizes[i] ?? 0));
    lastAt.set(own, i);
  }
  const common = [...weight].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, 12);
  const periods = new Set(common.map(([period]) => period));
  for (const [period] of common.slice(0, 4))
    for (const times of [2, 3, 4])
      if (period * times <= (to - from) / 2) periods.add(period * times);
  return periods;
}

function bestRepeat(sequence: Sequence, from: number, to: number): Repeat | null {
  const { sizes } = sequence;
  const before = new Float64Array(to - from + 1);
  for (let i = from; i < to; i++) before[i - from + 1] = (before[i - from] ?? 0) + (sizes[i] ?? 0);
  let best: { start: number; period: number; count: number; saved: number } | null = null;
  const consider = (start: number, period: number, count: number, trust: number): void => {
    const nodes = (before[start - from + period * count] ?? 0) - (before[start - from] ?? 0);
    const saved = nodes * (1 - 1 / count) * trust;
    if (saved <= MIN_SAVED) return;
    // Of two that save about the same, the shorter period says more.
    if (!best || saved > best.saved * 1.02 || (saved > best.saved * 0.98 && period < best.period))
      best = { start, period, count, saved };
  };
  for (const period of candidatePeriods(sequence, from, to)) {
    exactRuns(sequence, from, to, period, consider);
    tolerantRuns(sequence, from, to, period, consider);
  }
  return best ? { ...(best as Omit<Repeat, "kinds">), kinds: kindsOf(sequence, best) } : null;
}

type Consider = (start: number, period: number, count: number, trust: number) => void;

function exactRuns(
  { classes }: Sequence,
  from: number,
  to: number,
  period: number,
  consider: Consider,
): void {
  for (let i = from; i + period < to;) {
    let j = i;
    while (j + period < to && classes[j] === classes[j + period]) j++;
    const count = Math.floor((j - i) / period) + 1;
    if (count >= 2) consider(i, period, count, 1);
    i = Math.max(j, i + 1);
  }
}

/**
 * Periods that agree in at least half of their nodes. The first class must be the same in the first
 * three periods: without this anchor a decoder of two kinds of layer comes out half a layer shifted.
 */
function tolerantRuns(
  { classes, sizes }: Sequence,
  from: number,
  to: number,
  period: number,
  consider: Consider,
): void {
  for (let i = from; i + 2 * period < to;) {
    if (classes[i] !== classes[i + period] || classes[i] !== classes[i + 2 * period]) {
      i++;
      continue;
    }
    let count = 1;
    for (;;) {
      const here = i + (count - 1) * period;
      const next = here + period;
      if (next + period > to) break;
      let same = 0;
      let all = 0;
      for (let k = 0; k < period; k++) {
        const size = Math.max(sizes[here + k] ?? 0, sizes[next + k] ?? 0);
        all += size;
        if (classes[here + k] === classes[next + k]) same += size;
      }
      if (same * 2 < all) break;
      count++;
    }
    if (count >= 3) consider(i, period, count, 0.97);
    i += Math.max(1, (count - 1) * period);
  }
}

function kindsOf(
  { classes }: Sequence,
  { start, period, count }: { start: number; period: number; count: number },
): number {
  const kinds = new Set<string>();
  for (let r = 0; r < count; r++)
    kinds.add(classes.subarray(start + r * period, start + (r + 1) * period).join(" "));
  return kinds.size;
}
