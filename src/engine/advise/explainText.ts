/** An explanation in sentences: what fell, which layers did it, how errors grew, what to do. */
import {
  formatBytes,
  formatEval,
  formatMetric,
  formatNumber,
  formatPercent,
  metricTitle,
  plural,
} from "../../shared/format.ts";
import type { EvalResult, Explanation, LayerCause } from "../../shared/protocol.ts";

/** Layers are named until they make this share of the damage, but no more than MAX_NAMED. */
const MOST = 0.75;
const MAX_NAMED = 3;
const GAP = 10;

const list = (names: readonly string[]): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
const kl = (value: number): string => `KL ${formatNumber(value, 3)}`;
const db = (value: number): string => `${value.toFixed(1)} dB`;

export function describeCauses(facts: Omit<Explanation, "findings">): readonly string[] {
  const { before, after, layers } = facts;
  const apart = facts.kl === null ? `SQNR ${db(facts.sqnrDb)}` : `${kl(facts.kl)} nats`;
  const whole =
    before && after
      ? `${metricTitle(before.metric)} goes from ${formatEval(before)} to ${formatEval(after)}; the outputs are ${apart} apart.`
      : `The outputs are ${apart} apart.`;
  if (layers.length === 0)
    return [whole, "No layer's weights were changed in a way that can be tried by itself."];
  return [
    whole,
    ...worst(layers, facts.skipped.length),
    // What could not be tried is in the whole, but not in the sum.
    ...growth(layers, facts.skipped.length > 0 ? null : facts.kl),
    ...next(facts),
  ];
}

/** @param untried changes that are no part of `layers`, and may have done any part of the damage */
function worst(layers: readonly LayerCause[], untried: number): readonly string[] {
  let count = 0;
  let share = 0;
  while (count < Math.min(MAX_NAMED, layers.length) && share < MOST)
    share += layers[count++]?.share ?? 0;
  // One more where a gap follows it: it is small beside the worst, but no accident.
  const at = (i: number): number => layers[i]?.share ?? 0;
  while (count < MAX_NAMED && count + 1 < layers.length && at(count) > GAP * at(count + 1))
    share += at(count++);
  const named = layers.slice(0, count);
  const part =
    untried === 0
      ? []
      : [
          `${plural(layers.length, "changed layer")} can be tried alone; ${plural(untried, "other change")} cannot, and how much of the damage comes from there is not known.`,
        ];
  if (share === 0)
    return [...part, `No layer ${untried === 0 ? "" : "of these "}moves the outputs by itself.`];
  const each = named.map(({ name, alone, share: own }) => {
    const figure = alone.kl === null ? db(alone.sqnrDb) : kl(alone.kl);
    return `${name} (alone: ${figure}${layers.length === 1 ? "" : `, ${formatPercent(own)}`})`;
  });
  const all = untried === 0 ? "it" : "what these do";
  if (layers.length === 1)
    return [
      ...part,
      `${untried === 0 ? "One layer was changed" : "That layer is"}: ${list(each)}.`,
    ];
  return [
    ...part,
    share < MOST
      ? `The damage ${untried === 0 ? "is spread over" : "of these is spread over all"} ${layers.length} layers; the worst ${count}, ${list(each)}, make ${formatPercent(share)} of it.`
      : `${count} of ${layers.length} changed layers ${count === 1 ? "causes" : "cause"} ${formatPercent(share)} of ${all}: ${list(each)}.`,
  ];
}

/** How far below what its own error explains a layer's output must be, in dB, to be called cascaded. */
const CASCADED_DB = 6;
/** Share of the damage below which a layer does little by itself. */
const LITTLE = 0.1;

function growth(layers: readonly LayerCause[], total: number | null): readonly string[] {
  const out: string[] = [];
  const sum = layers.reduce((all, { alone }) => all + (alone.kl ?? 0), 0);
  if (total !== null && sum > 0)
    out.push(
      total > 1.5 * sum
        ? `Errors cascade: alone the layers add up to ${kl(sum)}, together they do ${kl(total)}.`
        : total < 0.67 * sum
          ? `Errors partly cancel: alone the layers add up to ${kl(sum)}, together they do ${kl(total)}.`
          : `Errors add up: alone the layers make ${kl(sum)}, together ${kl(total)}.`,
    );
  const [lowest] = layers
    .filter(({ cascadedDb }) => cascadedDb !== null)
    .sort((a, b) => (a.cascadedDb ?? 0) - (b.cascadedDb ?? 0));
  const [first] = layers;
  if (lowest && first && lowest.cascadedDb !== null && lowest.name !== first.name)
    out.push(
      `Along the graph the signal is worst after ${lowest.name} (${db(lowest.cascadedDb)}), with the errors of the layers before it${lowest.share < LITTLE && lowest.alone.sqnrDb > lowest.cascadedDb + CASCADED_DB ? "; by itself it does little harm" : ""}.`,
    );
  return out;
}

const isBetter = (one: EvalResult, other: EvalResult): boolean =>
  one.better === "higher" ? one.value > other.value : one.value < other.value;

function next({ keep, before, after, layers }: Omit<Explanation, "findings">): readonly string[] {
  if (keep === null)
    return layers.length < 2
      ? []
      : [
          "Next: no few layers explain it; use more bits, smaller blocks or a calibrated technique for all.",
        ];
  const these = keep.names.length === 1 ? "this layer" : `these ${keep.names.length} layers`;
  const gain =
    keep.metric && before
      ? `${metricTitle(before.metric)} ${formatMetric(keep.metric.metric, keep.metric.value)} on the same samples`
      : keep.kl === null
        ? "most of the error is gone"
        : kl(keep.kl);
  if (keep.metric && after && !isBetter(keep.metric, after))
    return [
      `Next: leave it as it is. Keeping ${these} (${list(keep.names)}) brings the outputs nearer, but gains nothing: ${gain}.`,
    ];
  return [
    `Next: keep ${these} as ${keep.names.length === 1 ? "it was" : "they were"} (${list(keep.names)}): ${gain}${keep.costBytes > 0 ? `, for ${formatBytes(keep.costBytes)} more` : ""}.`,
  ];
}
