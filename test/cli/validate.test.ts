/** `lathe validate`: text, JSON and exit codes. */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { onnxFromText } from "../helpers/graphText.ts";
import { workplace } from "./lathe.ts";

const here = workplace();
const x = "input x float32 [2, 4]\n";

before(() => {
  here.write({
    "good.onnx": onnxFromText(`${x}y = Relu(x)\noutput y float32 [2, 4]`),
    "bad.onnx": onnxFromText(`${x}hidden = Relu(x)\ny = Relu(hiden)\noutput y float32 [2, 4]`),
    "cut.onnx": onnxFromText(`${x}y = Relu(x)\noutput y float32 [2, 4]`).subarray(0, 40),
  });
});

describe("lathe validate", () => {
  it("says that a model is valid", async () => {
    const { stdout, code } = await here.lathe("validate", "good.onnx");
    assert.equal(code, 0);
    assert.equal(stdout.trim(), "good.onnx: valid");
  });

  it("says what is wrong, where, and what would be right, and ends with 1", async () => {
    const { stdout, code } = await here.lathe("validate", "good.onnx", "bad.onnx");
    assert.equal(code, 1);
    assert.match(stdout, /bad\.onnx: not valid, 1 error\n {2}error missing-input {2}Relu "y"\n/);
    assert.match(stdout, /Did you mean "hidden"\?/);
  });

  it("gives one JSON object for all models", async () => {
    const { stdout, code } = await here.lathe(
      "validate",
      "good.onnx",
      "bad.onnx",
      "cut.onnx",
      "--json",
    );
    assert.equal(code, 1);
    const { valid, models } = JSON.parse(stdout) as {
      valid: boolean;
      models: { model: string; valid: boolean; findings: { code: string; node: string }[] }[];
    };
    assert.equal(valid, false);
    assert.deepEqual(
      models.map((one) => [one.model, one.valid, one.findings.map(({ code }) => code)]),
      [
        ["good.onnx", true, []],
        ["bad.onnx", false, ["missing-input"]],
        ["cut.onnx", false, ["unreadable"]],
      ],
    );
    assert.equal(models[1]!.findings[0]!.node, "y");
  });

  it("ends with 2 where there is no such file", async () => {
    assert.equal((await here.lathe("validate", "nope.onnx")).code, 2);
  });
});
