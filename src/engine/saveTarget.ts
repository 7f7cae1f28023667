/** Where a model may be written: checks before the first byte, and the folder it is prepared in. */
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  statfsSync,
  statSync,
} from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import type { Model } from "../core/model.ts";
import { engineErrors } from "../shared/errors.ts";
import { extensionOf, formatOfKind, kindOf } from "../shared/modelPath.ts";
import { codeOf } from "./files.ts";

export interface StageOptions {
  readonly externalData: "auto" | "always" | "never";
  /** An existing file may be replaced. */
  readonly overwrite: boolean;
  /** The output may be a file the model is read from. */
  readonly allowInput: boolean;
}

export interface Target {
  /** What is replaced or made: links followed, so that a link stays a link. */
  readonly file: string;
  readonly folder: string;
  /** Permissions of the file that is replaced. */
  readonly mode: number | null;
}

const realOf = (file: string): string => {
  try {
    return realpathSync(file);
  } catch {
    return path.resolve(file);
  }
};

/** @throws EngineError naming what stands in the way. */
export function checkTarget(model: Model, to: string, options: StageOptions): Target {
  const kind = kindOf(to);
  if (kind === null || formatOfKind(kind) !== model.format)
    throw engineErrors.wrongExtension(to, extensionOf(model.format));
  const file = realOf(to);
  const folder = path.dirname(file);
  if (!existsSync(folder)) throw engineErrors.notWritable(folder, "the folder does not exist");
  if (!statSync(folder).isDirectory()) throw engineErrors.notWritable(folder, "it is not a folder");
  const stats = existsSync(file) ? statSync(file) : null;
  if (stats && !stats.isFile()) throw engineErrors.notAFile(to);
  const isInput = model.files.some((input) => realOf(input.path) === file);
  if (isInput && !options.allowInput) throw engineErrors.outputIsInput(to);
  if (stats && !isInput && !options.overwrite) throw engineErrors.outputExists(to);
  return { file, folder, mode: stats ? stats.mode & 0o7777 : null };
}

/** @throws EngineError when the file system has less room than that. */
export function checkSpace(folder: string, sizeBytes: number): void {
  const free = freeBytes(folder);
  if (free !== null && free < sizeBytes) throw engineErrors.diskFull(folder, sizeBytes, free);
}
/** Null where the file system does not say. */
export function freeBytes(folder: string): number | null {
  try {
    const { bavail, bsize, blocks } = statfsSync(folder);
    return blocks === 0 ? null : bavail * bsize;
  } catch {
    return null;
  }
}

/**
 * Everything is prepared in a folder of its own beside the target (the same file system, so that a
 * rename is enough). The name tells host and process, so that what a killed one left can be found.
 */
const PREFIX = ".lathe-";
const HOST = Buffer.from(hostname()).toString("hex").slice(0, 16) || "host";
/** What another host left on a shared drive counts as given up after a day. */
const GIVEN_UP_MS = 24 * 60 * 60 * 1000;

/** @throws EngineError when nothing can be made there. */
export function makeStagingFolder(folder: string): string {
  const name = `${PREFIX}${HOST}-${process.pid}-${randomBytes(6).toString("hex")}`;
  const staging = path.join(folder, name);
  try {
    mkdirSync(staging);
  } catch (error) {
    throw engineErrors.notWritable(folder, codeOf(error));
  }
  return staging;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}

/**
 * Removes what processes that ended in the middle of a save left in a folder.
 * @param ended a process known to have ended
 */
export function sweepLitter(folder: string, ended: number | null = null): void {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return;
  }
  for (const name of names) {
    const parts = new RegExp(`^\\${PREFIX}([0-9a-z]+)-(\\d+)-[0-9a-f]{12}$`).exec(name);
    if (!parts) continue;
    const pid = Number(parts[2]);
    const litter = path.join(folder, name);
    const isOurs = parts[1] === HOST;
    if (isOurs ? pid === ended || !isAlive(pid) : ageMs(litter) > GIVEN_UP_MS)
      rmSync(litter, { recursive: true, force: true });
  }
}
function ageMs(file: string): number {
  try {
    return Date.now() - statSync(file).mtimeMs;
  } catch {
    return 0;
  }
}
