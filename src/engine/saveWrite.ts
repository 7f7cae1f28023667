/** Pieces to files: a few megabytes at a time, so that any model can be written and cancelled. */
import path from "node:path";
import type { Piece } from "../formats/byteSource.ts";
import { Cancelled, engineErrors, formatErrors, type EngineError } from "../shared/errors.ts";
import type { Task } from "../shared/task.ts";
import { directOutput, MIN_DIRECT_BYTES } from "./directOutput.ts";
import { codeOf, readInto } from "./files.ts";
import { cachedOutput, type Output } from "./output.ts";
import { freeBytes } from "./saveTarget.ts";

/** Turns the event loop, so that a cancel message is heard. @throws Cancelled */
export async function breathe(task: Task): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  if (task.signal.aborted) throw new Cancelled();
}

/** Bytes that are not known yet when writing begins: a hash of the source that is still being read. */
export interface LateText {
  /** Stands for the text meanwhile; as long as the text, and nowhere else in the file's own bytes. */
  readonly placeholder: string;
  readonly text: Promise<string>;
}

/** Where the placeholder is in the file. @throws Error when it is not there exactly once: our defect */
function placeOf(pieces: readonly Piece[], placeholder: string): number {
  const places: number[] = [];
  let at = 0;
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) {
      const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
      for (let i = bytes.indexOf(placeholder); i >= 0; i = bytes.indexOf(placeholder, i + 1))
        places.push(at + i);
    }
    at += piece.length;
  }
  const [place] = places;
  if (place === undefined || places.length > 1)
    throw new Error("the late text's place is not in the file once");
  return place;
}

export interface WriteOptions {
  /** Overwrites bytes at the end, when they are known. */
  readonly late?: LateText | null;
  /** Nobody reads the file soon, so it need not stay in the system's memory. */
  readonly uncached?: boolean | undefined;
}

/**
 * Writes and flushes a new file.
 * @throws Cancelled, EngineError (no room, no rights), FormatError when a source is shorter than a
 *   range of it.
 */
export async function writePieces(
  file: string,
  pieces: readonly Piece[],
  onBytes: (count: number) => void,
  task: Task,
  { late = null, uncached = false }: WriteOptions = {},
): Promise<void> {
  const place = late && placeOf(pieces, late.placeholder);
  const sizeBytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const out = await attempt(file, 0, () => openOutput(file, uncached ? sizeBytes : 0));
  let buffer = out.buffer;
  let used = 0;
  const flush = async (): Promise<void> => {
    buffer = await attempt(file, used, () => out.write(used));
    onBytes(used);
    used = 0;
    await breathe(task);
  };
  try {
    await breathe(task);
    for (const piece of pieces)
      for (let done = 0; done < piece.length;) {
        const count = Math.min(buffer.length - used, piece.length - done);
        const into = buffer.subarray(used, used + count);
        if (piece instanceof Uint8Array) into.set(piece.subarray(done, done + count));
        else {
          const at = piece.offset + done;
          const got = readInto(piece.file, into, at);
          if (got < count) throw formatErrors.truncated(piece.file, at, "tensor data", count, got);
        }
        used += count;
        done += count;
        if (used === buffer.length) await flush();
      }
    await flush();
    await attempt(file, 0, () => out.written());
    if (late && place !== null) {
      out.begin();
      const bytes = Buffer.from(await late.text);
      await attempt(file, 0, () => out.overwrite(bytes, place));
    }
    await attempt(file, 0, () => out.finish());
  } finally {
    await out.close();
  }
}

/** @param uncachedBytes of a file that may go past the cache, else 0 */
function openOutput(file: string, uncachedBytes: number): Output {
  const cached = cachedOutput(file);
  return (uncachedBytes >= MIN_DIRECT_BYTES ? directOutput(cached, file) : null) ?? cached;
}

/** @throws EngineError in the words of the catalogue. */
async function attempt<T>(file: string, needBytes: number, act: () => T | Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw writeFailure(file, needBytes, error);
  }
}

function writeFailure(file: string, needBytes: number, error: unknown): EngineError {
  const folder = path.dirname(path.dirname(file));
  const code = codeOf(error);
  return code === "ENOSPC" || code === "EDQUOT"
    ? engineErrors.diskFull(folder, needBytes, freeBytes(folder) ?? 0)
    : engineErrors.notWritable(folder, REASONS[code] ?? code);
}

/** Where the code alone would not tell what to do. */
const REASONS: Readonly<Record<string, string>> = {
  EFBIG: "EFBIG: a limit on the size of files",
};
