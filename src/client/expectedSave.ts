/**
 * A save that is known to come: its source is hashed from the first moment, in a thread of this
 * process, while the child that will write is still starting. The hash is the longest part of
 * saving a large model with a small change, and everything else fits beside it.
 */
import { Worker } from "node:worker_threads";
import type { FileHash } from "../shared/fileHash.ts";

export interface ExpectedHash {
  /** Null when the file cannot be read, or after `stop`: whoever needs it then says so himself. */
  readonly hash: Promise<FileHash | null>;
  stop(): void;
}

/** As engine/backgroundHash.ts's, which also follows files that are being written. */
const PROGRAM = `
const { closeSync, fstatSync, openSync, readSync } = require("node:fs");
const { parentPort, workerData } = require("node:worker_threads");
const hash = require("node:crypto").createHash("sha256");
const buffer = new Uint8Array(1 << 20);
const descriptor = openSync(workerData, "r");
for (let count; (count = readSync(descriptor, buffer)) > 0; ) hash.update(buffer.subarray(0, count));
const { size, mtimeMs, ino } = fstatSync(descriptor);
closeSync(descriptor);
parentPort.postMessage({ sha256: hash.digest("hex"), sizeBytes: size, mtimeMs, inode: ino });
`;

export function expectHash(file: string): ExpectedHash {
  const worker = new Worker(PROGRAM, {
    eval: true,
    workerData: file,
    resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16 },
  });
  // The process may end without it.
  worker.unref();
  const hash = new Promise<FileHash | null>((resolve) => {
    worker.once("message", resolve);
    worker.once("error", () => resolve(null));
    worker.once("exit", () => resolve(null));
  });
  return { hash, stop: () => void worker.terminate() };
}
