/**
 * Saving a model as several files and their index. Shards that are as they were stay what they are
 * beside the index that names them, and are copied elsewhere; new ones get names that are free, so
 * that the index is the one file whose rename makes the change.
 */
import { realpathSync, renameSync } from "node:fs";
import path from "node:path";
import type { Model } from "../core/model.ts";
import { encodeIndex, planShards, type PlannedShard } from "../formats/index.ts";
import { extensionOf, withoutExtension } from "../shared/modelPath.ts";
import type { Task } from "../shared/task.ts";
import { stageFiles, type Staged } from "./save.ts";
import { freeName } from "./saveContent.ts";
import { checkSpace, checkTarget, type StageOptions } from "./saveTarget.ts";
import { writePieces, type LateText } from "./saveWrite.ts";

/** Digits of a shard's number, as other tools write it. */
const NUMBER_DIGITS = 5;
/** "model-00002-of-00004.safetensors", with digits of its content where that name is taken. */
function shardName(stem: string, at: number, count: number, hash: string | null): string {
  const number = (n: number): string => String(n).padStart(NUMBER_DIGITS, "0");
  const content = hash === null ? "" : `.${hash}`;
  return `${stem}-${number(at + 1)}-of-${number(count)}${content}${extensionOf("safetensors")}`;
}

/**
 * @param to the index
 * @param late text in the index that becomes known while the rest is written
 * @throws EngineError, FormatError, Cancelled; nothing is left behind
 */
export async function stageShards(
  model: Model,
  to: string,
  options: StageOptions,
  maxShardBytes: number | null,
  task: Task,
  late: LateText | null = null,
): Promise<Staged> {
  const target = checkTarget(model, to, options);
  const stem = path.basename(withoutExtension(target.file));
  const planned = planShards(model, maxShardBytes);
  const home = model.files[0] ? path.dirname(path.resolve(model.files[0].path)) : null;
  const isHome = home !== null && realpathSync(home) === target.folder;
  const stays = (shard: PlannedShard): boolean => isHome && shard.kept !== null;
  const sizeBytes = planned.reduce((sum, shard) => sum + (stays(shard) ? 0 : shard.sizeBytes), 0);
  // Names that are taken get some digits more; no disk is so full that they count.
  const named = planned.map(({ tensors, kept }, i) => ({
    location: isHome && kept ? kept.location : shardName(stem, i, planned.length, null),
    tensors,
  }));
  const indexBytes = encodeIndex(model, named).length;
  checkSpace(target.folder, sizeBytes + indexBytes);
  return stageFiles(
    target,
    options,
    planned.reduce((sum, shard) => sum + shard.sizeBytes, indexBytes),
    async (folder, onBytes) => {
      const placed: { location: string; tensors: PlannedShard["tensors"] }[] = [];
      for (const [i, shard] of planned.entries()) {
        const { tensors, pieces } = shard;
        if (shard.kept && isHome) {
          placed.push({ location: shard.kept.location, tensors });
          onBytes(shard.sizeBytes);
          continue;
        }
        const plain = shardName(stem, i, planned.length, null);
        const staged = path.join(folder, plain);
        await writePieces(staged, pieces, onBytes, task, { uncached: options.uncached });
        const named = (digits: string): string => shardName(stem, i, planned.length, digits);
        const location = await freeName(target.folder, staged, plain, named, task);
        if (location !== plain) renameSync(staged, path.join(folder, location));
        placed.push({ location, tensors });
      }
      const pieces = [encodeIndex(model, placed)];
      const file = path.join(folder, path.basename(target.file));
      await writePieces(file, pieces, onBytes, task, { late });
      return placed.map(({ location }) => location);
    },
    task,
  );
}
