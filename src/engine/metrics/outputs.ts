/** How far one output of two models is apart, added up sample by sample in float64. */
import type { OutputDiff } from "../../shared/protocol.ts";
import { klDivergence, scoreKind, type ScoreKind } from "./divergence.ts";
import { decibels } from "./error.ts";

type Values = Float32Array | Float64Array;

/** A batch of one output as numbers, `size` of them per sample; `shape` is the tensor's. */
export interface OutputBatch {
  readonly values: Values;
  readonly size: number;
  readonly shape: readonly number[];
}

export interface OutputMeter {
  /** Sample `i` of one model's batch beside sample `j` of the other's. */
  add(before: OutputBatch, i: number, after: OutputBatch, j: number): void;
  /** Squares of each sample's values, and of their differences. */
  readonly signals: readonly number[];
  readonly noises: readonly number[];
  result(): OutputDiff;
}

/** @param scores whether an axis of classes holds scores of them, so that a divergence has a meaning. */
export function outputMeter(name: string, scores: boolean): OutputMeter {
  const signals: number[] = [];
  const noises: number[] = [];
  let unequal = false;
  let count = 0;
  let dot = 0;
  let other = 0;
  let maxAbs = 0;
  let agreed = 0;
  let decisions = 0;
  let divergence = 0;
  let kinds: readonly [ScoreKind, ScoreKind] | null = null;
  return {
    signals,
    noises,
    add(before, i, after, j) {
      if (before.size !== after.size) {
        unequal = true;
        return;
      }
      const { size } = before;
      const a = before.values.subarray(i * size, (i + 1) * size);
      const b = after.values.subarray(j * size, (j + 1) * size);
      let signal = 0;
      let noise = 0;
      for (let at = 0; at < size; at++) {
        const x = a[at] ?? 0;
        const y = b[at] ?? 0;
        const d = y - x;
        signal += x * x;
        noise += d * d;
        dot += x * y;
        other += y * y;
        if (Math.abs(d) > maxAbs) maxAbs = Math.abs(d);
      }
      signals.push(signal);
      noises.push(noise);
      count += size;
      const classes = classAxis(before.shape);
      if (classes === null) return;
      if (scores) kinds ??= [scoreKind(before.values, classes), scoreKind(after.values, classes)];
      for (let at = 0; at + classes <= size; at += classes) {
        decisions++;
        if (argMax(a, at, classes) === argMax(b, at, classes)) agreed++;
        if (kinds) divergence += klDivergence(a, kinds[0], b, kinds[1], at, classes);
      }
    },
    result() {
      const signal = signals.reduce((sum, value) => sum + value, 0);
      const noise = noises.reduce((sum, value) => sum + value, 0);
      if (unequal || Number.isNaN(noise) || count === 0)
        return {
          name,
          sqnrDb: null,
          maxAbs: null,
          cosine: null,
          agreement: null,
          mse: null,
          kl: null,
        };
      const norm = Math.sqrt(signal * other);
      return {
        name,
        sqnrDb: decibels(signal, noise),
        maxAbs,
        cosine: norm === 0 ? null : Math.max(-1, Math.min(1, dot / norm)),
        agreement: decisions === 0 ? null : agreed / decisions,
        mse: noise / count,
        kl: kinds && Number.isFinite(divergence) ? divergence / decisions : null,
      };
    },
  };
}

/**
 * The output that a change moves most: by KL where each has one, else by SQNR and with no KL, since
 * nats of one output and decibels of another cannot be held against each other. One that becomes NaN
 * or of another size is the worst; one that had NaN or infinities before is left out.
 * @param main what there is to say where no other output counts
 */
export function worstOutput(
  meters: readonly OutputMeter[],
  main: OutputDiff | null,
): OutputDiff | null {
  const all = meters
    .filter(({ signals }) => signals.every(Number.isFinite))
    .map((meter) => meter.result());
  const [first] = all;
  if (first === undefined || all.length < 2) return first ?? main;
  const broken = all.find(({ sqnrDb }) => sqnrDb === null);
  if (broken) return broken;
  if (all.every(({ kl }) => kl !== null))
    return all.reduce((worst, one) => ((one.kl ?? 0) > (worst.kl ?? 0) ? one : worst));
  const worst = all.reduce((least, one) => ((one.sqnrDb ?? 0) < (least.sqnrDb ?? 0) ? one : least));
  return { ...worst, kl: null };
}

/** Length of the axis that scores classes: [N, C], [N, C, 1, 1] and [N, positions, C]; else null. */
function classAxis(shape: readonly number[]): number | null {
  const own = shape.slice(1);
  const wide = own.filter((dim) => dim > 1);
  const last = own.at(-1) ?? 1;
  if (wide.length === 1) return wide[0] ?? null;
  return own.length === 2 && last > 1 ? last : null;
}

function argMax(values: Values, start: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++)
    if ((values[start + i] ?? 0) > (values[start + best] ?? 0)) best = i;
  return best;
}
