import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { expectedHash } from "../../src/engine/expectedHash.ts";

const folder = mkdtempSync(path.join(tmpdir(), "lathe-expected-"));
const file = path.join(folder, "m.bin");
writeFileSync(file, "model");
const OWN = createHash("sha256").update("model").digest("hex");
const SENT = { sha256: "sent", sizeBytes: 5, mtimeMs: 1, inode: 2 };
after(() => rmSync(folder, { recursive: true, force: true }));

describe("a hash that the parent computes", () => {
  it("is waited for once it was announced", async () => {
    const expected = expectedHash();
    expected.note("coming");
    const { hash } = expected.take(file);
    expected.note(SENT);
    assert.deepEqual(await hash, SENT);
  });
  it("may arrive before it is asked for", async () => {
    const expected = expectedHash();
    expected.note("coming");
    expected.note(SENT);
    assert.deepEqual(await expected.take(file).hash, SENT);
  });
  it("is computed here when none was announced, and when it does not come", async () => {
    assert.equal((await expectedHash().take(file).hash).sha256, OWN);
    const expected = expectedHash();
    expected.note("coming");
    const { hash } = expected.take(file);
    expected.note(null);
    assert.equal((await hash).sha256, OWN);
  });
});
