/**
 * sha256 of a large file while this thread computes: hashing 1.5 GB takes as long as quantizing it.
 * A worker thread is safe here, as it never touches onnxruntime.
 */
import { Worker } from "node:worker_threads";
import { engineErrors } from "../shared/errors.ts";

export interface BackgroundHash {
  /** Hexadecimal. @throws EngineError when the file cannot be read, or after `stop`. */
  readonly sha256: Promise<string>;
  /** Gives up; does nothing when the hash is known. */
  stop(): void;
}

/**
 * The thread's program, as text: a bundle has no second file to start it from. One buffer for the
 * whole file, small enough to stay in the processor's cache between reading and hashing.
 */
const PROGRAM = `
const { closeSync, openSync, readSync } = require("node:fs");
const { parentPort, workerData } = require("node:worker_threads");
const hash = require("node:crypto").createHash("sha256");
const buffer = new Uint8Array(1 << 20);
const descriptor = openSync(workerData, "r");
for (let count; (count = readSync(descriptor, buffer)) > 0; ) hash.update(buffer.subarray(0, count));
closeSync(descriptor);
parentPort.postMessage(hash.digest("hex"));
`;

export function hashInBackground(file: string): BackgroundHash {
  const worker = new Worker(PROGRAM, {
    eval: true,
    workerData: file,
    // Next to nothing lives in its heap.
    resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16 },
  });
  const sha256 = new Promise<string>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", (error: Error & { readonly code?: string }) =>
      reject(engineErrors.notReadable(file, error.code ?? error.message)),
    );
    worker.once("exit", () => reject(engineErrors.notReadable(file, "hashing it was stopped")));
  });
  // Whoever gives up before asking for it has another failure to tell.
  sha256.catch(() => {});
  return { sha256, stop: () => void worker.terminate() };
}
