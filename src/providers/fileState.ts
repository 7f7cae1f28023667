/** Identity of a file as its folder lists it; a full fingerprint is the engine's to take. */
import { statSync } from "node:fs";
import type { BaseFile } from "../shared/doc.ts";

export interface FileState {
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly inode: number;
}

/** Null when there is no such file. */
export function statFile(file: string): FileState | null {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats ? { sizeBytes: stats.size, mtimeMs: stats.mtimeMs, inode: stats.ino } : null;
}

/** The state a file had when its fingerprint was taken. */
export const fileStateOf = ({ fingerprint }: BaseFile): FileState => ({
  sizeBytes: fingerprint.sizeBytes,
  mtimeMs: fingerprint.mtimeMs,
  inode: fingerprint.inode,
});

export const sameFileState = (a: FileState, b: FileState): boolean =>
  a.sizeBytes === b.sizeBytes && a.mtimeMs === b.mtimeMs && a.inode === b.inode;
