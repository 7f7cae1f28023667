/** Files that onnxruntime would not come back from are not given to it. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createSession } from "../../src/engine/ort.ts";
import { verifyModel } from "../../src/engine/verify.ts";
import {
  FunctionProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
} from "../../src/formats/onnx_pb.ts";
import { hasFunctions, memorySource } from "../../src/formats/index.ts";
import { EngineError } from "../../src/shared/errors.ts";
import { onnxFromText } from "../helpers/graphText.ts";
import { task, tempFolder } from "../helpers/temp.ts";

const TEXT = "opset 17\nopset my 1\nir 8\ninput x float32 [2]\ny = my.F0(x)\noutput y float32 [2]";
const OPTIONS = { threads: 1, optimization: "disabled" } as const;

/** Functions F0 to F`depth`, each of which calls the next twice; the last is one Relu. */
function nested(depth: number): Uint8Array {
  const model = fromBinary(ModelProtoSchema, onnxFromText(TEXT));
  const node = (opType: string, domain: string, input: string, output: string) =>
    create(NodeProtoSchema, { opType, domain, input: [input], output: [output] });
  model.functions = Array.from({ length: depth + 1 }, (_, i) =>
    create(FunctionProtoSchema, {
      domain: "my",
      name: `F${i}`,
      input: ["a"],
      output: ["b"],
      opsetImport: [
        create(OperatorSetIdProtoSchema, { version: 17n }),
        create(OperatorSetIdProtoSchema, { domain: "my", version: 1n }),
      ],
      node:
        i === depth
          ? [node("Relu", "", "a", "b")]
          : [node(`F${i + 1}`, "my", "a", "c"), node(`F${i + 1}`, "my", "c", "b")],
    }),
  );
  return toBinary(ModelProtoSchema, model);
}

const refused = (error: unknown): boolean => {
  assert.ok(error instanceof EngineError, String(error));
  assert.match(error.message, /over a billion nodes, and up to 250000/);
  assert.match(error.failure.where ?? "", /function my\.F0$/);
  return true;
};

describe("functions that call each other", () => {
  it("run where they become few nodes", async () => {
    const session = await createSession(nested(6), OPTIONS);
    const x = { dtype: "float32", shape: [2], data: Float32Array.of(-1, 2) } as const;
    const y = (await session.run(new Map([["x", x]]))).get("y");
    await session.release();
    assert.deepEqual(y?.data, Float32Array.of(0, 2));
  });

  it("are refused by name where they become more than can be loaded, from a file or from bytes", async (t) => {
    const bytes = nested(60);
    await assert.rejects(createSession(bytes, OPTIONS), refused);
    const file = path.join(tempFolder(t), "model.onnx");
    writeFileSync(file, bytes);
    await assert.rejects(createSession(file, OPTIONS), refused);
    const verified = await verifyModel(file, file, task);
    assert.match(
      JSON.stringify(verified),
      /input itself does not run: .* not given to onnxruntime/,
    );
    assert.deepEqual(readFileSync(file), Buffer.from(bytes));
  });

  it("are looked for in the outermost fields of a file only", () => {
    const source = (bytes: Uint8Array) => memorySource("/m.onnx", bytes);
    assert.equal(hasFunctions(source(nested(1))), true);
    assert.equal(hasFunctions(source(onnxFromText(TEXT))), false);
    assert.equal(hasFunctions(source(nested(1).subarray(0, 10))), false);
    // A group, which only the whole reader passes over.
    assert.equal(hasFunctions(source(Uint8Array.of(0x0b))), true);
  });
});
