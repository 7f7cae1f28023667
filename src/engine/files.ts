/** Files as the format readers see them: positioned reads, descriptors kept open and closed in time. */
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync, realpathSync, statSync, type Stats } from "node:fs";
import path from "node:path";
import type { ByteRange, Model } from "../core/model.ts";
import type { ByteSource, SiblingFiles } from "../formats/byteSource.ts";
import { readModel } from "../formats/index.ts";
import type { Fingerprint } from "../shared/doc.ts";
import { engineErrors, formatErrors } from "../shared/errors.ts";
import { kindOf } from "../shared/modelPath.ts";
import { indexOf, shardStates } from "./shardFiles.ts";

/** A sharded model has some dozens of files; a process may have 256 on macOS. */
const MAX_OPEN = 32;

interface OpenFile {
  readonly fd: number;
  readonly device: number;
  readonly inode: number;
}
/** By path, least recently used first. */
const open = new Map<string, OpenFile>();

/** The system's code of a failure ("ENOENT"), or what it says. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : String(error);

/** @throws EngineError when the file is missing, not readable or not a plain file. */
function statFile(file: string): Stats {
  let stats: Stats;
  try {
    stats = statSync(file);
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") throw engineErrors.notFound(file);
    throw engineErrors.notReadable(file, code);
  }
  // Reading a pipe or a device could block for ever.
  if (!stats.isFile()) throw engineErrors.notAFile(file);
  return stats;
}

/** The descriptor of what is at that path now: a file replaced by a rename is opened anew. */
function descriptorOf(file: string): number {
  const stats = statFile(file);
  const known = open.get(file);
  if (known && known.inode === stats.ino && known.device === stats.dev) {
    open.delete(file);
    open.set(file, known);
    return known.fd;
  }
  closeFile(file);
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch (error) {
    throw engineErrors.notReadable(file, codeOf(error));
  }
  open.set(file, { fd, device: stats.dev, inode: stats.ino });
  const [oldest] = open.keys();
  if (open.size > MAX_OPEN && oldest !== undefined) closeFile(oldest);
  return fd;
}

/** Windows does not rename over a file that is open; a removed one keeps its space while it is. */
export function closeFile(file: string): void {
  const known = open.get(file);
  if (!known) return;
  open.delete(file);
  closeSync(known.fd);
}
export function closeAllFiles(): void {
  for (const file of [...open.keys()]) closeFile(file);
}

/** Fills `into` from `offset`; gives the number of bytes, fewer at the end of the file. */
export function readInto(file: string, into: Uint8Array, offset: number): number {
  const fd = descriptorOf(file);
  let done = 0;
  while (done < into.length) {
    let count: number;
    try {
      count = readSync(fd, into, done, into.length - done, offset + done);
    } catch (error) {
      throw engineErrors.notReadable(file, codeOf(error));
    }
    if (count === 0) break;
    done += count;
  }
  return done;
}

function readExactly(file: string, offset: number, length: number, field: string): Uint8Array {
  // Checked before the allocation: a length from a damaged file must not cost memory.
  const { size } = statFile(file);
  if (offset + length > size)
    throw formatErrors.truncated(file, offset, field, length, Math.max(0, size - offset));
  const bytes = new Uint8Array(length);
  const count = readInto(file, bytes, offset);
  if (count < length) throw formatErrors.truncated(file, offset, field, length, count);
  return bytes;
}

/** @throws EngineError when the file is missing, not readable or not a plain file. */
export function openSource(file: string): ByteSource {
  const absolute = path.resolve(file);
  const { size } = statFile(absolute);
  return {
    path: absolute,
    sizeBytes: size,
    read: (offset, length) => readExactly(absolute, offset, length, "data"),
  };
}

/** @throws FormatError when the file is shorter than the range says. */
export function readRange(
  range: ByteRange,
  offset = 0,
  length: number = range.length - offset,
): Uint8Array {
  if (offset < 0 || length < 0 || offset + length > range.length)
    throw new RangeError(`bytes ${offset} to ${offset + length} of a range of ${range.length}`);
  return readExactly(range.file, range.offset + offset, length, "tensor data");
}

/** Fills `into` from `offset` of the range. @throws FormatError when the file is shorter than the range says. */
export function readRangeInto(range: ByteRange, offset: number, into: Uint8Array): void {
  if (offset < 0 || offset + into.length > range.length)
    throw new RangeError(
      `bytes ${offset} to ${offset + into.length} of a range of ${range.length}`,
    );
  const at = range.offset + offset;
  const count = readInto(range.file, into, at);
  if (count < into.length)
    throw formatErrors.truncated(range.file, at, "tensor data", into.length, count);
}

/**
 * Files beside a model, confined to its folder: links are followed only to see where they lead. For
 * one reading of the model: what was found is not looked for again. For a model reached through a link, the folder of the link comes first, then that of the file.
 */
export function siblingsOf(modelPath: string): SiblingFiles {
  const absolute = path.resolve(modelPath);
  const find = (location: string): Found => {
    // ONNX locations are POSIX paths; a backslash would be a separator on Windows only.
    const parts = location.split(/[\\/]/);
    const isAbsolute = path.isAbsolute(location) || path.win32.isAbsolute(location);
    if (isAbsolute || parts.includes("..") || /[\0:]/.test(location)) return "escapes";
    const home = path.dirname(realOf(absolute));
    return inFolder(path.dirname(absolute), location, home) ?? inFolder(home, location, home);
  };
  // Each tensor names its file: looking for one file 715 times took a third of reading the model.
  const known = new Map<string, Found>();
  return {
    resolve(location) {
      let found = known.get(location);
      if (found === undefined) known.set(location, (found = find(location)));
      return found;
    },
    open: openSource,
  };
}
type Found = ReturnType<SiblingFiles["resolve"]>;
const realOf = (file: string): string => {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
};
/** @param home the folder of the model's own bytes: a download cache links all files of a model to one. */
function inFolder(folder: string, location: string, home: string): Found {
  let real: string;
  try {
    real = realpathSync(path.join(folder, location));
  } catch {
    return null;
  }
  if (![realpathSync(folder), home].some((allowed) => isInside(allowed, real))) return "escapes";
  const stats = statSync(real);
  return stats.isFile() ? { path: real, sizeBytes: stats.size } : "escapes";
}

function isInside(folder: string, file: string): boolean {
  const inside = path.relative(folder, file);
  return inside !== "" && !inside.startsWith("..") && !path.isAbsolute(inside);
}

const END_BYTES = 64 * 1024;

/** @throws EngineError when the file cannot be read. */
export function fingerprint(file: string): Fingerprint {
  const stats = statFile(file);
  const hash = createHash("sha256");
  const head = new Uint8Array(Math.min(END_BYTES, stats.size));
  hash.update(head.subarray(0, readInto(file, head, 0)));
  const tailAt = Math.max(head.length, stats.size - END_BYTES);
  const tail = new Uint8Array(stats.size - tailAt);
  hash.update(tail.subarray(0, readInto(file, tail, tailAt)));
  // Weights change while their index stays the same.
  if (kindOf(file) === "shards") for (const text of shardStates(file)) hash.update(text);
  return {
    sizeBytes: stats.size,
    mtimeMs: stats.mtimeMs,
    inode: stats.ino,
    ends: hash.digest("hex"),
  };
}

/**
 * The model in a file.
 * @throws EngineError when the file is missing or not readable, FormatError when it is not a model.
 */
export function openModel(file: string): Model {
  const source = openSource(file);
  if (!kindOf(file)) throw formatErrors.unknownExtension(file);
  const model = readModel(source, siblingsOf(file));
  const whole = kindOf(file) === "safetensors" ? indexOf(source.path) : null;
  if (whole === null) return model;
  const warning = `This is one shard of ${whole}: open that for the whole model.`;
  return { ...model, warnings: [...model.warnings, warning] };
}
