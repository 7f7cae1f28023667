/** What a model file is by its name. All sides decide by these: menus, command line and engine. */

/** `shards`: the index (`*.safetensors.index.json`) that makes one model of several safetensors files. */
export type ModelKind = "onnx" | "safetensors" | "shards";

const EXTENSIONS = [
  ["shards", ".safetensors.index.json"],
  ["safetensors", ".safetensors"],
  ["onnx", ".onnx"],
] as const satisfies readonly (readonly [ModelKind, string])[];

const found = (path: string): (typeof EXTENSIONS)[number] | undefined =>
  EXTENSIONS.find(([, extension]) => path.toLowerCase().endsWith(extension));

/** Null for a name that is no model's. */
export const kindOf = (path: string): ModelKind | null => found(path)?.[0] ?? null;

/** Where a model's name ends, as a kind's files are called: ".onnx". */
export const extensionOf = (kind: ModelKind): string =>
  EXTENSIONS.find(([name]) => name === kind)?.[1] ?? "";

/** The path without the extension of its kind. */
export const withoutExtension = (path: string): string =>
  path.slice(0, path.length - (found(path)?.[1].length ?? 0));

/** Both hold tensors without a graph, in one file or in several. */
export const formatOfKind = (kind: ModelKind): "onnx" | "safetensors" =>
  kind === "onnx" ? "onnx" : "safetensors";
