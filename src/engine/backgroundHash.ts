/**
 * sha256 of large files while this thread computes or writes: hashing 1.5 GB takes as long as
 * copying it. A worker thread is safe here, as it never touches onnxruntime.
 */
import { Worker } from "node:worker_threads";
import { engineErrors } from "../shared/errors.ts";
import type { FileHash } from "../shared/fileHash.ts";

const CHUNK_BYTES = 1 << 20;

/**
 * The thread's program, as text: a bundle has no second file to start it from. One buffer for the
 * whole file, small enough to stay in the processor's cache between reading and hashing.
 */
const PROGRAM = `
const { closeSync, fstatSync, openSync, readSync } = require("node:fs");
const { parentPort, workerData: { file } } = require("node:worker_threads");
const hash = require("node:crypto").createHash("sha256");
const buffer = new Uint8Array(${CHUNK_BYTES});
const descriptor = openSync(file, "r");
for (;;) {
  let used = 0;
  for (let count; used < buffer.length && (count = readSync(descriptor, buffer, used, buffer.length - used, null)) > 0; ) used += count;
  hash.update(buffer.subarray(0, used));
  if (used < buffer.length) break;
}
const { size, mtimeMs, ino } = fstatSync(descriptor);
closeSync(descriptor);
parentPort.postMessage({ sha256: hash.digest("hex"), sizeBytes: size, mtimeMs, inode: ino });
`;

export interface BackgroundHash {
  /** @throws EngineError when the file cannot be read, or after `stop`. */
  readonly hash: Promise<FileHash>;
  /** Gives up; does nothing when the hash is known. */
  stop(): void;
}

export function hashInBackground(file: string): BackgroundHash {
  const worker = new Worker(PROGRAM, {
    eval: true,
    workerData: { file },
    // Next to nothing lives in its heap.
    resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16 },
  });
  const hash = new Promise<FileHash>((resolve, reject) => {
    const fail = (reason: string): void => reject(engineErrors.notReadable(file, reason));
    worker.once("message", resolve);
    worker.once("error", (error: Error & { readonly code?: string }) =>
      fail(error.code ?? error.message),
    );
    worker.once("exit", () => fail("hashing it was stopped"));
  });
  // Whoever gives up before asking for it has another failure to tell.
  hash.catch(() => {});
  return { hash, stop: () => void worker.terminate() };
}
