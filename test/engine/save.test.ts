import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  lstatSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { mainGraph, type Model } from "../../src/core/model.ts";
import { closeAllFiles, openModel, readRange } from "../../src/engine/files.ts";
import { stageCopy, stageModel, type StageOptions, type Staged } from "../../src/engine/save.ts";
import { sweepLitter } from "../../src/engine/saveLitter.ts";
import { dtype } from "../../src/shared/dtype.ts";
import { Cancelled, EngineError } from "../../src/shared/errors.ts";
import type { Task } from "../../src/shared/task.ts";
import { withGraph } from "../formats/make.ts";
import { safetensorsBytes } from "../formats/safetensorsBytes.ts";

const OPTIONS: StageOptions = { externalData: "auto", overwrite: false, allowInput: false };
const quiet: Task = { signal: new AbortController().signal, progress: () => undefined };
const BYTES = 300_000;
const WEIGHT = new Uint8Array(BYTES).map((_, i) => i % 253);
const ONNX = withGraph({
  name: "g",
  initializer: [{ name: "w", dataType: 2, dims: [BigInt(BYTES)], rawData: WEIGHT }],
  node: [{ opType: "Identity", input: ["w"], output: ["y"] }],
  output: [{ name: "y" }],
});

let root = "";
let folder = "";
let count = 0;
const at = (name: string): string => path.join(folder, name);
const list = (): string[] => readdirSync(folder).sort();
before(() => {
  root = realpathSync(mkdtempSync(path.join(tmpdir(), "lathe-save-")));
});
beforeEach(() => {
  folder = path.join(root, String(count++));
  mkdirSync(folder);
  writeFileSync(at("m.onnx"), ONNX);
});
after(() => {
  closeAllFiles();
  rmSync(root, { recursive: true, force: true });
});

const stage = (
  to: string,
  options: Partial<StageOptions> = {},
  model: Model = openModel(at("m.onnx")),
  task: Task = quiet,
): Promise<Staged> => stageModel(model, to, { ...OPTIONS, ...options }, task);
const weightOf = (file: string): Uint8Array => {
  const tensor = mainGraph(openModel(file)).tensors.get("w");
  assert.ok(tensor && !(tensor.at instanceof Uint8Array));
  return readRange(tensor.at);
};
const messageOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
    return "no failure";
  } catch (error) {
    assert.ok(error instanceof EngineError, String(error));
    assert.ok(error.failure.hint);
    return error.message;
  }
};

describe("saving", () => {
  it("stages a complete model and puts it in place by a rename", async () => {
    const seen: number[] = [];
    const task = { ...quiet, progress: (fraction: number) => seen.push(fraction) };
    const staged = await stage(at("out.onnx"), {}, undefined, task);
    assert.equal(existsSync(at("out.onnx")), false);
    assert.deepEqual(Buffer.from(weightOf(staged.path)), Buffer.from(WEIGHT));
    assert.equal(staged.sizeBytes, statSync(staged.path).size);
    const saved = await staged.commit();
    assert.deepEqual(saved, {
      path: at("out.onnx"),
      sizeBytes: staged.sizeBytes,
      notes: [],
      files: [at("out.onnx")],
    });
    assert.deepEqual(list(), ["m.onnx", "out.onnx"]);
    assert.deepEqual(Buffer.from(weightOf(at("out.onnx"))), Buffer.from(WEIGHT));
    assert.equal(seen.at(-1), 1);
    await staged.discard();
    assert.ok(existsSync(at("out.onnx")));
  });

  it("leaves nothing when discarded", async () => {
    const staged = await stage(at("out.onnx"), { externalData: "always" });
    await staged.discard();
    assert.deepEqual(list(), ["m.onnx"]);
  });

  it("copies byte for byte, external data included", async () => {
    await (await stage(at("x.onnx"), { externalData: "always" })).commit();
    const model = openModel(at("x.onnx"));
    mkdirSync(at("other"));
    const saved = await (await stageCopy(model, at("other/y.onnx"), OPTIONS, quiet)).commit();
    assert.equal(saved.files.length, 2);
    assert.ok(readFileSync(at("other/y.onnx")).equals(readFileSync(at("x.onnx"))));
    assert.deepEqual(Buffer.from(weightOf(at("other/y.onnx"))), Buffer.from(WEIGHT));
    // In its own folder the data is there already; over itself it is the same file.
    await (await stageCopy(model, at("z.onnx"), OPTIONS, quiet)).commit();
    const over = { ...OPTIONS, overwrite: true, allowInput: true };
    await (await stageCopy(model, at("x.onnx"), over, quiet)).commit();
    assert.equal(list().filter((name) => name.endsWith(".data")).length, 1);
    assert.ok(readFileSync(at("z.onnx")).equals(readFileSync(at("x.onnx"))));
  });

  it("gives copied data another name where that name is taken by other data", async () => {
    await (await stage(at("x.onnx"), { externalData: "always" })).commit();
    const [data] = list().filter((name) => name.endsWith(".data"));
    assert.ok(data);
    mkdirSync(at("other"));
    writeFileSync(at(`other/${data}`), "someone else's");
    const staged = await stageCopy(openModel(at("x.onnx")), at("other/x.onnx"), OPTIONS, quiet);
    const { files } = await staged.commit();
    assert.equal(readFileSync(at(`other/${data}`)).toString(), "someone else's");
    assert.match(path.basename(files[1] ?? ""), /^x\.[0-9a-f]{16}\.data$/);
    assert.deepEqual(Buffer.from(weightOf(at("other/x.onnx"))), Buffer.from(WEIGHT));
  });

  it("names external data after its content and removes what no model uses any more", async () => {
    const saved = await (await stage(at("x.onnx"), { externalData: "always" })).commit();
    const [, data = ""] = saved.files;
    assert.match(path.basename(data), /^x\.[0-9a-f]{8}\.data$/);
    assert.equal(saved.sizeBytes, statSync(at("x.onnx")).size + statSync(data).size);
    const again = { overwrite: true, allowInput: true };
    const model = openModel(at("x.onnx"));
    // The same content: the same name, and the file stays.
    await (await stage(at("x.onnx"), again, model)).commit();
    assert.ok(existsSync(data));

    const other = { ...mainGraph(model) };
    const at3 = {
      ...other,
      tensors: new Map([
        [
          "w",
          {
            name: "w",
            dtype: dtype("uint8"),
            shape: [2000],
            at: new Uint8Array(2000),
            sizeBytes: 2000,
          },
        ],
      ]),
    };
    const changed: Model = { ...model, graphs: new Map([["[]", at3]]) };
    // Another model in the folder uses the old data, so it stays.
    writeFileSync(at("neighbour.onnx"), readFileSync(at("x.onnx")));
    await (await stage(at("x.onnx"), { ...again, externalData: "always" }, changed)).commit();
    assert.ok(existsSync(data));
    assert.deepEqual(mainGraph(openModel(at("x.onnx"))).tensors.get("w")?.shape, [2000]);
    // One that cannot be read might.
    writeFileSync(at("neighbour.onnx"), "{}");
    writeFileSync(at("x.onnx"), readFileSync(at("x.onnx")));
    await (await stage(at("x.onnx"), { ...again, externalData: "never" }, changed)).commit();
    assert.equal(list().filter((name) => name.endsWith(".data")).length, 2);
    rmSync(at("neighbour.onnx"));
    await (await stage(at("x.onnx"), { ...again, externalData: "always" }, changed)).commit();
    await (await stage(at("x.onnx"), { ...again, externalData: "never" }, changed)).commit();
    assert.equal(list().filter((name) => name.endsWith(".data")).length, 1);
    assert.ok(existsSync(data), "data that an earlier save had to leave is not touched again");
  });

  it("replaces the input when that is allowed, through links, and keeps the mode", async () => {
    chmodSync(at("m.onnx"), 0o640);
    symlinkSync(at("m.onnx"), at("link.onnx"));
    await (await stage(at("link.onnx"), { overwrite: true, allowInput: true })).commit();
    assert.ok(lstatSync(at("link.onnx")).isSymbolicLink());
    if (process.platform !== "win32") assert.equal(statSync(at("m.onnx")).mode & 0o777, 0o640);
    assert.deepEqual(Buffer.from(weightOf(at("link.onnx"))), Buffer.from(WEIGHT));
    assert.deepEqual(list(), ["link.onnx", "m.onnx"]);
  });

  it("refuses by name, before anything is written", async () => {
    writeFileSync(at("there.onnx"), "old");
    mkdirSync(at("dir.onnx"));
    symlinkSync(at("m.onnx"), at("link.onnx"));
    const rows: readonly (readonly [to: string, message: string])[] = [
      [
        "out.safetensors",
        `${at("out.safetensors")} does not end in .onnx, the format of the input.`,
      ],
      ["none/out.onnx", `Nothing can be written to ${at("none")} (the folder does not exist).`],
      ["m.onnx/out.onnx", `Nothing can be written to ${at("m.onnx")} (it is not a folder).`],
      ["dir.onnx", `${at("dir.onnx")} is not a file.`],
      ["m.onnx", `The output ${at("m.onnx")} is the input.`],
      ["link.onnx", `The output ${at("link.onnx")} is the input.`],
      ["there.onnx", `${at("there.onnx")} exists already.`],
    ];
    const files = list();
    for (const [to, message] of rows) {
      assert.equal(await messageOf(stage(at(to))), message);
      assert.equal(
        await messageOf(stageCopy(openModel(at("m.onnx")), at(to), OPTIONS, quiet)),
        message,
      );
    }
    assert.deepEqual(list(), files);
    assert.equal(readFileSync(at("there.onnx")).toString(), "old");
  });

  it("does not overwrite a file that came while it was writing", async () => {
    const staged = await stage(at("out.onnx"));
    writeFileSync(at("out.onnx"), "someone else's");
    assert.equal(await messageOf(staged.commit()), `${at("out.onnx")} exists already.`);
    assert.equal(readFileSync(at("out.onnx")).toString(), "someone else's");
    assert.deepEqual(list(), ["m.onnx", "out.onnx"]);
  });

  it("refuses a folder that takes no files", async () => {
    // Root may write to any folder but those of the kernel.
    const isRoot = process.getuid?.() === 0;
    const locked = isRoot ? "/proc" : at("locked");
    if (!isRoot) mkdirSync(locked, { mode: 0o555 });
    assert.match(
      await messageOf(stage(path.join(locked, "out.onnx"))),
      new RegExp(`^Nothing can be written to ${locked} \\((EACCES|ENOENT|EPERM)\\)\\.$`),
    );
  });

  it("knows ahead that there is no room", async () => {
    // A file with a hole of 8 TB: it takes no space itself, but a copy would.
    const size = 8 * 2 ** 40;
    const header = safetensorsBytes(
      { w: { dtype: "U8", shape: [size], data_offsets: [0, size] } },
      0,
    );
    writeFileSync(at("huge.safetensors"), header);
    try {
      truncateSync(at("huge.safetensors"), header.length + size);
    } catch {
      // This file system does not take such a file; a smaller hole would not fill it.
      return;
    }
    const model = openModel(at("huge.safetensors"));
    const expected = new RegExp(
      `^${folder} has \\d+ bytes free; ${header.length + size} are needed\\.$`,
    );
    for (const work of [stageModel, stageCopy])
      assert.match(await messageOf(work(model, at("copy.safetensors"), OPTIONS, quiet)), expected);
    rmSync(at("huge.safetensors"));
    assert.deepEqual(list(), ["m.onnx"]);
  });

  for (const uncached of [false, true])
    it(`cancels between chunks and leaves nothing (uncached: ${uncached})`, async () => {
      const size = 200_000_000;
      const header = safetensorsBytes(
        { w: { dtype: "U8", shape: [size], data_offsets: [0, size] } },
        0,
      );
      writeFileSync(at("big.safetensors"), header);
      truncateSync(at("big.safetensors"), header.length + size);
      const controller = new AbortController();
      const steps: number[] = [];
      const task: Task = {
        signal: controller.signal,
        progress: (fraction) => {
          steps.push(fraction);
          // As a message from the parent would: in a turn of the event loop of its own.
          if (steps.length === 3)
            setTimeout(() => {
              controller.abort();
            });
        },
      };
      const options = { ...OPTIONS, uncached };
      const work = stageModel(
        openModel(at("big.safetensors")),
        at("out.safetensors"),
        options,
        task,
      );
      await assert.rejects(work, Cancelled);
      assert.ok((steps.at(-1) ?? 1) < 0.5, `cancelled only at ${steps.at(-1) ?? 1}`);
      assert.deepEqual(list(), ["big.safetensors", "m.onnx"]);
      rmSync(at("big.safetensors"));
    });

  it("fails without a trace when a source shrinks in the middle", async () => {
    const model = openModel(at("m.onnx"));
    truncateSync(at("m.onnx"), 1000);
    await assert.rejects(stage(at("out.onnx"), {}, model), /m\.onnx is cut off: tensor data/);
    assert.deepEqual(list(), ["m.onnx"]);
  });

  it("killed in the middle: the old file is whole, and the litter is swept", async () => {
    writeFileSync(at("out.onnx"), "old");
    const child = fork(path.resolve("out/test/test/engine/slowSave.child.mjs"), [
      at("m.onnx"),
      at("out.onnx"),
    ]);
    const exited = once(child, "exit");
    await once(child, "message");
    const litter = list().filter((name) => name.startsWith(".lathe-"));
    assert.equal(litter.length, 1);
    sweepLitter(folder);
    assert.equal(list().length, 3, "a live process's work is left alone");
    child.kill("SIGKILL");
    await exited;
    assert.equal(readFileSync(at("out.onnx")).toString(), "old");
    // Folders of that name that others made stay.
    mkdirSync(at(".lathe-notes"));
    sweepLitter(folder, child.pid);
    assert.deepEqual(list(), [".lathe-notes", "m.onnx", "out.onnx"]);
  });

  it("writes an empty model too", async () => {
    closeSync(openSync(at("empty.safetensors"), "w"));
    writeFileSync(at("empty.safetensors"), safetensorsBytes({}, 0));
    const model = openModel(at("empty.safetensors"));
    await (await stageModel(model, at("out.safetensors"), OPTIONS, quiet)).commit();
    assert.equal(mainGraph(openModel(at("out.safetensors"))).tensors.size, 0);
  });
});
