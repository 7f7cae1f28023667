import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { appendFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { hashInBackground, hashWhileWritten } from "../../src/engine/backgroundHash.ts";

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

  for (const [parts, length] of [
    [0, 0],
    [1, 17],
    [3, 1 << 20],
    [7, 700_001],
  ] as const)
    it(`follows a file that is written in ${parts} parts of ${length} bytes`, async () => {
      const file = path.join(folder, `growing-${parts}.bin`);
      writeFileSync(file, "");
      const hashing = hashWhileWritten(file);
      const expected = createHash("sha256");
      for (let part = 0; part < parts; part++) {
        const bytes = randomBytes(length);
        expected.update(bytes);
        appendFileSync(file, bytes);
        hashing.reached((part + 1) * length);
        // The thread catches up, or does not: both orders must do.
        if (part % 2 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      }
      hashing.finish();
      assert.equal((await hashing.hash).sha256, expected.digest("hex"));
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
