import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  DTYPES,
  byteLength,
  dtype,
  dtypeFromOnnx,
  dtypeFromSafetensors,
  elementCount,
} from "../../src/shared/dtype.ts";

describe("dtype table", () => {
  it("has every ONNX data type from 1 to 28 exactly once", () => {
    const codes = DTYPES.flatMap((d) => (d.onnx === null ? [] : [d.onnx])).sort((a, b) => a - b);
    assert.deepEqual(
      codes,
      Array.from({ length: 28 }, (_, i) => i + 1),
    );
  });
  it("finds rows by name, ONNX code and safetensors name", () => {
    assert.equal(dtypeFromOnnx(16)?.name, "bfloat16");
    assert.equal(dtypeFromSafetensors("F8_E4M3")?.name, "float8e4m3fn");
    assert.equal(dtypeFromOnnx(99), null);
  });
  it("packs sub-byte types and rounds up to whole bytes", () => {
    assert.equal(byteLength(dtype("uint4"), 5), 3);
    assert.equal(byteLength(dtype("int2"), 5), 2);
    assert.equal(byteLength(dtype("float6e2m3"), 4), 3);
    assert.equal(byteLength(dtype("string"), 5), null);
    assert.equal(elementCount([]), 1);
    assert.equal(elementCount([3, 0, 2]), 0);
  });
});
