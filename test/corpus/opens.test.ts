/** Every model of the collection opens, and nothing in it is reported as strange. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readModel } from "../../src/formats/index.ts";
import { memorySource } from "../../src/formats/wire.ts";
import { NO_SIBLINGS } from "../formats/make.ts";
import { corpusCases, corpusMissing } from "./cases.ts";

describe("the test collection opens", { skip: corpusMissing }, () => {
  for (const { name, model } of corpusCases())
    it(name, () => {
      const read = readModel(memorySource(`/${name}.onnx`, model), NO_SIBLINGS);
      assert.deepEqual(read.warnings, []);
    });
});
