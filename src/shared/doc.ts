/** What identifies a state of a model: a base file, the recipe applied to it, and the data used. */

/** Identity of a file's content without reading all of it: any change of the file changes it. */
export interface Fingerprint {
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly inode: number;
  /** sha256 (hex) of the first and last 64 KiB. */
  readonly ends: string;
}

export interface BaseFile {
  /** Absolute path of the file whose bytes are read (a kept copy after saving over the original). */
  readonly path: string;
  readonly fingerprint: Fingerprint;
}

export type ParamValue = number | string | boolean;
export type ParamValues = Readonly<Record<string, ParamValue>>;

/** One line of a recipe: a technique with its parameters. */
export interface Entry {
  /** `family.file`, for example `quantize.weightOnly`. */
  readonly transform: string;
  readonly params: ParamValues;
  /** Unit names or `*` patterns this entry is limited to; everything when absent. */
  readonly scope?: readonly string[];
  readonly seed?: number;
  /**
   * Statistics leave out the calibration samples that a search compares candidates on: what the
   * search found is replayed on the samples it was measured with.
   */
  readonly holdOut?: boolean;
}

export interface Doc {
  readonly base: BaseFile;
  readonly recipe: readonly Entry[];
  /** Path of the dataset (DESIGN: dataset.json or another accepted form), if one is chosen. */
  readonly data?: string;
}

/** `*.lathe.json`, also stored in a model's metadata under the key `lathe.recipe`. */
export interface RecipeFile {
  readonly version: 1;
  readonly tool: string;
  readonly source: { readonly sha256: string; readonly sizeBytes: number };
  readonly entries: readonly Entry[];
  readonly data?: string;
  /** The runtime that the result is for, where one was chosen: an id of `shared/presets.ts`. */
  readonly target?: string;
}

/** Key of the recipe in ONNX `metadata_props` and safetensors `__metadata__`. */
export const RECIPE_METADATA_KEY = "lathe.recipe";
