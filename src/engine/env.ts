/** What every handler of the engine works with. Built once per child in `engine/main.ts`. */
import type { Change } from "../core/change.ts";
import type { Model, Tensor } from "../core/model.ts";
import type { Doc } from "../shared/doc.ts";
import type { Kernels } from "../shared/kernels.ts";
import type { Task } from "../shared/task.ts";
import type { Workplace } from "./compute.ts";

/** A document's model: the base with every entry of the recipe applied. */
export interface Materialized {
  readonly model: Model;
  /** The base file's model, before the recipe. */
  readonly base: Model;
  readonly baseKey: string;
  /** @throws EngineError `changed` when the base is no longer what was opened: before anything derived from it is kept. */
  readonly check: () => void;
  /** Identity of this state: base fingerprint and recipe; equal keys mean equal bytes. */
  readonly key: string;
  /** What each entry did, in order. */
  readonly changes: readonly Change[];
}

export interface EngineEnv {
  readonly kernels: Kernels;
  /**
   * The document of a file as it is now, read anew.
   * @throws EngineError when it is missing or not readable, FormatError when it is not a model.
   */
  openFile(path: string): Doc;
  /**
   * Checks the fingerprint, then replays the recipe from the cache.
   * @throws EngineError `changed` when the file changed on disk, `needs-job` when an entry is not in
   * the cache and this child may not compute it.
   */
  open(doc: Doc, task?: Task): Promise<Materialized>;
  /** A file onnxruntime can load: the base itself for an empty recipe, else a scratch copy (cached by key). */
  fileFor(doc: Doc, task?: Task): Promise<string>;
  /**
   * What an analyzer works with on a state of a document; it changes nothing.
   * @throws EngineError `needs-job` in the ask child.
   */
  analysisPlace(state: Materialized, who: string, data: string | null, task: Task): Workplace;
  /** An empty folder that is removed when `use` ends; for temporary models and profiles. */
  withScratchFolder<T>(use: (folder: string) => Promise<T>): Promise<T>;
  /** Packed bytes [offset, offset + length) of a tensor's data. */
  readBytes(tensor: Tensor, offset: number, length: number): Uint8Array;
  /** Values as float32, all or rows [from, to) of axis 0. @throws FormatError for types without numbers. */
  readF32(tensor: Tensor, from?: number, to?: number): Float32Array;
}
