/**
 * Several safetensors files and their index as one model. Only headers are read. What the index and
 * the shards say differently is a warning where the model is still whole, and a failure where not.
 */
import type { Model, ModelFile, Tensor } from "../core/model.ts";
import { shardErrors, someNames } from "../shared/errors.ts";
import type { ByteSource, SiblingFiles } from "./byteSource.ts";
import { readSafetensorsFile, tensorsModel } from "./safetensors.ts";
import { readShardIndex, type ShardIndex } from "./shardIndex.ts";
import { refuseForeign } from "./sniff.ts";

/** One file of a sharded model, as it was read. */
export interface Shard {
  /** As the index names it, relative to the index. */
  readonly location: string;
  readonly file: ModelFile;
  readonly tensors: readonly Tensor[];
  readonly meta: ReadonlyMap<string, string>;
}

/** What a sharded model remembers of its files, so that saving keeps what was not changed. */
export interface ShardsOrigin {
  readonly of: "safetensors shards";
  readonly index: ShardIndex;
  readonly shards: readonly Shard[];
  /** The metadata as it was read, from index and shards. */
  readonly meta: ReadonlyMap<string, string>;
}

export function shardsOrigin(model: Model): ShardsOrigin | null {
  const { original } = model;
  const is = (value: unknown): value is ShardsOrigin =>
    typeof value === "object" &&
    value !== null &&
    "of" in value &&
    value.of === "safetensors shards";
  return is(original) ? original : null;
}

/** @throws FormatError for a broken index or shard, and for shards or tensors that are not there. */
export function readShards(source: ByteSource, siblings: SiblingFiles): Model {
  const { path, sizeBytes } = source;
  const index = readShardIndex(source);
  const shards = openShards(path, index, siblings);
  const { tensors, warnings } = assemble(path, index, shards);
  const total = tensors.reduce((sum, tensor) => sum + tensor.sizeBytes, 0);
  if (index.totalSize !== null && index.totalSize !== total)
    warnings.push(
      `The index says that all tensors take ${index.totalSize} bytes; they take ${total}.`,
    );
  const meta = mergeMeta(index, shards, warnings);
  const original: ShardsOrigin = { of: "safetensors shards", index, shards, meta };
  const files = [{ path, sizeBytes, role: "model" as const }, ...shards.map(({ file }) => file)];
  return { ...tensorsModel(tensors, meta, files), warnings, original };
}

/** "x-00002" before "x-00010", however many digits they have. */
const NATURAL = new Intl.Collator("en", { numeric: true });

function openShards(path: string, index: ShardIndex, siblings: SiblingFiles): Shard[] {
  const locations = [...new Set(index.weightMap.values())].sort(NATURAL.compare);
  const missing: string[] = [];
  const found = locations.flatMap((location) => {
    const file = siblings.resolve(location);
    if (file === "escapes") throw shardErrors.shardEscapes(path, location);
    if (file === null) missing.push(location);
    return file === null ? [] : [{ location, file }];
  });
  if (missing.length > 0) throw shardErrors.missingShards(path, missing, locations.length);
  const taken = new Map<string, string>();
  return found.map(({ location, file }) => {
    const other = taken.get(file.path);
    if (other !== undefined)
      throw shardErrors.badIndex(path, `"${other}" and "${location}" are the same file`);
    taken.set(file.path, location);
    const source = siblings.open?.(file.path);
    if (!source) throw new Error("models of several files cannot be opened here");
    refuseForeign(source, "safetensors");
    const { tensors, meta } = readSafetensorsFile(source);
    const shard: ModelFile = { path: file.path, sizeBytes: source.sizeBytes, role: "shard" };
    return { location, file: shard, tensors, meta };
  });
}

/** Each tensor once, shard by shard, in the order of the data. */
function assemble(
  path: string,
  { weightMap }: ShardIndex,
  shards: readonly Shard[],
): { tensors: Tensor[]; warnings: string[] } {
  const places = new Map<string, string[]>();
  for (const { location, tensors } of shards)
    for (const { name } of tensors) places.set(name, [...(places.get(name) ?? []), location]);

  const absent = [...weightMap].filter(([name]) => !places.has(name));
  const [first] = absent;
  if (first)
    throw shardErrors.missingTensors(
      path,
      absent.map(([name]) => name),
      first[1],
    );

  const chosen = new Map<string, string>();
  const elsewhere: string[] = [];
  const unlisted: string[] = [];
  const repeated: string[] = [];
  for (const [name, held] of places) {
    const said = weightMap.get(name);
    if (said === undefined) unlisted.push(name);
    else if (!held.includes(said)) elsewhere.push(name);
    if (held.length > 1) repeated.push(name);
    const place = said !== undefined && held.includes(said) ? said : held[0];
    if (place !== undefined) chosen.set(name, place);
  }
  const warnings: string[] = [];
  const warn = (names: readonly string[], one: string, many: string): void => {
    if (names.length > 0)
      warnings.push(
        names.length === 1
          ? `Tensor ${someNames(names)} ${one}.`
          : `${names.length} tensors ${many}: ${someNames(names)}.`,
      );
  };
  warn(
    elsewhere,
    "is in another shard than the index says; it is taken from there",
    "are in other shards than the index says; they are taken from there",
  );
  warn(
    unlisted,
    "is in a shard but not in the index; other readers may leave it out",
    "are in shards but not in the index; other readers may leave them out",
  );
  warn(
    repeated,
    "is in several shards; the one that the index names counts",
    "are in several shards each; the one that the index names counts",
  );
  const tensors = shards.flatMap(({ location, tensors: held }) =>
    held.filter(({ name }) => chosen.get(name) === location),
  );
  return { tensors, warnings };
}

/** Metadata of the index as text: lists and objects have no form in `__metadata__`. */
export const metaText = (value: unknown): string | null =>
  typeof value === "string"
    ? value
    : typeof value === "number" || typeof value === "boolean"
      ? String(value)
      : null;

/** Shards first, since readers look for "format" there; then what only the index says. */
function mergeMeta(
  index: ShardIndex,
  shards: readonly Shard[],
  warnings: string[],
): Map<string, string> {
  const meta = new Map<string, string>();
  const differing = new Set<string>();
  for (const shard of shards)
    for (const [key, value] of shard.meta) {
      if (!meta.has(key)) meta.set(key, value);
      else if (meta.get(key) !== value) differing.add(key);
    }
  if (differing.size > 0)
    warnings.push(
      `The shards' __metadata__ differs in ${someNames([...differing])}; the first shard's is shown.`,
    );
  for (const [key, value] of index.metadata) {
    const text = metaText(value);
    if (text !== null && !meta.has(key)) meta.set(key, text);
  }
  return meta;
}
