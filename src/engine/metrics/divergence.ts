/** Kullback-Leibler divergence between what two models predict, in float64. */

/** What class scores are: a distribution already, or numbers that softmax turns into one. */
export type ScoreKind = "probabilities" | "logits";

/** Rows of probabilities add up to 1 within this, also in float16 and over thousands of classes. */
const SUM_TOLERANCE = 5e-3;
/** Float32 carries no smaller probability beside 1; what a quantized output rounds to 0 is no certainty. */
const FLOOR = 1e-7;

/** Whether rows of `classes` values are probabilities: none negative, and each row adds up to 1. */
export function scoreKind(values: ArrayLike<number>, classes: number): ScoreKind {
  for (let at = 0; at + classes <= values.length; at += classes) {
    let sum = 0;
    for (let i = at; i < at + classes; i++) {
      const value = values[i] ?? 0;
      if (!(value >= 0)) return "logits";
      sum += value;
    }
    if (Math.abs(sum - 1) > SUM_TOLERANCE) return "logits";
  }
  return "probabilities";
}

/**
 * KL(p ‖ q) in nats of one row of scores, `count` values from `at` on. Log-probabilities count as
 * logits, which gives the same. NaN when a score is NaN.
 */
export function klDivergence(
  p: ArrayLike<number>,
  pKind: ScoreKind,
  q: ArrayLike<number>,
  qKind: ScoreKind,
  at: number,
  count: number,
): number {
  const pNorm = pKind === "logits" ? logSumExp(p, at, count) : 0;
  const qNorm = qKind === "logits" ? logSumExp(q, at, count) : 0;
  let sum = 0;
  for (let i = at; i < at + count; i++) {
    const x = p[i] ?? 0;
    const y = q[i] ?? 0;
    const logP = pKind === "logits" ? x - pNorm : Math.log(x > FLOOR ? x : FLOOR);
    const logQ = qKind === "logits" ? y - qNorm : Math.log(y > FLOOR ? y : FLOOR);
    const weight = pKind === "logits" ? Math.exp(logP) : x;
    if (weight > 0) sum += weight * (logP - logQ);
    else if (Number.isNaN(weight) || Number.isNaN(y)) return NaN;
  }
  // Rounding of equal distributions may leave -1e-17.
  return sum < 0 ? 0 : sum;
}

function logSumExp(values: ArrayLike<number>, at: number, count: number): number {
  let max = -Infinity;
  for (let i = at; i < at + count; i++) max = Math.max(max, values[i] ?? 0);
  let sum = 0;
  for (let i = at; i < at + count; i++) sum += Math.exp((values[i] ?? 0) - max);
  return max + Math.log(sum);
}
