/**
 * Converting: the same tensors in another layout of files, or in the other format. Bytes go from file
 * to file; the result's are compared with the source's before it takes its name.
 */
import { readdirSync } from "node:fs";
import path from "node:path";
import type { Model, Tensor } from "../core/model.ts";
import type { Doc } from "../shared/doc.ts";
import { Cancelled, engineErrors, structureErrors } from "../shared/errors.ts";
import { formatOfKind, kindOf } from "../shared/modelPath.ts";
import type { ConvertResult, Jobs, Params, Verified } from "../shared/protocol.ts";
import type { Skip } from "../shared/report.ts";
import type { Task } from "../shared/task.ts";
import { closeFile, openModel, readInto } from "./files.ts";
import { part, stage, type JobTools } from "./jobs.ts";
import { stageCopy, type Staged } from "./save.ts";
import { breathe } from "./saveWrite.ts";
import { verifyModel } from "./verify.ts";
import { tensorsByName, weightsOf, withWeights } from "./weights.ts";

interface Wanted {
  readonly model: Model;
  readonly skipped: readonly Skip[];
  readonly replaced: number;
}

export async function convert(
  { env }: JobTools,
  { doc, weights, to, options }: Params<Jobs, "convert">,
  task: Task,
): Promise<ConvertResult> {
  const { model } = await env.open(doc, part(task, 0, 0.1));
  const other = weights === null ? null : (await env.open(weights)).model;
  const wanted = wantedModel(model, other, to);
  const { externalData, overwrite, maxShardBytes = null } = options;
  const stageOptions = {
    externalData,
    overwrite,
    allowInput: overwrite,
    uncached: !options.verify,
  };
  const asItIs =
    isUntouched(doc) &&
    other === null &&
    externalData === "auto" &&
    maxShardBytes === null &&
    kindOf(to) === kindOf(doc.base.path);
  const writing = part(task, 0.1, options.verify ? 0.6 : 1);
  const staged = asItIs
    ? await stageCopy(model, to, stageOptions, writing)
    : await stage(wanted.model, to, stageOptions, maxShardBytes, writing);
  try {
    const verified: Verified = options.verify
      ? await verify(staged, wanted.model, doc, part(task, 0.6, 1))
      : { skipped: "turned off" };
    if (task.signal.aborted) throw new Cancelled();
    const saved = await staged.commit();
    return {
      path: saved.path,
      sizeBytes: saved.sizeBytes,
      files: saved.files,
      tensors: tensorsByName(wanted.model).size,
      replaced: wanted.replaced,
      notes: saved.notes,
      skipped: wanted.skipped,
      verified,
    };
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

const isUntouched = (doc: Doc): boolean => doc.recipe.length === 0;

function wantedModel(model: Model, weights: Model | null, to: string): Wanted {
  const kind = kindOf(to);
  if (kind === null) throw structureErrors.noModelName(to);
  if (weights) {
    if (model.format !== "onnx" || kind !== "onnx") throw structureErrors.weightsIntoNoGraph(to);
    return withWeights(model, weights);
  }
  if (model.format === formatOfKind(kind)) return { model, skipped: [], replaced: 0 };
  if (kind === "onnx") throw structureErrors.noGraph(model.files[0]?.path ?? to);
  return { ...weightsOf(model), replaced: 0 };
}

/** Loads and runs a graph; compares the bytes of every tensor that was written. */
async function verify(staged: Staged, model: Model, doc: Doc, task: Task): Promise<Verified> {
  task.progress(0, "Comparing every tensor with the source");
  const folder = path.dirname(staged.path);
  // Shards that stay where they are have not been staged, and need not be compared.
  const isSharded = kindOf(staged.path) === "shards";
  const files = isSharded
    ? readdirSync(folder).flatMap((name) =>
        kindOf(name) === "safetensors" ? [path.join(folder, name)] : [],
      )
    : [staged.path];
  const expected = tensorsByName(model);
  const missing = new Set(expected.keys());
  for (const [i, file] of files.entries()) {
    const result = openModel(file);
    for (const [name, tensor] of tensorsByName(result)) {
      const source = expected.get(name);
      missing.delete(name);
      if (!source || !(await sameBytes(source, tensor, task)))
        throw engineErrors.resultInvalid(staged.path, `tensor "${name}" is not that of the source`);
    }
    for (const { path: used } of result.files) closeFile(used);
    task.progress((0.5 * (i + 1)) / files.length);
  }
  const [lost] = missing;
  if (!isSharded && lost !== undefined)
    throw engineErrors.resultInvalid(staged.path, `tensor "${lost}" is missing`);
  if (model.format === "safetensors") return true;
  return verifyModel(staged.path, doc.base.path, part(task, 0.5, 1));
}

/** Stays in the processor's cache; two of them are all the memory this takes. */
const CHUNK_BYTES = 1024 * 1024;

async function sameBytes(a: Tensor, b: Tensor, task: Task): Promise<boolean> {
  if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join() || a.sizeBytes !== b.sizeBytes)
    return false;
  const [left, right] = [new Uint8Array(CHUNK_BYTES), new Uint8Array(CHUNK_BYTES)];
  for (let at = 0; at < a.sizeBytes; at += CHUNK_BYTES) {
    const count = Math.min(CHUNK_BYTES, a.sizeBytes - at);
    if (Buffer.compare(chunk(a.at, at, left, count), chunk(b.at, at, right, count)) !== 0)
      return false;
    await breathe(task);
  }
  return true;
}

function chunk(at: Tensor["at"], offset: number, into: Uint8Array, count: number): Uint8Array {
  if (at instanceof Uint8Array) return at.subarray(offset, offset + count);
  const bytes = into.subarray(0, count);
  return bytes.subarray(0, readInto(at.file, bytes, at.offset + offset));
}
