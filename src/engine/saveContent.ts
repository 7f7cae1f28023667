/** Files told apart by what is in them. */
import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import type { Task } from "../shared/task.ts";
import { readInto } from "./files.ts";
import { breathe } from "./saveWrite.ts";

/** 32 bits of a digest of the content; more where a name is taken by other content. */
export const HASH_DIGITS = 8;
/** Of the external data file of a model with that stem. */
export const dataNameOf = (stem: string, digits: string): string => `${stem}.${digits}.data`;

/**
 * The shortest name for a new file that is free, or taken by the same content.
 * @param file as it was staged
 * @param plain the name without any digits; null where it always has some
 * @param named the name with these digits of the content's digest
 */
export async function freeName(
  folder: string,
  file: string,
  plain: string | null,
  named: (digits: string) => string,
  task: Task,
): Promise<string> {
  const isOurs = async (name: string): Promise<boolean> => {
    const place = path.join(folder, name);
    return !existsSync(place) || (await sameContent(place, file, task));
  };
  if (plain !== null && (await isOurs(plain))) return plain;
  const digest = await digestOf(file, task);
  for (let digits = HASH_DIGITS; digits <= digest.length; digits *= 2) {
    const name = named(digest.slice(0, digits));
    if (await isOurs(name)) return name;
  }
  // Other content of the same digest: what was not looked at tells them apart.
  return named(await sha256Of(file, task));
}

/** Up to this size the digest is the file's sha256. */
const WHOLE_BYTES = 64 * 1024 * 1024;
const SAMPLES = 1024;
const SAMPLE_BYTES = 16 * 1024;

/**
 * A digest to name a file by. Of a large one it covers the size and evenly spread samples: the whole
 * of 6 GB took 5 CPU seconds of a save that otherwise takes little more than copying. A name only
 * has to be free or taken by the same content, and that is compared in full.
 */
async function digestOf(file: string, task: Task): Promise<string> {
  const { size } = statSync(file);
  if (size <= WHOLE_BYTES) return sha256Of(file, task);
  const hash = createHash("sha256").update(String(size));
  const buffer = new Uint8Array(SAMPLE_BYTES);
  for (let i = 0; i < SAMPLES; i++) {
    readInto(file, buffer, Math.floor(((size - SAMPLE_BYTES) * i) / (SAMPLES - 1)));
    hash.update(buffer);
  }
  return hash.digest("hex");
}

/** Small enough to stay in the processor's cache between reading and hashing. */
const CHUNK_BYTES = 1024 * 1024;

/** @throws Cancelled, EngineError */
export const sha256Of = (file: string, task: Task): Promise<string> => hashOf("sha256", file, task);
/** As ONNX states it of external data. @throws Cancelled, EngineError */
export const sha1Of = (
  file: string,
  task: Task,
  onBytes?: (count: number) => void,
): Promise<string> => hashOf("sha1", file, task, onBytes);

/**
 * Digest (hex) of a whole file. One buffer for all of it: with a read stream, which takes new memory
 * for every chunk, it took 1.4 times the CPU time.
 */
async function hashOf(
  algorithm: "sha1" | "sha256",
  file: string,
  task: Task,
  onBytes: (count: number) => void = () => {},
): Promise<string> {
  const hash = createHash(algorithm);
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (let at = 0; ;) {
    const count = readInto(file, buffer, at);
    hash.update(buffer.subarray(0, count));
    onBytes(count);
    if (count < buffer.length) return hash.digest("hex");
    at += count;
    await breathe(task);
  }
}

export async function sameContent(a: string, b: string, task: Task): Promise<boolean> {
  const [one, other] = [statSync(a), statSync(b)];
  if (one.ino === other.ino && one.dev === other.dev) return true;
  if (one.size !== other.size) return false;
  return (await sha256Of(a, task)) === (await sha256Of(b, task));
}
