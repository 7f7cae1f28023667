/**
 * The index that makes one model of several safetensors files, as Hugging Face writes it:
 * `{"metadata": {"total_size": BYTES, …}, "weight_map": {TENSOR: FILE, …}}`.
 */
import { FormatError, formatErrors, shardErrors } from "../shared/errors.ts";
import type { ByteSource } from "./byteSource.ts";
import { parseStrictJson } from "./strictJson.ts";

export interface ShardIndex {
  /** Everything but `total_size` and what is not a plain value; kept when the model is saved. */
  readonly metadata: ReadonlyMap<string, unknown>;
  /** As the file says; null where it says nothing, or no number. */
  readonly totalSize: number | null;
  /** File of each tensor, relative to the index. */
  readonly weightMap: ReadonlyMap<string, string>;
  /** What else stands at the top of the file; kept when the model is saved. */
  readonly rest: ReadonlyMap<string, unknown>;
}

const METADATA = "metadata";
const WEIGHT_MAP = "weight_map";
const TOTAL_SIZE = "total_size";

/** As for a header: an index describes the same tensors, with a file's name each. */
const MAX_INDEX_BYTES = 100_000_000;
/** Each shard is opened; the largest published models have some hundreds. */
const MAX_SHARDS = 10_000;

/** @throws FormatError for what is no index. */
export function readShardIndex(source: ByteSource): ShardIndex {
  const { path, sizeBytes } = source;
  const fail = (problem: string): FormatError => shardErrors.badIndex(path, problem);
  if (sizeBytes > MAX_INDEX_BYTES)
    throw formatErrors.tooLarge(
      path,
      "the size of the index",
      sizeBytes,
      MAX_INDEX_BYTES,
      "An index holds names only; this is another kind of file.",
    );
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(source.read(0, sizeBytes));
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw fail("it is not UTF-8 text");
  }
  if (text.startsWith("version https://git-lfs")) throw formatErrors.lfsPointer(path);
  const parsed = parseStrictJson(text);
  if ("problem" in parsed) throw fail(`it is not valid JSON (${parsed.problem} at ${parsed.at})`);
  if (!(parsed.value instanceof Map)) throw fail("it is not a JSON object");
  const top = parsed.value as ReadonlyMap<string, unknown>;
  const weights = top.get(WEIGHT_MAP);
  if (!(weights instanceof Map)) throw fail(`it has no "${WEIGHT_MAP}" object`);
  const weightMap = new Map<string, string>();
  for (const [name, file] of weights as ReadonlyMap<string, unknown>) {
    if (typeof file !== "string" || file === "")
      throw fail(`the file of tensor "${name}" is not a name`);
    weightMap.set(name, file);
  }
  const shards = new Set(weightMap.values()).size;
  if (shards > MAX_SHARDS)
    throw formatErrors.tooLarge(
      path,
      "the number of shards",
      shards,
      MAX_SHARDS,
      "Merge them with fewer, larger shards.",
    );
  const given = top.get(METADATA);
  const metadata = new Map(given instanceof Map ? (given as Map<string, unknown>) : []);
  const totalSize = metadata.get(TOTAL_SIZE);
  metadata.delete(TOTAL_SIZE);
  const rest = new Map(top);
  rest.delete(WEIGHT_MAP);
  if (given instanceof Map) rest.delete(METADATA);
  return {
    metadata,
    totalSize: typeof totalSize === "number" ? totalSize : null,
    weightMap,
    rest,
  };
}

/** The text of an index, two spaces deep and one tensor a line, as other tools write it. */
export function shardIndexText({ metadata, totalSize, weightMap, rest }: ShardIndex): string {
  const top = new Map<string, unknown>(rest);
  top.set(METADATA, new Map([[TOTAL_SIZE, totalSize], ...metadata]));
  top.set(WEIGHT_MAP, weightMap);
  return `${jsonText(top, "")}\n`;
}

/** JSON of maps and lists, keys in their order; objects would put names that are numbers first. */
function jsonText(value: unknown, indent: string): string {
  const inner = `${indent}  `;
  const block = (open: string, parts: readonly string[], close: string): string =>
    parts.length === 0
      ? `${open}${close}`
      : `${open}\n${parts.map((part) => inner + part).join(",\n")}\n${indent}${close}`;
  if (value instanceof Map)
    return block(
      "{",
      [...(value as ReadonlyMap<string, unknown>)].map(
        ([key, item]) => `${JSON.stringify(key)}: ${jsonText(item, inner)}`,
      ),
      "}",
    );
  if (Array.isArray(value))
    return block(
      "[",
      value.map((item: unknown) => jsonText(item, inner)),
      "]",
    );
  return JSON.stringify(value);
}
