/**
 * What may be measured of activations, and in which form it is answered. Techniques say what they
 * need per unit (`Unit.needs`), so that the engine collects everything in as few passes over the
 * calibration data as its memory budget allows; `ctx.stat(need)` then gives the answer.
 */
import { engineErrors } from "../shared/errors.ts";
import type { GraphPath } from "./model.ts";

/**
 * Where it is measured. `use` is a value as a node takes it in: the statistics of columns then
 * describe the matrix X [rows, K] that the node multiplies with its weight:
 * - MatMul, Gemm (transA undone), MatMulNBits: every leading dimension is rows, the last is K; as the
 *   second input (transB undone) the dimension that is summed over is K;
 * - Conv: im2col patches [N·Ho·Wo, C/group·kh·kw] per group, padding included as zeros, columns in
 *   the order of the weight's axes 1, 2, 3 (channel first);
 * - LSTM, GRU, RNN: the last dimension is K;
 * - any other operator: the channel axis (1 for rank 3 and more, else the last) is K, the rest rows.
 *   ConvTranspose is refused: it multiplies no such matrix.
 * `value` is a value by itself, with the axis that counts as channels (negative: from the end).
 */
export type Place =
  | {
      readonly kind: "use";
      readonly graph: GraphPath;
      /** `nodeKey` of the node. */
      readonly node: string;
      readonly input: number;
    }
  | {
      readonly kind: "value";
      readonly graph: GraphPath;
      readonly name: string;
      readonly axis: number;
    };

/**
 * Of which model: `base` is the document's file before any recipe, `before` the model this entry is
 * applied to, `current` the model with what this entry has done so far (sequential mode).
 */
export type State = "base" | "before" | "current";

/** What every statistic stands on. Two with different keys are never combined. */
export interface Sampled {
  /** Calibration samples, and the rows (positions) of them that were used. */
  readonly samples: number;
  readonly rows: number;
  /** Hash of data identity, sample ids, positions and seed. */
  readonly key: string;
}

export interface Range extends Sampled {
  readonly min: number;
  readonly max: number;
}
/** Per channel of the value itself (never im2col): [channels]. */
export interface ChannelRange extends Sampled {
  readonly min: Float32Array;
  readonly max: Float32Array;
}
/** Equal bins over [min, max], 2,048 of them; exact zeros are also counted apart (the bin of a ReLU). */
export interface Histogram extends Sampled {
  readonly min: number;
  readonly max: number;
  readonly counts: Float64Array;
  readonly zeros: number;
}
/** Per column of X: [groups·K]; a value's channels for `value` places. */
export interface Mean extends Sampled {
  readonly mean: Float64Array;
}
export interface AbsMean extends Sampled {
  readonly absMean: Float64Array;
}
export interface Moments extends Sampled {
  readonly mean: Float64Array;
  /** Population variance. */
  readonly variance: Float64Array;
}
/** XᵀX / rows for each group: `data` is [groups, K, K] row-major, symmetric; `mean` is [groups·K]. */
export interface Gram extends Sampled {
  readonly groups: number;
  readonly k: number;
  readonly data: Float32Array;
  readonly mean: Float64Array;
}
/** AᵀB / rows over the same rows, A of `Need.at`, B of `Need.against`: [groups, kA, kB]. */
export interface CrossGram extends Sampled {
  readonly groups: number;
  readonly kA: number;
  readonly kB: number;
  readonly data: Float32Array;
}
/** Rows of X themselves: [rows, groups·K]. */
export interface Samples extends Sampled {
  readonly k: number;
  readonly data: Float32Array;
}

export interface StatTypes {
  readonly range: Range;
  readonly channelRange: ChannelRange;
  readonly histogram: Histogram;
  readonly mean: Mean;
  readonly absMean: AbsMean;
  readonly moments: Moments;
  readonly gram: Gram;
  readonly crossGram: CrossGram;
  readonly samples: Samples;
}
export type StatKind = keyof StatTypes;

export interface Need<K extends StatKind = StatKind> {
  readonly stat: K;
  readonly at: Place;
  readonly of: State;
  /** Only for `crossGram`: the other side, on the same samples and positions. */
  readonly against?: { readonly at: Place; readonly of: State };
  /**
   * Rows wanted at most, spread evenly over the samples with the seed. By default all of a `value`
   * place; of a `use` place the larger of 2K and 8,192, so that all statistics of one place stand on
   * the same rows; 1,024 for `samples`. Ranges and histograms always take every element.
   */
  readonly rows?: number;
}

/** The one text for equal needs; keys of caches and maps. */
export const needKey = (need: Need): string => JSON.stringify(need);

export const useOf = (graph: GraphPath, node: string, input = 0): Place => ({
  kind: "use",
  graph,
  node,
  input,
});
export const valueAt = (graph: GraphPath, name: string, axis = 1): Place => ({
  kind: "value",
  graph,
  name,
  axis,
});

/**
 * Whatever combines statistics calls this first: float means of 100 images against quantized means
 * of 40 made a model useless (QUANTIZATION.md §3), and nothing else would have noticed.
 * @throws EngineError when they do not stand on the same samples and positions
 */
export function sameSamples(first: Sampled, ...others: readonly Sampled[]): void {
  for (const other of others)
    if (other.key !== first.key) throw engineErrors.samplesDiffer(first, other);
}
