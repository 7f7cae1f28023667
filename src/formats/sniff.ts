/** What a file is, from its first bytes: said before a parser trips over them with a worse text. */
import { formatErrors } from "../shared/errors.ts";
import type { ByteSource } from "./byteSource.ts";

const LFS_POINTER = "version https://git-lfs.github.com/spec/";

/** First bytes of files that end up with a model's name. */
const FOREIGN: readonly (readonly [start: string, what: string])[] = [
  ["PK\x03\x04", "a ZIP archive (a PyTorch checkpoint, perhaps)"],
  ["\x89HDF", "an HDF5 file (Keras, perhaps)"],
  ["GGUF", "a GGUF file"],
  ["\x1f\x8b", "gzip-compressed"],
  ["\x93NUMPY", "a NumPy array"],
  ["%PDF", "a PDF document"],
  ["<", "a web page or XML"],
];

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/** @throws FormatError for an empty file, a Git LFS pointer, JSON, or another known kind of file. */
export function refuseForeign(source: ByteSource, format: "onnx" | "safetensors"): void {
  const { path, sizeBytes } = source;
  const refuse = (offset: number, problem: string): never => {
    throw format === "onnx"
      ? formatErrors.notOnnx(path, offset, problem)
      : formatErrors.notSafetensors(path, `${problem} at byte ${offset}`);
  };
  if (sizeBytes === 0) throw formatErrors.empty(path);
  const start = latin1(source.read(0, Math.min(64, sizeBytes)));
  if (start.startsWith(LFS_POINTER)) throw formatErrors.lfsPointer(path);
  // A safetensors file may start with any byte: the low one of its header's length, which zeros follow.
  if (format === "safetensors" && start.slice(4, 8) === "\0\0\0\0") return;
  const found = FOREIGN.find(([bytes]) => start.startsWith(bytes));
  if (found) refuse(0, `this is ${found[1]}`);
  // '{' is a legal but useless protobuf tag (a group); with JSON after it there is no doubt.
  const json = /^\s*[{[]\s*("|\{|\[|$|\}|\])/.exec(start);
  if (json) refuse(start.search(/\S/), "JSON text starts");
}
