import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { attempt, shortReason } from "../../bench/lib/compared.ts";

/** As our comparison notes it, of a file that onnxruntime's own tool made of a model with operator set 7. */
const REFUSED =
  'Outputs not measured: onnxruntime does not load /tmp/lathe-bench-abc/squeezenet1_1_fp32.3.onnx: This is an invalid model. In Node, ("conv10_b_0_DequantizeLinear", DequantizeLinear, "", -1) : ("conv10_b_0_quantized": tensor(int32),) -> ("conv10_b_0",) , Error Unrecognized attribute: axis for operator DequantizeLinear';

describe("a contender that fails", () => {
  it("says what the runtime has against its file", () => {
    assert.equal(
      shortReason(REFUSED),
      "onnxruntime does not load the file: Unrecognized attribute: axis for operator DequantizeLinear",
    );
  });

  it("says its last line, without folders of the machine and bars of the table", () => {
    assert.equal(
      shortReason("Traceback:\n  …\nOSError: /home/me/models/a.onnx is no model | or /x/b.npy\n"),
      "OSError: a.onnx is no model / or b.npy",
    );
    assert.equal(shortReason("imagenet224/dataset.json: 1/2"), "imagenet224/dataset.json: 1/2");
    assert.ok(shortReason("x".repeat(1000)).length <= 160);
  });

  it("is a row, not the end", async () => {
    assert.equal(await attempt(() => Promise.reject(new Error("no"))), "no");
    assert.equal(await attempt(() => Promise.resolve(3)), 3);
  });
});
