/** What a technique may ask of the engine while it works. Implemented in `engine/`. */
import type { Blas, Kernels } from "../shared/kernels.ts";
import type { GraphNode, GraphPath, Model, Tensor } from "./model.ts";
import type { Need, StatKind, StatTypes } from "./statistics.ts";

export interface WorkContext {
  readonly signal: { readonly aborted: boolean };
  /** @throws Cancelled when the caller has gone; call it between pieces of work. Yields to the event loop. */
  checkpoint(): Promise<void>;
  /** Fraction of the current unit, 0 to 1. */
  progress(fraction: number): void;
  readonly seed: number;
  /** The document's file as it is before any recipe: what repairs aim at. */
  readonly base: Model;
  /** Path of the calibration data; null where the document has none. */
  readonly data: string | null;
  /**
   * A statistic of activations over the calibration samples. Needs that units declared are there
   * already; any other is collected now, together with what else is asked for in the same turn
   * (`Promise.all`), in a pass of its own.
   * @throws EngineError `needs-data` without data, `unmeasured` for a place that cannot be measured
   * (an `apply` may let it pass: the unit is then skipped with the reason); DataError when the data
   * does not fit the model.
   */
  stat<K extends StatKind>(need: Need<K>): Promise<StatTypes[K]>;
  /**
   * How far the model's outputs move when activations are rounded, on a few calibration samples: for
   * each set of values, all of it rounded and everything else exact. The model is the one this entry
   * is applied to.
   * @param roundings every value that a set names, with its grid
   * @throws EngineError `needs-data` without data, `unmeasured` for a value that no node of the main
   * graph and no input gives; DataError; Cancelled.
   */
  probe(
    roundings: readonly Rounding[],
    sets: readonly (readonly string[])[],
  ): Promise<readonly RoundingDrift[]>;
  readonly kernels: Kernels;
  /** Matrix products in the runtime, for the factorizations of `kernels/linalg`. */
  readonly blas: Blas;
  /** How many values of a tensor that is read piece by piece are in memory at once (`core/rows`). */
  readonly pieceValues: number;
  /** All values as float32. @throws FormatError for string and complex types. */
  readF32(tensor: Tensor): Promise<Float32Array>;
  /**
   * Rows [from, to) along axis 0 as float32, for tensors too large to hold. The answer may be the
   * beginning of `buffer`, so that reading piece by piece needs the memory of one piece.
   */
  readRowsF32(
    tensor: Tensor,
    from: number,
    to: number,
    buffer?: Float32Array,
  ): Promise<Float32Array>;
  /** The packed bytes [offset, offset + length) of a tensor. */
  readBytes(tensor: Tensor, offset: number, length: number): Promise<Uint8Array>;
  /**
   * Runs nodes whose inputs are all constant, in onnxruntime, and gives their outputs' values.
   * Needs `meta.needsRuntime`. @throws EngineError when the runtime refuses.
   */
  evaluateConstant(
    model: Model,
    graph: GraphPath,
    nodes: readonly GraphNode[],
  ): Promise<readonly ConstantValue[]>;
}

export interface ConstantValue {
  readonly name: string;
  readonly dtype: Tensor["dtype"];
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A float32 value of the main graph and the grid it is rounded to: scale · (code − zero). */
export interface Rounding {
  readonly value: string;
  readonly scale: number;
  readonly zero: number;
  readonly dtype: "uint8" | "int8" | "uint16";
}

/** Of the output that moves most. Infinite where outputs become NaN or infinite. */
export interface RoundingDrift {
  /** Mean KL(exact ‖ rounded) in nats; null where no output holds scores of classes. */
  readonly kl: number | null;
  /** Power of the difference per power of the exact output: 1e-4 is 40 dB. */
  readonly noise: number;
}
