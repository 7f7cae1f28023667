/** Weights out of an ONNX model and in again: all kinds of places and types. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mainGraph, type Model } from "../../src/core/model.ts";
import { weightsOf, withWeights } from "../../src/engine/weights.ts";
import { FormatError } from "../../src/shared/errors.ts";
import { modelFromText } from "../core/modelText.ts";

const MODEL = `input x float32 [2, 4] input k bool []
  w = float32 [4, 4] normal codes = int4 [3, 5] range t = bfloat16 [4] ones
  a = MatMul(x, w)
  y = If(k) { then_branch: graph { s = float32 [4] normal p = Mul(a, s) output p float32 [2, 4] }, else_branch: graph { c = Constant() { value: float32 [4] ones } q = Add(a, c) output q float32 [2, 4] } }
  i = Constant() { value: int64 [1] [3] }
  output y float32 [2, 4]`;
const list = (model: Model): string[] =>
  [...mainGraph(model).tensors.values()].map(
    ({ name, dtype, shape }) => `${name} ${dtype.name} [${shape.join()}]`,
  );

describe("weights of an ONNX model", () => {
  it("are initializers and vectors of constants, in bodies too; what has no type is packed", () => {
    const { model, skipped } = weightsOf(modelFromText(MODEL));
    assert.deepEqual(skipped, []);
    assert.deepEqual(list(model), [
      "w float32 [4,4]",
      "codes uint8 [8]",
      "t bfloat16 [4]",
      "y/then_branch/s float32 [4]",
      "y/else_branch/c float32 [4]",
    ]);
    assert.equal(model.meta.get("lathe.packed.codes"), "int4 [3, 5]");
  });

  it("come back where name, type and shape agree", () => {
    const base = modelFromText(MODEL);
    const { model: weights } = weightsOf(base);
    const whole = withWeights(base, weights);
    assert.deepEqual([whole.replaced, whole.skipped], [5, []]);
    assert.deepEqual(list(whole.model), list(base));
    const graph = mainGraph(weights);
    const without = (name: string): Model => ({
      ...weights,
      graphs: new Map([
        ["[]", { ...graph, tensors: new Map([...graph.tensors].filter(([own]) => own !== name)) }],
      ]),
    });
    assert.deepEqual(withWeights(base, without("w")).skipped, [
      { name: "w", reason: "the weights have no tensor of this name; it stays" },
    ]);
    // Packed bytes whose metadata is gone or lies are bytes.
    for (const text of [null, "int4 [3, 50]", "int8 [3, 5]", "nonsense"]) {
      const meta = new Map(text === null ? [] : [["lathe.packed.codes", text]]);
      assert.throws(
        () => withWeights(base, { ...weights, meta }),
        (error) =>
          error instanceof FormatError && error.message.includes("codes is uint8 [8], not int4"),
      );
    }
  });
});
