/** Whether an ONNX file has functions of its own, from the outermost fields alone. */
import { FormatError } from "../shared/errors.ts";
import type { ByteSource } from "./byteSource.ts";
import { WireReader } from "./wire.ts";

const FUNCTIONS = 25;

/**
 * Reads a few bytes of a file of any size. Of a file that is no protobuf, false: no reader takes it.
 * True where only the whole reader can tell.
 */
export function hasFunctions(source: ByteSource): boolean {
  const end = source.sizeBytes;
  const reader = new WireReader(source);
  try {
    while (reader.position < end) {
      const tag = reader.varint(end, "tag");
      if (Math.floor(tag / 8) === FUNCTIONS) return true;
      const wireType = tag % 8;
      if (wireType === 0) reader.varint64(end, "number");
      else if (wireType === 1) reader.position += 8;
      else if (wireType === 2) {
        const length = reader.varint(end, "length");
        reader.position += length;
      } else if (wireType === 5) reader.position += 4;
      // A group, whose end only the whole reader finds; protobuf knows no other kind.
      else return wireType === 3;
    }
    return false;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}
