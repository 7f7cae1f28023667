/** Models in odd places: long paths, links, folders that may not be written to, limits on files. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
} from "node:fs";
import path from "node:path";
import { before, describe, it } from "node:test";
import { CLI, workplace } from "./lathe.ts";
import { classifier } from "./models.ts";

const here = workplace();
const file = (name: string): string => path.join(here.folder, name);
const HALF = ["-t", "quantize.float16", "--no-verify"] as const;
const LONG = `a folder – mit Umlauten äöü, 模型 и пробелы ${"long ".repeat(24)}end`;
const NOBODY = 65534;

before(() => {
  here.write({
    "m.onnx": classifier(),
    [`${LONG}/${LONG.slice(0, 60)}/m.onnx`]: classifier({ location: "weights – ü.bin" }),
    [`${LONG}/${LONG.slice(0, 60)}/weights – ü.bin`]: new Uint8Array(64 * 96 * 4),
    "real/m.onnx": classifier({ location: "w.bin" }),
    "real/w.bin": new Uint8Array(64 * 96 * 4),
  });
});

describe("a model in an odd place", () => {
  it("with spaces, letters of many alphabets and over 200 characters in its path", async () => {
    const model = `${LONG}/${LONG.slice(0, 60)}/m.onnx`;
    assert.ok(file(model).length > 200);
    const out = `${path.dirname(model)}/out – 出力.onnx`;
    const run = await here.lathe("apply", model, "-t", "quantize.float16", "-o", out);
    assert.equal(run.code, 0, run.stderr);
    const summary = await here.lathe("inspect", out, "--json");
    assert.equal(summary.code, 0, summary.stderr);
    // Over itself as well, with its external data.
    const over = await here.lathe("apply", model, ...HALF, "-o", model, "--force");
    assert.equal(over.code, 0, over.stderr);
    assert.equal((await here.lathe("inspect", model, "--json")).code, 0);
  });

  it("behind a link: the link stays, what it leads to is replaced", async () => {
    mkdirSync(file("links"));
    symlinkSync("../real/m.onnx", file("links/m.onnx"));
    const before = readFileSync(file("real/m.onnx"));
    const run = await here.lathe("apply", "links/m.onnx", ...HALF, "-o", "links/m.onnx", "--force");
    assert.equal(run.code, 0, run.stderr);
    assert.ok(lstatSync(file("links/m.onnx")).isSymbolicLink());
    assert.equal(readlinkSync(file("links/m.onnx")), "../real/m.onnx");
    assert.ok(!readFileSync(file("real/m.onnx")).equals(before));
    const { stdout } = await here.lathe("inspect", "links/m.onnx", "--json");
    assert.match(stdout, /float16/);
  });

  it("in a folder that may not be written to: read, and saved elsewhere", async (t) => {
    here.write({ "locked/m.onnx": classifier() });
    chmodSync(file("locked"), 0o555);
    mkdirSync(file("open"));
    const user = process.getuid?.() === 0 ? NOBODY : null;
    if (user !== null) {
      here.share(user);
      chmodSync(file("open"), 0o777);
    }
    const args = ["apply", "locked/m.onnx", ...HALF];
    const run = await here.startAs(user, ...args, "-o", "open/o.onnx").done;
    if (/EACCES.*cli\.js|Cannot find module/.test(run.stderr))
      return t.skip("another user may not read this checkout");
    assert.equal(run.code, 0, run.stderr);
    const before = here.listing();
    const over = await here.startAs(user, ...args, "-o", "locked/m.onnx", "--force").done;
    assert.equal(over.code, 2);
    assert.equal(
      over.stderr,
      `error: Nothing can be written to ${file("locked")} (EACCES). Choose another output folder or change its permissions.\n`,
    );
    assert.deepEqual(here.listing(), before);
    chmodSync(file("locked"), 0o755);
  });

  it(
    "where files may not be that large: the old one stays, and nothing else",
    { skip: process.platform === "win32" ? "Windows has no such limit" : false },
    () => {
      here.write({ "limited/m.onnx": classifier() });
      const before = readFileSync(file("limited/m.onnx"));
      // In blocks of 512 or 1024 bytes: more than the half weights take, less than the model.
      const command = `ulimit -f 16; exec "$0" "$@"`;
      const run = spawnSync(
        "sh",
        ["-c", command, process.execPath, CLI, "apply", "m.onnx"].concat(
          ["-t", "edit.metadata", "-p", "key=a", "-p", "value=b", "--no-verify", "--quiet"],
          ["-o", "m.onnx", "--force"],
        ),
        {
          cwd: file("limited"),
          encoding: "utf8",
          env: { ...process.env, LATHE_SCRATCH: file("limited.scratch"), NO_COLOR: "1" },
        },
      );
      assert.equal(
        run.stderr,
        `error: Nothing can be written to ${file("limited")} (EFBIG: a limit on the size of files). Choose another output folder or change its permissions.\n`,
      );
      assert.equal(run.status, 2);
      assert.ok(readFileSync(file("limited/m.onnx")).equals(before));
      assert.deepEqual(
        here.listing().filter((name) => name.startsWith("limited/")),
        [`limited/m.onnx ${before.length}`],
      );
      assert.ok(!existsSync(file("limited/m.onnx.lathe.json")));
    },
  );
});
