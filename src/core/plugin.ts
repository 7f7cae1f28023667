/**
 * The contract of a technique. A file under `transforms/<family>/` default-exports
 * `defineTransform({...})`; index, menus, forms, CLI flags and documentation come from `meta`.
 */
import type { Dtype } from "../shared/dtype.ts";
import type { ParamSchema, ParamsOf } from "../shared/params.ts";
import type { Skip } from "../shared/report.ts";
import type { WorkContext } from "./context.ts";
import type { GraphNode, GraphPath, Model, Tensor } from "./model.ts";
import type { Plan, Unit } from "./plan.ts";
import type { NewAttribute, NewNode, NewValue } from "./step.ts";

export const FAMILIES = [
  "quantize",
  "prune",
  "lowrank",
  "share",
  "graph",
  "repair",
  "edit",
] as const;
export type Family = (typeof FAMILIES)[number];

export interface Meta<S extends ParamSchema = ParamSchema> {
  /** `family.file`. */
  readonly id: `${Family}.${string}`;
  readonly title: string;
  /** One sentence: what it does to the model. */
  readonly summary: string;
  readonly papers: readonly string[];
  readonly formats: readonly ("onnx" | "safetensors")[];
  /** Operators it changes, or "any". */
  readonly ops: readonly string[] | "any";
  readonly data: "none" | "optional" | "required";
  readonly cost: "instant" | "seconds" | "minutes";
  /** Outputs stay the same but for float rounding. */
  readonly exact: boolean;
  /** What it does *not* give, e.g. "No speed-up on CPU". */
  readonly warnings: readonly string[];
  /** Where data is optional: what is lost without any. Not said once there is data. */
  readonly withoutData?: string;
  /** Row ids of the techniques table this covers. */
  readonly covers: readonly string[];
  /** Raised when results change for the same parameters; part of every cache key. */
  readonly version: number;
  /** File-name part for outputs written beside the input: `model.<suffix>.onnx`. */
  readonly suffix: string;
  readonly api: 1;
  /** The job child is needed (onnxruntime) to compute, not only to verify. */
  readonly needsRuntime: boolean;
  readonly params: S;
}

/** Bytes of a new tensor: at once, or in order in chunks that need not all be in memory. */
export type TensorData = Uint8Array | AsyncIterable<Uint8Array>;

/** The only way to change a model. Each call records a step and updates `model`. */
export interface Transaction {
  /** The model with the steps so far; recomputed on access after a change. */
  readonly model: Model;
  /** `base` itself if free in the graph (and not shadowing an outer name), else with a number. */
  uniqueName(graph: GraphPath, base: string): string;
  /** Stores data as an initializer. @throws EngineError when its size is not what dtype and shape say. */
  putTensor(
    graph: GraphPath,
    spec: { readonly name: string; readonly dtype: Dtype; readonly shape: readonly number[] },
    data: TensorData,
  ): Promise<Tensor>;
  dropTensor(graph: GraphPath, name: string): void;
  /** Drops the initializer, or the Constant node, that defines `name` if nothing uses it any more. */
  dropIfUnused(graph: GraphPath, name: string): void;
  replaceNodes(
    graph: GraphPath,
    change: {
      readonly remove: readonly GraphNode[];
      readonly insert: readonly NewNode[];
      readonly rewire?: readonly (readonly [from: string, to: string])[];
    },
  ): void;
  /**
   * Puts the body in `attr` of an If in the node's place; names that are taken outside get a number.
   * The caller makes sure that this body is the one that runs.
   */
  inlineBody(graph: GraphPath, node: GraphNode, attr: string): void;
  setAttr(graph: GraphPath, node: GraphNode, attr: string, value: NewAttribute | null): void;
  setValue(graph: GraphPath, name: string, value: NewValue | null): void;
  setIo(graph: GraphPath, inputs: readonly string[], outputs: readonly string[]): void;
  rename(graph: GraphPath, from: string, to: string): void;
  removeFunction(domain: string, name: string): void;
  setOpset(domain: string, version: number | null): void;
  /** Imports `domain` at least at `version`; the default domain is never raised by this (see graph.upgradeOpset). */
  needOpset(domain: string, version: number): void;
  setMeta(key: string, value: string | null): void;
}

export interface Transform<
  S extends ParamSchema = ParamSchema,
  Prepared = unknown,
  U extends Unit = Unit,
> {
  readonly meta: Meta<S>;
  /**
   * Reads no weights. `runtimeOpsets` facts come from `model.opsets`.
   * @param isInScope by a unit's name, for units whose figures depend on those before; units outside
   *   are left out afterwards in any case
   */
  plan(model: Model, params: ParamsOf<S>, isInScope?: (name: string) => boolean): Plan<U>;
  /** Reads weights or statistics once for all units; the answer is small JSON. */
  prepare?(
    model: Model,
    units: readonly U[],
    params: ParamsOf<S>,
    ctx: WorkContext,
  ): Promise<Prepared>;
  /** A returned Skip undoes whatever this unit recorded and lists it as skipped. */
  apply(
    tx: Transaction,
    unit: U,
    params: ParamsOf<S>,
    ctx: WorkContext,
    prepared: Prepared,
  ): Promise<Skip | void>;
}

/** Gives a technique's file its types; the schema fixes the type of `params` in plan and apply. */
export const defineTransform = <
  const S extends ParamSchema,
  Prepared = undefined,
  U extends Unit = Unit,
>(
  transform: Transform<S, Prepared, U>,
): Transform<S, Prepared, U> => transform;
