/** Pieces to files: a few megabytes at a time, so that any model can be written and cancelled. */
import { closeSync, openSync, writeSync } from "node:fs";
import path from "node:path";
import type { Piece } from "../formats/byteSource.ts";
import { Cancelled, engineErrors, formatErrors, type EngineError } from "../shared/errors.ts";
import type { Task } from "../shared/task.ts";
import { earlyFlush } from "./earlyFlush.ts";
import { codeOf, readInto } from "./files.ts";
import { freeBytes } from "./saveTarget.ts";

/**
 * Bytes of one write. Linux caches a larger one in pages of megabytes, which are dear where the host
 * must find them first: 1.5 GB took 3.2 CPU seconds by 4 MiB and 0.6 by 256 KiB (a virtual machine).
 */
export const CHUNK_BYTES = 256 * 1024;

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

/**
 * Writes and flushes a new file; `late` overwrites bytes at the end, when they are known.
 * @throws Cancelled, EngineError (no room, no rights), FormatError when a source is shorter than a
 *   range of it.
 */
export async function writePieces(
  file: string,
  pieces: readonly Piece[],
  onBytes: (count: number) => void,
  task: Task,
  late: LateText | null = null,
): Promise<void> {
  const place = late && placeOf(pieces, late.placeholder);
  const buffer = new Uint8Array(CHUNK_BYTES);
  let used = 0;
  const fd = attempt(file, 0, () => openSync(file, "wx"));
  const disk = earlyFlush(fd);
  const flush = async (): Promise<void> => {
    const bytes = buffer.subarray(0, used);
    for (let done = 0; done < bytes.length;)
      done += attempt(file, bytes.length - done, () =>
        writeSync(fd, bytes, done, bytes.length - done),
      );
    disk.wrote(used);
    onBytes(used);
    used = 0;
    await breathe(task);
  };
  try {
    await breathe(task);
    for (const piece of pieces)
      for (let done = 0; done < piece.length;) {
        const count = Math.min(CHUNK_BYTES - used, piece.length - done);
        const into = buffer.subarray(used, used + count);
        if (piece instanceof Uint8Array) into.set(piece.subarray(done, done + count));
        else {
          const at = piece.offset + done;
          const got = readInto(piece.file, into, at);
          if (got < count) throw formatErrors.truncated(piece.file, at, "tensor data", count, got);
        }
        used += count;
        done += count;
        if (used === CHUNK_BYTES) await flush();
      }
    await flush();
    if (late && place !== null) {
      // What is written goes to the disk while the text is waited for.
      disk.begin();
      const bytes = Buffer.from(await late.text);
      attempt(file, 0, () => writeSync(fd, bytes, 0, bytes.length, place));
    }
    await disk.finish().catch((error: unknown) => {
      throw writeFailure(file, 0, error);
    });
  } finally {
    await disk.settle();
    closeSync(fd);
  }
}

/** @throws EngineError in the words of the catalogue. */
function attempt<T>(file: string, needBytes: number, act: () => T): T {
  try {
    return act();
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
