/** Pairs of idx files as MNIST and its relatives come: `…images-idx3-ubyte.gz`, `…labels-idx1-ubyte.gz`. */
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { dataErrors } from "../shared/errors.ts";
import { checkLabels, type Dataset, type ModelIo } from "./dataset.ts";
import { plain, wholeFile } from "./files.ts";
import { imageDataset } from "./imageFolder.ts";
import { inMemory, product, type Samples } from "./samples.ts";

const MAX_FILE_BYTES = 2 ** 29;
/** MNIST's training images unpack to 45 MiB; the largest of the family (EMNIST) to 522 MiB. */
const MAX_UNPACKED_BYTES = 2 ** 30;
const UINT8 = 8;

/** Opens both files of a pair, given the one with the images. @throws DataError */
export function openIdx(images: string, io: ModelIo): Dataset {
  const labels = path.join(
    path.dirname(images),
    path.basename(images).replace("images", "labels").replace(/idx\d/, "idx1"),
  );
  return imageDataset(images, readIdx(images), checkLabels(readIdx(labels)), io);
}

function readIdx(file: string): Samples {
  const bytes = unpacked(file);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rank = bytes[3] ?? 0;
  const bad = (problem: string): Error =>
    dataErrors.bad(
      file,
      file,
      `it is not a readable idx file: ${problem}`,
      "Use the files as MNIST's authors publish them, gzipped or not.",
    );
  if (bytes.length < 4 + 4 * rank || rank === 0) throw bad("its header is cut off");
  if (bytes[2] !== UINT8)
    throw bad(`its element type is ${bytes[2] ?? 0}, only unsigned bytes are read`);
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const start = 4 + 4 * rank;
  if (product(shape) !== bytes.length - start)
    throw bad(`${bytes.length - start} values are there, [${shape.join(", ")}] were announced`);
  return inMemory(file, "uint8", shape, bytes.subarray(start));
}

function unpacked(file: string): Uint8Array {
  const bytes = wholeFile(file, MAX_FILE_BYTES);
  if (!/\.gz$/i.test(file)) return bytes;
  try {
    return plain(gunzipSync(bytes, { maxOutputLength: MAX_UNPACKED_BYTES }));
  } catch (error) {
    throw dataErrors.bad(
      file,
      file,
      `it does not unpack: ${error instanceof Error ? error.message : String(error)}`,
      "Copy or download the file again.",
    );
  }
}
