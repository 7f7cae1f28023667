/** `lathe validate`: text, JSON and exit codes. */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { withGraph } from "../formats/make.ts";
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

  it("says how many findings are left out", async () => {
    const nodes = Array.from({ length: 12_000 }, (_, i) => `y${i} = Relux(x)`).join("\n");
    here.write({ "many.onnx": onnxFromText(`${x}${nodes}\noutput y1 float32 [2, 4]`) });
    const { stdout } = await here.lathe("validate", "many.onnx");
    assert.match(stdout, /many\.onnx: not valid, 12,000 errors\n/);
    const { models } = JSON.parse((await here.lathe("validate", "many.onnx", "--json")).stdout) as {
      models: [{ leftOut: number; findings: unknown[]; counts: { error: number } }];
    };
    const [{ leftOut, findings, counts }] = models;
    assert.deepEqual([leftOut + findings.length, counts.error], [12_000, 12_000]);
    assert.ok(
      stdout.includes(`… and ${leftOut.toLocaleString("en")} more findings, which are left out`),
    );
  });

  it("compares checksums of external data", async () => {
    const tensor = (checksum: string) => ({
      name: "w",
      dataType: 2,
      dims: [3n],
      dataLocation: 1,
      externalData: [
        { key: "location", value: "w.bin" },
        { key: "checksum", value: checksum },
      ],
    });
    here.write({
      "w.bin": new TextEncoder().encode("abc"),
      "right.onnx": withGraph({
        name: "g",
        initializer: [tensor("a9993e364706816aba3e25717850c26c9cd0d89d")],
      }),
      "wrong.onnx": withGraph({ name: "g", initializer: [tensor("0".repeat(40))] }),
    });
    const { stdout } = await here.lathe("validate", "right.onnx", "wrong.onnx");
    assert.match(stdout, /right\.onnx: valid/);
    assert.match(stdout, /wrong\.onnx: not valid, 1 error[^]*error checksum {2}"w"/);
  });

  it("ends with 2 where there is no such file", async () => {
    assert.equal((await here.lathe("validate", "nope.onnx")).code, 2);
  });
});
