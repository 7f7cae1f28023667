/** Where a model may be written: checks before the first byte, and the folder it is prepared in. */
import { existsSync, realpathSync, statfsSync, statSync } from "node:fs";
import path from "node:path";
import type { Model } from "../core/model.ts";
import { engineErrors } from "../shared/errors.ts";
import { extensionOf, formatOfKind, kindOf } from "../shared/modelPath.ts";

export interface StageOptions {
  readonly externalData: "auto" | "always" | "never";
  /** An existing file may be replaced. */
  readonly overwrite: boolean;
  /** The output may be a file the model is read from. */
  readonly allowInput: boolean;
  /** Nobody reads the files soon, such as the runtime that tries them. */
  readonly uncached?: boolean;
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
