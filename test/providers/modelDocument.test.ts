import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { Uri } from "vscode";
import {
  ModelDocument,
  type Backup,
  type DocumentEdit,
  type ModelDocumentOptions,
} from "../../src/providers/modelDocument.ts";
import type { Entry } from "../../src/shared/doc.ts";
import { deferred, fakeEngine, type FakeEngine } from "./fakeEngine.ts";

const entry = (name: string): Entry => ({ transform: name, params: {} });
const save = { title: "Saving", overwrite: false };
const throughJson = (backup: Backup): Backup => JSON.parse(JSON.stringify(backup)) as Backup;
const failsWith = (code: string) => (error: unknown) =>
  (error as { failure?: { code: string } }).failure?.code === code;

describe("model document", () => {
  let folder: string;
  let file: string;
  let engine: FakeEngine;
  let options: ModelDocumentOptions;
  let document: ModelDocument;
  let edits: DocumentEdit[];

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "lathe-document-"));
    mkdirSync(path.join(folder, "kept"));
    file = path.join(folder, "a.onnx");
    writeFileSync(file, "base:");
    engine = fakeEngine(path.join(folder, "kept"));
    options = {
      uri: { path: file } as unknown as Uri,
      path: file,
      readOnly: null,
      engine,
      titleOf: (id) => id.toUpperCase(),
      data: undefined,
    };
    document = await ModelDocument.open(options);
    edits = [];
    document.onEdit((edit) => edits.push(edit));
  });
  afterEach(() => {
    document.dispose();
    rmSync(folder, { recursive: true });
  });

  /** Runs all entries, as edits. */
  const run = async (...names: string[]): Promise<void> => {
    for (const name of names) await document.run(entry(name));
  };
  const recipe = (): string[] => document.doc.recipe.map((e) => e.transform);
  const content = (): string => readFileSync(file, "utf8");

  test("a result is an edit; undo and redo compute nothing", async () => {
    await run("a", "b");
    assert.deepEqual(
      edits.map((edit) => edit.label),
      ["A", "B"],
    );
    edits[1]?.undo();
    assert.deepEqual(recipe(), ["a"]);
    edits[0]?.undo();
    assert.deepEqual(recipe(), []);
    assert.equal(document.dirty, false);
    edits[0]?.redo();
    edits[1]?.redo();
    assert.deepEqual(recipe(), ["a", "b"]);
    assert.deepEqual(engine.calls, ["apply", "apply"]);
    assert.deepEqual(document.original.recipe, []);
  });

  test("an entry that changes nothing is no edit", async () => {
    engine.units = 0;
    assert.equal((await document.run(entry("a"))).units.length, 0);
    assert.deepEqual(recipe(), []);
    assert.equal(edits.length, 0);
  });

  test("while a job runs, edits and saves are refused by its name and its progress is told", async () => {
    const gate = deferred<void>();
    engine.gate = gate.promise;
    const running = document.run(entry("a"));
    assert.deepEqual(document.job, { title: "A", fraction: 0.5, message: "half" });
    await assert.rejects(document.run(entry("b")), /"A" is still running/);
    await assert.rejects(document.save(save), /"A" is still running/);
    gate.resolve();
    await running;
    assert.equal(document.job, null);
    assert.deepEqual(recipe(), ["a"]);
  });

  test("a cancelled job leaves everything as before", async () => {
    const gate = deferred<void>();
    engine.gate = gate.promise;
    const running = document.run(entry("a"));
    assert.equal(document.cancel(), true);
    gate.resolve();
    await assert.rejects(running, failsWith("cancelled"));
    assert.deepEqual(recipe(), []);
    assert.equal(document.job, null);
    assert.equal(document.cancel(), false);
    assert.equal(edits.length, 0);
  });

  test("an undo during a job ends the job, whose result would not count", async () => {
    await run("a");
    const gate = deferred<void>();
    engine.gate = gate.promise;
    const running = document.run(entry("b"));
    edits[0]?.undo();
    gate.resolve();
    await assert.rejects(running, failsWith("cancelled"));
    assert.deepEqual(recipe(), []);
  });

  test("undo after save makes it dirty and saving again gives the original bytes", async () => {
    const original = content();
    await run("a");
    await document.save(save);
    assert.equal(content(), "base:a");
    assert.equal(document.dirty, false);
    assert.equal(document.baseIsKept, true);
    edits[0]?.undo();
    assert.equal(document.dirty, true);
    await document.save(save);
    assert.equal(content(), original);
    assert.equal(document.dirty, false);
    edits[0]?.redo();
    await document.save(save);
    assert.equal(content(), "base:a");
  });

  test("saving a clean document writes nothing", async () => {
    await document.save(save);
    assert.deepEqual(engine.calls, []);
  });

  test("save as writes another file and leaves the document", async () => {
    await run("a");
    const to = path.join(folder, "b.onnx");
    await document.saveAs({ title: "Saving", to });
    assert.equal(readFileSync(to, "utf8"), "base:a");
    assert.equal(content(), "base:");
    assert.equal(document.dirty, true);
    await assert.rejects(
      document.saveAs({ title: "Saving", to: path.join(folder, "b.safetensors") }),
      /does not end in \.onnx/,
    );
  });

  test("revert goes back to what the file holds", async () => {
    await run("a");
    await document.save(save);
    await run("b");
    await document.revert();
    assert.deepEqual(recipe(), ["a"]);
    assert.equal(document.dirty, false);
  });

  test("a file changed by others is not overwritten unasked", async () => {
    await run("a");
    writeFileSync(file, "somebody else's");
    assert.equal(document.diskState(), "changed");
    await assert.rejects(document.save(save), failsWith("changed"));
    assert.equal(content(), "somebody else's");
    await document.revert();
    assert.deepEqual(recipe(), []);
    assert.equal(document.diskState(), "same");
    edits[0]?.redo();
    assert.deepEqual(recipe(), [], "an edit of bytes that are gone means nothing");
  });

  test("edits can be applied to the file as others changed it", async () => {
    await run("a");
    writeFileSync(file, "newer:");
    await document.rebase();
    assert.deepEqual(recipe(), ["a"]);
    await document.save(save);
    assert.equal(content(), "newer:a");
    edits[0]?.undo();
    await document.save(save);
    assert.equal(content(), "newer:");
  });

  test("with a kept base the user may overwrite what others wrote", async () => {
    await run("a");
    await document.save(save);
    await run("b");
    writeFileSync(file, "somebody else's");
    await document.save({ ...save, overwrite: true });
    assert.equal(content(), "base:a+b");
  });

  test("a backup brings the edits back, also after a save", async () => {
    await run("a");
    await document.save(save);
    await run("b");
    const backup = throughJson(document.backup());
    const restored = await ModelDocument.restore(options, backup);
    assert.equal(restored.restoreNote, null);
    assert.deepEqual(
      restored.doc.recipe.map((e) => e.transform),
      ["a", "b"],
    );
    assert.equal(restored.dirty, true);
    await restored.revert();
    assert.equal(restored.dirty, false);
    assert.deepEqual(
      restored.doc.recipe.map((e) => e.transform),
      ["a"],
    );
  });

  test("a backup whose base is gone applies what came after the save, or says what is lost", async () => {
    await run("a");
    await document.save(save);
    await run("b");
    const later = throughJson(document.backup());
    edits[1]?.undo();
    edits[0]?.undo();
    const undone = throughJson(document.backup());
    rmSync(path.join(folder, "kept"), { recursive: true });
    const reapplied = await ModelDocument.restore(options, later);
    assert.equal(reapplied.restoreNote, "reapplied");
    assert.deepEqual(
      reapplied.doc.recipe.map((e) => e.transform),
      ["b"],
    );
    const lost = await ModelDocument.restore(options, undone);
    assert.equal(lost.restoreNote, "lost");
    assert.equal(lost.dirty, false);
  });

  test("removing entries is one edit", async () => {
    await run("a", "b", "c");
    assert.equal(document.removeEntries(2, "Remove"), 2);
    assert.deepEqual(recipe(), ["a"]);
    edits[3]?.undo();
    assert.deepEqual(recipe(), ["a", "b", "c"]);
    assert.equal(document.removeEntries(9, "Remove"), 3);
    assert.equal(document.removeEntries(1, "Remove"), 0);
  });

  test("a read-only document is never written", async () => {
    const copy = await ModelDocument.open({ ...options, readOnly: "from Git" });
    await copy.run(entry("a"));
    await assert.rejects(copy.save(save), /from Git/);
  });

  test("closing gives up the kept base, unless a backup may still need it", async () => {
    await run("a");
    await document.save(save);
    const kept = document.doc.base.path;
    edits[0]?.undo();
    document.dispose();
    assert.ok(existsSync(kept));
    document = await ModelDocument.open(options);
    await document.run(entry("b"));
    await document.save(save);
    const keptNext = document.doc.base.path;
    document.dispose();
    assert.ok(!existsSync(keptNext));
  });

  test("closing ends the job", async () => {
    const gate = deferred<void>();
    engine.gate = gate.promise;
    const running = document.run(entry("a"));
    document.dispose();
    gate.resolve();
    await assert.rejects(running, failsWith("cancelled"));
  });
});
