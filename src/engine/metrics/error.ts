/** How far outputs are from expected ones: mean squared error, PSNR of images in [0, 1], SQNR. */
import { dataErrors, engineErrors } from "../../shared/errors.ts";
import { toNumbers } from "../../shared/hostTensor.ts";
import { bootstrap } from "./interval.ts";
import type { Meter } from "./meter.ts";

/** Stands for equal to the last bit, where the ratio would be infinite (and not a JSON number). */
export const EXACT_DB = 300;
/** Units the bootstrap draws from; fewer samples than this are cut into contiguous segments. */
const MIN_UNITS = 16;

/** 10·log10(signal / noise), at most EXACT_DB. */
export const decibels = (signal: number, noise: number): number =>
  noise === 0 ? EXACT_DB : Math.max(-EXACT_DB, Math.min(EXACT_DB, 10 * Math.log10(signal / noise)));

export type ErrorMetric = "mse" | "psnr" | "sqnr";

/** Squared error and signal energy of one unit. */
interface Unit {
  readonly error: number;
  readonly signal: number;
  readonly count: number;
}

/**
 * Over all outputs that have expected values. `psnr` clips the model's values to [0, 1] first.
 * @throws EngineError when an output is NaN.
 */
export function errorMeter(
  metric: ErrorMetric,
  outputs: readonly string[],
  samples: number,
  model: string,
): Meter {
  const units: Unit[] = [];
  let n = 0;
  const segments = samples >= MIN_UNITS ? 1 : Math.ceil(MIN_UNITS / samples);
  const value = (error: number, signal: number, count: number): number =>
    metric === "mse"
      ? error / count
      : metric === "psnr"
        ? decibels(1, error / count)
        : decibels(signal, error);
  return {
    fetch: outputs,
    add(batch, results) {
      n += batch.count;
      for (const name of outputs) {
        const tensor = results.get(name);
        const expected = batch.expected.get(name);
        if (!tensor || !expected) continue;
        const got = toNumbers(tensor);
        const size = got.length / batch.rows;
        if (size * batch.count !== expected.length)
          throw dataErrors.bad(
            name,
            name,
            `the expected output has ${expected.length / batch.count} values per sample, the model gives ${size}`,
            "Use expected outputs made for this model.",
          );
        for (let row = 0; row < batch.count; row++)
          for (let s = 0; s < segments; s++) {
            const from = row * size + Math.floor((size * s) / segments);
            const to = row * size + Math.floor((size * (s + 1)) / segments);
            if (to === from) continue;
            const unit = unitOf(got, expected, from, to, metric === "psnr");
            if (Number.isNaN(unit.error))
              throw engineErrors.notFinite(model, name, batch.first + row);
            units.push(unit);
          }
      }
    },
    result: () => {
      const sum = (of: (unit: Unit) => number): number =>
        units.reduce((total, unit) => total + of(unit), 0);
      const column = (of: (unit: Unit) => number): Float64Array => Float64Array.from(units, of);
      const error = (unit: Unit): number => unit.error;
      const signal = (unit: Unit): number => unit.signal;
      const count = (unit: Unit): number => unit.count;
      const interval = bootstrap(
        [column(error), column(signal), column(count)],
        ([e = 0, s = 0, c = 1]) => value(e, s, c),
      );
      return { value: value(sum(error), sum(signal), sum(count)), ...interval, n, also: {} };
    },
  };
}

function unitOf(
  got: ArrayLike<number>,
  expected: Float64Array,
  from: number,
  to: number,
  clip: boolean,
): Unit {
  let error = 0;
  let signal = 0;
  for (let i = from; i < to; i++) {
    const raw = got[i] ?? 0;
    const value = clip ? Math.min(1, Math.max(0, raw)) : raw;
    const target = expected[i] ?? 0;
    error += (value - target) ** 2;
    signal += target * target;
  }
  return { error, signal, count: to - from };
}
