/** Sharded safetensors files that tests make for themselves. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { safetensorsBytes } from "../formats/safetensorsBytes.ts";

/** Tensors of bytes, by name and length. */
export type Sizes = Readonly<Record<string, number>>;

/** A file of float32 (lengths that are multiples of 4) or uint8 vectors, every byte another pattern. */
export function weightsFile(
  sizes: Sizes,
  meta: Readonly<Record<string, string>> | null = { format: "pt" },
): Uint8Array {
  let end = 0;
  const header: Record<string, unknown> = meta ? { __metadata__: meta } : {};
  const order = Object.entries(sizes).sort(([, a], [, b]) => Number(a % 4 > 0) - Number(b % 4 > 0));
  for (const [name, size] of order)
    header[name] = {
      dtype: size % 4 === 0 ? "F32" : "U8",
      shape: [size % 4 === 0 ? size / 4 : size],
      data_offsets: [end, (end += size)],
    };
  const bytes = safetensorsBytes(header, end);
  const start = bytes.length - end;
  for (let i = 0; i < end; i++) bytes[start + i] = (i * 7 + end) % 120;
  return bytes;
}

/** Writes shards and their index into a folder; gives the index's path. */
export function writeShards(
  folder: string,
  shards: Readonly<Record<string, Sizes>>,
  name = "model",
): string {
  const weightMap: Record<string, string> = {};
  let total = 0;
  for (const [file, sizes] of Object.entries(shards)) {
    writeFileSync(path.join(folder, file), weightsFile(sizes));
    for (const [tensor, size] of Object.entries(sizes)) {
      weightMap[tensor] = file;
      total += size;
    }
  }
  const index = path.join(folder, `${name}.safetensors.index.json`);
  const content = { metadata: { total_size: total }, weight_map: weightMap };
  writeFileSync(index, `${JSON.stringify(content, null, 2)}\n`);
  return index;
}
