/** Jobs that compute or write: applying an entry, and saving a document. */
import { copyFileSync, linkSync, mkdirSync, realpathSync } from "node:fs";
import { randomBytes } from "node:crypto";
import path from "node:path";
import type { Change } from "../core/change.ts";
import type { Model } from "../core/model.ts";
import { hasCalibration } from "../data/splits.ts";
import type { Doc, RecipeFile } from "../shared/doc.ts";
import type { FileHash } from "../shared/fileHash.ts";
import { RECIPE_METADATA_KEY } from "../shared/doc.ts";
import { Cancelled, engineErrors } from "../shared/errors.ts";
import { kindOf } from "../shared/modelPath.ts";
import { shardsOrigin } from "../formats/index.ts";
import type { Answer, ApplyResult, Jobs, Params, UnitView, Verified } from "../shared/protocol.ts";
import type { Task } from "../shared/task.ts";
import { hashInBackground, type BackgroundHash } from "./backgroundHash.ts";
import type { EngineEnv } from "./env.ts";
import { withMetadata } from "./environment.ts";
import { dataNotes } from "./dataNotes.ts";
import { dropUnkept, scratchNotes } from "./changeCache.ts";
import { codeOf } from "./files.ts";
import { stageCopy, stageModel, type Staged, type StageOptions } from "./save.ts";
import { stageShards } from "./saveShards.ts";
import type { LateText } from "./saveWrite.ts";
import { releaseKept, scratchFolder, type Scratch } from "./scratch.ts";
import { verifyModel } from "./verify.ts";

export interface JobTools {
  readonly env: EngineEnv;
  readonly scratch: Scratch;
  readonly toolVersion: string;
  /** As in `EnvironmentOptions`. */
  readonly build: string;
  /** To compute with; 0 is all cores. */
  readonly threads: number;
  /** How a file is hashed; by a thread of this child when absent. */
  readonly hashOf?: (file: string) => BackgroundHash;
}

/** Part of a task's progress, from `from` to `to`. */
export const part = (task: Task, from: number, to: number): Task => ({
  signal: task.signal,
  progress: (fraction, message) => task.progress(from + fraction * (to - from), message),
});

export async function apply(
  { env }: JobTools,
  { doc, entry, verify }: Params<Jobs, "apply">,
  task: Task,
): Promise<ApplyResult> {
  const after: Doc = { ...doc, recipe: [...doc.recipe, entry] };
  const { changes } = await env.open(after, part(task, 0, verify ? 0.7 : 1));
  const change = changes.at(-1);
  if (!change) throw new Error("a recipe with an entry has a change");
  return applyResult(change, verify ? await verifyDoc(env, after, task) : NOT_VERIFIED);
}

const NOT_VERIFIED: Verified = { skipped: "turned off" };
const WITHOUT_GRAPH: Verified = { skipped: "weights without a graph" };
const isWithoutGraph = (doc: Doc): boolean => kindOf(doc.base.path) !== "onnx";

async function verifyDoc(env: EngineEnv, doc: Doc, task: Task): Promise<Verified> {
  if (isWithoutGraph(doc)) return WITHOUT_GRAPH;
  const file = await env.fileFor(doc, part(task, 0.7, 0.9));
  task.progress(0.9, "Checking that the result runs");
  return verifyModel(file, doc.base.path, part(task, 0.9, 1));
}

const unitView = ({ name, op, detail, sizeBefore, sizeAfter }: UnitView): UnitView => ({
  name,
  op,
  detail,
  sizeBefore,
  sizeAfter,
});
export const applyResult = (change: Change, verified: Verified): ApplyResult => ({
  entry: change.entry,
  units: change.units.map(unitView),
  skipped: change.skipped,
  notes: change.notes,
  bytesBefore: change.bytesBefore,
  bytesAfter: change.bytesAfter,
  verified,
});

const recipeFileOf = (doc: Doc, toolVersion: string, sha256: string): RecipeFile => ({
  version: 1,
  tool: `lathe ${toolVersion}`,
  source: { sha256, sizeBytes: doc.base.fingerprint.sizeBytes },
  entries: doc.recipe,
});

/** Bytes that the document's recipe takes in the metadata of what is saved of it, but for a few. */
export const recipeBytes = (doc: Doc, toolVersion: string): number =>
  Buffer.byteLength(JSON.stringify(recipeFileOf(doc, toolVersion, "0".repeat(64)))) +
  RECIPE_METADATA_KEY.length +
  MESSAGE_BYTES;
/** Tags and lengths of an entry of `metadata_props`, at most. */
const MESSAGE_BYTES = 16;

export async function save(
  tools: JobTools,
  params: Params<Jobs, "save">,
  task: Task,
): Promise<Answer<Jobs, "save">> {
  const { doc } = params;
  if (doc.recipe.length === 0) return write(tools, params, null, task);
  const source = (tools.hashOf ?? hashInBackground)(doc.base.path);
  const sha256 = source.hash.then((hash) => sameFile(hash, doc));
  // Where saving fails first, its own reason is told.
  sha256.catch(() => {});
  try {
    return await write(tools, params, sha256, task);
  } finally {
    source.stop();
  }
}

/** The hash, if it is that of the file the document stands for. @throws EngineError `changed` */
function sameFile(hash: FileHash, { base }: Doc): string {
  const { sizeBytes, mtimeMs, inode } = base.fingerprint;
  if (hash.sizeBytes !== sizeBytes || hash.mtimeMs !== mtimeMs || hash.inode !== inode)
    throw engineErrors.changedOnDisk(base.path);
  return hash.sha256;
}

/** @param sourceSha256 of the base; null when the recipe is empty */
async function write(
  { env, scratch, toolVersion }: JobTools,
  { doc, to, options }: Params<Jobs, "save">,
  sourceSha256: Promise<string> | null,
  task: Task,
): Promise<Answer<Jobs, "save">> {
  const { base, model, changes, check } = await env.open(doc, part(task, 0, 0.6));
  const { maxShardBytes = null } = options;
  const unchanged =
    doc.recipe.length === 0 &&
    options.externalData === "auto" &&
    maxShardBytes === null &&
    kindOf(to) === kindOf(doc.base.path);
  const recipeOf = (sha256: string): RecipeFile => ({
    ...recipeFileOf(doc, toolVersion, sha256),
    ...(options.target === undefined ? {} : { target: options.target }),
  });
  const stageOptions = {
    externalData: options.externalData,
    overwrite: options.overwrite,
    allowInput: options.overwrite,
    uncached: unchanged || !options.verify || isWithoutGraph(doc),
  };
  const writing = part(task, 0.6, options.verify ? 0.85 : 0.98);
  // Random, so that no model can hold the same text and be patched in a place of its own.
  const placeholder = randomBytes(32).toString("hex");
  const staged = unchanged
    ? await stageCopy(base, to, stageOptions, writing)
    : sourceSha256 === null
      ? await stage(model, to, stageOptions, maxShardBytes, writing)
      : await stage(
          withMetadata(model, RECIPE_METADATA_KEY, JSON.stringify(recipeOf(placeholder))),
          to,
          stageOptions,
          maxShardBytes,
          writing,
          { placeholder, text: sourceSha256 },
        );
  let keptBase: string | null = null;
  try {
    const recipe = sourceSha256 === null ? null : recipeOf(await sourceSha256);
    const verified = await verifyStaged(staged, doc, unchanged || !options.verify, task);
    const fed = await fedNotes(base, doc);
    // Others may have written while this was computed: what they wrote is not replaced unasked, and
    // what was read may be of both.
    check();
    if (samePath(doc.base.path, to)) keptBase = keepBase(scratch, base, doc.base.path);
    if (task.signal.aborted) throw new Cancelled();
    const text = recipe && options.recipeFile ? `${JSON.stringify(recipe, null, 2)}\n` : null;
    const written = await staged.commit(text);
    dropUnkept();
    return {
      path: written.path,
      sizeBytes: written.sizeBytes,
      baseBytes: base.files.reduce((sum, file) => sum + file.sizeBytes, 0),
      sourceSha256: recipe?.source.sha256 ?? "",
      verified,
      applied: changes.map((change) => applyResult(change, verified)),
      keptBase,
      notes: [...scratchNotes(), ...written.notes, ...fed],
    };
  } catch (error) {
    await staged.discard();
    if (keptBase !== null) releaseKept(scratch, keptBase);
    throw error;
  }
}

/** Of the samples that statistics are collected on. */
const fedNotes = async (base: Model, { data, recipe, base: { path: file } }: Doc) =>
  data === undefined || recipe.length === 0 || kindOf(file) !== "onnx" || !hasCalibration(data)
    ? []
    : dataNotes(base, data, ["calibration"]);

/** In one file or several, as the output's name says. */
export const stage = (
  model: Model,
  to: string,
  options: StageOptions,
  maxShardBytes: number | null,
  task: Task,
  late: LateText | null = null,
): Promise<Staged> =>
  kindOf(to) === "shards"
    ? stageShards(model, to, options, maxShardBytes, task, late)
    : stageModel(model, to, options, task, late);

async function verifyStaged(
  staged: Staged,
  doc: Doc,
  skip: boolean,
  task: Task,
): Promise<Verified> {
  if (skip) return NOT_VERIFIED;
  if (isWithoutGraph(doc)) return WITHOUT_GRAPH;
  task.progress(0.85, "Checking that the result runs");
  return verifyModel(staged.path, doc.base.path, part(task, 0.85, 0.98));
}

function samePath(a: string, b: string): boolean {
  const real = (file: string): string => {
    try {
      return realpathSync(file);
    } catch {
      return path.resolve(file);
    }
  };
  return real(a) === real(b);
}

/**
 * Keeps the bytes that are about to be replaced, so that undo works after a save: a hard link where
 * the file system allows it (no space, no time), else a copy.
 */
function keepBase(scratch: Scratch, base: Model, basePath: string): string {
  const folder = path.join(scratch.kept, path.basename(scratchFolder(scratch)));
  mkdirSync(folder);
  const root = path.dirname(realpathSync(basePath));
  const keep = (file: string, name: string): void => {
    const target = path.join(folder, name);
    mkdirSync(path.dirname(target), { recursive: true });
    try {
      linkSync(file, target);
    } catch {
      try {
        copyFileSync(file, target);
      } catch (error) {
        releaseKept(scratch, path.join(folder, path.basename(basePath)));
        throw engineErrors.notKept(file, folder, codeOf(error));
      }
    }
  };
  keep(realpathSync(basePath), path.basename(basePath));
  // A shard is found by the name that the index gives it, wherever a link leads.
  const shards = shardsOrigin(base)?.shards.map(({ location, file }) => [file.path, location]);
  const others = base.files.filter(({ role }) => role !== "model");
  const companions = shards ?? others.map((file) => [file.path, path.relative(root, file.path)]);
  for (const [file = "", name = ""] of companions) keep(file, name);
  return path.join(folder, path.basename(basePath));
}
