/** Bytes to Model and back, for all formats. */
import type { Model } from "../core/model.ts";
import { formatErrors } from "../shared/errors.ts";
import type { ByteSource, SiblingFiles } from "./byteSource.ts";
import { readOnnx } from "./onnxRead.ts";
import { readSafetensors } from "./safetensors.ts";
import { refuseForeign } from "./sniff.ts";

export type { ByteSource, Piece, SiblingFiles } from "./byteSource.ts";

/** The format a file name stands for, or null. */
export function formatOf(path: string): Model["format"] | null {
  const extension = /\.(onnx|safetensors)$/i.exec(path)?.[1]?.toLowerCase();
  return extension === "onnx" || extension === "safetensors" ? extension : null;
}

/**
 * The model in a file, its weights left where they are.
 * @throws FormatError for anything that is not a well-formed model; with place and reason.
 */
export function readModel(source: ByteSource, siblings: SiblingFiles): Model {
  const format = formatOf(source.path);
  if (!format) throw formatErrors.unknownExtension(source.path);
  refuseForeign(source, format);
  return format === "onnx" ? readOnnx(source, siblings) : readSafetensors(source);
}
