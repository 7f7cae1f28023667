/** What could be done to each layer: the techniques of the catalogue that make weights smaller. */
import type { Model } from "../../core/model.ts";
import { nodeLabel } from "../../core/model.ts";
import type { Unit } from "../../core/plan.ts";
import { heldOut } from "../heldOut.ts";
import { transforms } from "../../transforms/index.ts";
import type { Entry, ParamValues } from "../../shared/doc.ts";
import { readParams } from "../../shared/params.ts";
import { planEntry } from "../compute.ts";

/** A technique with parameters, as one way of storing layers. */
export interface Way {
  readonly label: string;
  readonly entry: Entry;
  /** Units without weights go along with the others: they keep values in integers between layers. */
  readonly alongside: readonly string[];
  /** The technique whose other way this one makes smaller, layer by layer; null for a way of its own. */
  readonly refines: string | null;
}

/** One way for one layer. */
export interface Option {
  readonly way: Way;
  readonly layer: Layer;
  /** The technique's own name for it. */
  readonly unit: string;
  /** Bytes that it saves; the larger estimate of what remains. */
  readonly savedBytes: number;
}

export interface Layer {
  readonly name: string;
  readonly bytes: number;
  readonly options: readonly Option[];
}

interface Offer {
  readonly label: string;
  readonly transform: string;
  readonly params: ParamValues;
  /** Where no size is asked for it is no way of its own, but only for large layers of the way before. */
  readonly isRefinement?: boolean;
}

/**
 * In the order in which they are applied: static quantization first, since its ranges are those of
 * the model before weights were rounded by others.
 */
const OFFERS: readonly Offer[] = [
  { label: "int8", transform: "quantize.static", params: {} },
  {
    label: "int8 with 4 bit weights",
    transform: "quantize.static",
    params: { bits: 4 },
    isRefinement: true,
  },
  { label: "dynamic int8", transform: "quantize.dynamic", params: {} },
  { label: "8 bit weights", transform: "quantize.weightOnly", params: { bits: 8, embedding: "8" } },
  {
    label: "4 bit weights",
    transform: "quantize.weightOnly",
    params: { bits: 4, block: 32, embedding: "4" },
  },
  { label: "float16 weights", transform: "quantize.float16", params: {} },
];

/** Changes that keep outputs and make what follows better or the file smaller. */
const PREPARATIONS: readonly string[] = ["graph.clean", "graph.foldBatchNorm", "share.deduplicate"];

/** The entry with every parameter; null when this build has no such technique or parameter value. */
function entryOf(transform: string, params: ParamValues): Entry | null {
  const found = transforms.find(({ meta }) => meta.id === transform);
  if (!found) return null;
  const { id, params: schema } = found.meta;
  const known = Object.fromEntries(Object.entries(params).filter(([key]) => key in schema));
  return heldOut({ transform, params: readParams(id, schema, known) });
}

export const preparations = (): readonly Entry[] =>
  PREPARATIONS.flatMap((id) => entryOf(id, {}) ?? []);

/** Something done to the whole model before layers are stored in another way. */
export interface Alternative {
  readonly label: string;
  readonly entries: readonly Entry[];
  /** Why it may be worth it. */
  readonly reason: string;
}

/** @param shrink whether removing channels is worth it: for speed, or for sizes below 8 bit. */
export const alternatives = (model: Model, shrink: boolean): readonly Alternative[] => [
  ...alternative(
    model,
    "equalized",
    entryOf("quantize.equalize", {}),
    "channels of unequal size are balanced before they are rounded, and the outputs stay the same",
  ),
  ...(shrink ? shrinking(model, [0.125, 0.25]) : []),
];

/** What is tried, one after the other, while a wanted size is not reached. */
export const lastResorts = (model: Model): readonly Alternative[] =>
  shrinking(model, [0.375, 0.5, 0.625, 0.75]);

const shrinking = (model: Model, amounts: readonly number[]): readonly Alternative[] =>
  amounts.flatMap((amount) =>
    alternative(
      model,
      `${100 * amount} % of channels removed`,
      entryOf("prune.channels", { amount }),
      "those whose loss the layers that read them can make up for best go, and these layers are fitted anew",
    ),
  );

const alternative = (
  model: Model,
  label: string,
  entry: Entry | null,
  reason: string,
): readonly Alternative[] =>
  entry && planEntry(model, entry).plan.units.length > 0
    ? [{ label, entries: [entry], reason }]
    : [];

/** Each layer tried alone costs time, and a refinement of less than this share of all bytes does not repay it. */
const LARGE = 0.05;

/**
 * Ways that change at least one layer of the model.
 * @param small whether a size is asked for, so that refinements are ways of their own
 */
export function waysFor(
  model: Model,
  small: boolean,
): readonly { readonly way: Way; readonly units: readonly Unit[] }[] {
  return OFFERS.flatMap(({ label, transform, params, isRefinement }) => {
    const entry = entryOf(transform, params);
    if (!entry) return [];
    const { units } = planEntry(model, entry).plan;
    const weighted = units.filter((unit) => unit.sizeBefore > 0);
    if (weighted.length === 0) return [];
    const alongside = units.filter((unit) => unit.sizeBefore === 0).map(({ name }) => name);
    const refines = isRefinement === true && !small ? transform : null;
    return [{ way: { label, entry, alongside, refines }, units: weighted }];
  });
}

/** Layers by their largest weight, so that techniques which name units differently meet. */
export function layersOf(
  ways: readonly { readonly way: Way; readonly units: readonly Unit[] }[],
): readonly Layer[] {
  const total = Math.max(0, ...ways.map(({ units }) => bytesOf(units)));
  const layers = new Map<string, { name: string; bytes: number; options: Option[] }>();
  for (const { way, units } of ways)
    for (const unit of units) {
      const key = keyOf(unit);
      const [node] = unit.nodes;
      const layer = layers.get(key) ?? {
        name: node ? nodeLabel(unit.graph, node) : unit.name,
        bytes: unit.sizeBefore,
        options: [],
      };
      layers.set(key, layer);
      const savedBytes = unit.sizeBefore - unit.sizeAfter.max;
      const isWorthIt = way.refines === null || unit.sizeBefore >= LARGE * total;
      if (savedBytes > 0 && isWorthIt && layer.options.every((option) => option.way !== way))
        layer.options.push({ way, layer, unit: unit.name, savedBytes });
    }
  return [...layers.values()].filter(({ options }) => options.length > 0);
}

const bytesOf = (units: readonly Unit[]): number =>
  units.reduce((sum, { sizeBefore }) => sum + sizeBefore, 0);

function keyOf({ tensors, nodes, graph, name }: Unit): string {
  const [largest] = [...tensors].sort((a, b) => b.sizeBytes - a.sizeBytes);
  const [node] = nodes;
  const own = largest?.name ?? (node ? nodeLabel(graph, node) : name);
  return JSON.stringify([graph, own]);
}
