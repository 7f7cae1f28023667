/** From the staging folder to the final places: external data first, the model last. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { engineErrors, LatheError } from "../shared/errors.ts";
import { UNHEARD } from "../shared/task.ts";
import { closeFile, codeOf, openModel } from "./files.ts";
import { sameContent } from "./saveContent.ts";
import { fileMark, writeJournal } from "./saveLitter.ts";
import type { StageOptions, Target } from "./saveTarget.ts";
import { removeUnused } from "./saveUnused.ts";

export interface Saved {
  readonly path: string;
  /** Of all files. */
  readonly sizeBytes: number;
  /** The model and its external data. */
  readonly files: readonly string[];
  /** What should be known of it, such as why old data was kept. */
  readonly notes: readonly string[];
}

/** A text beside the model, which takes its place right after it. */
export interface Companion {
  readonly name: string;
  readonly text: string;
}

/**
 * @param names what lies in the staging folder beside the model, relative to it
 * @param companion such as the recipe
 * @throws EngineError; then the model at the target is as it was, but where only the companion failed
 */
export async function commit(
  { file, folder }: Target,
  { overwrite, allowInput }: StageOptions,
  staging: string,
  names: readonly string[],
  sizeBytes: number,
  companion: Companion | null = null,
): Promise<Saved> {
  if (existsSync(file) && !overwrite && !allowInput) throw engineErrors.outputExists(file);
  const before = existsSync(file) ? externalFilesOf(file) : [];
  const placed: string[] = [];
  try {
    if (companion) writeFileSync(path.join(staging, companion.name), companion.text);
    writeJournal(staging, {
      model: path.basename(file),
      placing: names
        .filter((name) => !existsSync(path.join(folder, name)))
        .map((name) => fileMark(name, path.join(staging, name))),
      before: before.map((data) => fileMark(path.relative(folder, data), data)),
      companion: companion?.name ?? null,
    });
    for (const name of names) {
      const place = path.join(folder, name);
      const staged = path.join(staging, name);
      if (existsSync(place)) {
        // The same when it was staged; another save may have come between.
        if (!existsSync(staged) || (await sameContent(place, staged, UNHEARD))) continue;
        throw engineErrors.changedOnDisk(place);
      }
      mkdirSync(path.dirname(place), { recursive: true });
      await rename(staged, place);
      placed.push(place);
    }
    // The one commit point: before it the old model is whole, after it the new one is.
    await rename(path.join(staging, path.basename(file)), file);
  } catch (error) {
    for (const place of placed) rmSync(place, { force: true });
    if (error instanceof LatheError) throw error;
    throw engineErrors.notWritable(folder, codeOf(error));
  }
  // From here on the new model is the user's: whatever fails, its data stays.
  flushFolder(folder);
  const files = [file, ...names.map((name) => path.join(folder, name))];
  const note = removeUnused(file, before);
  if (companion) await placeCompanion(staging, folder, companion.name);
  return { path: file, sizeBytes, files, notes: note === null ? [] : [note] };
}

async function placeCompanion(staging: string, folder: string, name: string): Promise<void> {
  try {
    await rename(path.join(staging, name), path.join(folder, name));
  } catch (error) {
    throw engineErrors.notBeside(path.join(folder, name), codeOf(error));
  }
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
