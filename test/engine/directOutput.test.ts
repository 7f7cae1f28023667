import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { directOutput, MIN_DIRECT_BYTES } from "../../src/engine/directOutput.ts";
import { cachedOutput, type Output } from "../../src/engine/output.ts";
import { writePieces } from "../../src/engine/saveWrite.ts";
import type { Piece } from "../../src/formats/byteSource.ts";
import { task, tempFolder } from "../helpers/temp.ts";

const bytesOf = (length: number, seed: number): Uint8Array => {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed;
  for (let i = 0; i < words.length; i++) words[i] = state = Math.imul(state, 1664525) + 1013904223;
  return new Uint8Array(words.buffer, 0, length);
};

async function append(out: Output, bytes: Uint8Array): Promise<void> {
  let buffer = out.buffer;
  for (let at = 0; at < bytes.length;) {
    const count = Math.min(buffer.length, bytes.length - at);
    buffer.set(bytes.subarray(at, at + count));
    buffer = await out.write(count);
    at += count;
  }
  await out.written();
}

describe("a large file that is written past the system's cache", () => {
  it("has the bytes of its pieces, wherever they begin and end, and the late text", async (t) => {
    const folder = tempFolder(t);
    const source = path.join(folder, "source");
    const bytes = bytesOf(MIN_DIRECT_BYTES + 12_345, 1);
    writeFileSync(source, bytes);
    const text = { placeholder: "x".repeat(64), text: Promise.resolve("y".repeat(64)) };
    const pieces: Piece[] = [
      Buffer.from(`head ${text.placeholder} `),
      { file: source, offset: 7, length: 9_000_001 },
      new Uint8Array(4095),
      { file: source, offset: 0, length: bytes.length },
    ];
    const expected = Buffer.concat([
      Buffer.from(`head ${"y".repeat(64)} `),
      bytes.subarray(7, 9_000_008),
      new Uint8Array(4095),
      bytes,
    ]);
    for (const uncached of [true, false]) {
      const file = path.join(folder, `${uncached}`);
      let written = 0;
      const heard = (count: number): void => void (written += count);
      await writePieces(file, pieces, heard, task, { late: text, uncached });
      assert.equal(written, expected.length);
      assert.ok(readFileSync(file).equals(expected));
    }
  });

  it("is written through the cache where the file system refuses", async (t) => {
    const file = path.join(tempFolder(t), "file");
    const bytes = bytesOf(20_000_000, 2);
    // An address that no disk takes; file systems in memory take any.
    const out = directOutput(
      cachedOutput(file),
      file,
      new Uint8Array(new ArrayBuffer(2 ** 24 + 1), 1),
    );
    if (out === null) return t.skip("no file goes past the cache here");
    await append(out, bytes);
    await out.finish();
    await out.close();
    assert.ok(readFileSync(file).equals(bytes));
  });

  it("is not begun where it cannot be", async (t) => {
    const folder = tempFolder(t);
    const cached = cachedOutput(path.join(folder, "file"));
    assert.equal(directOutput(cached, path.join(folder, "none", "file")), null);
    await cached.close();
    assert.equal(statSync(path.join(folder, "file")).size, 0);
  });
});
