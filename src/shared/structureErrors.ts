/** Failures of models in several files, and of taking models apart; part of the catalogue in errors.ts. */
import { FormatError, LatheError } from "./failure.ts";

const format = (message: string, where: string, hint: string): FormatError =>
  new FormatError({ code: "format", message, where, hint });

/** Names of one message; a model may lack thousands. */
const MAX_NAMES = 5;
/** `"a", "b" and 3 more`. */
export function someNames(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES).map((name) => `"${name}"`);
  const more = names.length - shown.length;
  return `${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

export const shardErrors = {
  badIndex: (path: string, problem: string): FormatError =>
    format(
      `${path} is not an index of safetensors shards: ${problem}.`,
      path,
      'An index is JSON with "weight_map": {TENSOR: FILE}.',
    ),
  missingShards: (path: string, missing: readonly string[], count: number): FormatError =>
    format(
      `${path}: ${missing.length} of ${count} shards do not exist: ${someNames(missing)}.`,
      `${path}: ${missing[0] ?? ""}`,
      "Put all shards beside the index; they belong together.",
    ),
  shardEscapes: (path: string, location: string): FormatError =>
    format(
      `${path}: the shard "${location}" is not in the index's folder.`,
      `${path}: ${location}`,
      "Shards must be plain files in the folder of the index or below it.",
    ),
  missingTensors: (path: string, names: readonly string[], location: string): FormatError =>
    format(
      names.length === 1
        ? `${path}: tensor ${someNames(names)} is in no shard; the index says "${location}".`
        : `${path}: ${names.length} tensors are in no shard: ${someNames(names)}; the index says "${location}" of the first.`,
      `${path}: tensor ${names[0] ?? ""}`,
      "Index and shards are of different exports; get all files of the model again.",
    ),
  noGraph: (path: string): FormatError =>
    format(
      `${path} has weights only; an ONNX model needs a graph too.`,
      path,
      "Put the weights into a model that has one: `lathe convert MODEL.onnx --weights FILE.safetensors -o OUT.onnx`.",
    ),
};

export const structureErrors = {
  noSuchPart: (path: string, name: string, reason: string): LatheError =>
    new LatheError({
      code: "usage",
      message: `${path} has no such part: ${name}: ${reason}.`,
      where: name,
      hint: "Values are named as in `lathe inspect` and on the Graph page of the editor.",
    }),
};
