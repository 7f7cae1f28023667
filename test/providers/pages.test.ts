import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { KnownDocs } from "../../src/providers/editorApi.ts";
import { servePages } from "../../src/providers/pageSessions.ts";
import type { BaseFile, Doc, Entry } from "../../src/shared/doc.ts";
import type { HostState, WebviewApi } from "../../src/shared/protocol.ts";
import { deferred } from "./fakeEngine.ts";
import type { Task } from "../../src/shared/task.ts";
import { connect, type Handlers, type Port } from "../../src/shared/wire.ts";

const base = (path: string): BaseFile => ({
  path,
  fingerprint: { sizeBytes: 1, mtimeMs: 1, inode: 1, ends: "" },
});
const entry: Entry = { transform: "quantize.x", params: {} };

describe("documents a page may ask about", () => {
  const document = { path: "/m/a.onnx", doc: { base: base("/m/a.onnx"), recipe: [] } as Doc };

  test("its own states, also after a save moved the base", () => {
    const known = new KnownDocs(document);
    const edited: Doc = { base: base("/m/a.onnx"), recipe: [entry] };
    assert.throws(() => known.resolve(edited), /not given that model/);
    document.doc = edited;
    known.remember();
    assert.deepEqual(known.resolve(edited), edited);
    document.doc = { base: base("/scratch/kept.onnx"), recipe: [entry] };
    known.remember();
    assert.equal(known.resolve(edited).base.path, "/scratch/kept.onnx");
    assert.deepEqual(known.resolve({ ...edited, recipe: [] }).recipe, []);
  });

  test("one that was chosen to compare with, and no other", () => {
    const known = new KnownDocs(document);
    const other: Doc = { base: base("/n/b.onnx"), recipe: [] };
    assert.throws(() => known.resolve(other), /not given that model/);
    known.allow(other);
    assert.deepEqual(known.resolve(other), other);
    assert.throws(() => known.resolve({ ...other, recipe: [entry] }));
    assert.equal(known.isKnownPath("/n/c.onnx"), true);
    assert.equal(known.isKnownPath("/etc/passwd"), false);
  });
});

test("a page that is loaded again gets its own answers and not the earlier page's", async () => {
  const toHost: ((frame: unknown) => void)[] = [];
  let toPage: (frame: unknown) => void = () => {};
  const hostPort: Port = {
    post: (frame) => toPage(frame),
    onMessage: (listener) => void toHost.push(listener),
    onClose: () => {},
  };
  const slow = deferred<never>();
  let aborted = false;
  let pages = 0;
  const { emit } = servePages(
    hostPort,
    () => {
      const page = ++pages;
      return {
        ready: () => ({ title: `page ${page}` }) as HostState,
        summary: (_p: unknown, task: Task) => {
          task.signal.addEventListener("abort", () => (aborted = true));
          return page === 1 ? slow.promise : ({ path: "second" } as never);
        },
      } as unknown as Handlers<WebviewApi>;
    },
    () => 0,
  );
  const load = () => {
    const listeners: ((frame: unknown) => void)[] = [];
    toPage = (frame) => queueMicrotask(() => listeners.forEach((listener) => listener(frame)));
    return connect<WebviewApi, { state: HostState }>({
      post: (frame) => toHost.forEach((listener) => listener(frame)),
      onMessage: (listener) => void listeners.push(listener),
      onClose: () => {},
    });
  };
  const doc: Doc = { base: base("/m/a.onnx"), recipe: [] };
  const first = load();
  assert.equal((await first.call("ready", {})).title, "page 1");
  void first.call("summary", { doc }).catch(() => {});

  const second = load();
  assert.equal((await second.call("ready", {})).title, "page 2");
  assert.equal(aborted, true, "questions of the earlier page are given up");
  const answer = second.call("summary", { doc });
  slow.resolve({ path: "first" } as never);
  assert.equal((await answer).path, "second");
  let told: string | null = null;
  second.on("state", (state) => (told = state.title));
  emit({ title: "changed" } as HostState);
  await new Promise(setImmediate);
  assert.equal(told, "changed");
});
