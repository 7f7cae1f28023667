/** A result counts when onnxruntime has loaded it and run it once. */
import { freemem } from "node:os";
import type { Model } from "../core/model.ts";
import { Cancelled, engineErrors, toFailure } from "../shared/errors.ts";
import type { Verified } from "../shared/protocol.ts";
import type { Task } from "../shared/task.ts";
import { openModel } from "./files.ts";
import { createSession } from "./ort.ts";
import { breathe } from "./saveWrite.ts";
import { runnableSizes } from "./synthetic.ts";

/** Loading holds a single-file model about once in pages and once in the runtime's own order. */
const MEMORY_PER_BYTE = 2.2;
/** From here on weights are left in file order: loads in a fraction of the time and memory. */
const PREPACK_LIMIT_BYTES = 2 ** 28;
const RUNTIME_BYTES = 2 ** 27;

/**
 * Loads `staged` as it will be deployed and runs it once on seeded synthetic inputs.
 * When that fails, `input` (the file it was made from) decides: if it does not run either, that is
 * a reason and no defect.
 * @throws EngineError (resultInvalid) when the input runs and the result does not; Cancelled.
 */
export async function verifyModel(
  staged: string,
  input: string | null,
  task: Task,
): Promise<Verified> {
  const model = openModel(staged);
  if (model.format === "safetensors") return { skipped: "weights without a graph" };
  if (!fitsInMemory(model)) return { skipped: "does not fit in memory" };
  const failure = await runOnce(staged, sizeOf(model), task);
  task.progress(input === null || failure === null ? 1 : 0.5);
  if (failure === null) return true;
  if (input === null) throw engineErrors.resultInvalid(staged, failure);
  const own = await runOnce(input, sizeOf(openModel(input)), task);
  task.progress(1);
  if (own === null) throw engineErrors.resultInvalid(staged, failure);
  return { skipped: `the input itself does not run: ${own}` };
}

/** Null when it ran, else why it did not. */
async function runOnce(path: string, sizeBytes: number, task: Task): Promise<string | null> {
  await breathe(task);
  try {
    const session = await createSession(path, {
      threads: 1,
      optimization: "all",
      prepack: sizeBytes <= PREPACK_LIMIT_BYTES,
    });
    try {
      await breathe(task);
      await runnableSizes(session, 0);
    } finally {
      await session.release();
    }
  } catch (error) {
    if (error instanceof Cancelled) throw error;
    return toFailure(error).message;
  }
  await breathe(task);
  return null;
}

const sizeOf = (model: Model): number =>
  model.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);

function fitsInMemory(model: Model): boolean {
  const sizeBytes = sizeOf(model);
  const factor = sizeBytes <= PREPACK_LIMIT_BYTES ? MEMORY_PER_BYTE : 1.2;
  return sizeBytes * factor + RUNTIME_BYTES < availableBytes();
}

/** Memory this process may still take; a container's limit counts where the runtime tells it (Node 20.13). */
const availableBytes = (): number =>
  typeof process.availableMemory === "function" ? process.availableMemory() : freemem();
