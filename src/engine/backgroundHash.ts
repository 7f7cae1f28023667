/**
 * sha256 of large files while this thread computes or writes: hashing 1.5 GB takes as long as
 * copying it. A worker thread is safe here, as it never touches onnxruntime.
 */
import { Worker } from "node:worker_threads";
import { engineErrors } from "../shared/errors.ts";
import type { FileHash } from "../shared/fileHash.ts";

/** How far a file that is still being written has come: whole units, and whether that is all. */
const UNIT_BYTES = 1 << 20;
const UNITS = 0;
const IS_ALL = 1;

/**
 * The thread's program, as text: a bundle has no second file to start it from. One buffer for the
 * whole file, small enough to stay in the processor's cache between reading and hashing.
 */
const PROGRAM = `
const { closeSync, fstatSync, openSync, readSync } = require("node:fs");
const { parentPort, workerData: { file, progress } } = require("node:worker_threads");
const hash = require("node:crypto").createHash("sha256");
const buffer = new Uint8Array(${UNIT_BYTES});
const descriptor = openSync(file, "r");
for (let units = 0; ; units++) {
  if (progress)
    while (Atomics.load(progress, ${IS_ALL}) === 0) {
      const reached = Atomics.load(progress, ${UNITS});
      if (reached > units) break;
      Atomics.wait(progress, ${UNITS}, reached);
    }
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

/** Hash of a file that is still being written, from its start. */
export interface FollowingHash extends BackgroundHash {
  /** So many bytes are in the file by now. */
  reached(sizeBytes: number): void;
  /** Nothing is added any more. */
  finish(): void;
}

export const hashInBackground = (file: string): BackgroundHash => start(file, null);

/** Reads behind the writer: what was just written is still in memory, and mostly in the cache. */
export function hashWhileWritten(file: string): FollowingHash {
  const progress = new Int32Array(new SharedArrayBuffer(8));
  const setUnits = (units: number): void => {
    Atomics.store(progress, UNITS, units);
    Atomics.notify(progress, UNITS);
  };
  return {
    ...start(file, progress),
    reached: (sizeBytes) => {
      const units = Math.floor(sizeBytes / UNIT_BYTES);
      if (units > Atomics.load(progress, UNITS)) setUnits(units);
    },
    finish: () => {
      Atomics.store(progress, IS_ALL, 1);
      // Counted up as well: a thread about to wait for that counter then does not.
      setUnits(Atomics.load(progress, UNITS) + 1);
    },
  };
}

function start(file: string, progress: Int32Array | null): BackgroundHash {
  const worker = new Worker(PROGRAM, {
    eval: true,
    workerData: { file, progress },
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
