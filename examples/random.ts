/**
 * Seeded random numbers of the example data. Only integer operations, `+ - * /` and `Math.sqrt` are
 * used here and in the generators: they are exact in every JavaScript engine, which `Math.sin`,
 * `Math.exp` and friends are not, so the data files come out identical everywhere.
 */
export interface Random {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Uniform in [low, high). */
  between(low: number, high: number): number;
  /** Whole number in [0, n). */
  below(n: number): number;
  /** About normal: mean 0, standard deviation 1, within ±3.5 (sum of four uniforms). */
  normal(): number;
  /** One element; the list must not be empty. */
  pick<T>(list: readonly T[]): T;
}

/** The generator "mulberry32": 32 bits of state, period 2^32. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = (n: number): number => Math.floor(uniform() * n);
  return {
    uniform,
    below,
    between: (low, high) => low + (high - low) * uniform(),
    normal: () => (uniform() + uniform() + uniform() + uniform() - 2) * Math.sqrt(3),
    pick: (list) => {
      const value = list[below(list.length)];
      if (value === undefined) throw new Error("pick needs a list with at least one element");
      return value;
    },
  };
}
