/**
 * The file that a document stands on. Weights are read from it by position when they are needed, so
 * another program that replaces it in between would give positions of one file and bytes of another:
 * what is kept for later is kept only if the file is still the one that was opened, and a failure over
 * one that is not says so instead of calling the new file damaged.
 */
import type { Model } from "../core/model.ts";
import type { BaseFile } from "../shared/doc.ts";
import { engineErrors, LatheError } from "../shared/errors.ts";
import { baseKey, keyOf } from "./changeCache.ts";
import { fingerprint, openModel } from "./files.ts";
import { Recent } from "./recent.ts";
import { fileState } from "./shardFiles.ts";

/** Parsed models are structure only, so a few are cheap. */
const MODELS_KEPT = 8;

export interface OpenBase {
  readonly model: Model;
  /** Identity of the file and of the files with its external data. */
  readonly key: string;
}

/** @throws EngineError `changed` when the file is another than the document's. */
function fileKey(base: BaseFile): string {
  const now = baseKey(fingerprint(base.path));
  if (now !== baseKey(base.fingerprint)) throw engineErrors.changedOnDisk(base.path);
  return now;
}

/** With the state of its external data: that can be replaced while the model beside it stays. */
function keyWithData(file: string, model: Model): string {
  const data = model.files.filter(({ role }) => role === "external");
  return data.length === 0 ? file : keyOf([file, data.map(({ path }) => fileState(path))]);
}

/** Another program may be replacing the file just now; one that does so all the time is named. */
const LOOKS = 5;

export interface Bases {
  /**
   * A file as it is now, read anew, once it could be read whole; its model is then known.
   * @throws FormatError when it is not a model, EngineError when it is missing or keeps changing.
   */
  read(path: string): BaseFile;
  /** @throws EngineError `changed` when the file is another than the document's. */
  open(base: BaseFile): OpenBase;
  /** @throws EngineError `changed` when the file or its data is not what had this key. */
  check(base: BaseFile, key: string): void;
}

export function openBases(): Bases {
  const known = new Recent<OpenBase>(MODELS_KEPT);
  const idOf = (base: BaseFile): string => `${base.path}\n${baseKey(base.fingerprint)}`;
  return {
    read(path) {
      for (let look = 0; look < LOOKS; look++) {
        const base = { path, fingerprint: fingerprint(path) };
        const file = baseKey(base.fingerprint);
        const isSame = (): boolean => baseKey(fingerprint(path)) === file;
        try {
          const model = openModel(path);
          if (!isSame()) continue;
          known.set(idOf(base), { model, key: keyWithData(file, model) });
          return base;
        } catch (error) {
          if (isSame()) throw error;
        }
      }
      throw engineErrors.changedOnDisk(path);
    },
    open(base) {
      const file = fileKey(base);
      const id = idOf(base);
      const found = known.get(id);
      if (found && found.key === keyWithData(file, found.model)) return found;
      const model = openModel(base.path);
      const key = keyWithData(file, model);
      // Replaced since the first look: the model that was read is not the document's.
      fileKey(base);
      return known.set(id, { model, key });
    },
    check(base, key) {
      const file = fileKey(base);
      const found = known.get(idOf(base));
      if (found && keyWithData(file, found.model) !== key)
        throw engineErrors.changedOnDisk(base.path);
    },
  };
}

/** Failures that bytes of another file can cause. */
const OF_CONTENT = new Set(["format", "result", "internal"]);

/**
 * What went wrong with a call about documents: that the file of one of them was replaced meanwhile,
 * where it was, else the failure itself.
 * @param params of the call
 */
export function orChanged(params: unknown, error: unknown): unknown {
  if (error instanceof LatheError && !OF_CONTENT.has(error.failure.code)) return error;
  for (const base of basesIn(params))
    try {
      fileKey(base);
    } catch (changed) {
      return changed;
    }
  return error;
}

/** The bases of the documents in parameters, or in a list there. */
function* basesIn(params: unknown): Generator<BaseFile> {
  if (params === null || typeof params !== "object") return;
  for (const value of Object.values(params).flat() as unknown[])
    if (value !== null && typeof value === "object" && "base" in value && "recipe" in value)
      yield value.base as BaseFile;
}
