/**
 * Every failure a user can meet, in one catalogue.
 *
 * A text says what is wrong, with the name and the value; then, in the hint, what would be right.
 * Code elsewhere throws only what a function of these files returns.
 */

import { DataError, EngineError, FormatError } from "./failure.ts";
import { formatCount, plural } from "./format.ts";

export * from "./failure.ts";
export * from "./structureErrors.ts";
export * from "./usageErrors.ts";

const format = (message: string, where: string, hint: string): FormatError =>
  new FormatError({ code: "format", message, where, hint });

export const formatErrors = {
  truncated: (
    path: string,
    offset: number,
    field: string,
    need: number,
    have: number,
  ): FormatError =>
    format(
      `${path} is cut off: ${field} at byte ${offset} needs ${plural(need, "byte")}, ${formatCount(have)} ${have === 1 ? "is" : "are"} left.`,
      `${path} at byte ${offset}`,
      "The download or copy was probably interrupted; get the file again.",
    ),
  empty: (path: string): FormatError =>
    format(
      `${path} is empty: it has no bytes.`,
      path,
      "The download or copy was probably interrupted; get the file again.",
    ),
  notOnnx: (path: string, offset: number, problem: string): FormatError =>
    format(
      `${path} is not an ONNX model: ${problem} at byte ${offset}.`,
      `${path} at byte ${offset}`,
      "Lathe opens .onnx (protobuf) and .safetensors files; check that the file is what its name says.",
    ),
  notSafetensors: (path: string, problem: string): FormatError =>
    format(
      `${path} is not a valid safetensors file: ${problem}.`,
      path,
      "A safetensors file starts with the header's length (8 bytes) and a JSON header; export the file again.",
    ),
  lfsPointer: (path: string): FormatError =>
    format(
      `${path} is a Git LFS pointer, not the model itself.`,
      path,
      "Fetch the real file with `git lfs pull`.",
    ),
  unknownExtension: (path: string): FormatError =>
    format(
      `${path} is not a model Lathe can open.`,
      path,
      "Lathe opens .onnx, .safetensors and .safetensors.index.json files.",
    ),
  tooLarge: (path: string, field: string, value: number, limit: number, why: string): FormatError =>
    format(`${path}: ${field} is ${value}, more than ${limit}.`, `${path}: ${field}`, why),
  externalMissing: (path: string, tensor: string, location: string): FormatError =>
    format(
      `${path}: the data of tensor "${tensor}" is in "${location}", which does not exist.`,
      `${path}: tensor ${tensor}`,
      `Put "${location}" beside the model; both files belong together.`,
    ),
  externalEscapes: (path: string, tensor: string, location: string): FormatError =>
    format(
      `${path}: tensor "${tensor}" points outside the model's folder ("${location}").`,
      `${path}: tensor ${tensor}`,
      "External data must be a plain file in the model's own folder or below it.",
    ),
  externalRange: (
    path: string,
    tensor: string,
    location: string,
    end: number,
    size: number,
  ): FormatError =>
    format(
      `${path}: tensor "${tensor}" ends at byte ${end} of "${location}", which has ${size} bytes.`,
      `${path}: tensor ${tensor}`,
      "The external data file is cut off or belongs to another model.",
    ),
  badTensor: (path: string, tensor: string, problem: string): FormatError =>
    format(
      `${path}: tensor "${tensor}" ${problem}.`,
      `${path}: tensor ${tensor}`,
      "Export the model again.",
    ),
  unreadableDtype: (path: string, tensor: string, type: string): FormatError =>
    format(
      `${path}: tensor "${tensor}" has element type ${type}, which has no numeric reading.`,
      `${path}: tensor ${tensor}`,
      "Only numeric tensors can be measured or changed.",
    ),
  invalidGraph: (path: string, problem: string, where: string): FormatError =>
    format(`${path}: ${problem}.`, where, "Run the exporter again, or repair the graph."),
};

const engine = (message: string, where: string, hint: string): EngineError =>
  new EngineError({ code: "engine", message, where, hint });
/** What was computed did not pass its check: no fault of the user or the file. */
const badResult = (message: string, where: string, hint: string): EngineError =>
  new EngineError({ code: "result", message, where, hint });

export const engineErrors = {
  notFound: (path: string): EngineError =>
    engine(`${path} does not exist.`, path, "Check the path."),
  notAFile: (path: string): EngineError =>
    engine(`${path} is not a file.`, path, "Give the path of a model file."),
  notReadable: (path: string, reason: string): EngineError =>
    engine(`${path} cannot be read (${reason}).`, path, "Check the file's permissions."),
  notWritable: (folder: string, reason: string): EngineError =>
    engine(
      `Nothing can be written to ${folder} (${reason}).`,
      folder,
      "Choose another output folder or change its permissions.",
    ),
  notBeside: (file: string, reason: string): EngineError =>
    engine(
      `The model is saved, but ${file} could not be written beside it (${reason}).`,
      file,
      "Move away what is there under this name, then save again.",
    ),
  diskFull: (folder: string, need: number, have: number): EngineError =>
    engine(
      `${folder} has ${have} bytes free; ${need} are needed.`,
      folder,
      "Free some space or choose another output folder.",
    ),
  scratchFull: (folder: string, need: number, have: number): EngineError =>
    engine(
      `The folder for intermediate results, ${folder}, has ${have} bytes free; ${need} more are needed.`,
      folder,
      "Free some space there, or set LATHE_SCRATCH or lathe.scratchFolder to a folder on a larger disk.",
    ),
  notKept: (path: string, folder: string, reason: string): EngineError =>
    engine(
      `The present ${path} cannot be kept for undo in ${folder} (${reason}).`,
      path,
      "Free some space there, or save under another name.",
    ),
  outputIsInput: (path: string): EngineError =>
    engine(
      `The output ${path} is the input.`,
      path,
      "Choose another output, or pass --force to replace the input once the result is complete.",
    ),
  outputExists: (path: string): EngineError =>
    engine(
      `${path} exists already.`,
      path,
      "Choose another output, or pass --force to replace it.",
    ),
  wrongExtension: (path: string, expected: string): EngineError =>
    engine(
      `${path} does not end in ${expected}, the format of the input.`,
      path,
      "A change keeps the format of its input; give the output the same extension.",
    ),
  changedOnDisk: (path: string): EngineError =>
    new EngineError({
      code: "changed",
      message: `${path} was changed by another program since it was opened.`,
      where: path,
      hint: "Reload it, compare the two, or overwrite it.",
    }),
  runtimeMissing: (reason: string): EngineError =>
    engine(
      `The runtime that computes models is not available here: ${reason}.`,
      "onnxruntime",
      "Viewing, statistics and plans still work; jobs need Linux (glibc), Windows or Apple silicon.",
    ),
  runtimeRefuses: (path: string, reason: string, node: string | null = null): EngineError =>
    engine(
      `onnxruntime does not load ${path}: ${reason}`,
      node === null ? path : `${path}: node ${node}`,
      "The model uses something this runtime version does not have, or is invalid.",
    ),
  expandsTooFar: (path: string, name: string, nodes: number, limit: number): EngineError =>
    engine(
      `${path} is not given to onnxruntime, which puts the nodes of functions in place of their calls: that makes ${nodes < 1e9 ? nodes : "over a billion"} nodes, and up to ${limit} load in bearable time.`,
      `${path}: function ${name}`,
      "Call functions less often inside one another; viewing, statistics and plans work without the runtime.",
    ),
  runFailed: (path: string, reason: string, node: string | null = null): EngineError =>
    engine(
      `onnxruntime cannot run ${path}: ${reason}`,
      node === null ? path : `${path}: node ${node}`,
      "Check the inputs' shapes and types.",
    ),
  boundaryType: (path: string, type: string): EngineError =>
    engine(
      `${path} has an input or output of type ${type}, whose values cannot be exchanged with onnxruntime.`,
      path,
      "Cast inside the graph and keep inputs and outputs float32, float16 or integer.",
    ),
  notFinite: (path: string, output: string, sample: number): EngineError =>
    engine(
      `${path}: the output "${output}" is NaN for sample ${sample}, so the metric has no value.`,
      `${path}: output ${output}`,
      "The model overflows on this sample: check the data's scale, or keep more of it in float32.",
    ),
  notLogits: (
    path: string,
    output: string,
    shape: readonly number[],
    positions: number,
  ): EngineError =>
    engine(
      `${path}: the output "${output}" has shape [${shape.join(", ")}]; a language model gives scores for each of ${positions} positions.`,
      `${path}: output ${output}`,
      "The first output must be the logits [batch, positions, tokens].",
    ),
  noSynthetic: (input: string, type: string, shape: readonly number[]): EngineError =>
    engine(
      `No values can be made up for the input "${input}" (${type} [${shape.join(", ")}]).`,
      `input ${input}`,
      "Give data for this model.",
    ),
  notConstant: (name: string): EngineError =>
    engine(
      `The value "${name}" is not a constant of numbers, so it cannot be computed ahead.`,
      name,
      "Leave the nodes that use it as they are.",
    ),
  constantTooLarge: (name: string, bytes: number, limit: number): EngineError =>
    engine(
      `Computing "${name}" ahead takes ${bytes} bytes, more than ${limit}.`,
      name,
      "Leave it to the runtime, which computes it when the model is loaded.",
    ),
  matrixNotFinite: (what: string): EngineError =>
    engine(
      `${what} holds NaN or infinity.`,
      what,
      "Check the weights and the data for values that are not finite.",
    ),
  noConvergence: (what: string, rounds: number): EngineError =>
    engine(
      `${what} did not settle in ${rounds} rounds.`,
      what,
      "Scale the weights to an ordinary range.",
    ),
  resultInvalid: (path: string, reason: string): EngineError =>
    badResult(
      `The result was discarded because it failed its check: ${reason}`,
      path,
      "Nothing was written. The input loads, so this is a defect of Lathe: please report it with the recipe.",
    ),
  planMissed: (transform: string, planned: string, actual: number): EngineError =>
    badResult(
      `${transform} planned ${planned} bytes of tensors but made ${actual}.`,
      transform,
      "Nothing was written. This is a defect of Lathe: please report it with the recipe.",
    ),
  noGraph: (path: string, action: string): EngineError =>
    engine(
      `${path} holds weights without a graph, so it cannot be ${action}.`,
      path,
      "Use the .onnx export of the model.",
    ),
  needsJob: (transform: string): EngineError =>
    new EngineError({
      code: "needs-job",
      message: `The result of ${transform} has to be computed first.`,
      where: transform,
    }),
  needsData: (who: string): EngineError =>
    new EngineError({
      code: "needs-data",
      message: `${who} needs calibration data, and none is given.`,
      where: who,
      hint: 'Give --data with a dataset.json that has a "calibration" section (in the editor: choose data).',
    }),
  noTrace: (): EngineError =>
    engine(
      "The runtime wrote no trace of its operators.",
      "profile",
      "Free some disk space in the scratch folder and try again.",
    ),
  unmeasured: (name: string, reason: string): EngineError =>
    new EngineError({
      code: "unmeasured",
      message: `The activations of "${name}" cannot be measured: ${reason}.`,
      where: name,
      hint: "Leave out what needs them (a scope), or use a technique that needs no data.",
    }),
  samplesDiffer: (
    one: { readonly samples: number; readonly rows: number },
    other: { readonly samples: number; readonly rows: number },
  ): EngineError =>
    badResult(
      `Statistics of different samples were to be combined: ${one.rows} rows of ${one.samples} samples with ${other.rows} rows of ${other.samples}.`,
      "statistics",
      "Nothing was written. This is a defect of Lathe: please report it with the recipe.",
    ),
  childGone: (what: string, detail: string): EngineError =>
    new EngineError({
      code: "gone",
      message: `The engine process ended unexpectedly during ${what} (${detail}).`,
      where: what,
      hint: "Your file is unchanged. Try again; the engine restarts by itself.",
    }),
  untrusted: (): EngineError =>
    engine(
      "This workspace is not trusted, so models are shown but not run or changed.",
      "workspace trust",
      "Trust the workspace to quantize, evaluate or compare models.",
    ),
  busy: (title: string): EngineError =>
    engine(
      `"${title}" is still running on this model.`,
      "job",
      "Wait for it to finish, or cancel it.",
    ),
};

const data = (message: string, where: string, hint: string): DataError =>
  new DataError({ code: "data", message, where, hint });

export const dataErrors = {
  missing: (path: string): DataError => data(`${path} does not exist.`, path, "Check the path."),
  unknownKind: (path: string): DataError =>
    data(
      `${path} is not data Lathe can read.`,
      path,
      "Give a dataset.json, .npz, a folder of images with labels.csv, .csv, .jsonl or a text file.",
    ),
  bad: (path: string, where: string, problem: string, hint: string): DataError =>
    data(`${path}: ${problem}.`, where, hint),
  inputMissing: (path: string, input: string, known: readonly string[]): DataError =>
    data(
      `${path} gives nothing for the model's input "${input}".`,
      input,
      known.length === 0
        ? `Add it under "inputs", or use "*".`
        : `It has: ${known.join(", ")}. Rename one, or use "*".`,
    ),
  wrongShape: (path: string, input: string, got: string, expected: string): DataError =>
    data(
      `${path}: samples for input "${input}" have shape ${got}; the model takes ${expected}.`,
      input,
      'Set "layout" or "reshape" for this input, or use data made for this model.',
    ),
  labelsRange: (path: string, label: number, classes: number): DataError =>
    data(
      `${path} has the label ${label}, but the model's output has ${classes} classes.`,
      path,
      "Use labels from 0 to the number of classes - 1, in the model's order.",
    ),
  empty: (path: string): DataError =>
    data(`${path} has no samples.`, path, "Give at least one sample."),
};
