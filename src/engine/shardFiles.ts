/** The files of a sharded model on disk: which belong together, and whether they are as they were. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { LatheError } from "../shared/errors.ts";
import { kindOf } from "../shared/modelPath.ts";
import { readShardIndex } from "../formats/index.ts";

interface Known {
  readonly state: string;
  readonly locations: readonly string[];
}
/** By path of an index: asked for at every question about a document. */
const known = new Map<string, Known>();
const MAX_KNOWN = 64;

/** Size, time and identity of a file, as text. */
export const fileState = (file: string): string => {
  try {
    const { size, mtimeMs, ino } = statSync(file);
    return `${size} ${mtimeMs} ${ino}`;
  } catch {
    return "none";
  }
};

/** The shards that an index names, relative to it; none for a file that is no index. */
export function shardLocations(index: string): readonly string[] {
  const state = fileState(index);
  const found = known.get(index);
  if (found?.state === state) return found.locations;
  const locations = readLocations(index);
  known.set(index, { state, locations });
  const oldest = known.keys().next();
  if (known.size > MAX_KNOWN && oldest.done !== true) known.delete(oldest.value);
  return locations;
}

function readLocations(index: string): readonly string[] {
  try {
    const source = {
      path: index,
      sizeBytes: statSync(index).size,
      // Asked for once, for all of it, when its size is known to be sensible.
      read: () => readFileSync(index),
    };
    return [...new Set(readShardIndex(source).weightMap.values())];
  } catch (error) {
    if (error instanceof LatheError || (error instanceof Error && "code" in error)) return [];
    throw error;
  }
}

/** Size, time and identity of each shard, as text. */
export const shardStates = (index: string): readonly string[] =>
  shardLocations(index).map(
    (location) => `${location} ${fileState(path.join(path.dirname(index), location))}\n`,
  );

/** More entries in a folder than this are not looked through. */
const MAX_NEIGHBOURS = 10_000;

/** Name of the index beside a safetensors file that names it as a shard, or null. */
export function indexOf(file: string): string | null {
  const folder = path.dirname(file);
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return null;
  }
  if (names.length > MAX_NEIGHBOURS) return null;
  const own = path.basename(file);
  const isWhole = (name: string): boolean =>
    kindOf(name) === "shards" && shardLocations(path.join(folder, name)).includes(own);
  return names.find(isWhole) ?? null;
}
