/** How far outputs are from expected ones: mean squared error, PSNR of images in [0, 1], SQNR. */
import { dataErrors, engineErrors } from "../../shared/errors.ts";
import { EXACT_DB } from "../../shared/format.ts";
import { toNumbers } from "../../shared/hostTensor.ts";
import { bootstrap } from "./interval.ts";
import type { Meter, Units } from "./meter.ts";

export { EXACT_DB };
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
  const value: Units["value"] = ([error = 0, signal = 0, count = 1]) =>
    metric === "mse"
      ? error / count
      : metric === "psnr"
        ? decibels(1, error / count)
        : decibels(signal, error);
  const unitsOf = (): Units => ({
    columns: [
      Float64Array.from(units, (unit) => unit.error),
      Float64Array.from(units, (unit) => unit.signal),
      Float64Array.from(units, (unit) => unit.count),
    ],
    value,
  });
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
    units: unitsOf,
    result: () => {
      const { columns } = unitsOf();
      const sums = columns.map((column) => column.reduce((a, b) => a + b, 0));
      return { value: value(sums), ...bootstrap(columns, value), n, also: {} };
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
