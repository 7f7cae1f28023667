/** A scratch folder without room. Needs a small file system of its own, which only root may mount. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import type { Change } from "../../src/core/change.ts";
import { loadChange, scratchNotes, writeChange } from "../../src/engine/changeCache.ts";
import { closeAllFiles, readRange } from "../../src/engine/files.ts";
import { openScratch } from "../../src/engine/scratch.ts";

const DISK_BYTES = 2 << 20;
const TENSOR_BYTES = 900_000;
const root = mkdtempSync(path.join(tmpdir(), "lathe-scratch-full-"));
const disk = path.join(root, "disk");
mkdirSync(disk);
const mounted = (() => {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "tmpfs", disk], {
      stdio: "pipe",
    });
    return true;
  } catch {
    return false;
  }
})();
after(() => {
  closeAllFiles();
  if (mounted) execFileSync("umount", [disk]);
  rmSync(root, { recursive: true, force: true });
});

const change = { units: [] } as unknown as Change;
async function* chunks(fill: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < 9; i++) yield await Promise.resolve(new Uint8Array(100_000).fill(fill + i));
}
const contentOf = (fill: number): Buffer =>
  Buffer.concat(Array.from({ length: 9 }, (_, i) => Buffer.alloc(100_000, fill + i)));

describe(
  "a full scratch folder",
  { skip: mounted ? false : "mounting a small file system is not permitted here" },
  () => {
    it("is gone without: the change is whole, is not kept, and the reason is said once", async () => {
      const scratch = openScratch(path.join(disk, "scratch"));
      const writer = writeChange(scratch, "key");
      const fills = [10, 30, 50, 70];
      const ranges = [];
      for (const fill of fills) ranges.push(await writer.sink.write(chunks(fill)));
      for (const [i, range] of ranges.entries()) {
        assert.equal(range.length, TENSOR_BYTES);
        assert.ok(Buffer.from(readRange(range)).equals(contentOf(fills[i]!)), String(i));
      }
      assert.equal(new Set(ranges.map(({ file }) => path.dirname(file))).size, 2);
      writer.commit(change);
      assert.equal(loadChange(scratch, "key", new Date()), null);
      assert.equal(scratchNotes().length, 1);
      assert.match(scratchNotes()[0]!, /^The scratch folder .* is full: results go to /);
      closeAllFiles();
      writer.discard();
      assert.deepEqual(readdirSync(scratch.changes), []);
    });

    it("makes room of what was not used lately", async () => {
      const scratch = openScratch(path.join(disk, "other"));
      const old = path.join(scratch.statistics, "old.stat");
      writeFileSync(old, new Uint8Array(1_500_000));
      execFileSync("touch", ["-d", "2 hours ago", old]);
      const writer = writeChange(scratch, "key");
      const range = await writer.sink.write(contentOf(10));
      writer.commit(change);
      assert.ok(Buffer.from(readRange(range)).equals(contentOf(10)));
      assert.ok(loadChange(scratch, "key", new Date()));
      assert.deepEqual(readdirSync(scratch.statistics), []);
      closeAllFiles();
    });
  },
);
