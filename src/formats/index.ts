/** Bytes to Model and back, for all formats. */
import type { Model } from "../core/model.ts";
import { formatErrors } from "../shared/errors.ts";
import { formatOfKind, kindOf } from "../shared/modelPath.ts";
import type { ByteSource, SiblingFiles } from "./byteSource.ts";
import type { EncodedFile, EncodeOptions } from "./encoding.ts";
import { readOnnx } from "./onnxRead.ts";
import { encodeOnnx } from "./onnxWrite.ts";
import { encodeSafetensors, readSafetensors } from "./safetensors.ts";
import { readShards } from "./shardsRead.ts";
import { refuseForeign } from "./sniff.ts";

export type { ByteSource, Piece, SiblingFiles } from "./byteSource.ts";
export { hasFunctions } from "./onnxFunctions.ts";
export { memorySource } from "./wire.ts";
export { hiddenNames, messageFindings, trainingFindings } from "./onnxCheck.ts";
export { trainingOf, trainingSizes } from "./onnxTraining.ts";
export { statedChecksums, type StatedChecksum } from "./onnxChecksum.ts";
export type { DataFile, EncodedFile, EncodeOptions, ExternalData } from "./encoding.ts";
export { encodeIndex, planShards, type PlannedShard } from "./shardsWrite.ts";
export { tensorsModel } from "./safetensors.ts";
export { shardsOrigin } from "./shardsRead.ts";
export { readShardIndex } from "./shardIndex.ts";

/** The format a file name stands for, or null. */
export function formatOf(path: string): Model["format"] | null {
  const kind = kindOf(path);
  return kind && formatOfKind(kind);
}

/**
 * The model in a file, its weights left where they are.
 * @throws FormatError for anything that is not a well-formed model; with place and reason.
 */
export function readModel(source: ByteSource, siblings: SiblingFiles): Model {
  const kind = kindOf(source.path);
  if (!kind) throw formatErrors.unknownExtension(source.path);
  if (kind === "shards") return readShards(source, siblings);
  refuseForeign(source, kind);
  return kind === "onnx" ? readOnnx(source, siblings) : readSafetensors(source);
}

/**
 * The files of a model, as bytes and ranges of existing files: external data first, the model last.
 * Sizes are exact. Reads no weights.
 * @throws FormatError for what the format cannot hold.
 */
export const encodeModel = (model: Model, options: EncodeOptions): EncodedFile[] =>
  model.format === "onnx" ? encodeOnnx(model, options) : encodeSafetensors(model);

/** Bytes that saving the model would take, external data included. */
export const encodedSize = (model: Model): number =>
  encodeModel(model, {
    externalData: "auto",
    dataName: "model.00000000.data",
    checksum: () => "0".repeat(40),
  }).reduce((sum, file) => sum + file.sizeBytes, 0);
