/** Splits a matrix into two thin ones, weights alone or weighted by what goes into the layer. */
import { addDiagonal, dampedCholesky } from "../../../kernels/linalg/cholesky.ts";
import { rowsOf, squaredNorm, transpose } from "../../../kernels/linalg/matrix.ts";
import { eigenSymmetric } from "../../../kernels/linalg/eigen.ts";
import { firstOf, thinSvd, truncatedSvd, type Svd } from "../../../kernels/linalg/svd.ts";
import { solveLower, solveLowerTransposed } from "../../../kernels/linalg/triangular.ts";
import type { Blas, MatrixF64 } from "../../../shared/kernels.ts";

/** How many components are kept: so many, or the fewest that hold a share of the energy Σσ². */
export type RankRule =
  | { readonly kind: "rank"; readonly rank: number }
  | { readonly kind: "energy"; readonly share: number };

export interface Factors {
  /** [K, r]. */
  readonly down: MatrixF64;
  /** [r, N]. */
  readonly up: MatrixF64;
  /** Share of the energy kept; of the output's energy when weighted. */
  readonly energy: number;
}

/** The largest rank with r·(K + N) < K·N. */
export const largestUsefulRank = (k: number, n: number): number => Math.ceil((k * n) / (k + n)) - 1;

/**
 * About what `factorize` has in memory at most: the matrix, images of it, and squares of its smaller
 * side or bases of the rank. Beside the 130 MB of the process: [2048, 4096] whole 0.48 GB (estimated
 * 0.47), [1024, 16384] whole 0.64 (0.59), [2048, 4096] to rank 200 0.18 (0.17).
 */
export function factorizingBytes(k: number, n: number, rule: RankRule, weighted: boolean): number {
  const least = Math.min(k, n);
  const whole = rule.kind === "energy" || 2 * rule.rank > least;
  const values = whole ? 4 * k * n + 6 * least * least : 2 * k * n + 4 * rule.rank * (k + n);
  return 8 * (values + (weighted ? k * n + 4 * k * k : 0));
}

/** Up to this size a whole decomposition (1.5 s at 768) costs less than guessing the rank. */
const WHOLE = 768;
const FIRST_GUESS = 64;

/** What goes into a layer, as second moments. */
export interface InputMoments {
  /** E[x̂ᵀx̂] [K, K] of the inputs x̂ that the new layer will get. */
  readonly gram: MatrixF64;
  /** E[x̂ᵀx] [K, K] with the inputs x of the original; null where both are the same. */
  readonly cross: MatrixF64 | null;
}

/**
 * W [K, N] ≈ down·up for rows y = x·W. With `moments` the error of y is what is least (SVD-LLM,
 * arXiv:2403.07378): G + λI = L·Lᵀ, and the truncated decomposition of LᵀW is mapped back by L⁻ᵀ; the
 * error E‖xW − x·down·up‖² is then the sum of the discarded σ², up to λ. Where the inputs x̂ differ
 * from the original's, the target is the original output: W becomes (G + λI)⁻¹(C + λI)·W, so that
 * LᵀW is L⁻¹(C + λI)·W. With a
 * `weighting` α below 1 the error is weighed by (G + λI)^(α/2) in place of Lᵀ: between both.
 *
 * Components are split so that both factors' parts have equal norm. Null when the energy needs a rank
 * above `most`.
 * A reason in words when the Gram cannot be factored.
 */
export async function factorize(
  blas: Blas,
  w: MatrixF64,
  options: {
    readonly rule: RankRule;
    readonly moments: InputMoments | null;
    /** λ relative to the mean of the Gram's diagonal. */
    readonly damping: number;
    /** Power of the Gram that the error is weighed by, above 0 to 1. */
    readonly weighting: number;
    readonly most: number;
    readonly seed: number;
  },
): Promise<Factors | string | null> {
  const { rule, moments, most, seed } = options;
  const metric = moments ? await metricOf(blas, moments, options) : null;
  if (typeof metric === "string") return metric;
  const weighted = metric ? await metric.weigh(w) : w;
  const total = squaredNorm(weighted.data);
  const svd =
    rule.kind === "rank"
      ? await truncatedSvd(blas, weighted, rule.rank, { seed })
      : await energySvd(blas, weighted, { share: rule.share, total, most, seed });
  if (!svd) return null;
  const columns = transpose(svd.left);
  const down = metric ? await metric.unweigh(columns) : columns;
  balance(down, svd);
  const kept = squaredNorm(svd.values);
  return { down, up: svd.right, energy: total === 0 ? 1 : Math.min(1, kept / total) };
}

/** What an error of the weight counts for: ‖weigh(ΔW)‖² is what is least. */
interface ErrorMetric {
  /** S·W, or S·(G + λI)⁻¹(C + λI)·W: aimed at the original's outputs. */
  readonly weigh: (w: MatrixF64) => Promise<MatrixF64>;
  /** S⁻¹·columns. */
  readonly unweigh: (columns: MatrixF64) => Promise<MatrixF64>;
}

async function metricOf(
  blas: Blas,
  { gram, cross }: InputMoments,
  { damping, weighting }: { readonly damping: number; readonly weighting: number },
): Promise<ErrorMetric | string> {
  const factor = await dampedCholesky(blas, gram, damping);
  if (!factor.ok)
    return `the statistics of its input are not positive definite (pivot ${factor.pivot} is ${factor.value})`;
  const { lower, lambda } = factor;
  const half = async (w: MatrixF64, to: MatrixF64): Promise<MatrixF64> =>
    solveLower(blas, lower, await blas.gemm(addDiagonal(to, lambda), w));
  if (weighting === 1)
    return {
      weigh: (w) => (cross ? half(w, cross) : blas.gemm(lower, w, { transA: true })),
      unweigh: (columns) => solveLowerTransposed(blas, lower, columns),
    };
  const { values, vectors } = await eigenSymmetric(blas, addDiagonal(gram, lambda));
  const powers = values.map((x) => Math.max(x, lambda) ** (weighting / 2));
  return {
    weigh: async (w) => {
      const aimed = cross ? await solveLowerTransposed(blas, lower, await half(w, cross)) : w;
      return scaledRows(await blas.gemm(vectors, aimed), powers);
    },
    unweigh: (columns) => {
      const scaled = scaledRows(
        columns,
        powers.map((x) => 1 / x),
      );
      return blas.gemm(vectors, scaled, { transA: true });
    },
  };
}

const scaledRows = (m: MatrixF64, factors: Float64Array): MatrixF64 => ({
  ...m,
  data: m.data.map((x, i) => x * (factors[Math.floor(i / m.cols)] ?? 1)),
});

async function energySvd(
  blas: Blas,
  a: MatrixF64,
  rule: {
    readonly share: number;
    readonly total: number;
    readonly most: number;
    readonly seed: number;
  },
): Promise<Svd | null> {
  const least = Math.min(a.rows, a.cols);
  for (let guess = least <= WHOLE ? least : FIRST_GUESS; ; guess *= 2) {
    const whole = guess >= least;
    const svd = whole ? await thinSvd(blas, a) : await truncatedSvd(blas, a, guess, rule);
    let rank = 0;
    let kept = 0;
    while (rank < svd.values.length && (rank === 0 || kept < rule.share * rule.total))
      kept += (svd.values[rank++] ?? 0) ** 2;
    if (rank > rule.most) return null;
    // The last component of a sum over all may be missing from it by rounding.
    if (whole || kept >= rule.share * rule.total) return firstOf(svd, rank);
    if (guess >= rule.most) return null;
  }
}

/** In place: column i of `down` times c, row i of `right` times σ_i/c, so that both have equal norm. */
function balance(down: MatrixF64, { values, right }: Svd): void {
  const { rows, cols: rank } = down;
  for (let i = 0; i < rank; i++) {
    let squares = 0;
    for (let r = 0; r < rows; r++) squares += (down.data[r * rank + i] ?? 0) ** 2;
    const norm = Math.sqrt(squares);
    const sigma = values[i] ?? 0;
    const scale = norm > 0 && sigma > 0 ? Math.sqrt(sigma / norm) : 1;
    for (let r = 0; r < rows; r++) down.data[r * rank + i] = (down.data[r * rank + i] ?? 0) * scale;
    const row = rowsOf(right, i, i + 1).data;
    for (let c = 0; c < row.length; c++) row[c] = ((row[c] ?? 0) * sigma) / scale;
  }
}
