/**
 * Statistics on disk, so that the next technique or analyzer that asks for the same does not run the
 * model again, and Grams of large models need not all be in memory. One file each: the length of a
 * JSON header, the header, then the arrays it points to, each at a multiple of 8.
 */
import { randomUUID } from "node:crypto";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Need, Sampled, State } from "../../core/statistics.ts";
import { keyOf } from "../changeCache.ts";
import { touch, type Scratch } from "../scratch.ts";

/** Identity of the states of the model; null for one that changes while it is worked on. */
export type StateKeys = Readonly<Record<State, string | null>>;

export interface StatisticsStore {
  load(key: string): Sampled | null;
  save(key: string, answer: Sampled): void;
}

/** Null where a side has no identity. */
export function storeKey(need: Need, states: StateKeys, data: string, seed: number): string | null {
  const model = states[need.of];
  const against = need.against && states[need.against.of];
  if (model === null || against === null) return null;
  const sides = need.against ? [need.at, model, need.against.at, against] : [need.at, model];
  return keyOf(["statistic", data, seed, need.stat, need.rows ?? null, sides]);
}

type Field = number | { readonly type: "f32" | "f64"; readonly at: number; readonly count: number };
const ALIGN = 8;
const aligned = (size: number): number => Math.ceil(size / ALIGN) * ALIGN;

/** @param build identity of the code: what another one stored is not found */
export function openStore(scratch: Scratch, build: string, now: () => Date): StatisticsStore {
  const nameOf = (key: string): string => keyOf([key, build]);
  const fileOf = (key: string): string => path.join(scratch.statistics, `${nameOf(key)}.stat`);
  return {
    load(key) {
      try {
        const answer = decode(readFileSync(fileOf(key)));
        touch(fileOf(key), now());
        return answer;
      } catch {
        return null; // Not collected yet, swept while reading, or cut off: it is collected.
      }
    },
    save(key, answer) {
      const temporary = path.join(scratch.statistics, `${nameOf(key)}.${randomUUID()}.tmp`);
      try {
        writeFileSync(temporary, encode(answer));
        renameSync(temporary, fileOf(key));
      } catch (error) {
        rmSync(temporary, { force: true });
        throw error;
      }
    },
  };
}

function encode(answer: Sampled): Uint8Array {
  const fields: Record<string, Field | string> = {};
  const arrays: (Float32Array | Float64Array)[] = [];
  let at = 0;
  for (const [name, value] of Object.entries(answer) as [string, unknown][])
    if (value instanceof Float32Array || value instanceof Float64Array) {
      const type = value instanceof Float32Array ? "f32" : "f64";
      fields[name] = { type, at, count: value.length };
      arrays.push(value);
      at += aligned(value.byteLength);
    } else if (typeof value === "number" || typeof value === "string") fields[name] = value;
  const header = new TextEncoder().encode(JSON.stringify(fields));
  const start = aligned(4 + header.length);
  const bytes = new Uint8Array(start + at);
  new DataView(bytes.buffer).setUint32(0, header.length, true);
  bytes.set(header, 4);
  let to = start;
  for (const array of arrays) {
    bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), to);
    to += aligned(array.byteLength);
  }
  return bytes;
}

/** @throws Error for bytes that `encode` did not write */
function decode(file: Uint8Array): Sampled {
  // A buffer of its own: views need a start at a multiple of their element's size.
  const bytes = new Uint8Array(file);
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const text = new TextDecoder().decode(bytes.subarray(4, 4 + length));
  const fields = JSON.parse(text) as Record<string, Field | string>;
  const start = aligned(4 + length);
  const answer: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields))
    answer[name] =
      typeof value !== "object"
        ? value
        : value.type === "f32"
          ? new Float32Array(bytes.buffer, start + value.at, value.count)
          : new Float64Array(bytes.buffer, start + value.at, value.count);
  return answer as unknown as Sampled;
}

/** Bytes of the arrays. */
export const sizeOf = (answer: Sampled): number =>
  Object.values(answer).reduce<number>(
    (sum, value) => sum + (ArrayBuffer.isView(value) ? value.byteLength : 0),
    0,
  );
