import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { mainGraph } from "../../src/core/model.ts";
import {
  closeAllFiles,
  fingerprint,
  openModel,
  openSource,
  readRange,
  siblingsOf,
} from "../../src/engine/files.ts";
import { EngineError, FormatError } from "../../src/shared/errors.ts";
import { safetensorsBytes } from "../formats/safetensorsBytes.ts";

let folder = "";
const at = (name: string): string => path.join(folder, name);
before(() => {
  folder = mkdtempSync(path.join(tmpdir(), "lathe-files-"));
});
after(() => {
  closeAllFiles();
  rmSync(folder, { recursive: true, force: true });
});

/** What this process has open; a descriptor may be closed by others between two looks. */
const openFiles = (): string[] =>
  readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });

describe("files", () => {
  it("names what is wrong with a path", () => {
    mkdirSync(at("folder.onnx"));
    writeFileSync(at("notes.txt"), "text");
    const message = (file: string): string => {
      try {
        openModel(file);
        return "opened";
      } catch (error) {
        assert.ok(error instanceof EngineError || error instanceof FormatError);
        return error.message;
      }
    };
    assert.equal(message(at("none.onnx")), `${at("none.onnx")} does not exist.`);
    assert.equal(message(at("notes.txt/x.onnx")), `${at("notes.txt/x.onnx")} does not exist.`);
    assert.equal(message(at("folder.onnx")), `${at("folder.onnx")} is not a file.`);
    assert.equal(message(at("notes.txt")), `${at("notes.txt")} is not a model Lathe can open.`);
  });

  it("does not wait at a pipe", { skip: process.platform === "win32" && "no pipes there" }, () => {
    execFileSync("mkfifo", [at("pipe.onnx")]);
    assert.throws(() => openModel(at("pipe.onnx")), {
      message: `${at("pipe.onnx")} is not a file.`,
    });
  });

  it("reads ranges, and says so when the file has become shorter", () => {
    writeFileSync(at("data"), Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7));
    const range = { file: at("data"), offset: 2, length: 5 };
    assert.deepEqual(readRange(range), Uint8Array.of(2, 3, 4, 5, 6));
    assert.deepEqual(readRange(range, 1, 2), Uint8Array.of(3, 4));
    assert.throws(() => readRange(range, 4, 2), RangeError);
    truncateSync(at("data"), 4);
    assert.throws(() => readRange(range), {
      message: `${at("data")} is cut off: tensor data at byte 2 needs 5 bytes, 2 are left.`,
    });
    assert.throws(() => openSource(at("data")).read(0, 2 ** 40), FormatError);
  });

  it("reads the file that is there now, also after a rename over it", () => {
    writeFileSync(at("a"), "old");
    const range = { file: at("a"), offset: 0, length: 3 };
    assert.equal(Buffer.from(readRange(range)).toString(), "old");
    writeFileSync(at("b"), "new");
    renameSync(at("b"), at("a"));
    assert.equal(Buffer.from(readRange(range)).toString(), "new");
  });

  it("keeps few files open", { skip: process.platform !== "linux" && "needs /proc" }, () => {
    for (let i = 0; i < 100; i++) {
      writeFileSync(at(`many${i}`), "x");
      readRange({ file: at(`many${i}`), offset: 0, length: 1 });
    }
    const open = openFiles().filter((file) => file.includes("many"));
    assert.ok(open.length > 0 && open.length <= 32, String(open.length));
    closeAllFiles();
    assert.deepEqual(
      openFiles().filter((file) => file.includes("many")),
      [],
    );
  });

  it("gives a fingerprint that any change of the file changes", () => {
    const big = Buffer.alloc(300_000, 1);
    writeFileSync(at("f"), big);
    const time = new Date(2020, 1, 1);
    utimesSync(at("f"), time, time);
    const first = fingerprint(at("f"));
    assert.equal(first.sizeBytes, 300_000);
    assert.deepEqual(fingerprint(at("f")), first);
    for (const [place, part] of [
      [0, "ends"],
      [299_999, "ends"],
      [150_000, "mtimeMs"],
    ] as const) {
      const fd = openSync(at("f"), "r+");
      writeSync(fd, Uint8Array.of(9), 0, 1, place);
      closeSync(fd);
      assert.notEqual(fingerprint(at("f"))[part], first[part]);
      writeFileSync(at("f"), big);
      utimesSync(at("f"), time, time);
    }
    writeFileSync(at("tiny"), "");
    assert.equal(fingerprint(at("tiny")).sizeBytes, 0);
  });

  it("confines external data to the model's folder", () => {
    mkdirSync(at("models/sub"), { recursive: true });
    writeFileSync(at("outside.bin"), "secret");
    writeFileSync(at("models/in.bin"), "1234");
    writeFileSync(at("models/sub/deep.bin"), "12");
    symlinkSync(at("outside.bin"), at("models/link.bin"));
    symlinkSync(at("models/in.bin"), at("models/inner.bin"));
    symlinkSync(folder, at("models/up"));
    const resolve = (location: string) => siblingsOf(at("models/m.onnx")).resolve(location);
    const found = (name: string, sizeBytes: number) => ({ path: at(`models/${name}`), sizeBytes });
    assert.deepEqual(resolve("in.bin"), found("in.bin", 4));
    assert.deepEqual(resolve("./in.bin"), found("in.bin", 4));
    assert.deepEqual(resolve("sub/deep.bin"), found("sub/deep.bin", 2));
    assert.deepEqual(resolve("inner.bin"), found("in.bin", 4));
    assert.equal(resolve("missing.bin"), null);
    for (const location of [
      "../outside.bin",
      "sub/../../outside.bin",
      at("outside.bin"),
      "/dev/zero",
      "C:\\x",
      "..\\outside.bin",
      "link.bin",
      "up/outside.bin",
      "sub",
      ".",
      "in.bin\0",
    ])
      assert.equal(resolve(location), "escapes", location);
  });

  it("finds data beside a linked model: by the link first, then by the file", () => {
    mkdirSync(at("store"));
    mkdirSync(at("links"));
    writeFileSync(at("store/m.onnx"), "x");
    writeFileSync(at("store/d.bin"), "12");
    symlinkSync(at("store/m.onnx"), at("links/m.onnx"));
    const sizeOf = (reading = siblingsOf(at("links/m.onnx"))): number | undefined => {
      const found = reading.resolve("d.bin");
      return found === null || found === "escapes" ? undefined : found.sizeBytes;
    };
    const first = siblingsOf(at("links/m.onnx"));
    assert.equal(sizeOf(first), 2);
    writeFileSync(at("links/d.bin"), "1234");
    assert.equal(sizeOf(), 4);
    assert.equal(sizeOf(first), 2, "one reading sees one state");
  });

  /** Run in a process of its own, whose peak is the reading's. */
  const opened = (file: string): { readonly ms: number; readonly mb: number } => {
    const script = path.resolve("out/test/test/engine/openModel.child.mjs");
    return JSON.parse(execFileSync(process.execPath, [script, file]).toString()) as {
      ms: number;
      mb: number;
    };
  };
  it("opens 1.5 GB in a moment and little memory, in both formats", () => {
    const tensors = 100;
    const each = 15_000_000;
    const header = Object.fromEntries(
      Array.from({ length: tensors }, (_, i) => [
        `w${i}`,
        { dtype: "F32", shape: [each / 4], data_offsets: [i * each, (i + 1) * each] },
      ]),
    );
    const safetensors = safetensorsBytes(header, 0);
    writeFileSync(at("big.safetensors"), safetensors);
    truncateSync(at("big.safetensors"), safetensors.length + tensors * each);
    writeSparseOnnx(at("big.onnx"), tensors, each);
    assert.equal(mainGraph(openModel(at("big.onnx"))).tensors.size, tensors);
    for (const name of ["big.onnx", "big.safetensors"]) {
      const { ms, mb } = opened(at(name));
      assert.ok(mb < 150, `${name}: ${mb} MB`);
      assert.ok(ms < 500, `${name}: ${ms} ms`);
    }
  });
});

/** A file with holes for weights, so that it takes neither time nor space. */
function writeSparseOnnx(file: string, tensors: number, each: number): void {
  const varint = (value: number): number[] =>
    value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];
  const heads = Array.from({ length: tensors }, (_, i) => {
    const name = [...Buffer.from(`w${i}`)];
    const fields = [
      0x08,
      ...varint(each / 4),
      0x10,
      1,
      0x42,
      name.length,
      ...name,
      0x4a,
      ...varint(each),
    ];
    return Uint8Array.from([0x2a, ...varint(fields.length + each), ...fields]);
  });
  const graphBytes = heads.reduce((sum, head) => sum + head.length + each, 0);
  const model = Uint8Array.from([0x08, 8, 0x3a, ...varint(graphBytes)]);
  const fd = openSync(file, "w");
  let offset = writeSync(fd, model, 0, model.length, 0);
  for (const head of heads) offset += writeSync(fd, head, 0, head.length, offset) + each;
  closeSync(fd);
  truncateSync(file, offset);
}
