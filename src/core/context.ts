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
  readonly kernels: Kernels;
  /** Matrix products in the runtime, for the factorizations of `kernels/linalg`. */
  readonly blas: Blas;
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
