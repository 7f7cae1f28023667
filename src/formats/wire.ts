/** The protobuf wire format over ranged reads: what the library cannot do without the whole file. */
import { formatErrors } from "../shared/errors.ts";
import type { ByteSource } from "./byteSource.ts";

/** Read ahead: small after a jump over a payload, larger while reading on (measured: ENGINE §6). */
const WINDOW_AFTER_JUMP = 4 * 1024;
const WINDOW = 256 * 1024;

/** A position in a file, with the bytes around it in memory. */
export class WireReader {
  readonly source: ByteSource;
  position = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;

  constructor(source: ByteSource) {
    this.source = source;
  }

  /** Makes at least `need` bytes (fewer at the end of the file) available at the position. */
  #fill(need: number): number {
    const from = this.position - this.#start;
    const have = this.#bytes.length - from;
    if (from >= 0 && have >= need) return from;
    const readsOn = from >= 0 && from <= this.#bytes.length && this.position > 0;
    const left = this.source.sizeBytes - this.position;
    const length = Math.min(left, Math.max(need, readsOn ? WINDOW : WINDOW_AFTER_JUMP));
    this.#bytes = this.source.read(this.position, length);
    this.#start = this.position;
    return 0;
  }

  /** A tag or length, at most 2^53 - 1. `end` is where the message around it ends. */
  varint(end: number, field: string): number {
    const start = this.position;
    const from = this.#fill(Math.min(10, this.source.sizeBytes - start));
    let value = 0;
    for (let i = 0, scale = 1; i < 10; i++, scale *= 128) {
      const byte = this.#bytes[from + i];
      if (byte === undefined || start + i >= end)
        throw formatErrors.truncated(
          this.source.path,
          start,
          field,
          i + 1,
          Math.max(0, end - start),
        );
      value += (byte & 127) * scale;
      if (byte < 128) {
        this.position = start + i + 1;
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
    }
    throw formatErrors.notOnnx(this.source.path, start, `${field} has an impossible length`);
  }

  /** Passes over a number of up to 64 bits; its low 32 bits. */
  varint64(end: number, field: string): number {
    return this.varintPair(end, field)[0];
  }

  /** Low and high 32 bits of a number of up to 64 bits. */
  varintPair(end: number, field: string): readonly [low: number, high: number] {
    const start = this.position;
    const from = this.#fill(Math.min(10, this.source.sizeBytes - start));
    let low = 0;
    let high = 0;
    for (let i = 0; i < 10; i++) {
      const byte = this.#bytes[from + i];
      if (byte === undefined || start + i >= end)
        throw formatErrors.truncated(
          this.source.path,
          start,
          field,
          i + 1,
          Math.max(0, end - start),
        );
      const bits = byte & 127;
      const shift = 7 * i;
      if (shift < 32) low |= bits << shift;
      if (shift > 25 && shift < 32) high |= bits >>> (32 - shift);
      else if (shift >= 32) high |= bits << (shift - 32);
      if (byte < 128) {
        this.position = start + i + 1;
        return [low >>> 0, high >>> 0];
      }
    }
    throw formatErrors.notOnnx(this.source.path, start, `${field} has a number of over 10 bytes`);
  }

  /** Whether a byte over 127 lies between the position and `to`; moves. */
  hasHighByte(to: number): boolean {
    while (this.position < to) {
      const length = Math.min(WINDOW_AFTER_JUMP, to - this.position);
      const from = this.#fill(length);
      for (let i = from; i < from + length; i++) if ((this.#bytes[i] ?? 0) > 127) return true;
      this.position += length;
    }
    return false;
  }

  /** The next bytes, without moving. */
  peek(length: number): Uint8Array {
    const from = this.#fill(length);
    return this.#bytes.subarray(from, from + length);
  }
}

/** `value` (a safe integer of 0 or more) as a varint. */
export function varintBytes(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Bytes in memory, read as a file. */
export const memorySource = (path: string, bytes: Uint8Array): ByteSource => ({
  path,
  sizeBytes: bytes.length,
  read(offset, length) {
    if (offset < 0 || offset + length > bytes.length)
      throw formatErrors.truncated(
        path,
        offset,
        "data",
        length,
        Math.max(0, bytes.length - offset),
      );
    return bytes.subarray(offset, offset + length);
  },
});
