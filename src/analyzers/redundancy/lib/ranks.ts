/** Ranks of a matrix by its singular values. */

export interface Ranks {
  /** exp of the entropy of σ/Σσ (Roy and Vetterli 2007): the size of a flat spectrum as wide. */
  readonly effective: number;
  /** Σσ² / σ₁²: how many directions as strong as the first there are. */
  readonly stable: number;
}

/** `values` largest first, at least one of them above 0. */
export function ranksOf(values: Float64Array): Ranks {
  const sum = values.reduce((a, b) => a + b, 0);
  const squares = values.reduce((a, b) => a + b * b, 0);
  let entropy = 0;
  for (const value of values) if (value > 0) entropy -= (value / sum) * Math.log(value / sum);
  return { effective: Math.exp(entropy), stable: squares / (values[0] ?? 1) ** 2 };
}

/** The fewest components whose σ² sum to `share` of all. */
export function rankForEnergy(values: Float64Array, share: number): number {
  const total = values.reduce((a, b) => a + b * b, 0);
  let kept = 0;
  let rank = 0;
  while (rank < values.length && (rank === 0 || kept < share * total))
    kept += (values[rank++] ?? 0) ** 2;
  return rank;
}

/** At most `count` places of [0, length), the first and the last included. */
export function places(length: number, count: number): number[] {
  if (length <= count) return Array.from({ length }, (_, i) => i);
  return Array.from({ length: count }, (_, i) => Math.round((i * (length - 1)) / (count - 1)));
}
