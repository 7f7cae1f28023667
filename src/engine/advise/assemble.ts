/** From a choice for every layer to the entries of a recipe, and what to call it. */
import type { Entry } from "../../shared/doc.ts";
import { plural } from "../../shared/format.ts";
import type { Layer, Option, Way } from "./menu.ts";

/** For each layer its option, or null to leave it as it is. */
export type Picks = readonly (Option | null)[];

/**
 * The entries in the order of `ways`. A technique that takes all of its layers has no scope, so that
 * the recipe reads well and fits the next version of the model too. What goes alongside goes with the
 * first of a technique's entries: for the next it is done.
 */
export function assemble(
  before: readonly Entry[],
  ways: readonly { readonly way: Way; readonly units: readonly { readonly name: string }[] }[],
  picks: Picks,
): readonly Entry[] {
  const done = new Set<string>();
  return [
    ...before,
    ...ways.flatMap(({ way, units }): readonly Entry[] => {
      const names = picks.flatMap((option) => (option?.way === way ? [option.unit] : []));
      if (names.length === 0) return [];
      if (names.length === units.length) return [way.entry];
      const alongside = done.has(way.entry.transform) ? [] : way.alongside;
      done.add(way.entry.transform);
      return [{ ...way.entry, scope: [...names, ...alongside] }];
    }),
  ];
}

/** "int8 (10 layers), 4 bit weights (1 layer), 2 layers kept". */
export function labelOf(picks: Picks): string {
  const counts = new Map<string, number>();
  let kept = 0;
  for (const option of picks) {
    if (option) counts.set(option.way.label, (counts.get(option.way.label) ?? 0) + 1);
    else kept++;
  }
  const parts = [...counts].map(([label, count]) => `${label} (${plural(count, "layer")})`);
  if (parts.length === 0) return "preparation only";
  return kept === 0 ? parts.join(", ") : `${parts.join(", ")}, ${plural(kept, "layer")} kept`;
}

/** Layers below this share of all bytes are not worth a word. */
const NOTABLE = 0.01;

/** Names of the layers of some size that a configuration leaves as they are. */
export function keptLayers(layers: readonly Layer[], picks: Picks): readonly string[] {
  const total = layers.reduce((sum, { bytes }) => sum + bytes, 0);
  return layers
    .filter(({ bytes }, i) => picks[i] === null && bytes >= NOTABLE * total)
    .map(({ name }) => name);
}
