import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { hashInBackground } from "../../src/engine/backgroundHash.ts";

const folder = mkdtempSync(path.join(tmpdir(), "lathe-hash-"));
after(() => rmSync(folder, { recursive: true, force: true }));

describe("hashing in the background", () => {
  for (const length of [0, 1, 1 << 20, (1 << 20) + 17])
    it(`gives the sha256 of ${length} bytes`, async () => {
      const bytes = randomBytes(length);
      const file = path.join(folder, `${length}.bin`);
      writeFileSync(file, bytes);
      const { hash } = hashInBackground(file);
      const { sha256, sizeBytes, mtimeMs, inode } = await hash;
      assert.equal(sha256, createHash("sha256").update(bytes).digest("hex"));
      const stats = statSync(file);
      assert.deepEqual([sizeBytes, mtimeMs, inode], [stats.size, stats.mtimeMs, stats.ino]);
    });

  it("says which file cannot be read", async () => {
    const file = path.join(folder, "none.bin");
    await assert.rejects(hashInBackground(file).hash, /none\.bin.*ENOENT/s);
  });

  it("fails when it is stopped, and nobody need listen", async () => {
    const file = path.join(folder, "large.bin");
    writeFileSync(file, Buffer.alloc(64 << 20));
    const hashing = hashInBackground(file);
    hashing.stop();
    await assert.rejects(hashing.hash, /stopped/);
    hashInBackground(file).stop();
  });
});
