/** An engine for tests of documents: real files, no computing. Each entry halves the tensor bytes. */
import {
  copyFileSync,
  existsSync,
  linkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import type { Doc } from "../../src/shared/doc.ts";
import { Cancelled, engineErrors } from "../../src/shared/errors.ts";
import type { ApplyResult, Jobs, Params, SaveResult } from "../../src/shared/protocol.ts";
import type { CallOptions } from "../../src/shared/wire.ts";
import type { Engine } from "../../src/providers/engine.ts";

export interface FakeEngine extends Engine {
  /** Methods and the lengths of the recipes they were asked about. */
  readonly calls: string[];
  /** While set, jobs wait for it. */
  gate: Promise<void> | null;
  /** Number of units that apply reports. */
  units: number;
}

export function fakeEngine(kept: string): FakeEngine {
  let saves = 0;
  const engine: FakeEngine = {
    calls: [],
    gate: null,
    units: 1,
    open: (file) => Promise.resolve(docOf(file)),
    release: (file) => {
      rmSync(file, { force: true });
      return Promise.resolve();
    },
    ask: () => Promise.reject(new Error("not used")),
    job: (async (method: keyof Jobs, params: never, options: CallOptions = {}) => {
      engine.calls.push(method);
      options.onProgress?.(0.5, "half");
      await engine.gate;
      if (options.signal?.aborted === true) throw new Cancelled();
      if (method === "apply") return applied(params, engine.units);
      if (method === "save") return saved(params, path.join(kept, `${++saves}`));
      throw new Error(method);
    }) as unknown as Engine["job"],
  };
  return engine;
}

function docOf(file: string): Doc {
  if (!existsSync(file)) throw engineErrors.notFound(file);
  const stats = statSync(file);
  return {
    base: {
      path: file,
      fingerprint: {
        sizeBytes: stats.size,
        mtimeMs: stats.mtimeMs,
        inode: stats.ino,
        ends: "",
      },
    },
    recipe: [],
  };
}

function applied({ doc, entry }: Params<Jobs, "apply">, units: number): ApplyResult {
  const before = 1024 / 2 ** doc.recipe.length;
  const unit = { name: "w", op: "MatMul", detail: "", sizeBefore: before };
  return {
    entry,
    units: Array.from({ length: units }, () => ({
      ...unit,
      sizeAfter: { min: before / 2, max: before / 2 },
    })),
    skipped: [],
    notes: [],
    bytesBefore: before,
    bytesAfter: before / 2,
    verified: true,
  };
}

/** Writes the base's bytes and the recipe, so that content tells what was saved. */
function saved({ doc, to }: Params<Jobs, "save">, keptFolder: string): SaveResult {
  const replacesBase = to === doc.base.path;
  const keptBase = replacesBase ? `${keptFolder}${path.extname(to)}` : null;
  if (keptBase !== null) linkSync(to, keptBase);
  const temp = `${to}.tmp`;
  copyFileSync(doc.base.path, temp);
  if (doc.recipe.length > 0)
    writeFileSync(temp, doc.recipe.map((e) => e.transform).join("+"), { flag: "a" });
  renameSync(temp, to);
  return {
    path: to,
    sizeBytes: statSync(to).size,
    baseBytes: doc.base.fingerprint.sizeBytes,
    sourceSha256: "",
    verified: true,
    applied: [],
    keptBase,
    notes: [],
  };
}

/** A promise and what settles it. */
export function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => (resolve = done));
  return { promise, resolve };
}
