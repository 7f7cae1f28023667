import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { checkOutput, checkReport } from "../../src/cli/output.ts";

const folder = mkdtempSync(path.join(tmpdir(), "lathe-output-"));
after(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => path.join(folder, name);
writeFileSync(at("in.onnx"), "x");
writeFileSync(at("other.onnx"), "x");
mkdirSync(at("dir.onnx"));

describe("an output", () => {
  it("may be a new file beside the input", () => {
    checkOutput(at("new.onnx"), at("in.onnx"), false);
    checkOutput(at("new.ONNX"), at("in.onnx"), false);
  });

  it("replaces a file only when forced", () => {
    assert.throws(() => checkOutput(at("other.onnx"), at("in.onnx"), false), /exists already/);
    checkOutput(at("other.onnx"), at("in.onnx"), true);
    checkOutput(at("in.onnx"), at("in.onnx"), true);
  });

  it("is recognised as the input however it is written", () => {
    const relative = path.relative(process.cwd(), at("in.onnx"));
    assert.throws(() => checkOutput(relative, at("in.onnx"), false), /is the input/);
    symlinkSync(at("in.onnx"), at("link.onnx"));
    assert.throws(() => checkOutput(at("link.onnx"), at("in.onnx"), false), /is the input/);
  });

  it("keeps the format and needs a folder", () => {
    assert.throws(
      () => checkOutput(at("o.safetensors"), at("in.onnx"), true),
      /does not end in \.onnx/,
    );
    assert.throws(() => checkOutput(at("o"), at("in.onnx"), true), /does not end in \.onnx/);
    assert.throws(() => checkOutput(at("dir.onnx"), at("in.onnx"), true), /is not a file/);
    assert.throws(() => checkOutput(at("no/o.onnx"), at("in.onnx"), false), /it does not exist/);
    assert.throws(
      () => checkOutput(path.join(at("in.onnx"), "o.onnx"), at("in.onnx"), false),
      /it is not a folder/,
    );
  });

  it("that is a report replaces its older self", () => {
    checkReport(at("other.onnx"));
    assert.throws(() => checkReport(at("no/report.html")), /it does not exist/);
  });
});
