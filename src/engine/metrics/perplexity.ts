/** exp of the mean negative log-likelihood of the next token, in float64 from the logits. */
import { dataErrors, engineErrors } from "../../shared/errors.ts";
import { toNumbers } from "../../shared/hostTensor.ts";
import { bootstrap } from "./interval.ts";
import type { Meter, Units } from "./meter.ts";

/** @param output logits [batch, positions, tokens]. The interval resamples windows, not tokens. */
export function perplexity(output: string, model: string, labelsPath: string): Meter {
  const losses: number[] = [];
  const tokens: number[] = [];
  const value: Units["value"] = ([nll = 0, count = 1]) => Math.exp(nll / count);
  const units = (): Units => ({
    columns: [Float64Array.from(losses), Float64Array.from(tokens)],
    value,
  });
  return {
    fetch: [output],
    add(batch, outputs) {
      const tensor = outputs.get(output);
      if (!tensor || !batch.labels) return;
      const positions = batch.labels.length / batch.count;
      const vocabulary = tensor.shape.at(-1) ?? 0;
      const logits = toNumbers(tensor);
      if (logits.length !== batch.rows * positions * vocabulary)
        throw engineErrors.notLogits(model, output, tensor.shape, positions);
      for (let row = 0; row < batch.count; row++) {
        let nll = 0;
        for (let p = 0; p < positions; p++) {
          const at = row * positions + p;
          const target = Number(batch.labels[at]);
          if (!(target >= 0 && target < vocabulary))
            throw dataErrors.labelsRange(labelsPath, target, vocabulary);
          nll += negativeLogLikelihood(logits, at * vocabulary, vocabulary, target);
        }
        if (Number.isNaN(nll)) throw engineErrors.notFinite(model, output, batch.first + row);
        losses.push(nll);
        tokens.push(positions);
      }
    },
    units,
    result: () => {
      const nll = losses.reduce((a, b) => a + b, 0);
      const n = tokens.reduce((a, b) => a + b, 0);
      const interval = bootstrap(units().columns, value);
      return { value: value([nll, n]), ...interval, n, also: { windows: losses.length } };
    },
  };
}

function negativeLogLikelihood(
  logits: ArrayLike<number>,
  start: number,
  count: number,
  target: number,
): number {
  let max = -Infinity;
  for (let i = 0; i < count; i++) max = Math.max(max, logits[start + i] ?? 0);
  let sum = 0;
  for (let i = 0; i < count; i++) sum += Math.exp((logits[start + i] ?? 0) - max);
  return Math.log(sum) - ((logits[start + target] ?? 0) - max);
}
