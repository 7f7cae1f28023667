/** The hash of a file that will be saved, taken between messages. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { expectHash } from "../../src/client/expectedSave.ts";

/** More than one turn's worth, and not whole chunks. */
const BYTES = 9 * 1024 * 1024 + 5;

test("a file is hashed in turns; messages come through; stopped or unreadable there is no hash", async (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "lathe-test-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, "model.onnx");
  const bytes = Buffer.alloc(BYTES, "weights");
  writeFileSync(file, bytes);

  let turns = 0;
  const expected = expectHash(file);
  const count = (): void => {
    turns++;
    setImmediate(count).unref();
  };
  setImmediate(count);
  const { size, mtimeMs, ino } = statSync(file);
  assert.deepEqual(await expected.hash, {
    sha256: createHash("sha256").update(bytes).digest("hex"),
    sizeBytes: size,
    mtimeMs,
    inode: ino,
  });
  assert.ok(turns >= 2, `the event loop turned ${turns} times`);

  const stopped = expectHash(file);
  stopped.stop();
  assert.equal(await stopped.hash, null);
  assert.equal(await expectHash(path.join(folder, "missing.onnx")).hash, null);
});
