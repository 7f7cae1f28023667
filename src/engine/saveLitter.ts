/**
 * The folder in which a save is prepared, and what the next start makes of one whose process ended
 * in the middle. A journal in it says what was about to be put where, so that data which no model
 * uses is removed, and a commit that had passed its one rename is completed.
 */
import { randomBytes } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { engineErrors } from "../shared/errors.ts";
import { codeOf } from "./files.ts";
import { removeUnused } from "./saveUnused.ts";

/**
 * A folder of its own beside the target (the same file system, so that a rename is enough). The name
 * tells host and process, so that what a killed one left can be found.
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

/** Of the recipe beside a model. */
export const recipeName = (model: string): string => `${path.basename(model)}.lathe.json`;

/** A file as it was when the journal was written: another one under that name is not ours. */
export interface FileMark {
  /** Relative to the target's folder. */
  readonly name: string;
  readonly inode: number;
  readonly sizeBytes: number;
}
export function fileMark(name: string, file: string): FileMark {
  const { ino, size } = statSync(file);
  return { name, inode: ino, sizeBytes: size };
}

export interface Journal {
  /** File name of the model, in the staging folder until the commit. */
  readonly model: string;
  /** Data that is put beside it first. */
  readonly placing: readonly FileMark[];
  /** Data of the model that is replaced. */
  readonly before: readonly FileMark[];
  /** File name of the recipe, in the staging folder until it follows the model. */
  readonly companion: string | null;
}
const JOURNAL = "journal.json";

export const writeJournal = (staging: string, journal: Journal): void =>
  writeFileSync(path.join(staging, JOURNAL), JSON.stringify(journal));

/** Null where none was written yet, or not to its end: then nothing had been moved. */
function readJournal(staging: string): Journal | null {
  try {
    return JSON.parse(readFileSync(path.join(staging, JOURNAL), "utf8")) as Journal;
  } catch {
    return null;
  }
}

/**
 * Clears what processes that ended in the middle of a save left in a folder.
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
    if (isOurs ? pid !== ended && isAlive(pid) : ageMs(litter) <= GIVEN_UP_MS) continue;
    try {
      settle(folder, litter);
      rmSync(litter, { recursive: true, force: true });
    } catch {
      // A folder that may not be written to now, or another process that clears it as well.
    }
  }
}

/** Finishes or undoes what the journal says. It may come from anywhere, so it is not trusted. */
function settle(folder: string, litter: string): void {
  const journal = readJournal(litter);
  if (!journal) return;
  const model = path.basename(journal.model);
  const isCommitted = !existsSync(path.join(litter, model));
  const marks = isCommitted ? journal.before : journal.placing;
  const files = marks.flatMap((mark) => {
    const file = path.join(realpathSync(folder), path.basename(mark.name));
    const stats = lstatSync(file, { throwIfNoEntry: false });
    const isSame = stats?.isFile() && stats.ino === mark.inode && stats.size === mark.sizeBytes;
    return isSame && mark.name === path.basename(mark.name) ? [file] : [];
  });
  removeUnused(path.join(realpathSync(folder), model), files);
  const companion = path.join(litter, recipeName(model));
  if (isCommitted && journal.companion !== null && existsSync(companion))
    renameSync(companion, path.join(folder, recipeName(model)));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}
function ageMs(file: string): number {
  try {
    return Date.now() - statSync(file).mtimeMs;
  } catch {
    return 0;
  }
}
