/** Where the bytes of a new file go: through the system's cache here, past it in directOutput.ts. */
import { closeSync, openSync, writeSync } from "node:fs";
import { earlyFlush } from "./earlyFlush.ts";

/**
 * Bytes of one write. Linux caches a larger one in pages of megabytes, which are dear where the host
 * must find them first: 1.5 GB took 3.2 CPU seconds by 4 MiB and 0.6 by 256 KiB (a virtual machine).
 */
export const CHUNK_BYTES = 256 * 1024;

/** A file that is written from its beginning to its end. All methods throw the system's errors. */
export interface Output {
  /** The one to fill first. */
  readonly buffer: Uint8Array;
  /**
   * Appends the first `count` bytes of the buffer filled last, and gives the one to fill next.
   * @throws what this write met, or the one before
   */
  write(count: number): Promise<Uint8Array>;
  /** What was written goes to the disk while its caller waits for something else. */
  begin(): void;
  /** All that was given to `write` is in the file; it may be overwritten now. */
  written(): Promise<void>;
  overwrite(bytes: Uint8Array, at: number): void;
  /** All is on the disk. */
  finish(): Promise<void>;
  /** Waits for what is under way, whatever comes of it. */
  close(): Promise<void>;
}

export interface CachedOutput extends Output {
  /** Writes bytes of any length at a place. */
  put(bytes: Uint8Array, at: number): void;
}

/** @throws the system's error; the file must not be there yet. */
export function cachedOutput(file: string): CachedOutput {
  const fd = openSync(file, "wx");
  const disk = earlyFlush(fd);
  const buffer = new Uint8Array(CHUNK_BYTES);
  let end = 0;
  const overwrite = (bytes: Uint8Array, at: number): void => {
    for (let done = 0; done < bytes.length;) {
      const count = Math.min(CHUNK_BYTES, bytes.length - done);
      done += writeSync(fd, bytes, done, count, at + done);
    }
  };
  const put = (bytes: Uint8Array, at: number): void => {
    overwrite(bytes, at);
    disk.wrote(bytes.length);
  };
  return {
    buffer,
    put,
    overwrite,
    write(count) {
      put(buffer.subarray(0, count), end);
      end += count;
      return Promise.resolve(buffer);
    },
    begin: disk.begin,
    written: () => Promise.resolve(),
    finish: disk.finish,
    async close() {
      await disk.settle();
      closeSync(fd);
    },
  };
}
