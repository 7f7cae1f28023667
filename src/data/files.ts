/** Positioned reads of data files. A descriptor is open only during a read, so nothing has to be closed. */
import { closeSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { dataErrors } from "../shared/errors.ts";

export interface Bytes {
  readonly path: string;
  readonly sizeBytes: number;
  /** Exactly `length` bytes. @throws DataError when the file ends before. */
  read(offset: number, length: number): Uint8Array;
}

/** @throws DataError when there is no such plain file. */
export function fileBytes(path: string): Bytes {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw dataErrors.missing(path);
  // Devices and pipes have no size to check a header against, and may never end.
  if (!stat.isFile()) throw dataErrors.unknownKind(path);
  return {
    path,
    sizeBytes: stat.size,
    read: (offset, length) => {
      if (offset + length > stat.size) throw cutOff(path, offset + length, stat.size);
      const out = new Uint8Array(length);
      const file = openSync(path, "r");
      try {
        let done = 0;
        while (done < length) {
          const got = readSync(file, out, done, length - done, offset + done);
          if (got === 0) throw cutOff(path, offset + length, offset + done);
          done += got;
        }
      } finally {
        closeSync(file);
      }
      return out;
    },
  };
}

export const memoryBytes = (path: string, bytes: Uint8Array): Bytes => ({
  path,
  sizeBytes: bytes.length,
  read: (offset, length) => {
    if (offset + length > bytes.length) throw cutOff(path, offset + length, bytes.length);
    // A Buffer's own `slice` would be a view into memory it shares with others.
    return Uint8Array.prototype.slice.call(bytes, offset, offset + length);
  },
});

/** A whole file as text (UTF-8). @throws DataError when it is missing or longer than `limit` bytes. */
export function fileText(path: string, limit: number): string {
  return new TextDecoder("utf-8", { ignoreBOM: false }).decode(wholeFile(path, limit));
}
/** A whole file. @throws DataError when it is missing or longer than `limit` bytes. */
export function wholeFile(path: string, limit: number): Uint8Array {
  const { sizeBytes } = fileBytes(path);
  if (sizeBytes > limit)
    throw dataErrors.bad(
      path,
      path,
      `the file has ${sizeBytes} bytes; at most ${limit} of this kind are read`,
      "Store the samples as .npy, which is read in pieces, or use fewer.",
    );
  return plain(readFileSync(path));
}

/** The same bytes without Buffer's own methods, which differ from a typed array's. */
export const plain = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const cutOff = (path: string, need: number, have: number): Error =>
  dataErrors.bad(
    path,
    path,
    `the file is cut off: ${need} bytes are needed, ${have} are there`,
    "Write or copy the file again.",
  );
