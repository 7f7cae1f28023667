/** Its own process: onnxruntime must not have been loaded before. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createSession } from "../../src/engine/ort.ts";
import { EngineError } from "../../src/shared/errors.ts";
import { onnxFromText } from "../helpers/graphText.ts";

test("without a binary for the platform, the runtime is named as missing and nothing else fails", async () => {
  Object.defineProperty(process, "arch", { value: "mips" });
  const model = onnxFromText("input x float32 [2]\ny = Relu(x)\noutput y float32 [2]");
  await assert.rejects(
    createSession(model, { threads: 1, optimization: "all" }),
    (error) =>
      error instanceof EngineError &&
      /not available here: no onnxruntime binary for \w+-mips/.test(error.message),
  );
});
