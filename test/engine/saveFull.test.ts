/** A disk that fills up in the middle of a save. Needs a small file system of its own, which only root may mount. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { directOutput } from "../../src/engine/directOutput.ts";
import { closeAllFiles, openModel } from "../../src/engine/files.ts";
import { cachedOutput } from "../../src/engine/output.ts";
import { stageModel } from "../../src/engine/save.ts";
import { EngineError } from "../../src/shared/errors.ts";
import type { Task } from "../../src/shared/task.ts";
import { withGraph } from "../formats/make.ts";
import { task } from "../helpers/temp.ts";

const DISK_BYTES = 16 << 20;
const MODEL_BYTES = 5 << 20;

const root = mkdtempSync(path.join(tmpdir(), "lathe-full-"));
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

const model = withGraph({
  name: "g",
  initializer: [
    {
      name: "w",
      dataType: 2,
      dims: [BigInt(MODEL_BYTES)],
      rawData: new Uint8Array(MODEL_BYTES).map((_, i) => i % 253),
    },
  ],
  node: [{ opType: "Identity", input: ["w"], output: ["y"] }],
  output: [{ name: "y" }],
});
/** Takes all room as soon as something was written. */
const filling = (): Task => {
  let full = false;
  return {
    ...task,
    progress: () => {
      if (full) return;
      full = true;
      const file = path.join(disk, "filler");
      for (let megabytes = DISK_BYTES >> 20; megabytes > 0; megabytes--)
        try {
          writeFileSync(file, new Uint8Array(1 << 18), { flag: "a" });
        } catch {
          return;
        }
      for (;;)
        try {
          writeFileSync(file, new Uint8Array(4096), { flag: "a" });
        } catch {
          return;
        }
    },
  };
};

describe(
  "a disk that fills up while a model is saved",
  { skip: mounted ? false : "mounting a small file system is not permitted here" },
  () => {
    for (const externalData of ["never", "always"] as const)
      it(`leaves the old model, nothing else, and says so (external data: ${externalData})`, async () => {
        const file = path.join(disk, "m.onnx");
        writeFileSync(file, model);
        const options = { externalData, overwrite: true, allowInput: true } as const;
        await assert.rejects(
          stageModel(openModel(file), file, options, filling()),
          (error: unknown) => {
            assert.ok(error instanceof EngineError);
            assert.match(
              error.message,
              new RegExp(`^${disk} has \\d+ bytes free; \\d+ are needed`),
            );
            assert.equal(error.failure.hint, "Free some space or choose another output folder.");
            return true;
          },
        );
        rmSync(path.join(disk, "filler"));
        assert.deepEqual(readdirSync(disk), ["m.onnx"]);
        assert.ok(readFileSync(file).equals(model));
        // With room again the same save works.
        await (await stageModel(openModel(file), file, options, task)).commit();
        closeAllFiles();
        for (const name of readdirSync(disk)) rmSync(path.join(disk, name));
      });

    it("is told of a write past the cache too", async (t) => {
      const file = path.join(disk, "large");
      const cached = cachedOutput(file);
      const out = directOutput(cached, file);
      try {
        if (out === null) return t.skip("no file goes past the cache here");
        const fill = async (): Promise<void> => {
          for (let done = 0, next = out.buffer; done <= DISK_BYTES; done += next.length)
            next = await out.write(next.length);
          await out.written();
        };
        await assert.rejects(fill(), { code: "ENOSPC" });
      } finally {
        await (out ?? cached).close();
        rmSync(file);
      }
    });

    it("is known ahead where it is full already", async () => {
      const file = path.join(disk, "m.onnx");
      writeFileSync(file, model);
      writeFileSync(
        path.join(disk, "filler"),
        new Uint8Array(DISK_BYTES - MODEL_BYTES - (1 << 20)),
      );
      const options = { externalData: "never", overwrite: false, allowInput: false } as const;
      await assert.rejects(
        stageModel(openModel(file), path.join(disk, "o.onnx"), options, task),
        /bytes free; \d+ are needed/,
      );
      assert.deepEqual(readdirSync(disk).sort(), ["filler", "m.onnx"]);
    });
  },
);
