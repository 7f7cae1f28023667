/**
 * The closed set of changes. Every technique's work is a list of these; diff, description, replay
 * from the cache and the check that a technique did only what it said all read the same list.
 * Steps are plain JSON but for inline tensor bytes, which the cache writes as base64.
 */
import type { DtypeName } from "../shared/dtype.ts";
import type { ByteRange, Dim, GraphPath } from "./model.ts";

/** A tensor as a step stores it: the dtype by name, so that it is plain JSON. */
export interface StepTensor {
  readonly name: string;
  readonly dtype: DtypeName;
  readonly shape: readonly number[];
  readonly at: ByteRange | Uint8Array;
  readonly sizeBytes: number;
}

/** Attributes a technique may write; tensors go in initializers and subgraphs are never created. */
export type NewAttribute =
  | { readonly kind: "int"; readonly value: number }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "ints"; readonly value: readonly number[] }
  | { readonly kind: "floats"; readonly value: readonly number[] }
  | { readonly kind: "strings"; readonly value: readonly string[] };

export interface NewNode {
  readonly name: string;
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attrs: Readonly<Record<string, NewAttribute>>;
}

export interface NewValue {
  readonly name: string;
  readonly dtype: DtypeName | null;
  readonly shape: readonly Dim[] | null;
}

export type Step =
  /** Adds an initializer, or replaces the one of that name. */
  | { readonly kind: "putTensor"; readonly graph: GraphPath; readonly tensor: StepTensor }
  | { readonly kind: "dropTensor"; readonly graph: GraphPath; readonly name: string }
  /**
   * Removes nodes (by key) and puts others in the place of the last of them; then every use of
   * `from` becomes `to` for each pair of `rewire`, graph outputs excepted.
   */
  | {
      readonly kind: "replaceNodes";
      readonly graph: GraphPath;
      readonly remove: readonly string[];
      readonly insert: readonly NewNode[];
      readonly rewire: readonly (readonly [from: string, to: string])[];
    }
  /**
   * Puts the body in `attr` of an If in the node's place: its nodes, tensors and declarations, and the
   * graphs inside it. `rename` says what the body's own names become in the graph around it; each of
   * `give` makes an output of the node from a value of the body that keeps its name (by Identity).
   */
  | {
      readonly kind: "inlineBody";
      readonly graph: GraphPath;
      readonly node: string;
      readonly attr: string;
      readonly rename: readonly (readonly [from: string, to: string])[];
      readonly give: readonly (readonly [value: string, output: string])[];
    }
  | {
      readonly kind: "setAttr";
      readonly graph: GraphPath;
      readonly node: string;
      readonly attr: string;
      readonly value: NewAttribute | null;
    }
  /** What the file declares about a value; null removes the declaration. */
  | {
      readonly kind: "setValue";
      readonly graph: GraphPath;
      readonly name: string;
      readonly value: NewValue | null;
    }
  | {
      readonly kind: "setIo";
      readonly graph: GraphPath;
      readonly inputs: readonly string[];
      readonly outputs: readonly string[];
    }
  /** Renames a value everywhere it is seen. */
  | {
      readonly kind: "rename";
      readonly graph: GraphPath;
      readonly from: string;
      readonly to: string;
    }
  /** Removes a model-local function (null body); bodies are not edited yet. */
  | {
      readonly kind: "setFunction";
      readonly graph: GraphPath;
      readonly domain: string;
      readonly name: string;
      readonly body: null;
    }
  /** Version null removes the import. */
  | {
      readonly kind: "setOpset";
      readonly graph: GraphPath;
      readonly domain: string;
      readonly version: number | null;
    }
  | {
      readonly kind: "setMeta";
      readonly graph: GraphPath;
      readonly key: string;
      readonly value: string | null;
    };
