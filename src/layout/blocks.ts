/** Repeated blocks of a network, found from its structure alone, and the values that feed all of them. */
import { consumersOf, degree, levels, neighbours, producersOf } from "./digraph.ts";
import { findRepeats, type Repeat } from "./repeats.ts";
import { segment, type SegmentInput, type Segments } from "./segments.ts";

export interface Blocks {
  readonly segments: Segments;
  readonly repeats: readonly Repeat[];
  /** 1 for nodes whose value is used far and wide (mask, rotary tables): drawn by name, not by lines. */
  readonly shared: Uint8Array;
}

/** Spans of fewer levels are ordinary edges. */
const MIN_SPAN = 12;
/** A residual has two consumers; what more use is a candidate. */
const MIN_CONSUMERS = 3;
/** A smaller threshold counts as better only from here on. */
const CLEARLY_BETTER = 1.05;

/** Tries several thresholds for what counts as shared and keeps the one that folds most. */
export function findBlocks(input: SegmentInput): Blocks {
  const { graph } = input;
  const producers = producersOf(graph);
  const consumers = consumersOf(graph);
  const level = levels(graph.count, producers);
  const depth = level.reduce((max, l) => Math.max(max, l + 1), 0);
  // Constants hoisted to the top of a file would look like long edges.
  for (let v = graph.count - 1; v >= 0; v--) {
    if (degree(producers, v) > 0 || degree(consumers, v) === 0) continue;
    level[v] = neighbours(consumers, v).reduce((min, w) => Math.min(min, level[w] ?? 0), depth) - 1;
  }
  let best: { blocks: Blocks; saved: number } | null = null;
  for (let span = Math.max(8, depth >> 1); ; span >>= 1) {
    const shared = new Uint8Array(graph.count);
    for (let v = 0; v < graph.count; v++) {
      if (degree(consumers, v) < MIN_CONSUMERS) continue;
      let low = Infinity;
      let high = -1;
      for (const w of neighbours(consumers, v)) {
        low = Math.min(low, level[w] ?? 0);
        high = Math.max(high, level[w] ?? 0);
      }
      if (high - low > span) shared[v] = 1;
    }
    const segments = segment(input, shared);
    const repeats = findRepeats(segments.classes, segments.sizes);
    const saved = repeats.reduce((sum, repeat) => sum + repeat.saved, 0);
    if (!best || saved > best.saved * CLEARLY_BETTER)
      best = { blocks: { segments, repeats, shared }, saved };
    if (span <= MIN_SPAN) return best.blocks;
  }
}
