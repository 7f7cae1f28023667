/**
 * Which way of storing each layer is best for every size: the Pareto front of bytes against predicted
 * damage, where damage of layers adds up. Exact while the front stays small (dynamic programming over
 * layers with dominated combinations dropped), thinned evenly beyond that.
 */

export interface Choice {
  /** Bytes that this way adds to the smallest possible; any origin, only differences count. */
  readonly bytes: number;
  readonly damage: number;
}

export interface Combination {
  readonly bytes: number;
  readonly damage: number;
  /** Index of the choice for each layer. */
  readonly picks: readonly number[];
}

export interface Front {
  /** From the smallest to the least damaging; both strictly monotonic. */
  readonly points: readonly Combination[];
  /** Whether no combination was thinned out on the way. */
  readonly exact: boolean;
}

/** Combinations kept after each layer. Thirty layers of four choices stay far below. */
const MAX_POINTS = 4000;

interface Link {
  readonly bytes: number;
  readonly damage: number;
  readonly pick: number;
  readonly before: Link | null;
}

/** @param layers for each layer its choices, at least one. */
export function paretoFront(layers: readonly (readonly Choice[])[]): Front {
  let links: Link[] = [{ bytes: 0, damage: 0, pick: -1, before: null }];
  let exact = true;
  for (const choices of layers) {
    const next: Link[] = [];
    for (const before of links)
      choices.forEach(({ bytes, damage }, pick) =>
        next.push({
          bytes: before.bytes + bytes,
          damage: before.damage + damage,
          pick,
          before,
        }),
      );
    links = undominated(next);
    if (links.length > MAX_POINTS) {
      exact = false;
      const every = links.length / MAX_POINTS;
      const all = links;
      links = Array.from({ length: MAX_POINTS }, (_, i) => all[Math.floor(i * every)]).filter(
        (link) => link !== undefined,
      );
      const last = all.at(-1);
      if (last && links.at(-1) !== last) links.push(last);
    }
  }
  return {
    points: links.map((link) => ({ bytes: link.bytes, damage: link.damage, picks: picksOf(link) })),
    exact,
  };
}

function undominated(links: Link[]): Link[] {
  links.sort((a, b) => a.bytes - b.bytes || a.damage - b.damage);
  const out: Link[] = [];
  let least = Infinity;
  for (const link of links) {
    if (link.damage >= least) continue;
    least = link.damage;
    out.push(link);
  }
  return out;
}

function picksOf(link: Link): readonly number[] {
  const picks: number[] = [];
  for (let at: Link | null = link; at !== null && at.pick >= 0; at = at.before) picks.push(at.pick);
  return picks.reverse();
}

/** The smallest with at most this damage; null when there is none. */
export const smallestWithin = (front: Front, damage: number): Combination | null =>
  front.points.find((point) => point.damage <= damage) ?? null;

/** The least damaging of at most so many bytes; null when there is none. */
export const gentlestWithin = (front: Front, bytes: number): Combination | null =>
  [...front.points].reverse().find((point) => point.bytes <= bytes) ?? null;
