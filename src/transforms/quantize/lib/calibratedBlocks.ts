/** Codes of a weight by the error they make on calibration data, on the scales that plain rounding has found. */
import type { WorkContext } from "../../../core/context.ts";
import { nodeKey, type Tensor } from "../../../core/model.ts";
import { useOf } from "../../../core/statistics.ts";
import { transpose } from "../../../kernels/linalg/matrix.ts";
import { gptq } from "../../../kernels/quantize/gptq.ts";
import { refineCodes } from "../../../kernels/quantize/refine.ts";
import type { BlockFormat, BlockOutput, MatrixF64 } from "../../../shared/kernels.ts";
import { matrixSize } from "./blocks.ts";
import { pooledMoments } from "./inputMoments.ts";
import type { Variant } from "./storage.ts";

/** λ relative to the mean of the Gram's diagonal. */
const DAMPING = 0.01;
/** Columns up to which Gram, factor and inverse (12 K² bytes and more) stay within the memory of a job. */
export const MOST_COLUMNS = 8192;
/** N·K² up to which other grids are tried for each block: about half a minute for one layer. */
const MOST_SEARCHED = 2 ** 31;
/** In place of a scale of 0, on which only the zero point's code is left. */
const NOTHING = 1e30;
const NOTHING32 = Math.fround(NOTHING);

/** XᵀX / rows of what the variant's products multiply [K, K]; null where too little of it is known. */
export function momentsOf(
  ctx: WorkContext,
  { sites, transposed }: Variant,
  tensor: Tensor,
): Promise<MatrixF64 | null> {
  const { k } = matrixSize(tensor, transposed);
  const places = sites.map(({ path, node }) => useOf(path, nodeKey(node)));
  return k > MOST_COLUMNS ? Promise.resolve(null) : pooledMoments(ctx, places, k);
}

/** Rounds anew, in place; rows keep the nearest codes where those are no worse. */
export async function roundOnMoments(
  ctx: WorkContext,
  tensor: Tensor,
  transposed: boolean,
  format: BlockFormat,
  out: BlockOutput,
  moments: MatrixF64,
): Promise<void> {
  const { bits, block, symmetric } = format;
  const { n, k } = matrixSize(tensor, transposed);
  const [rows = 0, cols = 0] = tensor.shape;
  const stored = { rows, cols, data: Float64Array.from(await ctx.readF32(tensor)) };
  const weight = transposed ? stored : transpose(stored);
  const centre = 2 ** (bits - 1);
  const grid = {
    low: 0,
    high: 2 ** bits - 1,
    block,
    scales: out.scales.map((scale) => (scale === 0 ? NOTHING : scale)),
    zeroPoints: symmetric
      ? new Uint8Array(n * out.kBlocks).fill(centre)
      : (out.zeroPoints ?? new Uint8Array(n * out.kBlocks)),
  };
  const result = await gptq(ctx.blas, weight, moments, grid, {
    damping: DAMPING,
    order: "activation",
  });
  // A Gram that cannot be factored: nearest it stays.
  if (!result.ok) return;
  await refineCodes(ctx.blas, weight, moments, grid, result.codes, {
    damping: DAMPING,
    // On a 2-bit character model perplexity 5.73 instead of 5.76; at 4 bit nothing is gained.
    search: bits === 2 && n * k * k <= MOST_SEARCHED,
    free: symmetric ? null : out.zeroPoints,
  });
  grid.scales.forEach((scale, i) => {
    if (scale !== NOTHING32) out.scales[i] = scale;
  });
  const rowBytes = (out.kBlocks * block * bits) / 8;
  const mask = 2 ** bits - 1;
  for (let row = 0; row < n; row++)
    for (let i = 0; i < k; i++) {
      const at = row * rowBytes + ((i * bits) >> 3);
      const shift = (i * bits) & 7;
      const code = result.codes[row * k + i] ?? 0;
      out.codes[at] = ((out.codes[at] ?? 0) & ~(mask << shift)) | (code << shift);
    }
}
