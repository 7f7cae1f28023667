/** A safetensors model of several files and an index, as large as wanted: only the headers take room on disk. */
import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from "node:fs";
import path from "node:path";

const ROWS = 1024;
const COLUMNS = 2048;
const TENSOR_BYTES = ROWS * COLUMNS * 4;

/** Writes the shards and the index; returns its path and the bytes of all shards. */
export function writeSyntheticShards(
  folder: string,
  shards: number,
  tensorsEach: number,
): { readonly index: string; readonly sizeBytes: number } {
  const weightMap: Record<string, string> = {};
  let sizeBytes = 0;
  for (let shard = 0; shard < shards; shard++) {
    const number = (n: number): string => String(n).padStart(5, "0");
    const name = `model-${number(shard + 1)}-of-${number(shards)}.safetensors`;
    const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
    for (let i = 0; i < tensorsEach; i++) {
      const tensor = `model.layers.${shard * tensorsEach + i}.proj.weight`;
      header[tensor] = {
        dtype: "F32",
        shape: [ROWS, COLUMNS],
        data_offsets: [i * TENSOR_BYTES, (i + 1) * TENSOR_BYTES],
      };
      weightMap[tensor] = name;
    }
    const text = Buffer.from(JSON.stringify(header));
    const padded = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, " ")]);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(padded.length));
    const fd = openSync(path.join(folder, name), "w");
    try {
      writeSync(fd, Buffer.concat([length, padded]));
      ftruncateSync(fd, 8 + padded.length + tensorsEach * TENSOR_BYTES);
    } finally {
      closeSync(fd);
    }
    sizeBytes += 8 + padded.length + tensorsEach * TENSOR_BYTES;
  }
  const index = path.join(folder, "model.safetensors.index.json");
  const metadata = { total_size: shards * tensorsEach * TENSOR_BYTES };
  writeFileSync(index, JSON.stringify({ metadata, weight_map: weightMap }));
  return { index, sizeBytes };
}
