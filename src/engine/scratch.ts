/**
 * The scratch folder: computed changes, temporary models and kept bases. Shared by processes, so
 * everything gets its final name by a rename; what no one finished is swept at the next start.
 */
import { randomUUID } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  type Stats,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

export interface Scratch {
  readonly root: string;
  /** `<key>.json` and the data it points to. */
  readonly changes: string;
  /** `<key>/` with a complete model file each. */
  readonly models: string;
  /** `<key>.json`: what analyzers answered. */
  readonly reports: string;
  /** `<key>.stat`: statistics of activations. */
  readonly statistics: string;
  /** Old bytes of files that a document was saved over. */
  readonly kept: string;
  readonly temp: string;
}

const HOUR_MS = 3_600_000;
/** Folders in the system's temporary one, for results that the scratch folder has no room for. */
export const SPILL_PREFIX = "lathe-spill-";
/** A backup may refer to a kept base for as long as VS Code keeps the backup; two weeks is generous. */
const KEPT_MS = 14 * 24 * HOUR_MS;

export function openScratch(root: string): Scratch {
  const scratch: Scratch = {
    root,
    changes: path.join(root, "changes"),
    models: path.join(root, "models"),
    reports: path.join(root, "reports"),
    statistics: path.join(root, "statistics"),
    kept: path.join(root, "kept"),
    temp: path.join(root, "temp"),
  };
  for (const folder of [
    scratch.changes,
    scratch.models,
    scratch.reports,
    scratch.statistics,
    scratch.kept,
    scratch.temp,
  ])
    mkdirSync(folder, { recursive: true });
  return scratch;
}

/** A new empty folder under `temp`. */
export function scratchFolder(scratch: Scratch): string {
  const folder = path.join(scratch.temp, `${process.pid}-${randomUUID()}`);
  mkdirSync(folder);
  return folder;
}

/** Marks a cached item as used just now; the sweep removes the least recently used first. */
export function touch(file: string, now: Date): void {
  try {
    utimesSync(file, now, now);
  } catch {
    // Another process may have swept it in this moment; the reader notices when it opens it.
  }
}

interface Item {
  readonly paths: readonly string[];
  readonly sizeBytes: number;
  readonly usedMs: number;
}

/**
 * Removes leftovers of ended processes, kept bases that are too old, and the least recently used
 * results until the rest fits `limitBytes`. Results used in the last hour stay.
 */
export function sweepScratch(scratch: Scratch, limitBytes: number, nowMs: number): void {
  for (const name of list(scratch.temp)) {
    const pid = Number(name.split("-")[0]);
    if (!isAlive(pid)) remove(path.join(scratch.temp, name));
  }
  for (const name of list(tmpdir())) {
    if (!name.startsWith(SPILL_PREFIX)) continue;
    if (!isAlive(Number(name.slice(SPILL_PREFIX.length).split("-")[0])))
      remove(path.join(tmpdir(), name));
  }
  for (const name of list(scratch.kept)) {
    const folder = path.join(scratch.kept, name);
    const stats = statOf(folder);
    if (stats && nowMs - stats.mtimeMs > KEPT_MS) remove(folder);
  }
  const items = [
    ...cachedChanges(scratch, nowMs),
    ...cachedModels(scratch),
    ...cachedFiles(scratch.reports),
    ...cachedFiles(scratch.statistics),
  ];
  let total = items.reduce((sum, item) => sum + item.sizeBytes, 0);
  for (const item of items.sort((a, b) => a.usedMs - b.usedMs)) {
    if (total <= limitBytes) break;
    if (nowMs - item.usedMs < HOUR_MS) continue;
    item.paths.forEach(remove);
    total -= item.sizeBytes;
  }
}

function cachedChanges(scratch: Scratch, nowMs: number): Item[] {
  const names = list(scratch.changes);
  const known = new Set(names.filter((n) => n.endsWith(".json")).map((n) => n.split(".")[0]));
  const items: Item[] = [];
  for (const name of names) {
    const file = path.join(scratch.changes, name);
    const stats = statOf(file);
    if (!stats || name.endsWith(".json")) continue;
    const key = name.split(".")[0] ?? "";
    // Data whose description was never written: its process was ended in the middle.
    if (!known.has(key)) {
      if (nowMs - stats.mtimeMs > HOUR_MS) remove(file);
      continue;
    }
    const json = path.join(scratch.changes, `${key}.json`);
    items.push({
      paths: [json, file],
      sizeBytes: stats.size,
      usedMs: statOf(json)?.mtimeMs ?? 0,
    });
  }
  return items;
}

const cachedModels = (scratch: Scratch): Item[] =>
  list(scratch.models).flatMap((name) => {
    const folder = path.join(scratch.models, name);
    const stats = statOf(folder);
    if (!stats) return [];
    const sizes = list(folder).map((file) => statOf(path.join(folder, file))?.size ?? 0);
    return [
      { paths: [folder], sizeBytes: sizes.reduce((a, b) => a + b, 0), usedMs: stats.mtimeMs },
    ];
  });

const cachedFiles = (folder: string): Item[] =>
  list(folder).flatMap((name) => {
    const file = path.join(folder, name);
    const stats = statOf(file);
    return stats ? [{ paths: [file], sizeBytes: stats.size, usedMs: stats.mtimeMs }] : [];
  });

/** Removes every cached result; kept bases stay, since open documents read them. */
export function clearScratch(scratch: Scratch): void {
  for (const folder of [scratch.changes, scratch.models, scratch.reports, scratch.statistics])
    for (const name of list(folder)) remove(path.join(folder, name));
}

/** Removes one kept base; false when `file` is none of this scratch folder's. */
export function releaseKept(scratch: Scratch, file: string): boolean {
  const folder = path.dirname(path.resolve(file));
  if (path.dirname(folder) !== path.resolve(scratch.kept) || !existsSync(folder)) return false;
  remove(folder);
  return true;
}

const list = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);
const remove = (file: string): void => rmSync(file, { recursive: true, force: true });
function statOf(file: string): Stats | null {
  return statSync(file, { throwIfNoEntry: false }) ?? null;
}
function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
