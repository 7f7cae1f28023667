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
};

export const structureErrors = {
  noSuchPart: (path: string, name: string, reason: string): LatheError =>
    new LatheError({
      code: "usage",
      message: `${path} has no such part: ${name}: ${reason}.`,
      where: name,
      hint: "Values are named as in `lathe inspect` and on the Graph page of the editor.",
    }),
  noGraph: (path: string): FormatError =>
    format(
      `${path} has weights only; an ONNX model needs a graph too.`,
      path,
      "Put the weights into a model that has one: `lathe convert MODEL.onnx --weights FILE.safetensors -o OUT.onnx`.",
    ),
  weightsIntoNoGraph: (to: string): LatheError =>
    new LatheError({
      code: "usage",
      message: `Other weights are given, but ${to} is not made from an ONNX model as one.`,
      where: to,
      hint: "--weights takes the values of a safetensors file into an ONNX model: `lathe convert MODEL.onnx --weights FILE -o OUT.onnx`.",
    }),
  noModelName: (to: string): LatheError =>
    new LatheError({
      code: "usage",
      message: `${to} is not the name of a model.`,
      where: to,
      hint: "It must end in .onnx, .safetensors, or .safetensors.index.json for several shards.",
    }),
  otherTensors: (path: string, model: string, differing: readonly string[]): FormatError =>
    format(
      `${path} does not fit ${model}: ${differing.slice(0, MAX_NAMES).join("; ")}${differing.length > MAX_NAMES ? `; and ${differing.length - MAX_NAMES} more` : ""}.`,
      path,
      "Types and shapes must be equal; `lathe apply -t quantize.float16` and others change a model's.",
    ),
  noSharedNames: (path: string, model: string, name: string, own: string): FormatError =>
    format(
      `${path} has no tensor by a name of ${model}: ${name === "" ? "none" : `"${name}"`} here, ${own === "" ? "none" : `"${own}"`} there.`,
      path,
      "Names must be equal; `lathe apply -t edit.rename -p what=tensors` changes them by a pattern.",
    ),
};
