/** From the staging folder to the final places: external data first, the model last. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
} from "node:fs";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { engineErrors } from "../shared/errors.ts";
import { kindOf } from "../shared/modelPath.ts";
import { closeFile, codeOf, openModel } from "./files.ts";
import type { StageOptions, Target } from "./saveTarget.ts";

export interface Saved {
  readonly path: string;
  /** Of all files. */
  readonly sizeBytes: number;
  /** The model and its external data. */
  readonly files: readonly string[];
}

/**
 * @param names what lies in the staging folder beside the model, relative to it
 * @throws EngineError; then the model at the target is as it was
 */
export async function commit(
  { file, folder }: Target,
  { overwrite, allowInput }: StageOptions,
  staging: string,
  names: readonly string[],
  sizeBytes: number,
): Promise<Saved> {
  if (existsSync(file) && !overwrite && !allowInput) throw engineErrors.outputExists(file);
  const before = existsSync(file) ? externalFilesOf(file) : [];
  const placed: string[] = [];
  try {
    for (const name of names) {
      const place = path.join(folder, name);
      // Content-named, or checked to be the same when it was staged.
      if (existsSync(place)) continue;
      mkdirSync(path.dirname(place), { recursive: true });
      await rename(path.join(staging, name), place);
      placed.push(place);
    }
    // The one commit point: before it the old model is whole, after it the new one is.
    await rename(path.join(staging, path.basename(file)), file);
  } catch (error) {
    for (const place of placed) rmSync(place, { force: true });
    throw engineErrors.notWritable(folder, codeOf(error));
  }
  flushFolder(folder);
  const files = [file, ...names.map((name) => path.join(folder, name))];
  removeUnused(file, before);
  return { path: file, sizeBytes, files };
}

/** On Windows a scanner or a reader may hold the file for a moment. */
const RENAME_RETRIES = 20;
const RENAME_WAIT_MS = 100;
async function rename(from: string, to: string): Promise<void> {
  closeFile(from);
  closeFile(to);
  for (let attempt = 1; ; attempt++)
    try {
      renameSync(from, to);
      return;
    } catch (error) {
      const isHeld = ["EPERM", "EACCES", "EBUSY"].includes(codeOf(error));
      if (process.platform !== "win32" || !isHeld || attempt > RENAME_RETRIES) throw error;
      await wait(RENAME_WAIT_MS);
    }
}

/** A rename is on disk only when its folder is; Windows has no such call. */
function flushFolder(folder: string): void {
  if (process.platform === "win32") return;
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } catch {
    // Some network file systems refuse; the rename itself has happened.
  } finally {
    closeSync(fd);
  }
}

function externalFilesOf(file: string): string[] {
  try {
    return openModel(file).files.flatMap((f) => (f.role === "model" ? [] : [f.path]));
  } catch {
    return [];
  } finally {
    closeFile(file);
  }
}

/** More models in one folder than this are not looked through; then nothing is removed. */
const MAX_NEIGHBOURS = 64;

/** Removes data in the model's folder that it used before and that no model there uses now. */
function removeUnused(file: string, before: readonly string[]): void {
  const folder = path.dirname(file);
  const mine = before.filter((data) => path.dirname(data) === realpathSync(folder));
  if (mine.length === 0) return;
  const models = [folder, path.dirname(folder)].flatMap((place) => {
    try {
      return readdirSync(place).map((name) => path.join(place, name));
    } catch {
      return [];
    }
  });
  const neighbours = models.filter((name) => ["onnx", "shards"].includes(kindOf(name) ?? ""));
  if (neighbours.length > MAX_NEIGHBOURS) return;
  const used = new Set<string>();
  for (const neighbour of neighbours) {
    try {
      for (const { path: name } of openModel(neighbour).files) used.add(name);
    } catch {
      // Unreadable now does not mean that it does not need the data.
      return;
    } finally {
      closeFile(neighbour);
    }
  }
  for (const data of mine)
    if (!used.has(data)) {
      closeFile(data);
      rmSync(data, { force: true });
    }
}
