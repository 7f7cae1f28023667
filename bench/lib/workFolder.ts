/** A temporary folder for files of gigabytes: room is checked first, and it never outlives the bench. */
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import os from "node:os";
import path from "node:path";

/** @throws Error when fewer than `needBytes` are free. */
export async function withWorkFolder(
  needBytes: number,
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const { bavail, bsize } = statfsSync(os.tmpdir());
  const free = bavail * bsize;
  if (free < needBytes)
    throw new Error(
      `this bench needs ${(needBytes / 1e9).toFixed(1)} GB in the temporary folder, but only ${(free / 1e9).toFixed(1)} GB are free`,
    );
  const folder = mkdtempSync(path.join(os.tmpdir(), "lathe-bench-"));
  const remove = (): void => {
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", remove);
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => {
      process.exit(130);
    });
  try {
    await use(folder);
  } finally {
    remove();
  }
}

/** The run with its output file removed before and after, so that every round writes a new one. */
export const replacing =
  <T>(file: string, run: () => Promise<T>): (() => Promise<T>) =>
  async () => {
    rmSync(file, { force: true });
    try {
      return await run();
    } finally {
      rmSync(file, { force: true });
    }
  };

/** The same for outputs of several files: a folder that is empty before, and removed after. */
export const refilling =
  <T>(folder: string, run: () => Promise<T>): (() => Promise<T>) =>
  async () => {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    try {
      return await run();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
