/** What is not given to onnxruntime, because it would not come back. */
import { expansionOf, functionName } from "../core/functions.ts";
import { hasFunctions, memorySource, readModel, type ByteSource } from "../formats/index.ts";
import { engineErrors } from "../shared/errors.ts";
import { openSource, siblingsOf } from "./files.ts";

/**
 * Nodes after the calls of functions have become the functions' nodes. The runtime does that while it
 * loads, and its time grows with the square: 32,768 nodes out of nested calls took 6 s, 65,536 took
 * 25 s, so this many take minutes. Exporters write tens of thousands at most.
 */
const MAX_EXPANDED_NODES = 250_000;

/**
 * @param source a path, or the bytes of a whole ONNX model.
 * @throws EngineError for functions that become more nodes than that; FormatError for a model with
 * functions that cannot be read.
 */
export function refuseExpansion(source: string | Uint8Array): void {
  const file: ByteSource =
    typeof source === "string" ? openSource(source) : memorySource("the model.onnx", source);
  if (!hasFunctions(file)) return;
  const { nodes, largest } = expansionOf(readModel(file, siblingsOf(file.path)));
  if (largest === null || nodes <= MAX_EXPANDED_NODES) return;
  const path = typeof source === "string" ? source : "the model";
  throw engineErrors.expandsTooFar(path, functionName(largest), nodes, MAX_EXPANDED_NODES);
}
