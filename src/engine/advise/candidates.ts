/** Which configurations are worth measuring: points of the Pareto front, and each way by itself. */
import type { Entry } from "../../shared/doc.ts";
import { assemble, labelOf, type Picks } from "./assemble.ts";
import type { Damages } from "./damage.ts";
import {
  gentlestWithin,
  paretoFront,
  smallestWithin,
  type Combination,
  type Front,
} from "./front.ts";
import type { Alternative, Layer, Way } from "./menu.ts";

export interface Candidate {
  readonly label: string;
  readonly entries: readonly Entry[];
  /** What is done to the whole model before its layers are stored in another way. */
  readonly first: Alternative | null;
  readonly picks: Picks;
  /** Sum of its layers' damages, each measured alone. */
  readonly predicted: number;
  /** Bytes of weights it saves, by the plans. */
  readonly savedBytes: number;
  /** The layers that are predicted to do most of it, worst first, with their shares. */
  readonly worst: readonly { readonly name: string; readonly share: number }[];
}

/** Layers named as causes. */
const NAMED = 2;

export interface CandidateScene {
  readonly before: readonly Entry[];
  readonly ways: readonly {
    readonly way: Way;
    readonly units: readonly { readonly name: string }[];
  }[];
  readonly layers: readonly Layer[];
  readonly damages: Damages;
  readonly alternatives: readonly Alternative[];
}

/** Predicted damages that are tried, as multiples of what is hoped to be bearable. */
const BUDGETS = [10, 4, 2, 1, 0.5, 0.2, 0.05];
/** For each way alone. */
const OWN_BUDGETS = [Infinity, 2, 0.5, 0.1];
/** For a way whose large layers become smaller still. */
const REFINED_BUDGETS = [1, 0.4, 0.15];

/**
 * @param bearable damage that is expected to be within the goal
 * @param wantedBytes that the goal's size asks to save, or null
 */
export function candidatesFor(
  scene: CandidateScene,
  bearable: number,
  wantedBytes: number | null,
): { readonly candidates: readonly Candidate[]; readonly front: Front } {
  const { layers, damages } = scene;
  const front = frontOf(scene);
  const total = layers.reduce((sum, layer) => sum + mostSaved(layer), 0);
  const found: Picks[] = [];
  const add = (point: Combination | null): void => {
    if (point)
      found.push(layers.map((layer, i) => layer.options[(point.picks[i] ?? 0) - 1] ?? null));
  };
  for (const budget of BUDGETS) add(smallestWithin(front, budget * bearable));
  if (wantedBytes !== null) {
    add(gentlestWithin(front, total - wantedBytes));
    // Files carry more than weights: a little beyond, in case the plan was too hopeful.
    add(gentlestWithin(front, total - wantedBytes * 1.02));
    add(front.points[0] ?? null);
  }
  for (const { way } of scene.ways)
    if (way.refines !== null)
      for (const budget of REFINED_BUDGETS) found.push(refinedPicks(scene, way, budget * bearable));
    else
      for (const budget of OWN_BUDGETS)
        found.push(ownPicks(layers, damages, way, budget * bearable));
  const seen = new Set<string>();
  const candidates = found.map(simplified).flatMap((picks): readonly Candidate[] => {
    if (picks.every((option) => option === null)) return [];
    const entries = assemble(scene.before, scene.ways, picks);
    const key = JSON.stringify(entries);
    if (seen.has(key)) return [];
    seen.add(key);
    return [
      {
        label: labelOf(picks),
        entries,
        first: null,
        picks,
        ...prediction(scene, picks),
        savedBytes: picks.reduce((sum, option) => sum + (option?.savedBytes ?? 0), 0),
      },
    ];
  });
  return { candidates: [...candidates, ...afterwards(scene, candidates)], front };
}

/** Each alternative by itself and before the way that saves most of what all layers can bear. */
function afterwards(scene: CandidateScene, candidates: readonly Candidate[]): readonly Candidate[] {
  const [first] = scene.ways;
  const whole =
    candidates.find(({ picks }) =>
      picks.every((option) => option === null || option.way === first?.way),
    ) ?? null;
  return scene.alternatives.flatMap((alternative): readonly Candidate[] => [
    after(scene, alternative, null),
    ...(whole ? [after(scene, alternative, whole)] : []),
  ]);
}

/** A candidate with something done to the whole model before; null: only that. */
export function after(
  scene: Pick<CandidateScene, "before" | "ways" | "layers" | "damages">,
  alternative: Alternative,
  candidate: Candidate | null,
): Candidate {
  const { label, entries } = alternative;
  const picks = candidate?.picks ?? scene.layers.map(() => null);
  return {
    label: candidate ? `${label}, ${candidate.label}` : label,
    entries: assemble([...scene.before, ...entries], scene.ways, picks),
    first: alternative,
    picks,
    ...prediction(scene, picks),
    predicted: NaN,
    savedBytes: candidate?.savedBytes ?? 0,
  };
}

/** A way that saves less than this share of what a configuration saves is not worth a line of the recipe. */
const WORTH = 0.01;

/** Its layers go the way of the others where they can, else they stay as they are. */
function simplified(picks: Picks): Picks {
  const saved = new Map<Way, number>();
  for (const option of picks)
    if (option) saved.set(option.way, (saved.get(option.way) ?? 0) + option.savedBytes);
  const total = [...saved.values()].reduce((a, b) => a + b, 0);
  const [main] = [...saved].sort((a, b) => b[1] - a[1]);
  return picks.map((option) => {
    if (!option || !main || (saved.get(option.way) ?? 0) >= WORTH * total) return option;
    return option.layer.options.find(({ way }) => way === main[0]) ?? null;
  });
}

const mostSaved = ({ options }: Layer): number =>
  options.reduce((most, { savedBytes }) => Math.max(most, savedBytes), 0);

/** Choice 0 leaves the layer as it is; bytes count from the most that can be saved. */
const frontOf = ({ layers, damages }: CandidateScene): Front =>
  paretoFront(
    layers.map((layer, i) => [
      { bytes: mostSaved(layer), damage: 0 },
      ...layer.options.map(({ savedBytes, way }, j) => ({
        bytes: mostSaved(layer) - savedBytes,
        damage: way.refines === null ? (damages.of[i]?.[j] ?? Infinity) : Infinity,
      })),
    ]),
  );

const damageAt = (
  { layers, damages }: Pick<CandidateScene, "layers" | "damages">,
  i: number,
  way: Way,
): number => {
  const option = layers[i]?.options.findIndex((one) => one.way === way) ?? -1;
  return option < 0 ? 0 : (damages.of[i]?.[option] ?? Infinity);
};

function prediction(
  scene: Pick<CandidateScene, "layers" | "damages">,
  picks: Picks,
): Pick<Candidate, "predicted" | "worst"> {
  const damages = picks.map((option, i) => (option ? damageAt(scene, i, option.way) : 0));
  const predicted = damages.reduce((sum, damage) => sum + damage, 0);
  const worst = damages
    .map((damage, i) => ({ name: scene.layers[i]?.name ?? "", share: damage / predicted }))
    .filter(({ share }) => share > 0)
    .sort((a, b) => b.share - a.share)
    .slice(0, NAMED);
  return { predicted, worst };
}

/** One way for all its layers but the worst, until the rest is within the budget. */
function ownPicks(layers: readonly Layer[], damages: Damages, way: Way, budget: number): Picks {
  const own = layers.map((layer, i) => ({
    option: layer.options.find((one) => one.way === way) ?? null,
    damage: damageAt({ layers, damages }, i, way),
  }));
  const kept = new Set<number>();
  const left = (): number =>
    own.reduce((sum, { option, damage }, i) => sum + (option && !kept.has(i) ? damage : 0), 0);
  const worst = own
    .map(({ damage, option }, i) => ({ i, damage: option ? damage : -1 }))
    .sort((a, b) => b.damage - a.damage);
  for (const { i, damage } of worst) {
    if (Number.isFinite(damage) && left() <= budget) break;
    if (damage >= 0) kept.add(i);
  }
  return own.map(({ option }, i) => (kept.has(i) ? null : option));
}

/**
 * The way that `way` refines for all layers that bear it, and the refinement where it costs least
 * damage per byte, until the budget is spent: as fast, and nothing is mixed in that is not.
 */
function refinedPicks({ ways, layers, damages }: CandidateScene, way: Way, budget: number): Picks {
  const base = ways.find(
    ({ way: one }) => one.refines === null && one.entry.transform === way.refines,
  )?.way;
  if (!base) return layers.map(() => null);
  const picks = [...ownPicks(layers, damages, base, budget)];
  const damage = (i: number, one: Way): number => damageAt({ layers, damages }, i, one);
  let left = picks.reduce((rest, option, i) => rest - (option ? damage(i, base) : 0), budget);
  const steps = picks.flatMap((option, i) => {
    const finer = layers[i]?.options.find((one) => one.way === way);
    if (!option || !finer || finer.savedBytes <= option.savedBytes) return [];
    const cost = Math.max(0, damage(i, way) - damage(i, base));
    return [{ i, finer, cost, rate: cost / (finer.savedBytes - option.savedBytes) }];
  });
  for (const { i, finer, cost } of steps.sort((a, b) => a.rate - b.rate))
    if (cost <= left) {
      picks[i] = finer;
      left -= cost;
    }
  return picks;
}
