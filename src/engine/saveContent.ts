/** Files told apart by what is in them. */
import { createHash } from "node:crypto";
import { existsSync, realpathSync, statSync } from "node:fs";
import path from "node:path";
import type { Task } from "../shared/task.ts";
import { readInto } from "./files.ts";
import { breathe } from "./saveWrite.ts";

/** 32 bits of the content's sha256; more where a name is taken by other content. */
export const HASH_DIGITS = 8;
/** Of the external data file of a model with that stem. */
export const dataNameOf = (stem: string, digits: string): string => `${stem}.${digits}.data`;

/** The shortest name that is free, or taken by the same content. */
export async function freeDataName(
  folder: string,
  stem: string,
  sha256: string,
  task: Task,
): Promise<string> {
  for (let digits = HASH_DIGITS; digits < sha256.length; digits *= 2) {
    const name = dataNameOf(stem, sha256.slice(0, digits));
    const place = path.join(folder, name);
    if (!existsSync(place) || (await sha256Of(place, task)) === sha256) return name;
  }
  return dataNameOf(stem, sha256);
}

/** Small enough to stay in the processor's cache between reading and hashing. */
const CHUNK_BYTES = 1024 * 1024;

/**
 * sha256 (hex) of a whole file. One buffer for all of it: with a read stream, which takes new memory
 * for every chunk, it took 1.4 times the CPU time. @throws Cancelled, EngineError
 */
export async function sha256Of(file: string, task: Task): Promise<string> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (let at = 0; ;) {
    const count = readInto(file, buffer, at);
    hash.update(buffer.subarray(0, count));
    if (count < buffer.length) return hash.digest("hex");
    at += count;
    await breathe(task);
  }
}

export async function sameContent(a: string, b: string, task: Task): Promise<boolean> {
  if (realpathSync(a) === realpathSync(b)) return true;
  if (statSync(a).size !== statSync(b).size) return false;
  return (await sha256Of(a, task)) === (await sha256Of(b, task));
}
