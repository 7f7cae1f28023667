/**
 * A save that is known to come: its source is hashed from the first moment, in this process, while
 * the child that will write is still starting. The hash is the longest part of saving a large model
 * with a small change, and everything else fits beside it.
 */
import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { FileHash } from "../shared/fileHash.ts";

export interface ExpectedHash {
  /** Null when the file cannot be read, or after `stop`: whoever needs it then says so himself. */
  readonly hash: Promise<FileHash | null>;
  stop(): void;
}

/** Stays in the processor's cache between reading and hashing. */
const CHUNK_BYTES = 1 << 20;
/** Messages wait some 3 ms for so many chunks. */
const CHUNKS_PER_TURN = 4;

/**
 * Between messages of this process's own thread, which has nothing else to do but to wait for the
 * child: a thread of its own takes 50 ms of CPU time to start, and 10 MB.
 */
export function expectHash(file: string): ExpectedHash {
  let stopped = false;
  return {
    hash: hashInTurns(file, () => stopped).catch(() => null),
    stop: () => (stopped = true),
  };
}

/** As engine/backgroundHash.ts's, which also follows files that are being written. */
async function hashInTurns(file: string, stopped: () => boolean): Promise<FileHash | null> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(CHUNK_BYTES);
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  await turn();
  const descriptor = openSync(file, "r");
  try {
    for (let chunk = 1; ; chunk++) {
      const count = readSync(descriptor, buffer);
      if (count === 0) break;
      hash.update(buffer.subarray(0, count));
      if (chunk % CHUNKS_PER_TURN === 0) await turn();
      if (stopped()) return null;
    }
    const { size, mtimeMs, ino } = fstatSync(descriptor);
    return { sha256: hash.digest("hex"), sizeBytes: size, mtimeMs, inode: ino };
  } finally {
    closeSync(descriptor);
  }
}
