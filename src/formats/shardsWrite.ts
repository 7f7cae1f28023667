/**
 * A model of tensors as several files and their index. A shard whose tensors and metadata are as they
 * were read is kept as a file; the others are written anew. The index says where each tensor is, so
 * that it is the one file whose replacement makes the change.
 */
import { mainGraph, type Model, type Tensor } from "../core/model.ts";
import { sameStorage } from "../core/tensorTable.ts";
import { RECIPE_METADATA_KEY } from "../shared/doc.ts";
import type { Piece } from "./byteSource.ts";
import { safetensorsPieces } from "./safetensors.ts";
import { shardIndexText } from "./shardIndex.ts";
import { metaText, shardsOrigin, type Shard, type ShardsOrigin } from "./shardsRead.ts";

/** One shard to be: a file that is kept, or pieces of a new one. */
export interface PlannedShard {
  readonly tensors: readonly Tensor[];
  readonly sizeBytes: number;
  readonly pieces: readonly Piece[];
  /** Where the file is that holds exactly these bytes already; null when it must be written. */
  readonly kept: { readonly path: string; readonly location: string } | null;
}

/** As Hugging Face's default was when its tools began to shard. */
const DEFAULT_SHARD_BYTES = 5e9;

/**
 * @param maxShardBytes tensor data per shard; a larger tensor gets one of its own. Null: the shards
 *   the model has, else `DEFAULT_SHARD_BYTES`
 * @throws FormatError for what safetensors cannot hold.
 */
export function planShards(model: Model, maxShardBytes: number | null): PlannedShard[] {
  const origin = shardsOrigin(model);
  const path = model.files[0]?.path ?? "the model";
  if (origin && maxShardBytes === null)
    return asTheyWere(model, origin).map(({ shard, tensors }) => {
      const meta = shardMeta(model, origin, shard.meta);
      const isSame =
        tensors.length === shard.tensors.length &&
        tensors.every((tensor, i) => isSameTensor(tensor, shard.tensors[i])) &&
        sameMap(meta, shard.meta);
      return isSame ? keep(shard) : written(path, tensors, meta);
    });
  const groups = filled(
    [...mainGraph(model).tensors.values()],
    maxShardBytes ?? DEFAULT_SHARD_BYTES,
  );
  const meta = ownMeta(model, origin);
  return groups.map((tensors) => written(path, tensors, meta));
}

const keep = ({ tensors, file, location }: Shard): PlannedShard => ({
  tensors,
  sizeBytes: file.sizeBytes,
  pieces: [{ file: file.path, offset: 0, length: file.sizeBytes }],
  kept: { path: file.path, location },
});
const written = (
  path: string,
  tensors: readonly Tensor[],
  meta: ReadonlyMap<string, string>,
): PlannedShard => ({ tensors, ...safetensorsPieces(path, tensors, meta), kept: null });

const isSameTensor = (a: Tensor, b: Tensor | undefined): boolean =>
  b !== undefined && a.name === b.name && sameStorage(a, b);
const sameMap = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean =>
  a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);

/** The shards the model has with the tensors they hold now; those that hold none any more are left out. */
function asTheyWere(
  model: Model,
  { shards }: ShardsOrigin,
): { readonly shard: Shard; readonly tensors: readonly Tensor[] }[] {
  const byName = new Map<string, Shard>();
  const byFile = new Map<string, Shard>();
  for (const shard of shards) {
    byFile.set(shard.file.path, shard);
    // Of a tensor that several shards hold, the one that counts is found by its file.
    for (const { name } of shard.tensors) byName.set(name, shard);
  }
  const held = new Map<Shard, Tensor[]>(shards.map((shard) => [shard, []]));
  let last = shards[0];
  for (const tensor of mainGraph(model).tensors.values()) {
    const { at, name } = tensor;
    // What is new, such as scales, goes where the tensor before it is.
    const home =
      (at instanceof Uint8Array ? null : byFile.get(at.file)) ?? byName.get(name) ?? last;
    if (home) held.get(home)?.push(tensor);
    last = home;
  }
  return [...held].flatMap(([shard, tensors]) => (tensors.length > 0 ? [{ shard, tensors }] : []));
}

/** In the order given, each as full as it gets. An empty model has one shard without tensors. */
function filled(tensors: readonly Tensor[], maxBytes: number): Tensor[][] {
  const groups: Tensor[][] = [[]];
  let used = 0;
  for (const tensor of tensors) {
    const group = groups.at(-1);
    if (group && (group.length === 0 || used + tensor.sizeBytes <= maxBytes)) {
      group.push(tensor);
      used = group.length === 1 ? tensor.sizeBytes : used + tensor.sizeBytes;
    } else {
      groups.push([tensor]);
      used = tensor.sizeBytes;
    }
  }
  return groups;
}

/** A shard's own metadata after edits: an edit goes where its key stood. */
function shardMeta(
  model: Model,
  origin: ShardsOrigin,
  before: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const after = new Map<string, string>();
  for (const [key, value] of before) {
    const now = model.meta.get(key);
    if (now !== undefined) after.set(key, now === origin.meta.get(key) ? value : now);
  }
  return after;
}

/** Metadata of shards that are cut anew: what all readers may look for, but for Lathe's own. */
function ownMeta(model: Model, origin: ShardsOrigin | null): ReadonlyMap<string, string> {
  const inShards = (key: string): boolean =>
    origin === null || origin.shards.some(({ meta }) => meta.has(key));
  return new Map([...model.meta].filter(([key]) => key !== RECIPE_METADATA_KEY && inShards(key)));
}

/**
 * The index's text.
 * @param shards in order, each with the name it is found by
 */
export function encodeIndex(
  model: Model,
  shards: readonly { readonly location: string; readonly tensors: readonly Tensor[] }[],
): Uint8Array {
  const origin = shardsOrigin(model);
  const places = new Map(
    shards.flatMap(({ location, tensors }) => tensors.map(({ name }) => [name, location] as const)),
  );
  const weightMap = new Map<string, string>();
  for (const name of [...(origin?.index.weightMap.keys() ?? []), ...places.keys()]) {
    const place = places.get(name);
    if (place !== undefined) weightMap.set(name, place);
  }
  const tensors = [...mainGraph(model).tensors.values()];
  return new TextEncoder().encode(
    shardIndexText({
      metadata: indexMeta(model, origin),
      totalSize: tensors.reduce((sum, tensor) => sum + tensor.sizeBytes, 0),
      weightMap,
      rest: origin?.index.rest ?? new Map(),
    }),
  );
}

/** What the index said and still holds, as it said it; then what is new and in no shard. */
function indexMeta(model: Model, origin: ShardsOrigin | null): Map<string, unknown> {
  const out = new Map<string, unknown>();
  for (const [key, value] of origin?.index.metadata ?? []) {
    const text = metaText(value);
    const now = model.meta.get(key);
    if (text === null) out.set(key, value);
    else if (now !== undefined) out.set(key, now === origin?.meta.get(key) ? value : now);
  }
  const inShards = ownMeta(model, origin);
  for (const [key, value] of model.meta)
    if (!out.has(key) && !inShards.has(key)) out.set(key, value);
  return out;
}
