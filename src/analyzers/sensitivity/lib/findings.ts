/** What a ranking of layers means, in sentences. */
import type { Drift } from "../../../core/analyzer.ts";

export interface MeasuredLayer {
  readonly name: string;
  readonly drift: Drift;
}

/** Layers named, and the share of the damage that makes them worth naming. */
const MAX_NAMED = 3;
const MOST = 0.6;

const digits = (value: number): string => String(Number(value.toPrecision(3)));
const share = (value: number): string => `${digits(value * 100)} %`;
const list = (names: readonly string[]): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;

/** @param layers most sensitive first. */
export function describe(
  layers: readonly MeasuredLayer[],
  all: Drift | null,
  mode: "one" | "allButOne",
  candidate: string,
): readonly string[] {
  const [first] = layers;
  if (!first) return [`${candidate} finds no layer to change in this model.`];
  const whole =
    all === null
      ? []
      : [
          `${layers.length === 1 ? "One layer" : `All ${layers.length} layers together`}: ${inWords(all)}.`,
        ];
  return mode === "one" ? [...whole, ...alone(layers, all)] : [...whole, ...restored(layers, all)];
}

function alone(layers: readonly MeasuredLayer[], all: Drift | null): readonly string[] {
  const kls = layers.map(({ drift }) => drift.kl);
  const [first] = layers;
  if (!first) return [];
  if (!kls.every((kl) => kl !== null))
    return [
      `Most sensitive: ${list(layers.slice(0, MAX_NAMED).map(({ name, drift }) => `${name} (${digits(drift.sqnrDb)} dB)`))}.`,
    ];
  const sum = kls.reduce((a, b) => a + b, 0);
  if (sum === 0) return ["No layer moves the outputs at all."];
  if (layers.length === 1) return [];
  let covered = 0;
  let count = 0;
  while (count < MAX_NAMED && covered < MOST * sum) covered += kls[count++] ?? 0;
  const names = layers.slice(0, count).map(({ name }) => name);
  const flat = covered < MOST * sum;
  return [
    flat
      ? `The damage is spread: the ${count} most sensitive layers, ${list(names)}, make ${share(covered / sum)} of it.`
      : `${list(names)} ${count === 1 ? "makes" : "make"} ${share(covered / sum)} of the damage of single layers.`,
    ...(all?.kl === null || all === null
      ? []
      : [
          `Alone, layers add up to KL ${digits(sum)}, together they do ${digits(all.kl)}: ${all.kl > 1.5 * sum ? "errors reinforce each other" : "errors add up as expected"}.`,
        ]),
    flat || count === layers.length
      ? "Next: use more bits or smaller blocks for all layers rather than sparing a few."
      : `Next: leave ${names.length === 1 ? "it" : "them"} as ${names.length === 1 ? "it is" : "they are"} and change the others (a scope of the other names), then compare.`,
  ];
}

function restored(layers: readonly MeasuredLayer[], all: Drift | null): readonly string[] {
  const [first] = layers;
  if (!first) return [];
  const { name, drift } = first;
  if (all === null || all.kl === null || drift.kl === null || all.kl === 0)
    return [`Keeping ${name} as it is helps most: ${inWords(drift)}.`];
  return [
    `Keeping ${name} as it is helps most: KL ${digits(all.kl)} falls to ${digits(drift.kl)}, ${share(1 - drift.kl / all.kl)} less.`,
  ];
}

function inWords({ kl, sqnrDb, agreement, metric }: Drift): string {
  const parts = [
    ...(kl === null ? [] : [`KL ${digits(kl)} nats`]),
    `SQNR ${digits(sqnrDb)} dB`,
    ...(agreement === null ? [] : [`${share(agreement)} equal decisions`]),
    ...(metric === null
      ? []
      : [
          metric.name === "top1"
            ? `top-1 ${share(metric.before)} → ${share(metric.after)}`
            : `${metric.name} ${digits(metric.before)} → ${digits(metric.after)}`,
        ]),
  ];
  return parts.join(", ");
}
