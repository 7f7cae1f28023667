/**
 * Saving: a model is written beside its target first, can be loaded and checked there, and takes
 * its place by a rename. Killed at any moment, the old file is there, whole.
 */
import { chmodSync, existsSync, mkdirSync, realpathSync, rmSync } from "node:fs";
import path from "node:path";
import type { Model } from "../core/model.ts";
import { encodeModel, type DataFile, type EncodedFile } from "../formats/index.ts";
import { withoutExtension } from "../shared/modelPath.ts";
import type { Task } from "../shared/task.ts";
import { closeFile } from "./files.ts";
import { commit, type Saved } from "./saveCommit.ts";
import { dataNameOf, HASH_DIGITS, sameContent, sha1Of } from "./saveContent.ts";
import { fateOf, stageData, type PlannedData } from "./saveData.ts";
import { makeStagingFolder, recipeName, sweepLitter } from "./saveLitter.ts";
import { checkSpace, checkTarget, type StageOptions, type Target } from "./saveTarget.ts";
import { writePieces, type LateText } from "./saveWrite.ts";

export type { Saved } from "./saveCommit.ts";
export type { StageOptions } from "./saveTarget.ts";

export interface Staged {
  /** A complete model, its external data beside it; not yet at its place. */
  readonly path: string;
  /** Of all files. */
  readonly sizeBytes: number;
  /**
   * Puts the files in their places, the model last, and its recipe's text after it.
   * @throws EngineError; then nothing is replaced.
   */
  commit(recipe?: string | null): Promise<Saved>;
  /** Removes everything that was staged; does nothing after a commit. */
  discard(): Promise<void>;
}

/** Takes the place of a checksum as long as it is not known, and where none is asked for. */
const NO_CHECKSUM = "0".repeat(40);

/**
 * Encodes and writes a model.
 * @param to where `commit` will put it; links are followed
 * @param late text in the model file that becomes known while the rest is written
 * @throws EngineError, FormatError, Cancelled; nothing is left behind
 */
export async function stageModel(
  model: Model,
  to: string,
  options: StageOptions,
  task: Task,
  late: LateText | null = null,
): Promise<Staged> {
  const target = checkTarget(model, to, options);
  const { uncached } = options;
  const stem = path.basename(withoutExtension(target.file));
  const encode = (
    dataName: (file: DataFile) => string,
    checksum: (index: number) => string,
  ): EncodedFile[] =>
    encodeModel(model, { externalData: options.externalData, dataName, checksum });
  const planned = encode(
    ({ index, kept }) =>
      kept?.location ?? dataNameOf(stem, String(index).padStart(HASH_DIGITS, "0")),
    () => NO_CHECKSUM,
  );
  const data: PlannedData[] = [];
  for (const file of planned)
    if (file.role === "external")
      data.push({ ...file, fate: await fateOf(file, target.folder, task) });
  const sizeBytes = planned.reduce((sum, file) => sum + file.sizeBytes, 0);
  const there = data.filter(({ fate }) => fate === "there");
  checkSpace(
    target.folder,
    there.reduce((sum, file) => sum - file.sizeBytes, sizeBytes),
  );
  return stageFiles(
    target,
    options,
    sizeBytes,
    async (folder, onBytes) => {
      const names: string[] = [];
      const checksums: string[] = [];
      for (const file of data) {
        const name = await stageData(file, { folder, target, stem, uncached }, onBytes, task);
        names.push(name);
        checksums.push(
          file.needsChecksum === true ? await sha1Of(path.join(folder, name), task) : NO_CHECKSUM,
        );
      }
      const files = encode(
        ({ index }) => names[index] ?? "",
        (index) => checksums[index] ?? NO_CHECKSUM,
      );
      const pieces = files.find((file) => file.role === "model")?.pieces ?? [];
      const file = path.join(folder, path.basename(target.file));
      await writePieces(file, pieces, onBytes, task, { late, uncached });
      return names;
    },
    task,
  );
}

/**
 * Copies a model as it is, byte for byte, with its external data.
 * @throws EngineError, Cancelled; nothing is left behind
 */
export async function stageCopy(
  model: Model,
  to: string,
  options: StageOptions,
  task: Task,
): Promise<Staged> {
  const target = checkTarget(model, to, options);
  const { uncached } = options;
  const [main, ...rest] = model.files;
  if (!main) throw new Error("a model without a file cannot be copied");
  const home = realpathSync(path.dirname(path.resolve(main.path)));
  const missing: { readonly name: string; readonly file: string; readonly sizeBytes: number }[] =
    [];
  for (const { path: file, sizeBytes } of rest) {
    const name = path.relative(home, file);
    const place = path.join(target.folder, name);
    if (name.startsWith("..") || path.isAbsolute(name)) return stageModel(model, to, options, task);
    if (!existsSync(place)) missing.push({ name, file, sizeBytes });
    // The place is taken by other data: then the copy needs other names, and so another model file.
    else if (!(await sameContent(place, file, task))) return stageModel(model, to, options, task);
  }
  const sizeBytes = missing.reduce((sum, file) => sum + file.sizeBytes, main.sizeBytes);
  checkSpace(target.folder, sizeBytes);
  return stageFiles(
    target,
    options,
    sizeBytes,
    async (folder, onBytes) => {
      const copies = [
        ...missing,
        { name: path.basename(target.file), file: main.path, sizeBytes: main.sizeBytes },
      ];
      for (const { name, file, sizeBytes: length } of copies) {
        mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
        const pieces = [{ file, offset: 0, length }];
        await writePieces(path.join(folder, name), pieces, onBytes, task, { uncached });
      }
      return missing.map(({ name }) => name);
    },
    task,
  );
}

/**
 * @param write fills the staging folder and gives the names of all files but the model, relative to
 *   it; files that are at their places already need not be in it
 */
export async function stageFiles(
  target: Target,
  options: StageOptions,
  sizeBytes: number,
  write: (folder: string, onBytes: (count: number) => void) => Promise<readonly string[]>,
  task: Task,
): Promise<Staged> {
  sweepLitter(target.folder);
  const folder = makeStagingFolder(target.folder);
  const file = path.join(folder, path.basename(target.file));
  const clear = (): void => {
    closeFile(file);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  let done = 0;
  let names: readonly string[];
  try {
    names = await write(folder, (count) => {
      done += count;
      task.progress(sizeBytes === 0 ? 1 : Math.min(1, done / sizeBytes), "Writing");
    });
    if (target.mode !== null) chmodSync(file, target.mode);
  } catch (error) {
    clear();
    throw error;
  }
  return {
    path: file,
    sizeBytes,
    async commit(recipe = null) {
      const companion = recipe === null ? null : { name: recipeName(target.file), text: recipe };
      try {
        return await commit(target, options, folder, names, sizeBytes, companion);
      } finally {
        clear();
      }
    },
    discard() {
      clear();
      return Promise.resolve();
    },
  };
}
