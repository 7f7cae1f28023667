/**
 * A save that is killed: the old model or the new one is there, whole, and the next start clears
 * what was left. `npm run test:kill` kills at 200 random moments, this file alone at a few.
 */
import assert from "node:assert/strict";
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { after, before, describe, it } from "node:test";
import { mainGraph } from "../../src/core/model.ts";
import { closeAllFiles, openModel, readRange } from "../../src/engine/files.ts";
import { stageModel } from "../../src/engine/save.ts";
import { sweepLitter } from "../../src/engine/saveLitter.ts";
import { random } from "../../src/shared/random.ts";
import { withGraph } from "../formats/make.ts";
import { writeShards } from "../helpers/shards.ts";
import { task } from "../helpers/temp.ts";
import type { KilledSave } from "./killedSave.child.ts";

const KILLS = Number(process.env["LATHE_KILLS"] ?? 3);
/** From the first file of the save on, or from the commit: its recipe is written first. */
const COUNT_FROM = KILLS > 20 ? ".lathe-" : ".lathe.json";
const SEED = 20;
/** Small for stepping through all calls, larger so that random moments fall into the writing too. */
const STEPPED = { rows: 256, columns: 400 };
const RANDOM = { rows: 2048, columns: 1024 };

type Files = ReadonlyMap<string, string>;
type Layout = "embedded" | "external" | "shards";
const SHARDED = "m.safetensors.index.json";
/** The model of a folder. */
const modelIn = (folder: string): string =>
  existsSync(path.join(folder, SHARDED)) ? SHARDED : "m.onnx";
/** Names and contents, those of hidden folders included. */
function filesIn(folder: string): Files {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.map((entry): [string, string] => {
    const file = path.join(entry.parentPath, entry.name);
    return [path.relative(folder, file), entry.isFile() ? readFileSync(file, "latin1") : ""];
  });
  return new Map(files.sort(([a], [b]) => (a < b ? -1 : 1)));
}

let root = "";
let count = 0;
before(() => {
  root = mkdtempSync(path.join(tmpdir(), "lathe-kill-"));
});
after(() => {
  closeAllFiles();
  rmSync(root, { recursive: true, force: true });
});

/** A folder with a model in it, and its data beside it. */
async function make(layout: Layout, { rows, columns }: typeof STEPPED): Promise<string> {
  const folder = path.join(root, String(count++));
  mkdirSync(folder);
  if (layout === "shards") {
    const size = rows * columns * 4;
    writeShards(folder, { "m-1.safetensors": { a: size }, "m-2.safetensors": { b: size } }, "m");
    return folder;
  }
  const draw = random(SEED);
  const weights = (): Uint8Array => {
    const values = new Float32Array(rows * columns).map(() => draw.next() - 0.5);
    return new Uint8Array(values.buffer);
  };
  const dims = [BigInt(rows), BigInt(columns)];
  const bytes = withGraph({
    name: "g",
    initializer: ["a", "b"].map((name) => ({ name, dataType: 1, dims, rawData: weights() })),
    node: [{ opType: "Mul", input: ["a", "b"], output: ["y"] }],
    output: [{ name: "y" }],
  });
  const file = path.join(folder, "m.onnx");
  writeFileSync(file, bytes);
  if (layout === "external") {
    const options = { externalData: "always", overwrite: true, allowInput: true } as const;
    await (await stageModel(openModel(file), file, options, task)).commit();
  }
  closeAllFiles();
  return folder;
}

interface Running {
  readonly child: ChildProcess;
  /** Calls that change the file system, once it has saved; null when it was killed. */
  readonly ended: Promise<number | null>;
}
async function start(folder: string, killBefore: number | null): Promise<Running> {
  const order: KilledSave = {
    file: path.join(folder, modelIn(folder)),
    scratch: `${folder}.scratch`,
    externalData: "auto",
    countFrom: COUNT_FROM,
    killBefore,
  };
  const child = fork(path.resolve("out/test/test/engine/killedSave.child.mjs"), [
    JSON.stringify(order),
  ]);
  let calls: number | null = null;
  const ready = new Promise<void>((resolve) =>
    child.on("message", (message) => {
      if (typeof message === "number") calls = message;
      else resolve();
    }),
  );
  const ended = once(child, "exit").then(() => calls);
  await Promise.race([ready, ended]);
  return { child, ended };
}

/** Old or new, readable, and after the sweep nothing but that. */
function check(folder: string, pid: number, old: Files, next: Files, when: string): "old" | "new" {
  const found = filesIn(folder);
  const name = modelIn(folder);
  const model = openModel(path.join(folder, name));
  for (const { at } of mainGraph(model).tensors.values())
    if (!(at instanceof Uint8Array)) readRange(at);
  closeAllFiles();
  const is = found.get(name) === old.get(name) ? "old" : "new";
  const expected = is === "old" ? old : next;
  for (const { path: file } of model.files) {
    const own = path.basename(file);
    assert.ok(found.get(own) === expected.get(own), `${when}: ${own} is neither`);
  }
  sweepLitter(folder, pid);
  closeAllFiles();
  const swept = filesIn(folder);
  assert.deepEqual([...swept.keys()], [...expected.keys()], `${when}: litter (${is})`);
  for (const [name, content] of expected)
    assert.ok(swept.get(name) === content, `${when}: ${name} differs after the sweep`);
  return is;
}

for (const layout of ["embedded", "external", "shards"] as const)
  describe(`a save that is killed, ${layout}`, () => {
    it("before each call that changes the file system", async () => {
      const reference = await make(layout, STEPPED);
      const old = filesIn(reference);
      const calls = await (await start(reference, null)).ended;
      const next = filesIn(reference);
      assert.ok(calls !== null && calls > 5);
      const name = modelIn(reference);
      assert.notEqual(old.get(name), next.get(name));
      const outcomes: ("old" | "new")[] = [];
      for (let call = 1; call <= calls; call++) {
        const folder = await make(layout, STEPPED);
        const { child, ended } = await start(folder, call);
        assert.equal(await ended, null, `call ${call} of ${calls} was not reached`);
        outcomes.push(check(folder, child.pid ?? 0, old, next, `before call ${call}`));
        rmSync(folder, { recursive: true });
      }
      // One commit point: first the old model, from then on the new one.
      assert.deepEqual(outcomes, [...outcomes].sort().reverse());
      assert.ok(outcomes.includes("old") && outcomes.includes("new"));
    });

    it(`at ${KILLS} random moments`, async () => {
      const reference = await make(layout, RANDOM);
      const old = filesIn(reference);
      const running = await start(reference, null);
      const began = performance.now();
      await running.ended;
      const durationMs = performance.now() - began;
      const next = filesIn(reference);
      const draw = random(SEED);
      const seen = { old: 0, new: 0 };
      for (let kill = 0; kill < KILLS; kill++) {
        const folder = await make(layout, RANDOM);
        const { child, ended } = await start(folder, null);
        const afterMs = draw.next() * durationMs;
        await wait(afterMs);
        child.kill("SIGKILL");
        await ended;
        seen[check(folder, child.pid ?? 0, old, next, `after ${afterMs.toFixed(1)} ms`)]++;
        rmSync(folder, { recursive: true });
        rmSync(`${folder}.scratch`, { recursive: true, force: true });
      }
      if (KILLS > 20) console.log(`${layout}: old ${seen.old}, new ${seen.new}`);
    });
  });
